"""Tensors of the Open Inference Protocol, from a body and back: JSON, and the extension for binary data.

With the extension a body is JSON of `Inference-Header-Content-Length` bytes, and behind it the values of each tensor
that has a `binary_data_size`, in their order: little-endian, row-major; of BYTES each value after its length in four
bytes (github.com/kserve/open-inference-protocol, specification/protocol; the extension: triton-inference-server/server,
docs/protocol/extension_binary_data.md).
"""

import base64
import binascii
import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.serve.plain_json import read_object, readable
from alexnet.serve.refusal import bad

TYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}
MAX_DIMENSIONS = 8

Values = list[bytes] | NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Input:
    """One tensor of a request."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Values
    """Of BYTES a flat list; else an array of this shape."""


@dataclass(frozen=True)
class Wanted:
    """One output that is asked for."""

    name: str
    binary: bool
    classes: int = 0
    """0: numbers; else so many best classes as text."""


@dataclass(frozen=True)
class InferRequest:
    """A request for inference."""

    id: str | None
    inputs: list[Input]
    outputs: list[Wanted]
    """Empty: all."""
    binary: bool
    """Whether outputs that do not say otherwise follow as bytes."""


@dataclass(frozen=True)
class Output:
    """One tensor of an answer."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: list[bytes] | NDArray[np.float32]
    binary: bool


def parse(body: bytes, header_length: str | None) -> InferRequest:
    """A request's body. Errors: RefusalError that says what does not fit."""
    length = json_length(body, header_length)
    request = read_object(body[:length])
    rest = _Rest(memoryview(body)[length:])
    given = _list(request.get("inputs"), "inputs")
    inputs = [_input(tensor, rest) for tensor in given]
    if rest.left:
        raise bad(f"{rest.left} bytes are left behind the tensors")
    binary = _flag(_parameters(request), "binary_data_output", False)
    outputs = [_wanted(output, binary) for output in _list(request.get("outputs") or [], "outputs")]
    identity = request.get("id")
    if not isinstance(identity, str | None) or (identity is not None and readable(identity) != identity):
        raise bad("id must be a string of valid Unicode")
    return InferRequest(identity, inputs, outputs, binary)


def json_length(body: bytes, header_length: str | None) -> int:
    """How many of a body's bytes are JSON. Errors: RefusalError for a header that is none."""
    if header_length is None:
        return len(body)
    if not header_length.isascii() or not header_length.isdigit() or len(header_length) > 9:
        raise bad("Inference-Header-Content-Length is no number")
    if int(header_length) > len(body):
        raise bad(f"Inference-Header-Content-Length is {header_length}, the body has {len(body)} bytes")
    return int(header_length)


