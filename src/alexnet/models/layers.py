"""The layers an AlexNet is made of: each a frozen description that tells its output shape and makes its module.

Shapes are (C, H, W) before the flatten and (F,) after it. The descriptions are what the variants are written
in; sizes follow from arithmetic alone, so a table can be printed without building anything. `str(layer)` is
the line that people compare.
"""

import math
from dataclasses import dataclass
from typing import Literal

from torch import nn

from alexnet.models import modules
from alexnet.models.convolution import Conv2d

Shape = tuple[int, ...]


def channels_last(shape: Shape) -> Shape:
    """(C, H, W) to (H, W, C); (F,) stays."""
    return (*shape[1:], shape[0])


Pads = tuple[int, int]
"""Pixels before (left, top) and behind (right, bottom)."""


def _windows(side: int, kernel: int, stride: int, pads: Pads) -> int:
    return (side + sum(pads) - kernel) // stride + 1


def _pads(side: int, kernel: int, stride: int, padding: int | Literal["same", "ceil"]) -> Pads:
    """The padding of one side. "same": ceil(side / stride) windows, the odd pixel behind (TensorFlow's and Keras's
    rule). "ceil": only behind, so that the last window, which would be cut off, is whole (cuda-convnet, Caffe's pools).
    """
    if padding == "same":
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        return total // 2, total - total // 2
    if padding == "ceil":
        return 0, max(math.ceil((side - kernel) / stride) * stride + kernel - side, 0)
    return padding, padding


@dataclass(frozen=True)
class Conv:
    """A convolution with bias; `filters=None` means one a class. `padding`: pixels on each side, "same" or "ceil"
    (see `_pads`). `groups`: output block g sees input block g alone.
    """

    filters: int | None
    kernel: int
    stride: int = 1
    padding: int | Literal["same", "ceil"] = 0
    groups: int = 1
    kind = "conv"

    def __str__(self) -> str:
        pad = "" if self.padding == 0 else f" pad {self.padding}"
        stride = f"/{self.stride}" if self.stride > 1 else ""
        groups = f" groups {self.groups}" if self.groups > 1 else ""
        return f"conv {self.filters or 'classes'}@{self.kernel}×{self.kernel}{stride}{pad}{groups}"

    def pads(self, side: int) -> Pads:
        """The padding of a side of so many pixels."""
        return _pads(side, self.kernel, self.stride, self.padding)

    def output(self, shape: Shape) -> Shape:
        """Shape (C, H, W) to (filters, H', W')."""
        assert self.filters is not None, "the number of classes is filled in by the network"
        _, *sides = shape
        return (self.filters, *(_windows(side, self.kernel, self.stride, self.pads(side)) for side in sides))

    def module(self, shape: Shape) -> nn.Module:
        """The module for an input of `shape`."""
        filters, (height, width) = self.output(shape)[0], (self.pads(side) for side in shape[1:])
        if height[0] == height[1] and width[0] == width[1]:
            padding = (height[0], width[0])
            return Conv2d(shape[0], filters, self.kernel, self.stride, padding, groups=self.groups)
        return modules.PaddedConv2d(shape[0], filters, self.kernel, self.stride, (*width, *height), self.groups)


@dataclass(frozen=True)
class MaxPool:
    """Max pooling over windows that may overlap. `padding`: 0 drops incomplete windows, "ceil" keeps those at the
    right and bottom edges, "same" as for convolutions; what is padded never wins.
    """

    kernel: int
    stride: int
    padding: Literal[0, "same", "ceil"] = 0
    kind = "pool"

    def __str__(self) -> str:
        return f"max pool {self.kernel}×{self.kernel}/{self.stride}" + (f" {self.padding}" if self.padding else "")

    def pads(self, side: int) -> Pads:
        """The padding of a side of so many pixels."""
        return _pads(side, self.kernel, self.stride, self.padding)

    def output(self, shape: Shape) -> Shape:
        """Shape (C, H, W) to (C, H', W')."""
        channels, *sides = shape
        return (channels, *(_windows(side, self.kernel, self.stride, self.pads(side)) for side in sides))

    def module(self, shape: Shape) -> nn.Module:
        """The module for an input of `shape`."""
        if self.padding == "same":
            height, width = (self.pads(side) for side in shape[1:])
            return modules.PaddedMaxPool2d(self.kernel, self.stride, (*width, *height))
        return nn.MaxPool2d(self.kernel, self.stride, ceil_mode=self.padding == "ceil")


@dataclass(frozen=True)
class AdaptiveAveragePool:
    """The mean over a grid of side × side cells, whatever the size of the maps; at that size, nothing."""

    side: int
    kind = "avgpool"

    def __str__(self) -> str:
        return f"average pool to {self.side}×{self.side}"

    def output(self, shape: Shape) -> Shape:
        """Shape (C, H, W) to (C, side, side); nothing from nothing."""
        return (shape[0], self.side, self.side) if min(shape[1:]) > 0 else shape

    def module(self, shape: Shape) -> nn.Module:
        """The module; any shape."""
        return nn.AdaptiveAvgPool2d(self.side)


@dataclass(frozen=True)
class Dense:
    """A fully connected layer with bias; `units=None` means one output a class."""

    units: int | None
    kind = "fc"

    def __str__(self) -> str:
        return f"dense {self.units or 'classes'}"

    def output(self, shape: Shape) -> Shape:
        """Shape (F,) to (units,)."""
        assert self.units is not None, "the number of classes is filled in by the network"
        return (self.units,)

    def module(self, shape: Shape) -> nn.Module:
        """The module for `shape` = (F,)."""
        return nn.Linear(shape[0], self.output(shape)[0])


