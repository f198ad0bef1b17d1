"""The Open Inference Protocol, version 2, over HTTP: what Triton, KServe and their clients speak.

A request has exactly one input: encoded pictures, RGB pixels, or the network's own input. Its answer is `scores`, or
with the classification extension the best classes as "score:index:label".
"""

from http import HTTPStatus
from typing import Any

import numpy as np
from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from alexnet import __version__
from alexnet.predict import Outputs
from alexnet.serve import schemas, tensors
from alexnet.serve.answering import Answering
from alexnet.serve.gate import State
from alexnet.serve.refusal import RefusalError, bad
from alexnet.serve.tensors import InferRequest, Input, Output, Wanted

VERSION = "1"
PICTURES, PIXELS, TENSOR, SCORES = "pictures", "pixels", "tensor", "scores"
DATATYPES = {PICTURES: "BYTES", PIXELS: "UINT8", TENSOR: "FP32"}
HEADER_LENGTH = "Inference-Header-Content-Length"
LARGE = 64 << 10  # bytes of JSON that are not parsed between two other requests, but by a thread

_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: schemas.REFUSALS[404],
    400: schemas.REFUSALS[400],
    401: schemas.REFUSALS[401],
}


def router(answering: Answering, state: State) -> APIRouter:
    """All routes below /v2."""
    routes = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])
    name = answering.name
    preprocess = answering.classifier.card.preprocess

    async def only(model: str) -> None:
        if model != name:
            raise RefusalError(HTTPStatus.NOT_FOUND, f"no such model; there is {name!r}, version {VERSION}")

    async def only_version(model: str, version: str) -> None:
        await only(model)
        if version != VERSION:
            raise RefusalError(HTTPStatus.NOT_FOUND, f"no such version; there is {name!r}, version {VERSION}")

    routes_of = {"/models/{model}": [Depends(only)], "/models/{model}/versions/{version}": [Depends(only_version)]}

    @routes.get("", responses={200: {"model": schemas.ServerMetadata}, 401: schemas.REFUSALS[401]})
    async def server_metadata() -> Response:
        """What this server is and which extensions it speaks."""
        extensions = ["binary_tensor_data", "classification"]
        return JSONResponse({"name": "alexnet", "version": __version__, "extensions": extensions})

    async def metadata() -> Response:
        """What the model takes (one of the inputs) and gives."""
        side = preprocess.size
        shapes = {PICTURES: [-1], PIXELS: [-1, -1, -1, 3], TENSOR: [-1, preprocess.channels, side, side]}
        inputs = [{"name": each, "datatype": DATATYPES[each], "shape": shape} for each, shape in shapes.items()]
        outputs = [{"name": SCORES, "datatype": "FP32", "shape": [-1, len(answering.classifier.classes)]}]
        return JSONResponse(
            {"name": name, "versions": [VERSION], "platform": "pytorch", "inputs": inputs, "outputs": outputs}
        )

    async def ready() -> Response:
        """Whether the model answers."""
        is_ready = answering.batcher.live and not state.draining
        return JSONResponse({"name": name, "ready": is_ready}, 200 if is_ready else 503)

    async def infer(request: Request) -> Response:
        """Classify pictures: JSON, or JSON and the tensors' bytes behind it."""
        async with answering.body(request) as body:
            length = request.headers.get(HEADER_LENGTH)
            if tensors.json_length(body, length) < LARGE:
                asked = tensors.parse(body, length)
            else:
                asked = await answering.in_thread(request, lambda: tensors.parse(body, length))
            wanted = _wanted(asked)
            outputs = await _answered(answering, request, asked)
        header = {"model_name": name, "model_version": VERSION} | ({} if asked.id is None else {"id": asked.id})
        content, json_length = tensors.encode(header, [_output(answering, outputs, each) for each in wanted])
        if json_length is None:
            return Response(content, media_type="application/json")
        return Response(content, headers={HEADER_LENGTH: str(json_length)}, media_type="application/octet-stream")

    not_ready: dict[int | str, dict[str, Any]] = {503: {"model": schemas.ModelReady}}
    for path, checks in routes_of.items():
        routes.get(path, responses={200: {"model": schemas.ModelMetadata}, **_NOT_FOUND}, dependencies=checks)(metadata)
        routes.get(
            f"{path}/ready",
            responses={200: {"model": schemas.ModelReady}, **_NOT_FOUND, **not_ready},
            dependencies=checks,
        )(ready)
        routes.post(
            f"{path}/infer",
            responses={
                200: {"model": schemas.InferResponse, "content": {"application/octet-stream": {}}},
                **schemas.REFUSALS,
            },
            openapi_extra=schemas.body(
                {"application/json": schemas.INFER_REQUEST, "application/octet-stream": schemas.BINARY}
            ),
            dependencies=checks,
        )(infer)
    return routes


