"""The page's own files, read once: nothing of a request's address ever becomes a path on the disk."""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""No outside address, nothing inline, nowhere to send a form, no frame around it, no markup made from text."""

FILES = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(
        ("main.js", "dom.js", "api.js", "classify.js", "activations.js", "report.js", "verdict.js", "charts.js"),
        "text/javascript; charset=utf-8",
    ),
}


def address(name: str) -> str:
    """Where a file is served."""
    return "/" if name == "index.html" else f"/page/{name}"


ADDRESSES = frozenset(address(name) for name in FILES)
"""They hold nothing secret: a browser gets them without a token, and then asks its user for it."""


def router() -> APIRouter:
    """GET / and one route for each file."""
    routes, folder = APIRouter(), files(__package__).joinpath("static")
    for name, kind in FILES.items():
        routes.add_api_route(address(name), _giving(folder.joinpath(name).read_bytes(), kind), methods=["GET"])
    return routes


def _giving(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def give() -> Response:
        return Response(content, headers=HEADERS, media_type=kind)

    return give
