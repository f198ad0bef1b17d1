"""The layers an AlexNet is made of: each a frozen description that tells its output shape and makes its module.

Shapes are (C, H, W) before the flatten and (F,) after it. The descriptions are what the variants are written
in; sizes follow from arithmetic alone, so a table can be printed without building anything.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Conv:
    """A convolution with bias. `padding`: pixels on each side, or "same" for an unchanged size at stride 1."""

    filters: int
    kernel: int
    stride: int = 1
    padding: int | Literal["same"] = 0
    kind = "conv"

    @property
    def pixels(self) -> int:
        """The padding in pixels a side."""
        return (self.kernel - 1) // 2 if self.padding == "same" else self.padding

    def output(self, shape: Shape) -> Shape:
        """Shape (C, H, W) to (filters, H', W')."""
        _, *sides = shape
        return (self.filters, *((side + 2 * self.pixels - self.kernel) // self.stride + 1 for side in sides))

    def module(self, shape: Shape) -> nn.Module:
        """The module for an input of `shape`."""
        return nn.Conv2d(shape[0], self.filters, self.kernel, self.stride, self.pixels)


@dataclass(frozen=True)
class MaxPool:
    """Max pooling over windows that may overlap; incomplete windows are dropped."""

    kernel: int
    stride: int
    kind = "pool"

    def output(self, shape: Shape) -> Shape:
        """Shape (C, H, W) to (C, H', W')."""
        channels, *sides = shape
        return (channels, *((side - self.kernel) // self.stride + 1 for side in sides))

    def module(self, shape: Shape) -> nn.Module:
        """The module; any shape."""
        return nn.MaxPool2d(self.kernel, self.stride)


@dataclass(frozen=True)
class Dense:
    """A fully connected layer with bias; `units=None` means one output a class."""

    units: int | None
    kind = "fc"

    def output(self, shape: Shape) -> Shape:
        """Shape (F,) to (units,)."""
        assert self.units is not None, "the number of classes is filled in by the network"
        return (self.units,)

    def module(self, shape: Shape) -> nn.Module:
        """The module for `shape` = (F,)."""
        return nn.Linear(shape[0], self.output(shape)[0])


@dataclass(frozen=True)
class Flatten:
    """(C, H, W) to (C*H*W,), in that order. Stands before the first dense layer; variants need not say so."""

    kind = "flatten"

    def output(self, shape: Shape) -> Shape:
        """The product of the sides."""
        return (int(torch.Size(shape).numel()),)

    def module(self, shape: Shape) -> nn.Module:
        """The module; any shape."""
        return nn.Flatten()


@dataclass(frozen=True)
class ReLU:
    """max(0, x)."""

    kind = "relu"

    def output(self, shape: Shape) -> Shape:
        """Unchanged."""
        return shape

    def module(self, shape: Shape) -> nn.Module:
        """The module; not in place, so that hooks see what was there."""
        return nn.ReLU()


@dataclass(frozen=True)
class Dropout:
    """Zeroes a share `rate` of the values in training and scales the rest by 1 / (1 - rate)."""

    rate: float
    kind = "drop"

    def output(self, shape: Shape) -> Shape:
        """Unchanged."""
        return shape

    def module(self, shape: Shape) -> nn.Module:
        """The module; any shape."""
        return nn.Dropout(self.rate)


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation with Keras's constants: momentum 0.99 (PyTorch counts it as 0.01), epsilon 1e-3."""

    momentum: float = 0.01
    epsilon: float = 1e-3
    kind = "bn"

    def output(self, shape: Shape) -> Shape:
        """Unchanged."""
        return shape

    def module(self, shape: Shape) -> nn.Module:
        """The module for C channels or F features."""
        return KerasBatchNorm(shape[0], eps=self.epsilon, momentum=self.momentum)


Layer = Conv | MaxPool | Dense | Flatten | ReLU | Dropout | BatchNorm


class KerasBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over (N, C, H, W) or (N, F) that keeps the *biased* batch variance in its running average.

    PyTorch normalises with the biased variance but averages the unbiased one, n/(n-1) times larger; Keras 3
    (keras/src/layers/normalization/batch_normalization.py) averages the biased one. With 128 values a
    feature, as behind a dense layer, the difference shows in the third digit.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"expected a batch of shape (N, F) or (N, C, H, W), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `input`; in training, update the running statistics the Keras way."""
        self._check_input_dim(input)
        if not self.training or self.running_var is None:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        # momentum None: cumulative average, each batch counts the same
        momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        mean, variance = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        output = F.batch_norm(input, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
        values = input.numel() // input.shape[1]
        with torch.no_grad():  # momentum 1 above leaves this batch's own mean and unbiased variance
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * ((values - 1) / values), momentum)
        return output
