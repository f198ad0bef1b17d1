"""POST /huggingface: image classification as Hugging Face's clients send it.

The body is the picture itself, or JSON {"inputs": base64, "parameters": {"top_k", "function_to_apply"}}; the answer a
list of {"label", "score"}, best first (huggingface.co/docs/inference-providers, image classification).
"""

import base64
import binascii
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from starlette.responses import JSONResponse, Response

from alexnet.predict import Outputs
from alexnet.serve import schemas
from alexnet.serve.answering import Answering
from alexnet.serve.plain_json import read_object
from alexnet.serve.refusal import bad

TOP_K = 5
FUNCTIONS = ("softmax", "sigmoid", "none")


def router(answering: Answering) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["Hugging Face"])

    @routes.post(
        "/huggingface",
        summary="Image classification, Hugging Face's format",
        responses={200: {"model": list[schemas.Prediction]}, **schemas.REFUSALS},
        openapi_extra=schemas.body(
            {"application/octet-stream": schemas.BINARY, "application/json": schemas.HUGGING_FACE}
        ),
    )
    async def classify(request: Request) -> Response:
        """The picture as the body, or JSON with base64 and parameters, which clients send by themselves."""
        async with answering.body(request) as body:
            parameters: dict[str, Any] = {}
            picture = body
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
                picture, parameters = await answering.in_thread(request, lambda: _parse(body))
            outputs = await answering.of_pictures(request, [picture])
        scores = _applied(outputs, parameters.get("function_to_apply", "softmax"))
        return JSONResponse(answering.classifier.top(scores, parameters.get("top_k", TOP_K))[0])

    return routes


def _parse(body: bytes) -> tuple[bytes, dict[str, Any]]:
    """Picture and parameters of the JSON form. Errors: RefusalError."""
    request = read_object(body)
    inputs = request.get("inputs")
    given = request.get("parameters")
    if not isinstance(inputs, str) or not isinstance(given, dict | None):
        raise bad('expected {"inputs": a picture in base64, "parameters": {...}}')
    parameters = {key: value for key, value in (given or {}).items() if value is not None}
    top_k = parameters.get("top_k", TOP_K)
    if type(top_k) is not int or top_k < 1:
        raise bad("top_k must be a whole number from 1 up")
    if parameters.get("function_to_apply", "softmax") not in FUNCTIONS:
        raise bad(f"function_to_apply must be one of {', '.join(FUNCTIONS)}")
    try:
        return base64.b64decode(inputs, validate=True), parameters
    except (binascii.Error, ValueError) as error:
        raise bad(f"inputs are not base64: {error}") from error


def _applied(outputs: Outputs, function: str) -> NDArray[np.float32]:
    if function == "softmax":
        return outputs.scores
    if function == "none":
        return outputs.logits
    logits = outputs.logits.astype(np.float64)
    sigmoid: NDArray[np.float32] = (0.5 * (1 + np.tanh(logits / 2))).astype(np.float32)  # no overflow
    return sigmoid
