"""The matrix of faults itself: no row is left out in silence."""

import re
from pathlib import Path

from tests.faults.matrix import MATRIX

TESTS = Path(__file__).parents[1]


def test_every_row_has_a_test_or_a_reason_why_it_cannot_happen() -> None:
    claimed = {
        row
        for file in TESTS.rglob("test_*.py")
        for mark in re.findall(r"mark\.fault\(([^)]*)\)", file.read_text(encoding="utf-8"))
        for row in re.findall(r'"(\w+)"', mark)
    }
    absent = {row for row, fault in MATRIX.items() if fault.absent}
    assert claimed | absent == set(MATRIX)
    assert not claimed & absent


def test_groups_are_numbered_without_gaps() -> None:
    assert [len([row for row in MATRIX if row[0] == group]) for group in "ABCDE"] == [22, 12, 23, 7, 19]
