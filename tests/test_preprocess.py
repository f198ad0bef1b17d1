import json

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from alexnet.preprocess import Preprocess

Pixels = NDArray[np.uint8]


def picture(height: int, width: int, seed: int = 0) -> Pixels:
    """Noise over a slope: fine and coarse structure."""
    noise = np.random.default_rng(seed).integers(-90, 90, (height, width, 3))
    slope = np.linspace(60, 190, height)[:, None, None] + np.linspace(-30, 30, width)[None, :, None]
    return np.clip(slope + noise, 0, 255).astype(np.uint8)


def by_pillow(pixels: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR))


def distance(one: Pixels, other: Pixels) -> int:
    """The largest difference, in grey levels."""
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize("shape", [(500, 600), (333, 97), (64, 64), (20, 31), (9, 7), (1, 40)])
@pytest.mark.parametrize("side", [28, 65])
def test_fit_is_pillow_s_antialiased_bilinear_resize(shape: tuple[int, int], side: int) -> None:
    pixels = picture(*shape)
    stored = Preprocess(size=side, resize_to=side).fit(pixels)
    assert stored.dtype == np.uint8
    assert stored.shape == (side, side, 3)
    # weights of 16 bits against Pillow's of 22, and the order of the passes is fixed
    assert distance(stored, by_pillow(pixels, side)) <= 1


@pytest.mark.parametrize(("shape", "side"), [((500, 667), 256), ((97, 333), 65), ((20, 31), 28), ((3, 2000), 40)])
def test_fit_is_the_filter_in_whole_numbers(shape: tuple[int, int], side: int) -> None:
    """Against the formula in float64: 16-bit weights, rows first, rounded after either pass."""
    pixels = picture(*shape)
    values = pixels.astype(np.float64)
    for axis in (1, 0):
        given = pixels.shape[axis]
        reach = max(given / side, 1)
        centres = given / side * (np.arange(side)[:, None] + 0.5)
        weights = np.maximum(1 - np.abs(np.arange(given) - centres + 0.5) / reach, 0)
        weights /= weights.sum(axis=1, keepdims=True)
        unit = max(2**power for power in range(23) if weights.max() * 2**power + 0.5 < 1 << 15)
        weights = np.floor(weights * unit + 0.5)
        values = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
        values = np.floor(values / unit + 0.5).clip(0, 255)
    np.testing.assert_array_equal(Preprocess(size=side, resize_to=side).fit(pixels), values)


def test_a_picture_of_the_right_size_is_kept_exactly() -> None:
    pixels = picture(40, 40)
    np.testing.assert_array_equal(Preprocess(size=32, resize_to=40).fit(pixels), pixels)


@pytest.mark.parametrize("shape", [(50, 80), (80, 50), (51, 80), (64, 64)])
def test_crop_takes_the_central_square(shape: tuple[int, int]) -> None:
    pixels = picture(*shape)
    side = min(shape)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    central = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    stored = Preprocess(size=24, resize_to=24, resize="crop").fit(pixels)
    assert distance(stored, by_pillow(central, 24)) <= 1
    np.testing.assert_array_equal(stored, Preprocess(size=24, resize_to=24).fit(central))


def test_squash_keeps_what_crop_cuts_off() -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, :15] = 255
    assert Preprocess(size=20, resize_to=20).fit(pixels)[:, :4].min() == 255
    assert Preprocess(size=20, resize_to=20, resize="crop").fit(pixels).max() == 0


def test_grey_is_pillow_s_luma() -> None:
    pixels = picture(30, 30)
    stored = Preprocess(size=30, resize_to=30, channels=1).fit(pixels)
    assert stored.shape == (30, 30, 1)
    np.testing.assert_array_equal(stored[..., 0], np.asarray(Image.fromarray(pixels).convert("L")))


def test_grey_pictures_keep_their_values_in_one_channel() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    stored = Preprocess(size=16, resize_to=16, channels=1).fit(np.stack([grey] * 3, axis=-1))
    np.testing.assert_array_equal(stored[..., 0], grey)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3)])
