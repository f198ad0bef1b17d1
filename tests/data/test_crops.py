"""Crops at whole pixels, against plain slicing."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from alexnet.data.augment import Augment, augment
from alexnet.data.crops import at_once, draw_corners, one_by_one

Way = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def stored(count: int = 4, channels: int = 3, side: int = 12) -> Tensor:
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=seeded(99))


@pytest.mark.parametrize("way", [at_once, one_by_one])
def test_crops_are_slices(way: Way) -> None:
    """33² places, mirrored and not: every one that 224 of 256 pixels have, compared with plain slicing."""
    batch = stored(1, 3, 256).expand(33 * 33, 3, 256, 256)
    corners = torch.cartesian_prod(torch.arange(33), torch.arange(33)).T
    mirrored = torch.rand(33 * 33, generator=seeded(3)) < 0.5
    for chosen, turned in zip(torch.chunk(corners, 11, dim=1), torch.chunk(mirrored, 11), strict=True):
        result = way(batch[: len(turned)], chosen, turned, 224)
        assert result.dtype == torch.uint8
        for picture, top, left, mirror in zip(result, *chosen.tolist(), turned.tolist(), strict=True):
            slice_ = batch[0, :, top : top + 224, left : left + 224]
            assert torch.equal(picture, slice_.flip(2) if mirror else slice_)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("way", [at_once, one_by_one])
def test_pictures_lie_in_memory_as_convolutions_like_it(way: Way, channels: int) -> None:
    batch = stored(4, channels, 16).contiguous(memory_format=torch.channels_last)
    result = way(batch, torch.ones(2, 4, dtype=torch.int64), torch.tensor([True, False, True, False]), 9)
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_each_picture_is_cut_at_its_own_corner() -> None:
    batch = stored(40)
    generator = seeded(5)
    result = augment(batch, 9, Augment(crop="random"), generator)
    tops, lefts = draw_corners(40, 3, seeded(5)).tolist()
    for picture, whole, top, left in zip(result, batch, tops, lefts, strict=True):
        assert torch.equal(picture, whole[:, top : top + 9, left : left + 9])
    assert len(set(zip(tops, lefts, strict=True))) > 8


def test_all_33_by_33_corners_are_as_likely() -> None:
    counts = torch.zeros(33, 33)
    draws = 200_000
    top, left = draw_corners(draws, 32, seeded())
    counts.index_put_((top, left), torch.ones(draws), accumulate=True)
    expected = draws / 33**2
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert float(counts.min()) > 0
    assert abs(chi_squared - (33**2 - 1)) < 4 * (2 * (33**2 - 1)) ** 0.5


def test_a_picture_without_margin_stays_whole() -> None:
    batch = stored()
    assert torch.equal(augment(batch, 12, Augment(crop="random"), seeded()), batch)


def test_random_crops_are_mirrored_half_the_time_and_stay_exact() -> None:
    batch = stored(1, 3, 12).expand(600, 3, 12, 12)
    result = augment(batch, 9, Augment(crop="random", flip=True), seeded())
    assert result.dtype == torch.uint8
    tops, lefts = draw_corners(600, 3, seeded()).tolist()
    mirrored = 0
    for picture, top, left in zip(result, tops, lefts, strict=True):
        slice_ = batch[0, :, top : top + 9, left : left + 9]
        mirrored += int(torch.equal(picture, slice_.flip(2)))
        assert torch.equal(picture, slice_) != torch.equal(picture, slice_.flip(2))
    assert abs(mirrored / 600 - 0.5) < 0.1  # five standard deviations
