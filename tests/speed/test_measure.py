"""The measurement on the smallest network: every row is there, and what follows from them."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alexnet import speed_record
from alexnet.errors import ResourceError
from alexnet.progress import Display
from alexnet.speed import measure as measuring
from alexnet.speed.contestants import Stand
from alexnet.speed.measure import measure
from alexnet.speed.report import Report
from alexnet.stopwatch import Timed
from alexnet.training import recipes
from tests.conftest import Call


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, small matrices, few pictures, turns of no length."""
    monkeypatch.setattr(speed_record, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(measuring, "SIDES", (64,))
    monkeypatch.setattr("alexnet.speed.contestants.ROOM", 1)
    monkeypatch.setattr(measuring, "BURST", 1e-3)
    return tmp_path / "cache"


def measured(data: str = "digits", **given: object) -> Report:
    asked = {"data": data, "device": "cpu", "batch_size": 4, "workers": 1, **given}
    return measure(asked, (), seconds=0.5, display=Display(io.StringIO()))


def test_every_row(cache: Path) -> None:
    report = measured()
    rows = {(figure.what, figure.precision, figure.threads) for figure in report.figures}
    threads = torch.get_num_threads()
    for precision in ("float32", "bf16"):
        assert {(what, precision, threads) for what in ("training", "answering", "products")} <= rows
    assert {("gathering", None, 1), ("augmenting", None, threads), ("decoding", None, 1)} <= rows
    for figure in report.figures:
        assert 0 < figure.rate.low <= figure.rate.median <= figure.rate.high
        assert (figure.share is None) == (figure.what not in ("training", "answering"))
    assert report.rounds >= 3
    assert report.model == "notebook-mnist"
    assert report.input == (1, 28, 28)


def test_a_recipe_takes_as_long_as_its_epochs(cache: Path) -> None:
    report = measured(epochs=7)
    expected = report.expected
    assert (expected.recipe, expected.data, expected.epochs) == ("modern", "digits", 7)
    assert (expected.train, expected.val) == (1221, 216)  # 15 % of 1,437 are validation
    by = {(f.what, f.precision): f.rate.median for f in report.figures if f.what != "products"}
    threads_precision = report.machine["precision"]
    epoch = 1221 / by["training", threads_precision] + 1221 / by["gathering", None]
    epoch += 216 / by["answering", threads_precision]
    assert expected.seconds == pytest.approx(7 * epoch + 2 * 216 / by["answering", "float32"])


def test_pictures_of_ones_own_are_counted(cache: Path, folder_of_colours: Callable[..., Path]) -> None:
    report = measured(str(folder_of_colours()), model="notebook-mnist", imgsz=28)
    assert (report.expected.train, report.expected.val) == (25, 3)
    assert report.expected.words.startswith("modern on colours, 100 epochs of 25 pictures: about ")


@pytest.mark.parametrize(
    ("floats", "bf16s", "faster"),
    [([2.0] * 4, [1.0] * 4, "bf16"), ([1.0] * 4, [2.0, 2.0, 2.0, 0.5], "float32"), ([1, 2, 1, 2], [2, 1, 2, 1], None)],
)
def test_the_faster_one_wins_three_rounds_of_four(floats: list[float], bf16s: list[float], faster: str | None) -> None:
    one: measuring.Key = ("training", "float32", 2)
    other: measuring.Key = ("training", "bf16", 2)
    winner = measuring._winner({one: Timed(floats), other: Timed(bf16s)}, one, other)
    assert (winner[1] if winner else None) == faster


def test_what_is_faster_is_remembered(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_winner", lambda timed, one, other: other)
    report = measured()
    assert report.faster == "bf16"
    assert report.record is not None
    assert report.record.is_relative_to(cache)
    said = io.StringIO()
    cpu = torch.device("cpu")
    assert speed_record.choose_precision(cpu, None, "notebook-mnist", Display(said)) == "bf16"
    assert "by alexnet bench of" in said.getvalue()


def test_nothing_is_remembered_that_is_too_close(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_winner", lambda timed, one, other: None)
    report = measured()
    assert (report.faster, report.record) == (None, None)
    assert not cache.exists()


def test_a_cache_that_cannot_be_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Path:
        raise ResourceError("the disk is full")

    monkeypatch.setattr(measuring, "_winner", lambda timed, one, other: other)
    monkeypatch.setattr(speed_record, "remember", refuse)
    report = measured()
    assert report.faster == "bf16"
    assert report.record is None
    assert "not remembered: the disk is full" in report.notes


def test_threads_are_as_before(cache: Path) -> None:
    before = torch.get_num_threads()
    measured()
    assert torch.get_num_threads() == before


def test_weights_stay_as_they_are() -> None:
    recipe = recipes.find("modern", "digits").model_copy(update={"batch_size": 4})
    stand = Stand.of(recipe, torch.device("cpu"), most=8)
    before = [parameter.clone() for parameter in stand.network.parameters()]
    step = stand.training("bf16", stand.batches())
    step()
    step()
    assert all(map(torch.equal, before, stand.network.parameters()))
    assert any(
        bool(parameter.grad.abs().sum() > 0) for parameter in stand.network.parameters() if parameter.grad is not None
    )


def test_the_verb(cache: Path, call: Call) -> None:
    arguments = ("bench", "digits", "--device", "cpu", "--batch-size", 4, "--workers", 1, "--seconds", 1)
    result = call(*arguments)
    assert result.code == 0
    assert result.err == ""
    assert "notebook-mnist, 1×28×28, batches of 4, on cpu (" in result.out
    for row in ("training steps", "answers", "matrix products", "read from the store", "JPEGs of 500×375 decoded"):
        assert row in result.out
    assert "modern on digits, 30 epochs of 1,221 pictures: about " in result.out
    values = call(*arguments, "--json").json
    assert values["model"] == "notebook-mnist"
    assert {figure["what"] for figure in values["figures"]} >= {"training", "answering", "products", "decoding"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recipe", "modren"), "Did you mean 'modern'?"),
        (("--model", "owtt"), "Did you mean 'owt'?"),
        (("--device", "cuda:99"), "this machine has no device 'cuda:99'"),
        (("--imgsz", "3"), "The smallest side is"),
        (("--seconds", "0"), "0.0 is not in the range"),
    ],
)
def test_errors(cache: Path, call: Call, arguments: tuple[str, ...], message: str) -> None:
    result = call("bench", "digits", "--quiet", *arguments)
    assert result.code == 2
    assert message in result.error
