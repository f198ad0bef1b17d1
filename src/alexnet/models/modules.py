"""The modules that PyTorch lacks: one-sided padding, response normalisation in columns or within maps, dropout scaled
at test, batch norm as Keras keeps its averages.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet.models.convolution import Conv2d

Padding = tuple[int, int, int, int]
"""Pixels left, right, top and bottom, in the order of `torch.nn.functional.pad`."""


class PaddedConv2d(Conv2d):
    """A convolution over (N, C, H, W) with zeros on some sides only.

    The 2012 code reads pixels beyond the picture as 0: 55 windows of 11 pixels at stride 4 cover 227 of the 224
    there are, so three columns on the right and three rows at the bottom are zeros.
    """

    def __init__(
        self, channels: int, filters: int, kernel: int, stride: int, padding: Padding, groups: int = 1
    ) -> None:
        super().__init__(channels, filters, kernel, stride, groups=groups)
        self.sides = padding

    def forward(self, input: Tensor) -> Tensor:
        """Pad, then convolve."""
        return super().forward(F.pad(input, self.sides))

    def extra_repr(self) -> str:
        """What a print shows."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"groups={self.groups}, sides={self.sides}"
        )


class PaddedMaxPool2d(nn.Module):
    """Max pooling over (N, C, H, W) with padding that never wins, as many pixels a side as wanted."""

    def __init__(self, kernel: int, stride: int, padding: Padding) -> None:
        super().__init__()
        self.kernel, self.stride, self.sides = kernel, stride, padding

    def forward(self, input: Tensor) -> Tensor:
        """Pad with minus infinity, then pool."""
        return F.max_pool2d(F.pad(input, self.sides, value=-torch.inf), self.kernel, self.stride)

    def extra_repr(self) -> str:
        """What a print shows."""
        return f"kernel_size={self.kernel}, stride={self.stride}, sides={self.sides}"


class ResponseNorm(nn.Module):
    """x · (k + scale Σ x²)^-β over `size` neighbouring maps of (N, C, H, W), clipped at the first and last map of
    each of `columns` equal blocks. Computed in float32 at least.

    With an even size the window has its extra map before, as in cuda-convnet; all published ones are odd.
    """

    def __init__(self, size: int, scale: float, beta: float, k: float, columns: int = 1) -> None:
        super().__init__()
        self.size, self.scale, self.beta, self.k, self.columns = size, scale, beta, k, columns

    def forward(self, input: Tensor) -> Tensor:
        """Normalise a batch of maps."""
        squares = _squares(input)
        if self.columns > 1:
            squares = torch.unflatten(squares, 1, (self.columns, -1))
        maps = squares.shape[-3]
        padded = F.pad(squares, (0, 0, 0, 0, self.size // 2, (self.size - 1) // 2))
        total = padded.narrow(-3, 0, maps)
        for shift in range(1, self.size):
            total = total + padded.narrow(-3, shift, maps)
        total = total.flatten(1, 2) if self.columns > 1 else total
        return _divided(input, self.k + self.scale * total, self.beta)

    def extra_repr(self) -> str:
        """What a print shows."""
        return f"size={self.size}, scale={self.scale:g}, beta={self.beta}, k={self.k}, columns={self.columns}"


class WithinMapNorm(nn.Module):
    """x · (k + scale Σ x²)^-β over size × size neighbouring pixels of each map of (N, C, H, W), clipped at its edges.
    Computed in float32 at least.
    """

    def __init__(self, size: int, scale: float, beta: float, k: float) -> None:
        super().__init__()
        self.size, self.scale, self.beta, self.k = size, scale, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """Normalise a batch of maps."""
        before, behind = self.size // 2, (self.size - 1) // 2
        padded = F.pad(_squares(input), (before, behind, before, behind))
        total = F.avg_pool2d(padded, self.size, stride=1, divisor_override=1)
        return _divided(input, self.k + self.scale * total, self.beta)

    def extra_repr(self) -> str:
        """What a print shows."""
        return f"size={self.size}, scale={self.scale:g}, beta={self.beta}, k={self.k}"


def _squares(input: Tensor) -> Tensor:
    """x² without the rounding of bf16: its eight bits would drown the sum in k."""
    return (input if input.dtype == torch.float64 else input.float()).square()


def _divided(input: Tensor, base: Tensor, beta: float) -> Tensor:
    """input · base^-beta, in the input's own precision."""
    if beta == 0.75:  # two square roots are several times faster than a power
        root = base.sqrt()
        return (input / (root * root.sqrt())).to(input.dtype)
    return (input * base.pow(-beta)).to(input.dtype)


class OriginalDropout(nn.Module):
    """Dropout as in 2012: values are kept or zeroed in training, all of them multiplied by 1 - rate at test."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        if not self.training:
            return input * (1 - self.rate)
        return input * torch.empty_like(input).bernoulli_(1 - self.rate)

    def extra_repr(self) -> str:
        """What a print shows."""
        return f"rate={self.rate}"


def batch_norms(network: nn.Module) -> dict[str, nn.modules.batchnorm._BatchNorm]:
    """The modules of `network` that keep running statistics, by name, in their order."""
    return {
        name: module for name, module in network.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)
    }


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
