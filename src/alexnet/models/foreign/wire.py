"""Protocol Buffers' wire format, read without a schema: fields of a message as (number, wire type, value).

Source: protobuf.dev/programming-guides/encoding. Every length is checked against what is there; nothing is copied
but the numbers that are asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST = 10  # bytes of a varint that holds 64 bits


class WireError(ValueError):
    """Bytes that are no message."""


@dataclass(frozen=True)
class Field:
    """One field as it stands in a message."""

    number: int
    wire_type: int
    value: int
    """Of a varint; 0 otherwise."""
    data: memoryview
    """The bytes of a string, a message or packed numbers, or the 4 or 8 of each fixed number in a run."""

    def message(self) -> memoryview:
        """As a message inside this one. Errors: WireError when it is none."""
        if self.wire_type != BYTES:
            raise WireError(f"field {self.number} is no message")
        return self.data

    def text(self) -> str:
        """As a string. Errors: WireError when it is none."""
        try:
            return bytes(self.message()).decode("utf-8")
        except UnicodeDecodeError as error:
            raise WireError(f"field {self.number} is no UTF-8 text") from error

    def integers(self) -> list[int]:
        """As signed integers, one or packed."""
        if self.wire_type == VARINT:
            return [_signed(self.value)]
        data, numbers, at = self.message(), [], 0
        while at < len(data):
            number, at = _varint(data, at)
            numbers.append(_signed(number))
        return numbers

    def numbers(self, width: int) -> NDArray[np.float32] | NDArray[np.float64]:
        """As floating-point numbers of `width` bytes, packed or in a run. Errors: WireError for anything else."""
        if self.wire_type not in (BYTES, FIXED32 if width == 4 else FIXED64):
            raise WireError(f"field {self.number} holds no numbers of {width} bytes")
        if self.wire_type == BYTES:
            if len(self.data) % width:
                raise WireError(f"field {self.number} has {len(self.data)} bytes, no whole number of {width}")
            return np.frombuffer(self.data, f"<f{width}")
        records = np.frombuffer(self.data, np.uint8).reshape(-1, len(_key(self.number, self.wire_type)) + width)
        return np.ascontiguousarray(records[:, -width:]).view(f"<f{width}").ravel()


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message in their order; fixed numbers that follow one another under one number are one field.

    Errors: WireError where the bytes stop making sense.
    """
    at = 0
    while at < len(message):
        key, start = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise WireError("field number 0")
        if wire_type == VARINT:
            value, end = _varint(message, start)
            yield Field(number, wire_type, value, message[:0])
        elif wire_type == BYTES:
            length, start = _varint(message, start)
            end = start + length
            if end > len(message):
                raise WireError(f"field {number} should have {length} bytes, {len(message) - start} are left")
            yield Field(number, wire_type, 0, message[start:end])
        elif wire_type in (FIXED32, FIXED64):
            end = _run(message, at, _key(number, wire_type), 4 if wire_type == FIXED32 else 8)
            yield Field(number, wire_type, 0, message[at:end])
        else:
            raise WireError(f"field {number} has wire type {wire_type}")
        at = end


def _run(message: memoryview, at: int, key: bytes, width: int) -> int:
    """Where the run of fixed numbers that begins at `at` ends: key, number, key, number, ... Old writers store 38
    million floats like this, so whole blocks are compared at once, the first ones small: most runs are short."""
    record = len(key) + width
    if bytes(message[at : at + len(key)]) != key or at + record > len(message):
        raise WireError(f"a number of {width} bytes is cut off, or its key is spelled in an unusual way")
    wanted, most = np.frombuffer(key, np.uint8), 16
    while at + record <= len(message):
        count = min((len(message) - at) // record, most)
        most = min(2 * most, 1 << 20)
        block = np.frombuffer(message[at : at + count * record], np.uint8).reshape(count, record)
        strangers = np.flatnonzero((block[:, : len(key)] != wanted).any(axis=1))
        if len(strangers):
            return at + int(strangers[0]) * record
        at += count * record
    return at


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number in base 128, lowest digits first, and where it ends."""
    value = 0
    for index in range(LONGEST):
        if at + index >= len(data):
            raise WireError("a number is cut off")
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & (1 << 64) - 1, at + index + 1
    raise WireError(f"a number is longer than {LONGEST} bytes")


def _key(number: int, wire_type: int) -> bytes:
    """A field's key as it is written."""
    rest, digits = number << 3 | wire_type, bytearray()
    while rest > 0x7F:
        digits.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes((*digits, rest))


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number
