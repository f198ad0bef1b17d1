"""A training in pieces equals one in a piece, to the bit: weights, averages, rows, wherever it was stopped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alexnet.errors import StoppedError
from alexnet.judging.evaluate import evaluate
from alexnet.judging.metrics import Tally
from alexnet.models.network import create_model
from alexnet.progress import Display
from alexnet.run import Row
from alexnet.training import checkpoint, loop
from alexnet.training.loop import Setting, fit
from alexnet.training.recipe import Recipe
from alexnet.training.saving import Saver
from alexnet.training.step import Answered, answer
from alexnet.training.stop import Stop
from alexnet.training.world import World
from tests.training.test_loop import CPU, PREPROCESS, data, small

STEPS = 4  # an epoch: 60 pictures, 16 a step
OWN = ("time", "images_per_second", "data_wait")

Outcome = tuple[dict[str, Tensor], list[Row]]


def session(recipe: Recipe, file: Path, *, stop_at: int | None = None, judged: bool = False, **how: Any) -> Outcome:
    """Train from `file`, if it is there, until the signal that comes in step `stop_at` of this session, or, with
    `judged`, when so many epochs were judged; the state of the network that is kept, and the rows."""
    torch.manual_seed(0 if not file.exists() else 99)  # what a new process starts with is of no account
    network = create_model("notebook-mnist", num_classes=2)
    stop, calls = Stop(), [0]
    kept: list[dict[str, Tensor]] = [network.state_dict()]

    def count() -> None:
        calls[0] += 1
        if calls[0] == stop_at:
            stop.asked = "SIGTERM"

    def counted(*given: Any) -> Answered:
        count()
        return answer(*given)

    def counted_verdict(network: nn.Module, *rest: Any) -> Tally:
        count()
        return evaluate(network, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, *(("evaluate", counted_verdict) if judged else ("answer", counted)))
        rows = fit(
            network,
            data(60, batch_size=16, seed=0),
            data(30, batch_size=8, seed=None),
            PREPROCESS,
            recipe,
            Setting(CPU, "float32", World(), Display(quiet=True), saver=Saver(file, {}), stop=stop, **how),
            class_weights=None,
            save=lambda row, judged, is_best: kept.__setitem__(0, judged),
            resumed=checkpoint.load(file) if file.exists() else None,
        )
    return {name: tensor.clone() for name, tensor in kept[0].items()}, rows


def refuse_difference(one: Outcome, other: Outcome) -> None:
    assert one[0].keys() == other[0].keys()
    for name, tensor in one[0].items():
        assert torch.equal(tensor, other[0][name]), name
    plain = [[{key: value for key, value in row.items() if key not in OWN} for row in rows] for _, rows in (one, other)]
    assert plain[0] == plain[1]


RULES: dict[str, dict[str, Any]] = {
    "adamw": {},
    "adamw, average, mixup": {"average": 0.9, "mixing": {"mixup": 0.4}},
    "sgd": {"optimizer": {"name": "sgd", "lr": 0.01, "weight_decay": 1e-3}},
    "adadelta": {"optimizer": {"name": "adadelta", "lr": 0.1}},
    "paper, plateau": {
        "optimizer": {"name": "paper", "lr": 0.01},
        "schedule": {"name": "plateau", "wait": 1, "most_drops": 2, "warmup": 0, "drop": 0.5},
    },
}


@pytest.mark.fault("C2", "C3")
@pytest.mark.parametrize("rule", RULES)
def test_two_stops_in_one_epoch_and_one_in_another(rule: str, tmp_path: Path) -> None:
    """Two pauses in one epoch and one in another, for each optimizer, average and schedule: the same weights, to the
    bit."""
    recipe = small(epochs=3, **RULES[rule])
    straight = session(recipe, tmp_path / "straight.pt")
    file = tmp_path / "pieces.pt"
    for steps, where in ((5, "epoch 2 after 1 of 4"), (2, "epoch 2 after 3 of 4"), (3, "epoch 3 after 2 of 4")):
        with pytest.raises(StoppedError, match=f"stopped by SIGTERM in {where} steps; saved. Go on: alexnet train"):
            session(recipe, file, stop_at=steps)
    refuse_difference(straight, session(recipe, file))


@pytest.mark.fault("C2")
@pytest.mark.parametrize("stop_at", range(1, 2 * STEPS + 1))
def test_a_stop_in_any_step(stop_at: int, tmp_path: Path) -> None:
    """One pause, in each step of two epochs: the same weights and rows, to the bit."""
    recipe = small(epochs=2)
    straight = session(recipe, tmp_path / "straight.pt")
    with pytest.raises(StoppedError):
        session(recipe, tmp_path / "pieces.pt", stop_at=stop_at)
    refuse_difference(straight, session(recipe, tmp_path / "pieces.pt"))


def test_a_stop_while_an_epoch_is_judged(tmp_path: Path) -> None:
    recipe = small(epochs=2)
    straight = session(recipe, tmp_path / "straight.pt")
    file = tmp_path / "pieces.pt"
    with pytest.raises(StoppedError, match="in epoch 1 after 4 of 4 steps"):
        session(recipe, file, stop_at=1, judged=True)
    assert checkpoint.load(file).progress.rows == []
    refuse_difference(straight, session(recipe, file))


def test_a_training_that_is_over_does_nothing_and_more_epochs_go_on(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    first = session(small(epochs=2), file)
    refuse_difference(first, (first[0], session(small(epochs=2), file)[1]))
    _, rows = session(small(epochs=4), file)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rows[:2] == first[1]


def test_patience_that_ran_out_stays_so(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    recipe = small(epochs=30, patience=2, optimizer={"lr": 1e-9})
    _, rows = session(recipe, file)
    assert len(rows) < 30
    assert session(recipe, file)[1] == rows


def test_a_given_time_counts_over_all_sessions(tmp_path: Path) -> None:
    ticks: Iterator[int] = iter(range(100_000))
    file = tmp_path / "checkpoint.pt"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("alexnet.training.loop.time.perf_counter", lambda: next(ticks) * 0.5)
        straight = session(small(epochs=3), tmp_path / "straight.pt", seconds=80)
        with pytest.raises(StoppedError):
            session(small(epochs=3), file, seconds=80, stop_at=6)
        pieces = session(small(epochs=3), file, seconds=80)
    assert abs(len(pieces[1]) - len(straight[1])) <= 1  # stopping and saving look at the clock as well
    assert pieces[1][-1]["time"] <= 80
