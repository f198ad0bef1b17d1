"""Tiles: their matrices against convolution by the definition, and their counts against maps cut by hand."""

import math

import numpy as np
import pytest

from alexnet.models.tiling import FETCHING, ONE, POINTS, Tiling, best_tiling, transforms

SIZES = [(m, r) for r in range(2, 6) for m in range(2, len(POINTS) + 3 - r)]


@pytest.mark.parametrize(("m", "r"), SIZES)
def test_a_tile_is_numpys_correlation(m: int, r: int) -> None:
    outputs, kernels, inputs = transforms(m, r)
    generator = np.random.default_rng(m * r)
    tile, kernel = generator.normal(size=m + r - 1), generator.normal(size=r)
    found = outputs @ ((kernels @ kernel) * (inputs @ tile))
    np.testing.assert_allclose(found, np.correlate(tile, kernel, mode="valid"), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("m", "r"), SIZES)
def test_what_is_added_at_the_point_one_is_added_once_to_each_output(m: int, r: int) -> None:
    assert transforms(m, r).outputs[:, ONE].tolist() == [1.0] * m


def test_matrices_of_three_by_three_are_the_published_ones() -> None:
    """F(2, 3) of Lavin and Gray, section 4.1, whose points are 0, 1 and -1, but for signs and scales of rows."""
    _, _, inputs = transforms(2, 3)
    published = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    np.testing.assert_allclose(np.abs(inputs), np.abs(published), atol=1e-15)


def test_counts_and_what_is_covered() -> None:
    tiling = Tiling(kernel=5, stride=1, padding=(2, 2), maps=(26, 23), side=4)
    assert (tiling.size, tiling.points, tiling.outputs, tiling.counts) == (5, 8, (26, 23), (7, 6))
    assert tiling.covered == (7 * 4 + 4, 6 * 4 + 4)
    assert tiling.values == 7 * 6 * 8 * 8
    assert tiling.saving(1 << 20) == pytest.approx(26 * 23 * 25 / (7 * 6 * 64), rel=1e-4)


def test_a_stride_reads_blocks_of_pixels_as_one() -> None:
    tiling = Tiling(kernel=11, stride=4, padding=(0, 0), maps=(224, 224), side=6)
    assert (tiling.size, tiling.points, tiling.outputs, tiling.counts) == (3, 8, (54, 54), (9, 9))
    assert tiling.covered == (224, 224)
    assert tiling.values == 81 * 64 * 16


@pytest.mark.parametrize(
    ("kernel", "stride", "outputs", "side"), [(3, 1, 10, 5), (3, 1, 8, 4), (3, 1, 13, 5), (5, 1, 26, 4), (11, 4, 54, 6)]
)
def test_the_best_for_many_pictures_has_the_fewest_multiplications(
    kernel: int, stride: int, outputs: int, side: int
) -> None:
    maps = (outputs - 1) * stride + kernel
    found = best_tiling(kernel, stride, (0, 0), (maps, maps), 128)
    assert found is not None
    assert found.side == side
    others = [Tiling(kernel, stride, (0, 0), (maps, maps), m) for m in range(2, len(POINTS) + 3 - found.size)]
    assert found.values == min(each.values for each in others)
    assert math.isclose(found.saving(128), max(each.saving(128) for each in others))


def test_a_picture_alone_has_kernels_with_fewer_numbers() -> None:
    """49 tiles from 16 points a direction and kernel instead of 9 from 49: fetching kernels counts."""
    alone, among_many = (best_tiling(3, 1, (1, 1), (13, 13), count) for count in (1, 64))
    assert alone is not None
    assert among_many is not None
    assert (alone.side, among_many.side) == (2, 5)
    assert alone.work(1) == 49 * 16 + FETCHING * 16
    assert alone.saving(1) < among_many.saving(64)


@pytest.mark.parametrize(("kernel", "stride", "maps"), [(1, 1, 9), (6, 1, 20), (3, 4, 20), (5, 1, 4), (11, 2, 40)])
def test_kernels_that_do_not_fit_have_none(kernel: int, stride: int, maps: int) -> None:
    assert best_tiling(kernel, stride, (0, 0), (maps, maps), 1) is None


def test_the_gain_grows_with_the_channels_and_is_none_for_few() -> None:
    tiling = best_tiling(3, 1, (1, 1), (16, 16), 64)
    assert tiling is not None
    gains = [tiling.gain(channels, channels, 64) for channels in (8, 32, 64, 512)]
    assert gains == sorted(gains)
    assert gains[1] < 1 < gains[2]
    assert gains[3] < tiling.saving(64)
