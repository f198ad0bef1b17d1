"""Random crops, flips, turns and colour: pure functions on a batch, on its device, from a seeded generator.

The geometric ones are composed into one affine map a picture, so that each is sampled (bilinearly) once.
Random numbers are drawn on the CPU: the same generator gives the same pictures on every device.
"""

import math

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Generator, Tensor

from alexnet.preprocess import GREY


class Augment(BaseModel):
    """What training pictures go through. The defaults change nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    crop_area: tuple[float, float] = (1.0, 1.0)
    """Share of the stored picture's area that a random crop keeps, from and to; (1, 1): the centre crop."""
    crop_ratio: tuple[float, float] = (0.75, 4 / 3)
    """Width over height of random crops, from and to."""
    flip: bool = False
    """Mirror left and right with probability 1/2."""
    rotate: float = Field(0.0, ge=0, le=180)
    """Largest turn, degrees either way."""
    translate: float = Field(0.0, ge=0, lt=1)
    """Largest shift, as a share of the side, either way and direction."""
    zoom: float = Field(0.0, ge=0, lt=1)
    """Largest enlargement or reduction, as a share."""
    brightness: float = Field(0.0, ge=0, lt=1)
    """Values are multiplied by 1 ± this at most."""
    contrast: float = Field(0.0, ge=0, lt=1)
    """Distances from a picture's mean are multiplied by 1 ± this at most."""
    saturation: float = Field(0.0, ge=0, lt=1)
    """Distances from grey are multiplied by 1 ± this at most."""

    @field_validator("crop_area", "crop_ratio")
    @classmethod
    def _from_small_to_large(cls, pair: tuple[float, float]) -> tuple[float, float]:
        if not 0 < pair[0] <= pair[1]:
            raise ValueError("two numbers above 0 are needed, the smaller one first")
        return pair

    @field_validator("crop_area")
    @classmethod
    def _at_most_all(cls, pair: tuple[float, float]) -> tuple[float, float]:
        if pair[1] > 1:
            raise ValueError("a crop cannot keep more than the whole area, 1")
        return pair

    @property
    def moves(self) -> bool:
        """Whether pictures are resampled, beyond the centre crop and flips."""
        return self.crop_area != (1.0, 1.0) or bool(self.rotate or self.translate or self.zoom)


def augment(stored: Tensor, size: int, settings: Augment, generator: Generator) -> Tensor:
    """Stored pictures, uint8 (N, C, S, S), to augmented ones of `size` pixels, (N, C, size, size).

    Values stay within 0 to 255; uint8 where nothing had to be computed, float32 otherwise.
    """
    if settings.moves:
        batch = warp(stored, draw_maps(len(stored), stored.shape[-1], size, settings, generator), size)
    else:
        offset = (stored.shape[-1] - size) // 2
        batch = stored[:, :, offset : offset + size, offset : offset + size]
        if settings.flip:
            batch = flip(batch, generator)
    if settings.brightness or settings.contrast or settings.saturation:
        batch = colour(batch.float(), settings, generator)
    return batch


def draw_maps(count: int, side: int, size: int, settings: Augment, generator: Generator) -> Tensor:
    """Random affine maps, float32 (count, 2, 3), from output to stored coordinates, both in [-1, 1]."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    if settings.crop_area == (1.0, 1.0):
        width = height = torch.full((count,), size / side)
        left = top = torch.zeros(count)
    else:
        area = uniform(*settings.crop_area)
        ratio = torch.exp(uniform(math.log(settings.crop_ratio[0]), math.log(settings.crop_ratio[1])))
        width = (area * ratio).sqrt().clamp(max=1)
        height = (area / ratio).sqrt().clamp(max=1)
        left = (1 - width) * uniform(-1, 1)
        top = (1 - height) * uniform(-1, 1)
    angle = torch.deg2rad(uniform(-settings.rotate, settings.rotate))
    scale = 1 / (1 + uniform(-settings.zoom, settings.zoom))
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5 * settings.flip, -1.0, 1.0)
    shift_x = left + 2 * uniform(-settings.translate, settings.translate)
    shift_y = top + 2 * uniform(-settings.translate, settings.translate)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = (
        torch.stack([width * cosine * mirror, -height * sine, shift_x], dim=1),
        torch.stack([width * sine * mirror, height * cosine, shift_y], dim=1),
    )
    return torch.stack(rows, dim=1)


def warp(stored: Tensor, maps: Tensor, size: int) -> Tensor:
    """Sample (N, C, S, S) along affine maps (N, 2, 3): float32 (N, C, size, size); zeros outside."""
    shape = [len(stored), stored.shape[1], size, size]
    grid = F.affine_grid(maps.to(stored.device), shape, align_corners=False)
    return F.grid_sample(stored.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def flip(batch: Tensor, generator: Generator) -> Tensor:
    """Mirror each picture of (N, C, H, W) left and right with probability 1/2."""
    mirrored = (torch.rand(len(batch), generator=generator) < 0.5).to(batch.device)
    return torch.where(mirrored.view(-1, 1, 1, 1), batch.flip(-1), batch)


def colour(batch: Tensor, settings: Augment, generator: Generator) -> Tensor:
    """Brightness, contrast and saturation of (N, C, H, W), values 0 to 255, by random factors a picture."""

    def factor(strength: float) -> Tensor:
        drawn = 1 + strength * (2 * torch.rand(len(batch), generator=generator) - 1)
        return drawn.view(-1, 1, 1, 1).to(batch.device)

    batch = batch * factor(settings.brightness)
    mean = batch.mean(dim=(1, 2, 3), keepdim=True)
    batch = mean + (batch - mean) * factor(settings.contrast)
    saturation = factor(settings.saturation)
    if batch.shape[1] == 3:
        weights = torch.tensor(GREY, device=batch.device).view(1, 3, 1, 1)
        grey = (batch * weights).sum(dim=1, keepdim=True)
        batch = grey + (batch - grey) * saturation
    return batch.clamp(0, 255)
