"""Two pictures in one, and both labels: mixup and cutmix, pure functions on a batch, from a seeded generator.

Sources: H. Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018; S. Yun et al., CutMix, ICCV 2019. As in
both papers' code, one share is drawn a batch, and each picture's partner is another of the same batch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Generator, Tensor

from alexnet.device import send


class Mixing(BaseModel):
    """How training pictures are mixed. The defaults mix nothing; where both are asked for, each batch takes one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mixup: float = Field(0.0, ge=0)
    """Pictures are faded into one another; the share is drawn from Beta(mixup, mixup)."""
    cutmix: float = Field(0.0, ge=0)
    """A rectangle of the partner is pasted in; the share of the area that stays is drawn from Beta(cutmix, cutmix)."""


@dataclass(frozen=True)
class Mixed:
    """Pictures (N, C, H, W), the labels of the first and the second in each, int64 (N,), and the share of the first."""

    pictures: Tensor
    labels: Tensor
    partners: Tensor
    share: float


def mix(pictures: Tensor, labels: Tensor, settings: Mixing, generator: Generator, own: int | None = None) -> Mixed:
    """Mix each of `pictures` with one of the same batch; where nothing is to be mixed its share is 1.

    Only the first `own` count (None: all); those behind them are nobody's partner but their own.
    """
    strengths = [(name, value) for name, value in (("mixup", settings.mixup), ("cutmix", settings.cutmix)) if value]
    if not strengths:
        return Mixed(pictures, labels, labels, 1.0)
    name, strength = strengths[int(torch.randint(len(strengths), (), generator=generator))]
    seed = int(torch.randint(2**62, (), generator=generator))
    share = float(np.random.default_rng(seed).beta(strength, strength))
    count = len(pictures) if own is None else own
    order = torch.cat((torch.randperm(count, generator=generator), torch.arange(count, len(pictures))))
    order = send(order, pictures.device)
    if name == "mixup":
        return Mixed(pictures.lerp(pictures[order], 1 - share), labels, labels[order], share)
    top, bottom, left, right = draw_rectangle(pictures.shape[-2], pictures.shape[-1], 1 - share, generator)
    mixed = pictures.clone()
    mixed[:, :, top:bottom, left:right] = pictures[order, :, top:bottom, left:right]
    pasted = (bottom - top) * (right - left) / (pictures.shape[-2] * pictures.shape[-1])
    return Mixed(mixed, labels, labels[order], 1 - pasted)


def draw_rectangle(height: int, width: int, area: float, generator: Generator) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of a rectangle with `area` as its share of the picture and the picture's proportions.

    Its centre may be anywhere; what would stand outside is cut off, so that its share can be less.
    """
    middle, centre = (int(torch.randint(side, (), generator=generator)) for side in (height, width))
    half_height, half_width = (round(side * area**0.5) // 2 for side in (height, width))
    return (
        max(middle - half_height, 0),
        min(middle + half_height, height),
        max(centre - half_width, 0),
        min(centre + half_width, width),
    )
