"""The API's documentation: OpenAPI with the shapes that are really sent (msgspec Structs), and a page that needs no network."""

from collections.abc import Sequence
from html import escape
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.ingest import read_body
from workshop.errors import Rejected
from workshop.wire import Problem

Shape = TypeVar("Shape")
JSON_BYTES = 8 * 2**20
_REF = "#/components/schemas/{name}"
_PROBLEM = {"description": "Problem details (RFC 9457)", "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}}


def json_answer(value: Any) -> Response:
    """The value as JSON; integers of 64 bits stay exact."""
    return Response(msgspec.json.encode(value), media_type="application/json")


async def json_body(request: Request, shape: type[Shape], limit: int = JSON_BYTES) -> Shape:
    """The body of a request as this shape.

    Raises:
        Refusal: 413, too large.
        Rejected: not JSON of this shape.
    """
    try:
        return msgspec.json.decode(await read_body(request, limit), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"body: {error}") from error


def answers(name: str, *, many: bool = False, media: str = "application/json", status: int = 200) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that answers with the shape of this name (a list of it when `many`), and with problems otherwise."""
    schema: dict[str, Any] = {"$ref": _REF.format(name=name)} if name else {"type": "string"}
    if many:
        schema = {"type": "array", "items": schema}
    good = {"description": "Done", "content": {media: {"schema": schema}}} if status != 204 else {"description": "Done"}
    return {status: good, "4XX": _PROBLEM, "5XX": _PROBLEM}


def body(name: str, media: str = "application/json") -> dict[str, Any]:
    """`openapi_extra` of a route that takes the shape of this name (bytes when it is empty)."""
    schema = {"$ref": _REF.format(name=name)} if name else {"type": "string", "format": "binary"}
    content = {media: {"schema": schema}} if name else {kind: {"schema": schema} for kind in (media, "application/octet-stream")}
    return {"requestBody": {"required": True, "content": content}}


OPEN: dict[str, Any] = {"security": []}
"""`openapi_extra` of a route that needs no bearer token."""


def document(app: FastAPI, shapes: Sequence[type[Any]]) -> None:
    """Puts the shapes into the app's OpenAPI document and serves it as a page at /docs."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            _, components = msgspec.json.schema_components([*shapes, Problem], ref_template=_REF)
            parts = schema.setdefault("components", {})
            parts.setdefault("schemas", {}).update(components)
            parts["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"bearer": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    def page() -> HTMLResponse:
        schema = openapi()
        rows = []
        for path, methods in schema["paths"].items():
            for method, route in methods.items():
                given = ", ".join(item["name"] for item in route.get("parameters", []))
                rows.append(f"<tr><td><b>{method.upper()}</b></td><td><code>{escape(path)}</code></td><td>{escape(given)}</td>"
                            f"<td>{escape(route.get('summary', ''))}</td></tr>")
        return HTMLResponse(
            f"<!doctype html><meta charset=utf-8><title>{escape(schema['info']['title'])}</title>"
            "<style>body{font:15px sans-serif;margin:2em}td{padding:.3em .8em;border-bottom:1px solid #ccc}</style>"
            f"<h1>{escape(schema['info']['title'])}</h1><p>Shapes: <a href=openapi.json>openapi.json</a></p><table>{''.join(rows)}</table>"
        )
