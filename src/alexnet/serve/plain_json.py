"""JSON from strangers: an object, at a depth that can be read; and text that JSON can hold."""

import json
from typing import Any

from alexnet.serve.refusal import bad


def read_object(text: bytes) -> dict[str, Any]:
    """Errors: RefusalError for what is no JSON object in UTF-8."""
    try:
        value = json.loads(text.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise bad(f"not JSON: {reason}") from error
    if not isinstance(value, dict):
        raise bad("not a JSON object")
    return value


def readable(given: str) -> str:
    r"""A name as every client can read it: bytes that are not UTF-8 become escapes.

    >>> print(readable("bl\udce9"))
    bl\udce9
    """
    return given.encode("utf-8", "backslashreplace").decode("utf-8")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")