@dataclass(frozen=True)
class Flatten:
    """(C, H, W) to (C*H*W,), in that order. Stands before the first dense layer and behind the last convolution
    of a network without dense layers; variants need not say so.
    """

    kind = "flatten"

    def __str__(self) -> str:
        return "flatten"

    def output(self, shape: Shape) -> Shape:
        """The product of the sides."""
        return (math.prod(shape),)

    def module(self, shape: Shape) -> nn.Module:
        """The module; any shape."""
        return nn.Flatten()


@dataclass(frozen=True)
class Unchanged:
    """What layers have in common that leave the shape as it is."""

    def output(self, shape: Shape) -> Shape:
        """Unchanged."""
        return shape


@dataclass(frozen=True)
class ReLU(Unchanged):
    """max(0, x)."""

    kind = "relu"

    def __str__(self) -> str:
        return "ReLU"

    def module(self, shape: Shape) -> nn.Module:
        """The module; not in place, so that hooks see what was there."""
        return nn.ReLU()


@dataclass(frozen=True)
class Threshold(Unchanged):
    """x where it is above 0, `value` elsewhere (Torch7's Threshold(0, value))."""

    value: float
    kind = "relu"

    def __str__(self) -> str:
        return f"threshold 0 → {self.value:g}"

    def module(self, shape: Shape) -> nn.Module:
        """The module; any shape."""
        return nn.Threshold(0.0, self.value)


@dataclass(frozen=True)
class Tanh(Unchanged):
    """The hyperbolic tangent."""

    kind = "tanh"

    def __str__(self) -> str:
        return "tanh"

    def module(self, shape: Shape) -> nn.Module:
        """The module; any shape."""
        return nn.Tanh()


@dataclass(frozen=True)
class LRN(Unchanged):
    """Response normalisation across maps: x · (k + a Σ x²)^-β over `size` neighbouring maps.

    The sources read α in two ways: `divided` by the size, a = α / size (cuda-convnet, Caffe, PyTorch), or as it
    stands, a = α (the 2012 text, TensorFlow). With `columns`, windows do not cross from one block of maps to the
    next (the two graphics cards of 2012).
    """

    size: int
    alpha: float
    beta: float
    k: float
    divided: bool = True
    columns: int = 1
    kind = "norm"

    def __str__(self) -> str:
        alpha = f"{self.alpha:g}/{self.size}" if self.divided else f"{self.alpha:g}"
        columns = f" in {self.columns} columns" if self.columns > 1 else ""
        return f"LRN {self.size} maps k {self.k:g} α {alpha} β {self.beta:g}{columns}"

    def module(self, shape: Shape) -> nn.Module:
        """The module for C channels, a multiple of `columns`."""
        scale = self.alpha / self.size if self.divided else self.alpha
        return modules.ResponseNorm(self.size, scale, self.beta, self.k, self.columns)


@dataclass(frozen=True)
class MapNorm(Unchanged):
    """Response normalisation within a map: x · (k + (α / size²) Σ x²)^-β over size × size neighbouring pixels
    (cuda-convnet's layer type `rnorm`).
    """

    size: int
    alpha: float
    beta: float
    k: float
    kind = "mapnorm"

    def __str__(self) -> str:
        return f"within-map norm {self.size}×{self.size} k {self.k:g} α {self.alpha:g}/{self.size**2} β {self.beta:g}"

    def module(self, shape: Shape) -> nn.Module:
        """The module; any shape."""
        return modules.WithinMapNorm(self.size, self.alpha / self.size**2, self.beta, self.k)


@dataclass(frozen=True)
class Dropout(Unchanged):
    """Zeroes a share `rate` of the values in training. The rest is scaled by 1 / (1 - rate) in training (Caffe,
    PyTorch, Keras), or everything by 1 - rate at test (2012, cuda-convnet).
    """

    rate: float
    scaled: Literal["training", "test"] = "training"
    kind = "drop"

    def __str__(self) -> str:
        return f"dropout {self.rate:g}" + (" scaled at test" if self.scaled == "test" else "")

    def module(self, shape: Shape) -> nn.Module:
        """The module; any shape."""
        return nn.Dropout(self.rate) if self.scaled == "training" else modules.OriginalDropout(self.rate)


@dataclass(frozen=True)
class BatchNorm(Unchanged):
    """Batch normalisation, by default with Keras's constants: momentum 0.99 (PyTorch counts it as 0.01), epsilon
    1e-3, the biased variance averaged. `biased=False` averages the unbiased one (Torch, Caffe); without `affine`
    there is neither scale nor shift.
    """

    momentum: float = 0.01
    epsilon: float = 1e-3
    biased: bool = True
    affine: bool = True
    kind = "bn"

    def __str__(self) -> str:
        affine = "" if self.affine else " without scale and shift"
        variance = "biased" if self.biased else "unbiased"
        return f"batch norm momentum {self.momentum:g} ε {self.epsilon:g} {variance}{affine}"

    def module(self, shape: Shape) -> nn.Module:
        """The module for (C, H, W) or (F,)."""
        if self.biased:
            assert self.affine, "Keras's batch norm is always given scale and shift here"
            return modules.KerasBatchNorm(shape[0], eps=self.epsilon, momentum=self.momentum)
        norm = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
        return norm(shape[0], eps=self.epsilon, momentum=self.momentum, affine=self.affine)


Layer = (
    Conv
    | MaxPool
    | AdaptiveAveragePool
    | Dense
    | Flatten
    | ReLU
    | Threshold
    | Tanh
    | LRN
    | MapNorm
    | Dropout
    | BatchNorm
)
