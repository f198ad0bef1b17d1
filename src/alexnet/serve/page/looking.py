"""POST /inside/...: where a network looked on a picture, what its convolutions made of it."""

import asyncio
import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import numpy as np
import torch
from fastapi import APIRouter, Request
from starlette.responses import Response

from alexnet.data import images
from alexnet.errors import DataError
from alexnet.inside import Inside, Maps
from alexnet.predict import Classifier
from alexnet.serve.bodies import Bodies, unless_gone
from alexnet.serve.page import painting
from alexnet.serve.refusal import RefusalError, bad

T = TypeVar("T")

SHOWN = 24  # maps of a convolution: those that answer most strongly
COLUMNS = 8
WAITING = 16  # requests at a time; one is worked on


class Looking:
    """One thread that looks, and those who wait for it."""

    def __init__(self, classifier: Classifier, bodies: Bodies) -> None:
        self.classifier, self.bodies = classifier, bodies
        self._inside: Inside | None = None
        self._pool = ThreadPoolExecutor(1, "inside", _gently)
        self._waiting = 0

    async def at(self, request: Request, work: Callable[[Inside, bytes], T]) -> T:
        """What `work` finds out about the picture in the request's body.

        Errors: RefusalError for what is no picture, or when too many wait; ClientDisconnect.
        """
        if self._waiting >= WAITING:
            raise RefusalError(HTTPStatus.TOO_MANY_REQUESTS, "too busy: others are looking", retry_after=1)
        self._waiting += 1
        try:
            async with self.bodies.read(request) as body:
                if not body:
                    raise bad("no picture: the body is empty")
                found = asyncio.get_running_loop().run_in_executor(self._pool, self._look, work, body)
                return await unless_gone(request, _waited_for(found))
        except DataError as error:
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        finally:
            self._waiting -= 1

    def _look(self, work: Callable[[Inside, bytes], T], body: bytes) -> T:
        if self._inside is None:  # whoever never looks pays nothing for it
            self._inside = Inside(self.classifier.network, self.classifier.card.preprocess)
        return work(self._inside, body)


def router(classifier: Classifier, bodies: Bodies) -> APIRouter:
    """The three routes. Each takes a picture's bytes as POST /predict does."""
    routes, looking = APIRouter(prefix="/inside"), Looking(classifier, bodies)
    limits = bodies.limits
    numbers = {label: index for index, label in enumerate(classifier.classes)}

    @routes.post("/heat")
    async def heat(request: Request, label: str) -> Response:
        """PNG to be laid over the whole picture: where the network saw what speaks for `label`."""
        if label not in numbers:
            raise bad("label must be one of the network's classes")

        def work(inside: Inside, body: bytes) -> bytes:
            pixels = images.read(body, max_pixels=limits.max_pixels)
            height, width = pixels.shape[:2]
            found = inside.heat(classifier.fit(pixels), numbers[label])
            return painting.heat(found, inside.place(width, height), width, height)

        return Response(await looking.at(request, work), media_type="image/png")

    @routes.post("/activations")
    async def activations(request: Request) -> Response:
        """JSON: which part of the picture the network saw, and of each convolution the maps that answer most strongly,
        with a sheet of them as PNG in base64."""

        def work(inside: Inside, body: bytes) -> str:
            pixels = images.read(body, max_pixels=limits.max_pixels)
            height, width = pixels.shape[:2]
            layers = [_described(maps) for maps in inside.maps(classifier.fit(pixels))]
            return json.dumps({"box": asdict(inside.place(width, height)), "layers": layers})

        return Response(await looking.at(request, work), media_type="application/json")

    @routes.post("/picture")
    async def picture(request: Request) -> Response:
        """PNG of the picture, for browsers that do not know its format."""
        work = partial(_shown, max_pixels=limits.max_pixels)
        return Response(await looking.at(request, work), media_type="image/png")

    return routes


def _described(maps: Maps) -> dict[str, Any]:
    means = maps.values.mean(axis=(1, 2))
    order = np.argsort(-means, kind="stable")[:SHOWN]
    chosen = maps.values[order]
    return {
        "name": maps.name,
        "shape": list(maps.values.shape),
        "columns": COLUMNS,
        "maps": [
            {"number": int(number), "mean": float(means[number]), "highest": float(values.max())}
            for number, values in zip(order, chosen, strict=True)
        ],
        "sheet": base64.b64encode(painting.sheet(chosen, COLUMNS)).decode("ascii"),
    }


def _shown(_: Inside, body: bytes, max_pixels: int) -> bytes:
    return painting.whole(images.read(body, max_pixels=max_pixels))


async def _waited_for(found: asyncio.Future[T]) -> T:
    return await found


def _gently() -> None:
    torch.set_num_threads(1)  # the network's own thread answers, and comes first
