"""What a file of weights holds, before it is known which network it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from alexnet.models.placing import Placed
from alexnet.models.variants import Variant

Kind = Literal["conv", "fc", "bn"]
"""Convolution, dense layer, batch norm."""


@dataclass(frozen=True)
class Piece:
    """One layer with weights, already in PyTorch's layout: (out, in / groups, kh, kw), (out, in), (C,)."""

    name: str
    """What the file calls it."""
    kind: Kind
    tensors: dict[str, Tensor]
    """By role: weight, bias, running_mean, running_var."""
    names: dict[str, str]
    """What the file calls each of them."""


@dataclass(frozen=True)
class Found:
    """The layers of a file in their order, and what is known of where it comes from."""

    form: str
    """For people, such as "Caffe model"."""
    pieces: tuple[Piece, ...]
    candidates: tuple[str, ...] = ()
    """The variants that such files are made of, the likeliest first; empty: nothing but --model can tell."""
    reason: str = ""
    """Why the first one is the likeliest."""
    named: bool = False
    """Whether the names are ours, and must match."""
    rows: Literal["chw", "hwc"] = "chw"
    """The order of the values that the first dense layer reads."""
    size: int | None = None
    """Side of the pictures in pixels, where the file says so."""
    difference: Callable[[Variant, list[Placed]], str | None] = lambda variant, layers: None
    """What else the file tells of its layers and a variant contradicts, in words."""
