"""The same picture twice."""

import numpy as np
import pytest
from numpy.typing import NDArray

from alexnet.data import twins

NAMES = ("a", "b", "c", "d", "e")


@pytest.mark.fault("A18")
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


def digests(*numbers: int) -> NDArray[np.uint8]:
    """One row a number; equal numbers, equal rows."""
    return np.array([[number] * twins.DIGEST for number in numbers], dtype=np.uint8)


@pytest.mark.fault("A18")
def test_pictures_that_are_alike_stand_together() -> None:
    rows = digests(5, 1, 7, 3, 1, 5, 1, 9)
    groups = twins.alike(rows, np.arange(8))
    assert [group.tolist() for group in groups] == [[0, 5], [1, 4, 6]]
    some = twins.alike(rows, np.array([0, 2, 4, 6, 7]))
    assert [group.tolist() for group in some] == [[4, 6]]


def test_nothing_is_alike_where_there_is_nothing() -> None:
    assert twins.alike(digests(), np.array([], dtype=np.int64)) == []
    assert twins.alike(digests(1, 2), np.arange(2)) == []


def test_the_digest_is_that_of_pixels_and_sides() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert len(twins.digest(picture)) == twins.DIGEST
    assert twins.digest(picture) == twins.digest(np.array(picture, order="F"))
    assert twins.digest(picture) != twins.digest(picture.reshape(4, 2, 3))
