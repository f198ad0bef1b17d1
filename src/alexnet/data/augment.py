"""Random crops, flips, turns and colour: pure functions on a batch, on its device, from a seeded generator.

Crops at whole pixels and flips copy pixels; all else geometric is composed into one affine map a picture, so that
each is sampled (bilinearly) once. Random numbers are drawn on the CPU: the same generator gives the same pictures
on every device.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Generator, Tensor

from alexnet.data.crops import cut, draw_corners
from alexnet.device import send
from alexnet.preprocess import GREY

BENDS = 6  # points a side at which elastic shifts are drawn
ColourNoise = Literal["cuda-convnet", "lighting", "paper"]


class Augment(BaseModel):
    """What training pictures go through. The defaults change nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    crop: Literal["centre", "random"] = "centre"
    """Which part of the input's size is cut from the stored picture: random takes any whole pixel as its corner."""
    crop_area: tuple[float, float] = (1.0, 1.0)
    """Share of the stored picture's area that a random crop of any size keeps, from and to; (1, 1): see `crop`."""
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
    elastic: float = Field(0.0, ge=0, lt=0.5)
    """Largest local shift, as a share of the side: pictures are bent smoothly, as if drawn on rubber."""
    brightness: float = Field(0.0, ge=0, lt=1)
    """Values are multiplied by 1 ± this at most."""
    contrast: float = Field(0.0, ge=0, lt=1)
    """Distances from a picture's mean are multiplied by 1 ± this at most."""
    saturation: float = Field(0.0, ge=0, lt=1)
    """Distances from grey are multiplied by 1 ± this at most."""
    colour_noise: float = Field(0.0, ge=0)
    """Standard deviation of the random factors along the principal axes of colour; the sources' is 0.1."""
    colour_noise_reading: ColourNoise = "cuda-convnet"
    """Whose axes and strengths, see `colour_offsets`."""

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
        """Whether pictures are resampled, beyond crops at whole pixels and flips."""
        return self.crop_area != (1.0, 1.0) or bool(self.rotate or self.translate or self.zoom or self.elastic)


def augment(
    stored: Tensor, size: int, settings: Augment, generator: Generator, mean: tuple[float, ...] = (0.0,)
) -> Tensor:
    """Stored pictures, uint8 (N, C, S, S), to augmented ones of `size` pixels, (N, C, size, size).

    Values stay within 0 to 255 but for colour noise, which nothing clamps, as in its sources; uint8 where nothing
    had to be computed, float32 otherwise. `mean` is the colour that is taken out afterwards, values in [0, 1].
    """
    if settings.moves:
        maps = draw_maps(len(stored), stored.shape[-1], size, settings, generator)
        bends = draw_bends(len(stored), settings, generator) if settings.elastic else None
        batch = warp(stored, maps, size, bends)
    else:
        batch = cut(stored, size, generator, random=settings.crop == "random", flip=settings.flip)
    if settings.brightness or settings.contrast or settings.saturation:
        batch = colour(batch.float(), settings, generator)
    if settings.colour_noise:
        batch = add_colour_noise(batch.float(), settings, generator, mean)
    return batch


