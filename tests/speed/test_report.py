"""What was measured, in words."""

import pytest

from alexnet.speed.report import Expected, about


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "about 1 seconds"),
        (74, "about 74 seconds"),
        (95, "about 1.6 minutes"),
        (1450, "about 24 minutes"),
        (5500, "about 1.5 hours"),
        (100_000, "about 28 hours"),
        (500_000, "about 5.8 days"),
    ],
)
def test_times_are_as_exact_as_they_deserve(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_expected() -> None:
    assert Expected("modern", "flowers17", 100, 979, 109, 1450).words == (
        "modern on flowers17, 100 epochs of 979 pictures: about 24 minutes"
    )
