# One image for every service of the line; docker-compose.yml gives each its command. Only the first stage sees a compiler or pip's cache.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/chejian
# The list of packages first: code changes more often than packages, and then this layer stays.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY chejian/__init__.py chejian/__init__.py
RUN /opt/chejian/bin/pip install --no-cache-dir --disable-pip-version-check '.[all]' -c constraints.txt
COPY . .
RUN /opt/chejian/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --force-reinstall .

FROM python:3.11-slim AS run
LABEL org.opencontainers.image.title="chejian" org.opencontainers.image.licenses="Apache-2.0"
# A fixed number, so that volumes keep their owner across images. The folders exist in the image: a new volume takes over their owner.
RUN useradd --uid 10410 --create-home --shell /usr/sbin/nologin chejian \
 && mkdir -p /config /data/gateway /data/gateway-a /data/gateway-b /data/edge-1 /data/edge-a /data/edge-b /data/analytics /data/web \
    /secrets/broker /secrets/edge /secrets/influx /secrets/gateway /secrets/grafana \
 && chown -R chejian:chejian /config /data /secrets
COPY --from=build /opt/chejian /opt/chejian
COPY config /app/config
COPY deploy/prepare.py deploy/stack_secrets.py /app/deploy/
ENV PATH=/opt/chejian/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8
WORKDIR /app
USER chejian
STOPSIGNAL SIGTERM
ENTRYPOINT ["chejian"]
CMD ["--help"]
