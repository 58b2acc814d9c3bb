# Images of the line, by role: `docker build --target edge .` for a small box, `--target evaluator` for whoever verifies bundles, and `run`, the default,
# with everything; docker-compose.yml gives each service its command. Only the build stages see a compiler or pip's cache.
FROM python:3.11-slim AS base
WORKDIR /src
RUN python -m venv /opt/chejian
# The list of packages first: code changes more often than packages, and then this layer stays.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY chejian/__init__.py chejian/__init__.py

FROM base AS build-edge
RUN /opt/chejian/bin/pip install --no-cache-dir --disable-pip-version-check '.[edge]' -c constraints.txt
COPY . .
RUN /opt/chejian/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --force-reinstall .

FROM base AS build-evaluator
RUN /opt/chejian/bin/pip install --no-cache-dir --disable-pip-version-check '.[evidence]' -c constraints.txt
COPY . .
RUN /opt/chejian/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --force-reinstall .

FROM base AS build
RUN /opt/chejian/bin/pip install --no-cache-dir --disable-pip-version-check '.[all]' -c constraints.txt
COPY . .
RUN /opt/chejian/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --force-reinstall .

FROM python:3.11-slim AS ready
LABEL org.opencontainers.image.title="chejian" org.opencontainers.image.licenses="Apache-2.0"
# A fixed number, so that volumes keep their owner across images. The folders exist in the image: a new volume takes over their owner.
RUN useradd --uid 10410 --create-home --shell /usr/sbin/nologin chejian \
 && mkdir -p /config /data/gateway /data/gateway-a /data/gateway-b /data/edge-1 /data/edge-a /data/edge-b /data/analytics /data/web \
    /secrets/broker /secrets/edge /secrets/influx /secrets/gateway /secrets/grafana \
 && chown -R chejian:chejian /config /data /secrets
ENV PATH=/opt/chejian/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8 CHEJIAN_LOG=json
WORKDIR /app
USER chejian
STOPSIGNAL SIGTERM
ENTRYPOINT ["chejian"]
CMD ["--help"]

FROM ready AS edge
COPY --from=build-edge /opt/chejian /opt/chejian

FROM ready AS evaluator
COPY --from=build-evaluator /opt/chejian /opt/chejian

FROM ready AS run
COPY --from=build /opt/chejian /opt/chejian
COPY config /app/config
COPY deploy/prepare.py deploy/stack_secrets.py /app/deploy/
