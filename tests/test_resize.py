import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from alexnet.resize import REMEMBERED, resize, weights

SIZES = [(500, 224), (667, 256), (8, 28), (100, 101), (3000, 224), (1, 5), (5, 1), (7, 7), (1133, 175), (2, 300)]


def by_torch(picture: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    batch = torch.from_numpy(picture).permute(2, 0, 1)[None]
    resized = F.interpolate(batch, (side, side), mode="bilinear", antialias=True, align_corners=False)
    return resized[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("given", "wanted"), SIZES)
def test_weights_are_those_of_pytorch_s_antialiased_filter(given: int, wanted: int) -> None:
    ours = weights(given, wanted, range(wanted)).toarray()
    theirs = F.interpolate(torch.eye(given)[None, None], (given, wanted), mode="bilinear", antialias=True)[0, 0].T
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=3e-7)
    np.testing.assert_allclose(ours.sum(axis=1), 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(500, 623), (90, 61), (31, 20), (1, 40), (64, 64)])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_resized_differs_from_pytorch_s_by_float_rounding_alone(shape: tuple[int, int], channels: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*shape, channels)).astype(np.float32)
    ours, theirs = resize(picture, 64), by_torch(picture, 64)
    assert ours.dtype == np.uint8
    assert ours.shape == (64, 64, channels)
    # half a level by rounding to uint8, and what float32 loses in two products
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.5 + 2e-4)


def test_white_and_black_stay_within_range() -> None:
    board = np.kron(np.indices((9, 11)).sum(axis=0) % 2, np.ones((13, 7)))[..., None].astype(np.float32) * 255
    resized = resize(board, 91)
    assert (resized.min(), resized.max()) == (0, 255)
    assert (resize(np.full((37, 41, 3), 255, np.float32), 224) == 255).all()


def test_a_very_long_side_is_resized_row_by_row_to_the_same() -> None:
    long = np.random.default_rng(2).integers(0, 256, (REMEMBERED + 1, 2, 3)).astype(np.float32)
    np.testing.assert_allclose(resize(long, 5), by_torch(long, 5), rtol=0, atol=0.51)


def test_the_given_picture_stays_as_it_was() -> None:
    for side in (20, 30):
        picture = np.random.default_rng(3).integers(0, 256, (20, 20, 3)).astype(np.float32)
        before = picture.copy()
        resize(picture, side)
        np.testing.assert_array_equal(picture, before)
