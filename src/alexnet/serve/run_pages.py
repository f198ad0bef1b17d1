"""alexnet watch RUN: the page's second tab on a run that trains just now, or has ended. It reads the run's files only.

Asking the training to stop needs the key that stands in the address which `alexnet watch` prints: other users of the
machine and other pages of the browser do not have it.
"""

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from http import HTTPStatus

import torch
import uvicorn
from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from alexnet import presence
from alexnet.predict import Prediction, load
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.serve import live
from alexnet.serve.app import not_found, refused
from alexnet.serve.gate import Gate, State
from alexnet.serve.limits import Limits
from alexnet.serve.live import KEY
from alexnet.serve.metrics import Metrics
from alexnet.serve.page import files, reading
from alexnet.serve.page.report import GALLERIES, Reporter, pixels_of, plain
from alexnet.serve.refusal import RefusalError
from alexnet.serve.server import LOOPBACK_NAMES, bound

IDLE = 60.0  # seconds without a question after which a server that came with a training leaves with it
GENTLE = 10  # added to the process's niceness: whoever is watched comes first


class Answers:
    """What the newest weights say of the validation pictures of which the run has small copies."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._stamp = 0
        self._text = ""

    def text(self) -> str:
        """As JSON: the epoch, and a caption for each picture; null where there are no weights yet.

        Errors: AlexNetError for damaged files.
        """
        with self._lock:
            if not self.run.last.is_file():
                return "null"
            stamp = self.run.last.stat().st_mtime_ns
            if stamp != self._stamp or not self._text:
                self._text, self._stamp = self._asked(), stamp
            return self._text

    def _asked(self) -> str:
        torch.set_num_threads(1)
        pixels = pixels_of(self.run, "held_out")
        classifier = load(self.run.last, device="cpu")
        coloured = pixels.repeat(3, axis=3) if pixels.shape[3] == 1 else pixels
        best: list[Prediction] = [each[0] for each in classifier.predict(list(coloured), topk=1)]
        labels = [str(label) for label in self.run.thumbnails[GALLERIES["held_out"]]]
        captions = [
            {"label": label, "predicted": said["label"], "score": said["score"], "right": said["label"] == label}
            for label, said in zip(labels, best, strict=True)
        ]
        return json.dumps(plain({"epoch": classifier.card.measured.get("epoch"), "captions": captions}))


class Clock:
    """An ASGI application around another that knows when it was last asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.asked = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the application's start and end."""
        self.asked = time.monotonic()
        await self.app(scope, receive, send)


def application(run: Run, key: str) -> FastAPI:
    """The watching server's routes, behind the same gate as the answering server's."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    metrics = Metrics(lambda: 0, lambda: True)
    app.add_middleware(Gate, state=State(), metrics=metrics, limits=Limits(), hosts=LOOPBACK_NAMES)
    app.add_exception_handler(RefusalError, refused)
    app.add_exception_handler(HTTPException, not_found)
    app.include_router(files.router())
    app.include_router(reading.about(None, run, watching=True))
    app.include_router(reading.router(Reporter(run)))
    app.include_router(_control(run, key))
    return app


def _control(run: Run, key: str) -> APIRouter:
    """GET /page/run/answers and POST /page/run/stop."""
    routes, answers = APIRouter(prefix="/page/run"), Answers(run)

    @routes.get("/answers")
    async def answer(request: Request) -> Response:
        text = await reading.in_thread(answers.text)
        return reading.tagged(request, text.encode("utf-8"), "application/json")

    @routes.post("/stop")
    async def stop(request: Request) -> Response:
        """Ask the training to finish its step, save and leave."""
        origin = request.headers.get("origin")
        if origin is not None and origin != f"{request.url.scheme}://{request.headers['host']}":
            raise RefusalError(HTTPStatus.FORBIDDEN, "another page may not stop a training")
        if not hmac.compare_digest(request.headers.get("x-key", "").encode(), key.encode()):
            raise RefusalError(HTTPStatus.FORBIDDEN, "the key is missing: open the address that alexnet watch printed")
        if not await asyncio.to_thread(presence.stop, run):
            raise RefusalError(HTTPStatus.CONFLICT, "nobody trains in this run on this machine just now")
        return JSONResponse({"asked": True})

    return routes


def watch(run: Run, *, port: int, open_browser: bool, until_idle: bool, display: Display) -> None:
    """Serve the page on `run` on this machine until Ctrl-C; `until_idle`: until it has ended and nobody looks.

    Errors: UsageError when the port is taken; DataError when there is no run.
    """
    run.args  # noqa: B018 (it is a run)
    key = os.environ.get(KEY) or secrets.token_urlsafe(16)
    if hasattr(os, "nice"):
        os.nice(GENTLE)
    with bound("127.0.0.1", port) as listener:
        address = live.address(listener.getsockname()[1], key)

        def listening() -> None:
            display.say(f"watching {run.path}: {address}")
            if open_browser:
                threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

        server = _Server(Clock(application(run, key)), run if until_idle else None, listening)
        with contextlib.suppress(KeyboardInterrupt):
            server.run([listener])


class _Server(uvicorn.Server):
    """uvicorn, which may leave by itself once `run` is over and nobody looks."""

    def __init__(self, clock: Clock, run: Run | None, listening: Callable[[], None]) -> None:
        super().__init__(uvicorn.Config(clock, log_level="error", access_log=False, server_header=False, ws="none"))
        self._clock, self._run, self._listening = clock, run, listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say so once it listens."""
        await super().startup(sockets)
        self._listening()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is it time to end?"""
        if self._run is not None and counter % 10 == 0 and time.monotonic() - self._clock.asked > IDLE:
            self.should_exit = self.should_exit or not presence.trains(self._run)
        return await super().on_tick(counter)
