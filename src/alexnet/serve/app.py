"""The application: routes of all protocols around one queue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from alexnet import __version__
from alexnet.data import images
from alexnet.plain_files import model_name
from alexnet.predict import Classifier
from alexnet.run import Run
from alexnet.serve import huggingface, inference, native, page, reference, schemas
from alexnet.serve.answering import Answering
from alexnet.serve.batcher import Batcher
from alexnet.serve.gate import Gate, State
from alexnet.serve.limits import Limits
from alexnet.serve.metrics import Metrics
from alexnet.serve.refusal import RefusalError, error

DESCRIPTION = "A trained AlexNet over HTTP: what is on a picture? Every error is {“error”: one line}."


class Application:
    """A FastAPI application and what its keeper has to know of it."""

    def __init__(
        self,
        classifier: Classifier,
        *,
        name: str = "alexnet",
        run: Run | None = None,
        limits: Limits | None = None,
        token: str | None = None,
        hosts: frozenset[str] | None = None,
        threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        """`name` is the model's in the Open Inference Protocol; `threads` those of the network; the rest as `Gate`."""
        limits = limits or Limits()
        self.state = State()
        self.metrics = Metrics(lambda: self.batcher.pending, lambda: self.batcher.live)
        self.batcher = Batcher(classifier, limits, self.metrics, threads)
        answering = Answering(model_name(name), classifier, self.batcher, limits)
        self.fastapi = app = FastAPI(
            title="alexnet",
            description=DESCRIPTION,
            version=__version__,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            lifespan=self._lifespan,
            separate_input_output_schemas=False,
        )
        app.add_middleware(
            Gate,
            state=self.state,
            metrics=self.metrics,
            limits=limits,
            token=token,
            hosts=hosts,
            verbose=verbose,
        )
        app.add_exception_handler(RefusalError, refused)
        app.add_exception_handler(HTTPException, not_found)
        app.add_exception_handler(RequestValidationError, _not_valid)
        app.include_router(page.router(classifier, run, answering.bodies))
        app.include_router(native.router(answering))
        app.include_router(huggingface.router(answering))
        app.include_router(inference.router(answering, self.state))
        app.include_router(inference.health(answering, self.state))
        self._add_readings(answering)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        with images.without_warnings():
            await self.batcher.start()
            yield
            await self.batcher.stop()

    def _add_readings(self, answering: Answering) -> None:
        app, metrics = self.fastapi, self.metrics

        @app.get("/metrics", tags=["health"], response_class=PlainTextResponse, responses=_ASKED)
        async def read_metrics() -> Response:
            """For Prometheus."""
            return Response(metrics.text(), media_type="text/plain; version=0.0.4")

        @app.get("/docs", include_in_schema=False)
        async def docs(request: Request) -> Response:
            text = reference.page(app.openapi(), str(request.base_url).rstrip("/"), answering.name)
            return HTMLResponse(text, headers={"Content-Security-Policy": reference.POLICY})

        @app.get("/docs/style.css", include_in_schema=False)
        async def style() -> Response:
            return Response(reference.STYLE, media_type="text/css")


_ASKED: dict[int | str, dict[str, Any]] = {status: schemas.REFUSALS[status] for status in (400, 401)}


async def refused(_: Request, refusal: Exception) -> Response:
    """A handler for what is raised below a route."""
    assert isinstance(refusal, RefusalError)
    return refusal.response()


async def not_found(_: Request, exception: Exception) -> Response:
    """A handler for addresses and methods that are not there."""
    assert isinstance(exception, HTTPException)
    return error(exception.status_code, exception.detail.lower(), dict(exception.headers or {}))


async def _not_valid(_: Request, exception: Exception) -> Response:
    assert isinstance(exception, RequestValidationError)
    first = exception.errors()[0]
    return error(400, f"{first['loc'][-1]}: {first['msg'].lower()}")
