"""Numbers as PNG: heat over a picture, the maps of a convolution, small pictures side by side."""

import io
import math
from typing import Any

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from alexnet.inside import Box

LONGEST = 512  # pixels of the longer side of a heat map
STRONGEST = 0.85  # opacity where the heat is highest
FADE = 0.07  # of the box, at its ends: no sharp edge that draws the eye


def heat(values: NDArray[np.float32], box: Box, width: int, height: int) -> bytes:
    """A transparent PNG in the proportions of a picture of `width` by `height` pixels, to be laid over it.

    Outside of `box`, which is all that the network saw, and where the heat is lowest, nothing is drawn.
    """
    scale = LONGEST / max(width, height)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = round(box.left * width), round(box.top * height)
    across, down = max(1, round(box.width * width)), max(1, round(box.height * height))
    smooth = F.interpolate(
        torch.from_numpy(values)[None, None], (down, across), mode="bicubic", align_corners=False
    ).clamp_(0, 1)
    strength = smooth[0, 0].numpy()
    if values.max() > values.min():
        strength = np.clip((strength - values.min()) / (values.max() - values.min()), 0, 1)
    coloured = matplotlib.colormaps["turbo"](0.25 + 0.7 * strength)
    coloured[..., 3] = STRONGEST * strength**0.7 * np.outer(_fading(down, box.height), _fading(across, box.width))
    layer = np.zeros((height, width, 4), np.uint8)
    inner = (coloured * 255).round().astype(np.uint8)[: height - top, : width - left]
    layer[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return png(layer)


def sheet(maps: NDArray[np.float32], columns: int) -> bytes:
    """Maps (N, height, width) in rows of `columns`, grey, each from 0 (black) to its own highest value (white)."""
    highest = maps.max(axis=(1, 2), keepdims=True)
    scaled = np.clip(maps, 0, None) / np.where(highest > 0, highest, np.float32(1))
    return png((_in_rows(scaled, columns) * 255).round().astype(np.uint8))


def whole(pixels: NDArray[np.uint8]) -> bytes:
    """A picture, uint8 (H, W, 3), as large as its heat map or smaller."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((LONGEST, LONGEST))
    return png(np.asarray(picture))


def row(pixels: NDArray[np.uint8]) -> bytes:
    """Pictures, uint8 (N, S, S, C), in one row."""
    return png(np.concatenate(list(pixels), axis=1))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) as a PNG file."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=3)
    return file.getvalue()


def _fading(length: int, share: float) -> NDArray[np.float64]:
    """1 within, falling towards both ends, unless the box ends where the picture does."""
    if share > 1 - FADE:
        return np.ones(length)
    from_end = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.minimum(1, from_end / (FADE * length))


def _in_rows(maps: NDArray[np.floating[Any]], columns: int) -> NDArray[np.float32]:
    count, height, width = maps.shape
    rows = math.ceil(count / columns)
    grid = np.zeros((rows * columns, height, width), np.float32)
    grid[:count] = maps
    return grid.reshape(rows, columns, height, width).transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
