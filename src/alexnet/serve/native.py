"""POST /predict: a picture as the body, or in a form; the answer as `alexnet predict --json` gives it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from alexnet.serve import schemas
from alexnet.serve.answering import Answering
from alexnet.serve.forms import Form
from alexnet.serve.refusal import bad

TOPK = 5


def router(answering: Answering) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["plain HTTP"])

    @routes.post(
        "/predict",
        summary="Name what is on a picture",
        responses={200: {"model": schemas.Predictions}, **schemas.REFUSALS},
        openapi_extra=schemas.body(
            {
                "application/octet-stream": schemas.BINARY,
                "multipart/form-data": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": schemas.BINARY, "topk": {"type": "integer", "minimum": 1}},
                },
            }
        ),
    )
    async def predict(
        request: Request, topk: Annotated[int, Query(ge=1, description="Classes that the answer names.")] = TOPK
    ) -> Response:
        """Send a picture file as the body, or in a form with one file. The best classes come back, best first."""
        async with answering.body(request) as body:
            kind = request.headers.get("content-type", "")
            if kind.lower().startswith("multipart/"):
                form = await answering.in_thread(request, lambda: Form(body, kind, answering.limits))
                topk = _whole_number(form.fields.get("topk", str(topk)))
                picture = form.picture
            else:
                picture = body
            outputs = await answering.of_pictures(request, [picture])
        return JSONResponse({"predictions": answering.classifier.top(outputs.scores, topk)[0]})

    return routes


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise bad(f"topk must be a whole number from 1 up, not {text!r}")
    return int(text)
