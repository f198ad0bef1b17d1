"""The same picture in two parts: found by what is stored, whatever the files are called."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHOWN = 20  # pairs that are named
MOST = 4 << 30  # bytes of pixels that are read for it


def twins(
    pixels: NDArray[np.uint8], names: tuple[str, ...], ours: NDArray[np.int64], theirs: NDArray[np.int64]
) -> dict[str, Any] | None:
    """Pictures of `theirs` that are pixel by pixel one of `ours`: how many, and the first pairs of names.

    `pixels`, uint8 (all, S, S, C), are the stored pictures, `ours` and `theirs` rows of them. Returns
    {"count": ..., "of": ..., "pairs": [[ours, theirs], ...]}, or None when there is too much to read.
    """
    if (len(ours) + len(theirs)) * pixels[0].nbytes > MOST:
        return None
    first: dict[bytes, int] = {}
    for index in ours if len(theirs) else ():
        first.setdefault(_digest(pixels[index]), int(index))
    found = ((first.get(_digest(pixels[index])), index) for index in theirs)
    pairs = [[names[our], names[their]] for our, their in found if our is not None]
    return {"count": len(pairs), "of": len(theirs), "pairs": pairs[:SHOWN]}


def _digest(picture: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
