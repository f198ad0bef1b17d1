"""Every figure is drawn from a run directory alone; here one made by hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from alexnet import pictures
from alexnet.errors import DataError
from alexnet.judging.calibration import calibration
from alexnet.judging.evaluate import PREDICTION_COLUMNS
from alexnet.pictures import confusion, curves, grids, rates, reliability, style
from alexnet.run import PICTURES, Run

EPOCHS, BEST, COUNT = 4, 3, 30


def made(path: Path, names: list[str] | None = None, *, validated: bool = True, channels: int = 3) -> Run:
    """A small run as training leaves it; every fourth prediction is wrong."""
    names = names or ["daisy", "pansy", "tulip"]
    random = np.random.default_rng(0)
    run = Run(path)
    run.write_args({"data": "/some/where/flowers", "model": "notebook-flowers", "recipe": "modern"})
    run.write_lines("labels.txt", names)
    rows = []
    for epoch in range(1, EPOCHS + 1):
        row = {"epoch": epoch, "train/loss": 2 / epoch, "train/acc": 1 - 1 / (epoch + 1), "lr": 0.1}
        if validated:
            row |= {"val/loss": 2.5 / epoch, "val/acc": 0.8 if epoch == BEST else 0.5}
        rows.append(row)
    run.write_results(rows)
    labels = np.arange(COUNT) % len(names)
    predicted = np.where(np.arange(COUNT) % 4 == 0, (labels + 1) % len(names), labels)
    matrix = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(matrix, (labels, predicted), 1)
    run.write_table(
        "predictions.csv",
        PREDICTION_COLUMNS,
        [
            {
                "path": f"{number}.png",
                "label": names[label],
                "predicted": names[said],
                "score": 0.9,
                "loss": 0.1,
                "correct": bool(label == said),
            }
            for number, (label, said) in enumerate(zip(labels, predicted, strict=True))
        ],
    )
    run.write_json(
        "metrics.json",
        {
            "epoch": BEST,
            "split": "val",
            "n": COUNT,
            "accuracy_top1": float((labels == predicted).mean()),
            "interval95": [0.5, 0.9],
            **calibration(np.full(COUNT, 0.9, dtype=np.float32), labels == predicted).figures(),
            "confusion_matrix": matrix.tolist(),
        },
    )
    pixels = random.integers(0, 256, (COUNT, 16, 16, channels), dtype=np.uint8)
    run.write_thumbnails(
        samples=pixels[:25],
        sample_labels=np.array([names[label] for label in labels[:25]]),
        predictions=pixels[:25],
        predictions_rows=np.arange(25),
        worst=pixels[:7],
        worst_rows=np.arange(7) * 4,
    )
    return run


def drawn(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


def cells(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_visible()]


def lines(axes: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axes.get_lines()}


def test_all_are_drawn_and_drawn_anew(tmp_path: Path) -> None:
    run = made(tmp_path)
    first = pictures.draw(run)
    assert first == run.pictures == {name: tmp_path / file for name, file in PICTURES.items()}
    for path in first.values():
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert min(image.size) >= 400
            assert np.asarray(image.convert("L")).std() > 5  # something is on it
        path.write_bytes(b"old")
    assert pictures.draw(run) == first
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in first.values())


@pytest.mark.parametrize("figure_of", [grids.predictions, grids.worst])
def test_right_is_green_and_wrong_is_red(tmp_path: Path, figure_of: object) -> None:
    assert callable(figure_of)
    shown = cells(figure_of(made(tmp_path)))
    assert len(shown) == (25 if figure_of is grids.predictions else 7)
    for number, axes in enumerate(shown):
        wrong = number % 4 == 0 or figure_of is grids.worst
        assert axes.xaxis.label.get_color() == (style.WRONG if wrong else style.RIGHT)
        assert ("\nit is " in axes.get_xlabel()) is wrong
        assert "90%" in axes.get_xlabel()


def test_samples_bear_their_class(tmp_path: Path) -> None:
    shown = cells(drawn(grids.samples(made(tmp_path, channels=1))))
    assert [axes.get_xlabel() for axes in shown] == [["daisy", "pansy", "tulip"][n % 3] for n in range(25)]


def test_confusion_axes(tmp_path: Path) -> None:
    run = made(tmp_path)
    axes = drawn(confusion.matrix(run)).axes[0]
    assert axes.get_xlabel() == "predicted"
    assert axes.get_ylabel() == "actual"
    assert [label.get_text() for label in axes.get_yticklabels()] == run.classes
    counts = np.array(run.metrics["confusion_matrix"])
    shown = {(int(t.get_position()[1]), int(t.get_position()[0])): int(t.get_text()) for t in axes.texts}
    assert shown == {(row, column): counts[row, column] for row, column in np.argwhere(counts > 0)}
    colours = axes.images[0].get_array()
    assert colours is not None
    np.testing.assert_allclose(colours, counts / counts.sum(axis=1, keepdims=True), rtol=1e-12)


def test_training_solid_validation_dashed_best_marked(tmp_path: Path) -> None:
    run = made(tmp_path)
    figure = drawn(curves.loss_and_accuracy(run))
    for axes, quantity, best in zip(figure.axes, ("loss", "accuracy"), (2.5 / BEST, 0.8), strict=True):
        found = lines(axes)
        assert found[f"training {quantity}"].get_linestyle() == "-"
        assert found[f"validation {quantity}"].get_linestyle() == "--"
        mark = found[f"best epoch {BEST}: {best:.4f}"]
        assert np.array(mark.get_xydata()).tolist() == [[BEST, pytest.approx(best)]]
        train = found[f"training {quantity}"].get_ydata()
        column = "train/loss" if quantity == "loss" else "train/acc"
        np.testing.assert_allclose(np.asarray(train), [row[column] for row in run.history])
    assert figure.get_size_inches().tolist() == [18, 10]
    single = drawn(curves.accuracy(run)).axes[0]
    assert single.get_ylim() == (0, 1.02)


def test_without_validation(tmp_path: Path) -> None:
    run = made(tmp_path, validated=False)
    assert "results" in pictures.draw(run)
    found = lines(drawn(curves.accuracy(run)).axes[0])
    assert list(found) == ["training accuracy"]


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_args({"data": "digits", "model": "notebook-mnist", "recipe": "modern"})
    assert pictures.draw(run) == {}
    run.write_results([{"epoch": 1, "train/loss": 1.0, "train/acc": 0.5}])
    assert sorted(pictures.draw(run)) == ["curves_accuracy", "results"]


def test_predictions_file_removed(tmp_path: Path) -> None:
    run = made(tmp_path)
    (tmp_path / "predictions.csv").unlink()
    with pytest.raises(DataError, match=r"predictions\.csv is missing"):
        pictures.draw(run)


@pytest.mark.parametrize("count", [1, 2, 31, 120])
def test_any_number_of_classes(tmp_path: Path, count: int) -> None:
    run = made(tmp_path, [f"a class called {number}" for number in range(count)])
    path = pictures.save(drawn(confusion.matrix(run)), tmp_path / "matrix.png")
    with Image.open(path) as image:
        assert min(image.size) >= 600


def test_odd_class_names_are_text(tmp_path: Path) -> None:
    names = ["cost $5$", "$\\frac$", "$^$ _{x}", "a\\b%&#", " ", os.fsdecode(b"caf\xe9"), "[bold]<b>", "x" * 200]
    run = made(tmp_path, names)
    assert len(pictures.draw(run)) == len(PICTURES)
    shown = [label.get_text() for label in drawn(confusion.matrix(run)).axes[0].get_yticklabels()]
    assert shown[:5] == names[:5]
    assert shown[5] == "caf?"
    assert shown[7] == "x" * 20 + "…" + "x" * 20


def test_wrong_data_name_in_the_title(tmp_path: Path) -> None:
    run = made(tmp_path)
    assert style.title(run) == "notebook-flowers on flowers, recipe modern"
    run.write_args({**run.args, "data": "C:\\pictures\\cats\\"})
    assert style.title(run) == "notebook-flowers on cats, recipe modern"


def test_before_and_after() -> None:
    pixels = np.zeros((25, 8, 8, 3), dtype=np.uint8)
    figure = grids.before_and_after(pixels, pixels[:, :4, :4], ["x"] * 25, ["x, y"] * 25, "heading")
    assert len(figure.subfigs) == 2
    assert [len(half.axes) for half in figure.subfigs] == [25, 25]


def test_reliability_shows_each_bins_accuracy_and_count(tmp_path: Path) -> None:
    run = made(tmp_path)
    figure = reliability.diagram(run)
    assert figure is not None
    above, below = figure.axes
    accuracy = run.metrics["accuracy_top1"]
    heights = [[bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)] for axes in (above, below)]
    assert heights == [[pytest.approx(accuracy)], [COUNT]], "all scores are 0.9"
    assert f"calibration error {abs(accuracy - 0.9):.3f}" in above.get_title()
    assert reliability.diagram(Run(tmp_path / "nothing")) is None


def test_a_sweep_marks_the_rate_it_suggests() -> None:
    figure = rates.sweep([1e-3, 1e-2, 1e-1], [2.0, 1.0, 3.0], [2.0, 1.5, 2.5], 5e-3, "some network")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert any(line.get_label() == "falls fastest: 0.005" for line in axes.lines)
