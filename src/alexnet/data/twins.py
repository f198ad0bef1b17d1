"""The same picture twice: found by its pixels, whatever the files are called."""

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.data.compressed import Pixels, as_trained

SHOWN = 20  # pairs that are named
MOST = 4 << 30  # bytes of pixels that are read for it
DIGEST = 16  # bytes


def twins(
    pixels: Pixels, names: tuple[str, ...], ours: NDArray[np.int64], theirs: NDArray[np.int64]
) -> dict[str, Any] | None:
    """Pictures of `theirs` that are pixel by pixel one of `ours`: how many, and the first pairs of names.

    `pixels`, uint8 (all, S, S, C), are the stored pictures, `ours` and `theirs` rows of them. Returns
    {"count": ..., "of": ..., "pairs": [[ours, theirs], ...]}, or None when there is too much to read.
    """
    if (len(ours) + len(theirs)) * math.prod(pixels.shape[1:]) > MOST:
        return None
    first: dict[bytes, int] = {}
    for index in ours.tolist() if len(theirs) else ():
        first.setdefault(digest(as_trained(pixels, index)), index)
    found = ((first.get(digest(as_trained(pixels, index))), index) for index in theirs.tolist())
    pairs = [[names[our], names[their]] for our, their in found if our is not None]
    return {"count": len(pairs), "of": len(theirs), "pairs": pairs[:SHOWN]}


def alike(digests: NDArray[np.uint8], indices: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Those of `indices` whose rows of `digests`, uint8 (all, DIGEST), are equal: one sorted array a picture that is
    there more than once, by its first index."""
    keys = np.ascontiguousarray(digests[indices]).view(f"V{DIGEST}").ravel()
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[group] > 1)
    ordered = repeated[np.argsort(group[repeated], kind="stable")]
    edges = np.flatnonzero(np.diff(group[ordered])) + 1
    groups = [indices[part] for part in np.split(ordered, edges) if len(part)]
    return sorted(groups, key=lambda members: int(members[0]))


def digest(picture: NDArray[np.uint8]) -> bytes:
    """DIGEST bytes that only pictures with the same sides and pixels share."""
    total = hashlib.blake2b(repr(picture.shape).encode(), digest_size=DIGEST)
    total.update(np.ascontiguousarray(picture).data)
    return total.digest()
