"""Pickles read without trusting them: data come out, nothing in the file is ever called.

A pickle is a program that may call any function it names. Here every name leads to a stand-in that only keeps what
it is given, and only the few names that numpy writes have one; any other name ends the reading.
"""

import io
import math
import pickle
from typing import Any, ClassVar

import numpy as np

MOST = 10_000  # items in all; the same list may stand in a pickle a thousand times a thousand times
OPCODES = frozenset(
    b"\x80\x95"  # protocol, frame
    b"N\x88\x89IJKML\x8a\x8bFGVX\x8c\x8dSTUBC\x8e"  # None, True, False, numbers, texts, bytes
    b"})(]l)t\x85\x86\x87deusa"  # dictionaries, lists, tuples
    b"012pqrgjh\x94"  # the memo and the stack
    b"c\x93Rb."  # names, their calls, their states, the end
)
"""What the reader understands of the pickle language: data, and the way arrays are written."""


class InertError(ValueError):
    """A pickle that holds more than plain data and arrays, or is damaged."""


class _DType:
    """What numpy.dtype("f4", False, True) stands for; its state holds the byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: object) -> None:
        self.code = code.decode("latin1") if isinstance(code, bytes) else code
        self.order = "<"

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 2:
            raise InertError("a dtype of unknown form")
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "="):
            raise InertError("a dtype of unknown byte order")
        self.order = "<" if order == "=" else order

    def plain(self) -> np.dtype[Any]:
        """As numpy's. Errors: InertError for anything but numbers."""
        if not isinstance(self.code, str) or self.code[:1] not in "fiu" or self.code[1:] not in ("1", "2", "4", "8"):
            raise InertError(f"an array of {self.code!r}, numbers are expected")
        return np.dtype(self.order + self.code)


class _Array:
    """What numpy's _reconstruct stands for; its state holds shape, type and bytes."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Any = None

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise InertError("an array of unknown form")
        _, shape, dtype, by_columns, data = state
        sides = isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)
        if not sides or not isinstance(dtype, _DType):
            raise InertError("an array of unknown form")
        if dtype.code in ("O8", "O4", "O") and isinstance(data, list):  # an array of objects: a dictionary in it, say
            self.value = data
            return
        raw = data.encode("latin1") if isinstance(data, str) else data
        kind = dtype.plain()
        if not isinstance(raw, bytes) or len(raw) != math.prod(shape) * kind.itemsize:
            raise InertError(f"an array of shape {shape} without its numbers")
        self.value = np.frombuffer(raw, kind).reshape(shape, order="F" if by_columns else "C")


class _StandIn:
    """Called in place of what a pickle names."""

    __slots__ = ()


class _Reconstruct(_StandIn):
    def __call__(self, *arguments: object) -> _Array:
        return _Array()


class _MakeDType(_StandIn):
    def __call__(self, code: object = None, *rest: object) -> _DType:
        return _DType(code)


class _Encode(_StandIn):
    """_codecs.encode, by which Python 3 says bytes to Python 2; no more bytes in all than the file has."""

    __slots__ = ("room",)

    def __init__(self, room: int = 0) -> None:
        self.room = room

    def __call__(self, text: object = "", encoding: object = "latin1") -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise InertError("text in an unknown encoding")
        self.room -= len(text)
        if self.room < 0:
            raise InertError("it repeats one text without end")
        return text.encode("latin1")


class _Nothing(_StandIn):
    """A class that is only passed on."""


_ALLOWED: dict[str, _StandIn] = {
    "numpy.ndarray": _Nothing(),
    "numpy.dtype": _MakeDType(),
    "_codecs.encode": _Encode(),
}
for _package in ("numpy.core", "numpy._core"):  # before numpy 2, and since
    _ALLOWED[f"{_package}.multiarray._reconstruct"] = _Reconstruct()


class _Reader(pickle._Unpickler):  # the one in Python: the one in C reserves any memory that a file names
    dispatch: ClassVar = {code: act for code, act in pickle._Unpickler.dispatch.items() if code in OPCODES}

    def __init__(self, data: bytes | memoryview) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self.encode = _Encode(len(data))

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 (a stand-in)
        known = _ALLOWED.get(f"{module}.{name}")
        if known is None:
            raise InertError(f"it names {module}.{name}, which could be made to run; nothing was run")
        return self.encode if isinstance(known, _Encode) else known


def load(data: bytes | memoryview) -> Any:  # noqa: ANN401 (whatever plain data it holds)
    """The dictionaries, lists, texts, numbers and arrays in a pickle, whichever Python wrote it.

    Errors: InertError for any other content, and for damage.
    """
    try:
        return _Plain().of(_Reader(data).load())
    except InertError:
        raise
    except Exception as error:  # a damaged pickle may end in any error of the language
        raise InertError(f"the pickle is damaged ({type(error).__name__})") from error


class _Plain:
    """Puts arrays in the place of what stood for them."""

    def __init__(self) -> None:
        self.items = 0

    def of(self, value: Any, depth: int = 0) -> Any:  # noqa: ANN401 (whatever plain data it holds)
        self.items += 1
        if depth > 8 or self.items > MOST:
            raise InertError("it holds lists in lists without end")
        if isinstance(value, _Array):
            return self.of(value.value, depth + 1)
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(item, depth + 1) for item in value]
        if isinstance(value, _DType | _StandIn):
            raise InertError("it holds something that is no data")
        return value
