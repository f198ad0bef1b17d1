"""GET /page/about and /page/run: what the page is about, and how the network came to be."""

import asyncio
import hashlib
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from alexnet.errors import AlexNetError
from alexnet.predict import Classifier
from alexnet.run import Run
from alexnet.serve.page.report import Reporter, plain
from alexnet.serve.refusal import RefusalError

T = TypeVar("T")


def about(classifier: Classifier | None, run: Run | None, *, watching: bool = False) -> APIRouter:
    """GET /page/about: which tabs there are."""
    routes = APIRouter(prefix="/page")
    card = None if classifier is None else classifier.card
    known = {
        "network": None
        if card is None
        else {
            "variant": card.variant,
            "recipe": card.recipe,
            "classes": len(card.classes),
            "size": card.preprocess.size,
            "channels": card.preprocess.channels,
            "accuracy": card.measured.get("accuracy_top1"),
            "split": card.measured.get("split"),
            "temperature": card.measured.get("temperature"),
        },
        "run": None if run is None else run.path.resolve().name,
        "watching": watching,
    }

    @routes.get("/about")
    async def tell() -> Response:
        return JSONResponse(plain(known))

    return routes


def router(reporter: Reporter) -> APIRouter:
    """GET /page/run, with an ETag so that who asks again and again is sent only what is new; and its small pictures."""
    routes = APIRouter(prefix="/page/run")

    @routes.get("")
    async def report(request: Request) -> Response:
        text = await in_thread(reporter.text)
        return tagged(request, text.encode("ascii"), "application/json")

    @routes.get("/pictures/{name}")
    async def pictures(request: Request, name: str) -> Response:
        return tagged(request, await in_thread(lambda: reporter.gallery(name)), "image/png")

    return routes


async def in_thread(work: Callable[[], T]) -> T:
    """Read in a thread. Errors: RefusalError where the run's files are missing or damaged."""
    try:
        return await asyncio.to_thread(work)
    except AlexNetError as error:
        raise RefusalError(HTTPStatus.NOT_FOUND, str(error)) from error


def tagged(request: Request, content: bytes, kind: str) -> Response:
    """The content, or the word that it has not changed since."""
    tag = hashlib.blake2b(content, digest_size=12).hexdigest()
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers, media_type=kind)