async def _answered(answering: Answering, request: Request, asked: InferRequest) -> Outputs:
    given = _only_input(asked)
    preprocess = answering.classifier.card.preprocess
    if isinstance(given.values, list):
        if given.shape not in ((len(given.values),), (len(given.values), 1)):
            raise bad(f"{PICTURES} must have the shape [N]")
        return await answering.of_pictures(request, given.values)
    if given.values.dtype == np.uint8:
        if len(given.shape) != 4 or given.shape[3] != 3 or 0 in given.shape:
            raise bad(f"{PIXELS} must have the shape [N, height, width, 3]")
        return await answering.of_pictures(request, list(given.values))
    if given.shape[1:] != (preprocess.channels, preprocess.size, preprocess.size):
        raise bad(f"{TENSOR} must have the shape [N, {preprocess.channels}, {preprocess.size}, {preprocess.size}]")
    return await answering.of_prepared(request, np.asarray(given.values, np.float32))


def _only_input(asked: InferRequest) -> Input:
    if len(asked.inputs) != 1 or DATATYPES.get(asked.inputs[0].name) != asked.inputs[0].datatype:
        allowed = ", ".join(f"{name} ({datatype})" for name, datatype in DATATYPES.items())
        raise bad(f"exactly one input is wanted, one of: {allowed}")
    if not asked.inputs[0].shape or asked.inputs[0].shape[0] < 1:
        raise bad("at least one picture is wanted")
    return asked.inputs[0]


def _wanted(asked: InferRequest) -> list[Wanted]:
    wanted = asked.outputs or [Wanted(SCORES, asked.binary)]
    if len(wanted) != 1 or wanted[0].name != SCORES:
        raise bad(f"there is one output: {SCORES}")
    return wanted


def _output(answering: Answering, outputs: Outputs, wanted: Wanted) -> Output:
    if not wanted.classes:
        return Output(SCORES, "FP32", outputs.scores.shape, outputs.scores, wanted.binary)
    best = answering.classifier.top(outputs.scores, wanted.classes)
    indices = {label: index for index, label in enumerate(answering.classifier.classes)}
    texts: list[bytes] = [
        f"{one['score']:.6f}:{indices[one['label']]}:{one['label']}".encode() for row in best for one in row
    ]
    return Output(SCORES, "BYTES", (len(best), len(best[0])), texts, wanted.binary)


def health(answering: Answering, state: State) -> APIRouter:
    """Probes, under their short names and the protocol's. None needs a token."""
    routes = APIRouter(tags=["health"])
    responses: dict[int | str, dict[str, Any]] = {status: {"model": schemas.Health} for status in (200, 503)}
    responses[400] = schemas.REFUSALS[400]

    def answer(good: bool) -> Response:
        live = answering.batcher.live
        return JSONResponse({"live": live, "ready": live and not state.draining}, 200 if good else 503)

    async def live() -> Response:
        """Whether the network answers: start the server anew if not."""
        return answer(answering.batcher.live)

    async def ready() -> Response:
        """Whether requests should be sent here."""
        return answer(answering.batcher.live and not state.draining)

    for path in ("/health", "/v2/health/live"):
        routes.get(path, responses=responses)(live)
    for path in ("/ready", "/v2/health/ready"):
        routes.get(path, responses=responses)(ready)
    return routes
