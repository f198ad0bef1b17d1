"""The shapes of requests and answers as /openapi.json gives them. Nothing is validated by them at run time."""

from typing import Any

from pydantic import BaseModel, ConfigDict

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
HUGGING_FACE: dict[str, Any] = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "inputs": {"type": "string", "contentEncoding": "base64"},
        "parameters": {
            "type": ["object", "null"],
            "properties": {
                "top_k": {"type": ["integer", "null"], "minimum": 1},
                "function_to_apply": {"enum": ["softmax", "sigmoid", "none", None]},
            },
        },
    },
}
_PARAMETERS: dict[str, Any] = {"type": ["object", "null"]}
INFER_REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": ["string", "null"]},
        "parameters": _PARAMETERS,
        "inputs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "datatype", "shape"],
                "properties": {
                    "name": {"enum": ["pictures", "pixels", "tensor"]},
                    "datatype": {"enum": ["BYTES", "UINT8", "FP32"]},
                    "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                    "parameters": _PARAMETERS,
                    "data": {"type": "array"},
                },
            },
        },
        "outputs": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"enum": ["scores"]}, "parameters": _PARAMETERS},
            },
        },
    },
}


class Error(BaseModel):
    """Why there is no answer."""

    error: str


class Prediction(BaseModel):
    """One class and its score."""

    label: str
    score: float


class Predictions(BaseModel):
    """The best classes, most probable first."""

    predictions: list[Prediction]


class Health(BaseModel):
    """Whether the network answers, and whether requests should be sent here."""

    live: bool
    ready: bool


class ServerMetadata(BaseModel):
    """Open Inference Protocol: what this server is."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """Open Inference Protocol: a tensor's name, type and shape; -1 is any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """Open Inference Protocol: what a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(BaseModel):
    """Open Inference Protocol: whether a model answers."""

    name: str
    ready: bool


class Tensor(TensorMetadata):
    """Open Inference Protocol: a tensor with its values, flattened; without them if they follow as bytes."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None


class InferResponse(BaseModel):
    """Open Inference Protocol: an answer."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Tensor]


_REASONS = {
    400: "Not as the protocol wants it",
    401: "No token, or a wrong one",
    404: "No such model",
    408: "The body came too slowly",
    413: "Too large",
    415: "An encoding that is not known",
    422: "A picture that cannot be read",
    429: "Too busy: come again after Retry-After seconds",
    500: "Something that should not happen",
    503: "The network is being started anew",
    504: "No answer within the deadline",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": reason} for status, reason in _REASONS.items()
}


def body(kinds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A request's body, by content type, for a route that reads it by itself."""
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind, schema in kinds.items()}}}