@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize("channels", [1, 3])
def test_extreme_shapes_are_fitted(shape: tuple[int, int], resize: str, channels: int) -> None:
    rule = Preprocess.from_dict({"size": 28, "resize_to": 28, "resize": resize, "channels": channels})
    stored = rule.fit(np.full((*shape, 3), 77, np.uint8))
    assert stored.shape == (28, 28, channels)
    assert (stored == 77).all()


def test_black_and_white_stay_within_range() -> None:
    board = np.kron(np.indices((16, 16)).sum(axis=0) % 2, np.ones((9, 9)))[..., None].repeat(3, axis=-1)
    stored = Preprocess(size=224, resize_to=224).fit((board * 255).astype(np.uint8))
    assert stored.min() == 0
    assert stored.max() == 255


@pytest.mark.parametrize("channels", [1, 3])
def test_fitting_many_is_fitting_each(channels: int) -> None:
    pixels = np.stack([picture(37, 53, seed) for seed in range(9)])
    rule = Preprocess(size=28, resize_to=28, channels=channels)
    np.testing.assert_array_equal(rule.fit_all(pixels), np.stack([rule.fit(one) for one in pixels]))


def test_fit_leaves_its_picture_as_it_was_and_takes_mirrored_views() -> None:
    pixels = picture(40, 30)
    before = pixels.copy()
    view = np.ascontiguousarray(pixels[:, ::-1])[:, ::-1]  # negative strides
    rule = Preprocess(size=28, resize_to=28)
    np.testing.assert_array_equal(rule.fit(view), rule.fit(pixels))
    np.testing.assert_array_equal(pixels, before)


def test_normalise_scales_to_one_and_takes_out_mean_and_std_of_each_channel() -> None:
    rule = Preprocess(size=2, resize_to=2, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.125))
    batch = torch.randint(0, 256, (4, 3, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = np.stack(
        [
            (batch[:, channel].numpy() / 255 - mean) / std
            for channel, (mean, std) in enumerate(zip(rule.mean, rule.std, strict=True))
        ],
        axis=1,
    )
    assert rule.normalise(batch).dtype == torch.float32
    np.testing.assert_allclose(rule.normalise(batch).numpy(), expected, atol=1e-5)


def stored_batch() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 11, 11), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_one_view_is_the_centre() -> None:
    stored = stored_batch()
    rule = Preprocess(size=8, resize_to=11)
    (view,) = rule.test_views(stored)
    torch.testing.assert_close(view, rule.normalise(stored[:, :, 1:9, 1:9]), rtol=0, atol=0)


def test_two_views_are_the_centre_and_its_mirror() -> None:
    stored = stored_batch()
    centre, mirror = Preprocess(size=8, resize_to=11, views=2).test_views(stored)
    torch.testing.assert_close(centre, stored[:, :, 1:9, 1:9].float() / 255, rtol=0, atol=0)
    torch.testing.assert_close(mirror, centre.flip(3), rtol=0, atol=0)


def test_ten_views_are_the_centre_the_four_corners_and_their_mirrors() -> None:
    stored = stored_batch()
    views = Preprocess(size=8, resize_to=11, views=10).test_views(stored)
    assert len(views) == 10
    corners = [(1, 1), (0, 0), (0, 3), (3, 0), (3, 3)]
    for (top, left), plain, mirror in zip(corners, views[::2], views[1::2], strict=True):
        expected = stored[:, :, top : top + 8, left : left + 8].float() / 255
        torch.testing.assert_close(plain, expected, rtol=0, atol=0)
        torch.testing.assert_close(mirror, expected.flip(3), rtol=0, atol=0)


def test_plain_values_come_back_through_json() -> None:
    rule = Preprocess(
        size=224, resize_to=256, resize="crop", channels=3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), views=10
    )
    assert Preprocess.from_dict(rule.to_dict()) == rule
    assert Preprocess.from_dict(json.loads(json.dumps(rule.to_dict()))) == rule
