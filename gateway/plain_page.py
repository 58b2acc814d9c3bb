"""The gateway's few own pages: plain HTML, no script, no cookie, nothing from elsewhere."""

from starlette.responses import HTMLResponse

_STYLE = (
    "<style>body{font:16px sans-serif;max-width:42em;margin:3em auto}code{font-size:1.1em;word-break:break-all}button,input{font-size:1em}</style>"
)


def plain_page(inside: str, status: int = 200) -> HTMLResponse:
    """A page of this content, which is HTML: what comes from outside is escaped before."""
    head = f"<!doctype html><html lang=zh><meta charset=utf-8><title>chejian</title>{_STYLE}<h1>车间 chejian</h1>"
    return HTMLResponse(f"{head}{inside}</html>", status)
