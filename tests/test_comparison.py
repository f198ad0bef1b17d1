"""Two runs compared: the paired test against a sum written out here, flips, and runs that cannot be compared."""

import math
from pathlib import Path
from typing import Any

import pytest

from alexnet.comparison import compare, mcnemar
from alexnet.errors import UsageError
from alexnet.run import Run

ARGS = {"data": "digits", "model": "notebook-mnist", "recipe": "modern", "seed": 0, "optimizer": {"lr": 0.1}}


def run_with(path: Path, answers: dict[str, str], split: str = "val", **args: Any) -> Path:
    """A run whose pictures are all daisies, with these answers."""
    run = Run(path)
    path.mkdir()
    run.write_args({**ARGS, **args})
    rows = [
        {"path": name, "label": "daisy", "predicted": answer, "score": 0.9, "loss": 0.1, "correct": answer == "daisy"}
        for name, answer in answers.items()
    ]
    run.write_table("predictions.csv", ("path", "label", "predicted", "score", "loss", "correct"), rows)
    right = sum(answer == "daisy" for answer in answers.values()) / len(answers)
    run.write_json(
        "metrics.json",
        {"split": split, "n": len(answers), "accuracy_top1": right, "interval95": [0, 1], "confusion_matrix": []},
    )
    return path


def pictures(left: str, right: str) -> tuple[dict[str, str], dict[str, str]]:
    """Answers from strings of + and -, one sign a picture."""
    both = (
        {f"{i}.jpg": "daisy" if sign == "+" else "tulip" for i, sign in enumerate(signs)} for signs in (left, right)
    )
    one, two = both
    return one, two


def test_accuracies_flips_and_what_differed(tmp_path: Path) -> None:
    one, two = pictures("++--+", "-++++")
    left = run_with(tmp_path / "a", one)
    right = run_with(tmp_path / "b", two, seed=1, optimizer={"lr": 0.2}, data_dir="/elsewhere")
    found = compare(left, right)
    assert found.accuracies == (0.6, 0.8)
    assert (found.only_left, found.only_right) == (1, 2)
    assert found.difference == pytest.approx(0.2)
    assert [(flip.path, flip.better) for flip in found.flips] == [
        ("0.jpg", "left"),
        ("2.jpg", "right"),
        ("3.jpg", "right"),
    ]
    assert found.settings == (("seed", 0, 1), ("optimizer.lr", 0.1, 0.2))
    error = math.sqrt(3 - 1 / 5) / 5
    assert found.interval95 == pytest.approx((0.2 - 1.96 * error, 0.2 + 1.96 * error))


@pytest.mark.parametrize(("only_left", "only_right"), [(0, 0), (1, 2), (3, 12), (0, 8), (10, 10)])
def test_mcnemar_is_a_fair_coin(only_left: int, only_right: int) -> None:
    together, fewer = only_left + only_right, min(only_left, only_right)
    tail = sum(math.comb(together, k) for k in range(fewer + 1)) / 2**together
    assert mcnemar(only_left, only_right) == pytest.approx(min(1.0, 2 * tail) if together else 1.0)


def test_the_line_says_whether_it_may_be_chance(tmp_path: Path) -> None:
    one, two = pictures("-" * 12 + "+" * 8, "+" * 20)
    better = compare(run_with(tmp_path / "a", one), run_with(tmp_path / "b", two))
    assert better.line.endswith("more than chance")
    assert compare(tmp_path / "a", tmp_path / "a").line.endswith("chance alone may have made it")


@pytest.mark.parametrize("other", [{"split": "test"}, {"missing": True}])
def test_other_pictures_are_refused_with_what_to_do(tmp_path: Path, other: dict[str, Any]) -> None:
    one, two = pictures("+++", "+++")
    if other.pop("missing", False):
        two.pop("0.jpg")
    left, right = run_with(tmp_path / "a", one), run_with(tmp_path / "b", two, **other)
    with pytest.raises(UsageError, match="judge both on one part"):
        compare(left, right)


def test_a_picture_with_two_labels_is_refused(tmp_path: Path) -> None:
    one, two = pictures("++", "++")
    left, right = run_with(tmp_path / "a", one), run_with(tmp_path / "b", two)
    file = right / "predictions.csv"
    file.write_text(file.read_text().replace("0.jpg,daisy", "0.jpg,iris"))
    with pytest.raises(UsageError, match=r"0\.jpg is daisy in .* and iris"):
        compare(left, right)