def encode(header: dict[str, Any], outputs: list[Output]) -> tuple[bytes, int | None]:
    """An answer's body, and the length of its JSON if bytes follow it."""
    tensors, tail = [], []
    for output in outputs:
        tensor: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
        if output.binary:
            data = _to_bytes(output.values)
            tensor["parameters"] = {"binary_data_size": len(data)}
            tail.append(data)
        elif isinstance(output.values, list):
            tensor["data"] = [value.decode("utf-8") for value in output.values]
        else:
            tensor["data"] = output.values.ravel().tolist()
        tensors.append(tensor)
    text = json.dumps({**header, "outputs": tensors}, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return b"".join([text, *tail]), len(text) if tail else None


class _Rest:
    """The bytes behind the JSON, taken from the front."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> memoryview:
        if size > self.left:
            raise bad(f"a tensor has {size} bytes, {self.left} are left in the body")
        self._at += size
        return self._data[self._at - size : self._at]


def _input(tensor: Any, rest: _Rest) -> Input:  # noqa: ANN401 (from JSON)
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise bad("each input needs a name")
    name, datatype = tensor["name"], tensor.get("datatype")
    shape = _list(tensor.get("shape"), f"shape of {name!r}")
    if len(shape) > MAX_DIMENSIONS or not all(type(side) is int and 0 <= side < 2**31 for side in shape):
        raise bad(f"shape of {name!r} must be at most {MAX_DIMENSIONS} whole numbers from 0 up")
    if not isinstance(datatype, str) or (datatype != "BYTES" and datatype not in TYPES):
        raise bad(f"datatype of {name!r} must be BYTES, UINT8 or FP32")
    count = math.prod(shape)
    parameters = _parameters(tensor)
    if "binary_data_size" in parameters:
        size = parameters["binary_data_size"]
        if type(size) is not int or size < 0 or "data" in tensor:
            raise bad(f"binary_data_size of {name!r} must be a whole number from 0 up, and there be no data")
        raw = rest.take(size)
        values = _texts(raw, name) if datatype == "BYTES" else _numbers(raw, datatype, name)
    else:
        data = tensor.get("data")
        if not isinstance(data, list):
            raise bad(f"{name!r} has neither data nor binary_data_size")
        values = _decoded_texts(data, name) if datatype == "BYTES" else _listed_numbers(data, datatype, name)
    if len(values) != count:
        raise bad(f"{name!r} has {len(values)} values, its shape {shape} wants {count}")
    if isinstance(values, np.ndarray):
        values = values.reshape(shape)
    return Input(name, datatype, tuple(shape), values)


def _texts(raw: memoryview, name: str) -> list[bytes]:
    """BYTES as the extension packs them."""
    texts, at = [], 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise bad(f"{name!r} ends within the length of a value")
        (size,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + size > len(raw):
            raise bad(f"{name!r}: a value of {size} bytes, {len(raw) - at} are left")
        texts.append(bytes(raw[at : at + size]))
        at += size
    return texts


def _decoded_texts(data: list[Any], name: str) -> list[bytes]:
    """BYTES in JSON: base64, since JSON has no bytes."""
    try:
        return [base64.b64decode(value, validate=True) for value in data]
    except (binascii.Error, ValueError, TypeError) as error:
        raise bad(f"{name!r}: data must be base64 strings ({error})") from error


def _numbers(raw: memoryview, datatype: str, name: str) -> Values:
    kind = TYPES[datatype]
    if len(raw) % kind.itemsize:
        raise bad(f"{name!r}: {len(raw)} bytes are no whole number of {datatype}")
    return _finite(np.frombuffer(raw, kind), name)


def _listed_numbers(data: list[Any], datatype: str, name: str) -> Values:
    """Numbers in JSON, flat or nested."""
    try:
        given = np.asarray(data).ravel() if data else np.zeros(0, TYPES[datatype])
    except (ValueError, OverflowError) as error:
        raise bad(f"{name!r}: data are no numbers in rows of equal length") from error
    whole = given.dtype.kind in "iu"
    if datatype == "UINT8" and not (whole and (not given.size or (given.min() >= 0 and given.max() <= 255))):
        raise bad(f"{name!r}: UINT8 data must be whole numbers from 0 to 255")
    if not whole and given.dtype.kind != "f":
        raise bad(f"{name!r}: data must be numbers")
    with np.errstate(over="ignore"):
        return _finite(given.astype(TYPES[datatype]), name)


def _finite(values: NDArray[Any], name: str) -> NDArray[Any]:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise bad(f"{name!r} holds NaN or infinity")
    return values


def _wanted(output: Any, binary: bool) -> Wanted:  # noqa: ANN401 (from JSON)
    if not isinstance(output, dict) or not isinstance(output.get("name"), str):
        raise bad("each output needs a name")
    parameters = _parameters(output)
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0 or ("classification" in parameters and classes < 1):
        raise bad("classification must be a whole number from 1 up")
    return Wanted(output["name"], _flag(parameters, "binary_data", binary), classes)


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    parameters = given.get("parameters")
    if not isinstance(parameters, dict | None):
        raise bad("parameters must be an object")
    return parameters or {}


def _flag(parameters: dict[str, Any], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise bad(f"{name} must be true or false")
    return value


def _list(value: Any, name: str) -> list[Any]:  # noqa: ANN401 (from JSON)
    if not isinstance(value, list):
        raise bad(f"{name} must be a list")
    return value


def _to_bytes(values: list[bytes] | NDArray[np.float32]) -> bytes:
    if isinstance(values, list):
        return b"".join(struct.pack("<I", len(value)) + value for value in values)
    return values.astype("<f4").tobytes()
