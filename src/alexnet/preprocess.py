"""The evaluation view as a value: how any picture becomes what a network was trained to see.

It travels with the weights, so that training, validation, prediction and export cannot disagree:

    picture, uint8 (H, W, 3)  --fit-->  stored, uint8 (S, S, C)  --views-->  float (N, C, size, size)

`fit` is what the store keeps. It reckons in whole numbers only, so that a stored picture and a picture opened a moment
ago are equal to the last bit, alone or among others, on any processor and in an exported file.
"""

import functools
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

LARGEST = 8192  # pixels: a larger side would ask for gigabytes a picture
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma
GREY_OF_65536 = (19595, 38470, 7471)  # the same in whole numbers, as Pillow's "L"


@dataclass(frozen=True)
class Preprocess:
    """Resize rule, crop, scale and test views of one trained network."""

    size: int
    """Side in pixels of the network's input."""
    resize_to: int
    """Side in pixels of the stored square; the network sees its central `size` pixels."""
    resize: Literal["squash", "crop"] = "squash"
    """squash: the whole picture, aspect not kept. crop: the central square of the picture."""
    channels: int = 3
    """3 for RGB, 1 for grey."""
    mean: tuple[float, ...] = (0.0,)
    """Subtracted from values in [0, 1], one a channel (or one for all)."""
    std: tuple[float, ...] = (1.0,)
    """Divides afterwards."""
    views: int = 1
    """Views averaged in the answer: 1 the centre, 2 its mirror too, 10 also the four corners and mirrors."""

    def __post_init__(self) -> None:
        """Errors: ValueError for values that no picture can be prepared with."""
        counts = (self.size, self.resize_to, self.channels, self.views)
        if not all(type(number) is int for number in counts) or self.channels not in (1, 3):
            raise ValueError(f"size, resize_to, channels and views {counts} are not what they may be")
        if not 1 <= self.size <= self.resize_to <= LARGEST or self.views not in (1, 2, 10):
            raise ValueError(f"size {self.size}, resize_to {self.resize_to}, views {self.views} do not go together")
        if self.resize not in ("squash", "crop"):
            raise ValueError(f"resize rule {self.resize!r} is neither squash nor crop")
        for name in ("mean", "std"):
            values = getattr(self, name)
            numbers = all(type(value) in (float, int) and math.isfinite(value) for value in values)
            if len(values) not in (1, self.channels) or not numbers or (name == "std" and min(values) <= 0):
                raise ValueError(f"{name} {values} does not fit {self.channels} channels")

    @property
    def in_words(self) -> str:
        """Such as "shorter side to 256, central 224; 0 to 255, minus 127, 119, 103"."""
        rule = "squashed to" if self.resize == "squash" else "shorter side to"
        crop = f", central {self.size}" if self.size < self.resize_to else ""
        mean, std = (", ".join(f"{255 * value:.6g}" for value in values) for values in (self.mean, self.std))
        minus = "" if mean == "0" else f", minus {mean}"
        over = "" if std == "1" else f", divided by {std}"
        return f"{rule} {self.resize_to}{crop}; 0 to 255{minus}{over}"

    def fit(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Any picture, uint8 (H, W, 3), to the stored square, uint8 (S, S, C)."""
        alone = pixels.reshape(1, *pixels.shape)  # with strides by which PyTorch knows that channels come last
        return cast(NDArray[np.uint8], self.fit_all(alone)[0])

    def fit_all(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pictures of one size, uint8 (N, H, W, 3), to stored squares, uint8 (N, S, S, C).

        The filter is PyTorch's for uint8: a triangle of 16-bit weights, rows first, rounded after either pass. Pillow's
        has weights of 22 bits and takes the cheaper pass first: it differs by single levels.
        """
        if self.resize == "crop":
            height, width = pixels.shape[1:3]
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            pixels = pixels[:, top : top + side, left : left + side]
        if self.channels == 1:
            whole = pixels.astype(np.int32)
            red, green, blue = (whole[..., [at]] * weight for at, weight in enumerate(GREY_OF_65536))
            pixels = ((red + green + blue + (1 << 15)) >> 16).astype(np.uint8)
        pixels = np.ascontiguousarray(pixels)
        square = (self.resize_to, self.resize_to)
        if pixels.shape[1:3] == square:
            return pixels
        batch = F.interpolate(torch.from_numpy(pixels).permute(0, 3, 1, 2), square, mode="bilinear", antialias=True)
        return cast(NDArray[np.uint8], batch.permute(0, 2, 3, 1).contiguous().numpy())

    def normalise(self, batch: Tensor) -> Tensor:
        """Values 0 to 255, any type (N, C, H, W), to float32 with mean and std taken out."""
        values = batch / 255
        rows = values.permute(0, 2, 3, 1)
        if rows.is_contiguous():  # channels last: a line of pixels is one long row, which vectorises
            rows = rows.flatten(2)
        for numbers, idle, change in ((self.mean, 0.0, rows.sub_), (self.std, 1.0, rows.div_)):
            if set(numbers) != {idle}:
                change(torch.from_numpy(_line(numbers, rows.shape[-1])).to(batch.device))
        return values

    def test_views(self, stored: Tensor) -> list[Tensor]:
        """Stored pictures, uint8 (N, C, S, S), to the `views` float batches (N, C, size, size)."""
        margin = self.resize_to - self.size
        centre = margin // 2
        corners = [(centre, centre)]
        if self.views == 10:
            corners += [(0, 0), (0, margin), (margin, 0), (margin, margin)]
        batches = []
        for top, left in corners:
            crop = self.normalise(stored[:, :, top : top + self.size, left : left + self.size])
            batches += [crop, crop.flip(-1)] if self.views > 1 else [crop]
        return batches

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for metadata."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocess":
        """Back from plain values."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)


@functools.lru_cache
def _line(numbers: tuple[float, ...], length: int) -> NDArray[np.float32]:
    """The numbers again and again, as they meet the values of a line."""
    return np.resize(np.array(numbers, np.float32), length)
