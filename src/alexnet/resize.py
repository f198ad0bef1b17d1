"""The one filter that resizes pictures: linear, antialiased, in float, separable.

A row of the resized picture is a weighted mean of some rows of the given one, and so are its columns: two products
with sparse matrices. They leave Python's lock and take less than half the time of PyTorch's `interpolate`, whose
weights they have.
"""

from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

REMEMBERED = 1 << 14  # pixels a side up to which weights are kept for the next picture of this size

_HALF, _ONE = np.float32(0.5), np.float32(1)


def resize(picture: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    """A picture, float32 (H, W, C), values 0 to 255, to uint8 (side, side, C)."""
    height, width, channels = picture.shape
    if (height, width) == (side, side):
        return np.rint(picture).astype(np.uint8)
    rows = _means(picture.reshape(height, width * channels), side)
    columns = _means(np.ascontiguousarray(rows.T).reshape(width, channels * side), side)
    rounded = np.rint(columns, out=columns).astype(np.uint8)  # means: never outside of 0 to 255
    return np.ascontiguousarray(rounded.reshape(side * channels, side).T).reshape(side, side, channels)


def _means(rows: NDArray[np.float32], wanted: int) -> NDArray[np.float32]:
    """Rows, float32 (given, any), to `wanted` of them."""
    given = len(rows)
    if given <= REMEMBERED:
        return cast(NDArray[np.float32], _remembered(given, wanted) @ rows)
    # the weights of a very long side would take more memory than the picture
    return np.concatenate([weights(given, wanted, range(row, row + 1)) @ rows for row in range(wanted)])


@lru_cache(maxsize=256)
def _remembered(given: int, wanted: int) -> Any:  # noqa: ANN401 (scipy has no types)
    return weights(given, wanted, range(wanted))


def weights(given: int, wanted: int, rows: range) -> Any:  # noqa: ANN401
    """How much each of `given` pixels counts in some `rows` of `wanted`: sparse float32 (rows, given), sums are 1.

    A triangle lies on the centre of each wanted pixel, two pixels wide: given ones where the picture grows, wanted
    ones where it shrinks. Source: PyTorch, aten/src/ATen/native/cpu/UpSampleKernel.cpp, antialiased filters.
    """
    scale = np.float32(given) / np.float32(wanted)
    reach = max(scale, _ONE)
    centres = scale * (np.arange(rows.start, rows.stop, dtype=np.float32) + _HALF)
    first = np.maximum((centres - reach + _HALF).astype(np.int32), 0)
    stop = np.minimum((centres + reach + _HALF).astype(np.int32), given)
    counts = stop - first
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    columns = np.arange(starts[-1], dtype=np.int32) + np.repeat(first - starts[:-1], counts)
    far = np.abs((columns - np.repeat(centres, counts) + _HALF).astype(np.float32))
    values = np.maximum(_ONE - far / reach, 0)
    values /= np.repeat(np.add.reduceat(values, starts[:-1]), counts)
    return sparse.csr_array((cast(Any, values), columns, starts), shape=(len(rows), given))
