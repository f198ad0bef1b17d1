"""Pictures that stand in two parts."""

import numpy as np
import pytest

from alexnet.data import twins

NAMES = ("a", "b", "c", "d", "e")


def test_twins_are_named_once_a_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    pixels[1] = pixels[3] = pixels[0]
    ours, theirs = np.array([0, 1, 2]), np.array([3, 4])
    assert twins.twins(pixels, NAMES, ours, theirs) == {"count": 1, "of": 2, "pairs": [["a", "d"]]}
    assert twins.twins(pixels, NAMES, theirs, ours) == {"count": 2, "of": 3, "pairs": [["d", "a"], ["d", "b"]]}
    assert twins.twins(pixels, NAMES, ours, np.array([], dtype=np.int64)) == {"count": 0, "of": 0, "pairs": []}


def test_one_grey_level_makes_another_picture() -> None:
    pixels = np.zeros((2, 4, 4, 3), np.uint8)
    pixels[1, 0, 0, 0] = 1
    assert twins.twins(pixels, NAMES, np.array([0]), np.array([1])) == {"count": 0, "of": 1, "pairs": []}


def test_at_most_twenty_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.zeros((50, 2, 2, 1), np.uint8)
    names = tuple(str(number) for number in range(50))
    found = twins.twins(pixels, names, np.arange(25), np.arange(25, 50))
    assert found is not None
    assert found["count"] == 25
    assert len(found["pairs"]) == 20
    monkeypatch.setattr(twins, "MOST", 100)
    assert twins.twins(pixels, names, np.arange(25), np.arange(25, 50)) is None