def draw_maps(count: int, side: int, size: int, settings: Augment, generator: Generator) -> Tensor:
    """Random affine maps, float32 (count, 2, 3), from output to stored coordinates, both in [-1, 1]."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    if settings.crop_area == (1.0, 1.0):
        width = height = torch.full((count,), size / side)
        left = top = torch.zeros(count)
        if settings.crop == "random":  # from the corner in pixels to the centre, where the picture is 2 wide
            top, left = (2 * draw_corners(count, side - size, generator) - (side - size)) / side
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


def draw_bends(count: int, settings: Augment, generator: Generator) -> Tensor:
    """Random local shifts on a coarse grid, float32 (count, 2, BENDS, BENDS), x and y, in [-1, 1] coordinates.

    Source: P. Simard, D. Steinkraus, J. Platt, Best Practices for Convolutional Neural Networks, ICDAR 2003; there
    every pixel draws a shift and a Gaussian smooths them, here a few points draw one and a cubic runs through them.
    """
    return 2 * settings.elastic * (2 * torch.rand(count, 2, BENDS, BENDS, generator=generator) - 1)


def warp(stored: Tensor, maps: Tensor, size: int, bends: Tensor | None = None) -> Tensor:
    """Sample (N, C, S, S) along affine maps (N, 2, 3), after local shifts (N, 2, b, b) if there are `bends`: float32
    (N, C, size, size); zeros outside."""
    places = _places(send(maps, stored.device), size)
    if bends is not None:
        places = places + F.interpolate(send(bends, stored.device), size=size, mode="bicubic")
    grid = places.permute(0, 2, 3, 1)
    return F.grid_sample(stored.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _places(maps: Tensor, size: int) -> Tensor:
    """Where each pixel of the output lies in the stored picture, (N, 2, size, size), x and y in [-1, 1].

    A plane is a row plus a column; `F.affine_grid` gives the same from N small matrix products, ten times slower.
    """
    centres = (2 * torch.arange(size, device=maps.device) + 1) / size - 1
    across, down = maps[:, :, :1] * centres, maps[:, :, 1:2] * centres + maps[:, :, 2:]
    return across[:, :, None, :] + down[:, :, :, None]


def colour(batch: Tensor, settings: Augment, generator: Generator) -> Tensor:
    """Brightness, contrast and saturation of (N, C, H, W), values 0 to 255, by random factors a picture."""

    def factor(strength: float) -> Tensor:
        drawn = 1 + strength * (2 * torch.rand(len(batch), generator=generator) - 1)
        return send(drawn.view(-1, 1, 1, 1), batch.device)

    batch = batch * factor(settings.brightness)
    mean = batch.mean(dim=(1, 2, 3), keepdim=True)
    batch = mean + (batch - mean) * factor(settings.contrast)
    saturation = factor(settings.saturation)
    if batch.shape[1] == 3:
        weights = send(torch.tensor(GREY), batch.device).view(1, 3, 1, 1)
        grey = (batch * weights).sum(dim=1, keepdim=True)
        batch = grey + (batch - grey) * saturation
    return batch.clamp(0, 255)


COLOUR_AXES: dict[ColourNoise, tuple[tuple[float, float, float, float], ...]] = {
    "cuda-convnet": (
        (121.78006099293066, -0.5635104535486105, -0.5761843966188692, -0.5920029643797313),
        (37.09388853298572, -0.7125794528735844, -0.0235416712995488, 0.7011963441539094),
        (19.720833049149668, 0.4179551316634632, -0.8169806183780459, 0.3973111842256688),
    ),
    "lighting": (
        (0.2175 * 255, -0.5675, -0.5808, -0.5836),
        (0.0188 * 255, 0.7192, -0.0045, -0.6948),
        (0.0045 * 255, 0.4009, -0.8140, 0.4203),
    ),
    "paper": (
        (121.78006099293066**2 / 255, -0.5635104535486105, -0.5761843966188692, -0.5920029643797313),
        (37.09388853298572**2 / 255, -0.7125794528735844, -0.0235416712995488, 0.7011963441539094),
        (19.720833049149668**2 / 255, 0.4179551316634632, -0.8169806183780459, 0.3973111842256688),
    ),
}
"""The principal axes of ImageNet's colours, grey first: levels (0 to 255) that a factor of 1 moves a picture along
the axis, then the axis in R, G, B."""


def colour_offsets(count: int, settings: Augment, generator: Generator) -> Tensor:
    """What colour noise adds to the R, G, B of each picture, levels 0 to 255, float32 (count, 3).

    For each axis a factor is drawn from N(0, `colour_noise`). What it multiplies is read in three ways; in
    brackets, the standard deviation along the grey axis at strength 0.1, in levels:

    cuda-convnet (12.18): the standard deviation of the colours along the axis. So did the code that trained the
        2012 network; the numbers are `color_pca` in cuda-convnet2's `make-data/input_meta`.
    lighting (5.55): the eigenvalue of the covariance of values in [0, 1], as in fb.resnet.torch's Lighting and its
        many copies, with their numbers.
    paper (5.82): the eigenvalue, as the words of section 4.1 have it, with cuda-convnet's axes. They do not say
        of which values: of 0 to 255 it would be 1483 levels, so [0, 1] must be meant.
    """
    axes = torch.tensor(COLOUR_AXES[settings.colour_noise_reading])
    factors = settings.colour_noise * torch.randn(count, 3, generator=generator)
    return (factors * axes[:, 0]) @ axes[:, 1:]


def add_colour_noise(batch: Tensor, settings: Augment, generator: Generator, mean: tuple[float, ...]) -> Tensor:
    """Move all pixels of a picture of (N, C, H, W), values 0 to 255, by one random colour; grey ones by its grey.

    The reading cuda-convnet then divides the distance from `mean` (in [0, 1], one a channel or one for all) by
    1 + strength, as its code does to keep training pictures at the scale of test pictures.
    """
    offsets = colour_offsets(len(batch), settings, generator)
    if batch.shape[1] == 1:
        offsets = (offsets * torch.tensor(GREY)).sum(dim=1, keepdim=True)
    moved = batch + send(offsets.view(len(batch), -1, 1, 1), batch.device)
    if settings.colour_noise_reading != "cuda-convnet":
        return moved
    centre = 255 * send(torch.tensor(mean), batch.device).view(1, -1, 1, 1)
    return centre + (moved - centre) / (1 + settings.colour_noise)
