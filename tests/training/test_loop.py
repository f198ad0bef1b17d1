"""The loop: what it saves, when it stops, that it repeats itself, and that it learns."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from alexnet.data.batches import Batches
from alexnet.device import Precision
from alexnet.errors import DivergedError
from alexnet.judging.evaluate import evaluate
from alexnet.judging.metrics import Tally
from alexnet.models.network import AlexNet, create_model
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import RESULTS_COLUMNS, Row
from alexnet.training import optimizers
from alexnet.training.loop import Setting, epoch_line, fit
from alexnet.training.recipe import Recipe, merged
from alexnet.training.recipes import find
from alexnet.training.schedules import plateau_drops
from alexnet.training.world import World

CPU = torch.device("cpu")
PREPROCESS = Preprocess(size=28, resize_to=28, channels=1)


@dataclass
class Trained:
    rows: list[Row]
    saved: list[tuple[Row, bool]] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)


def data(count: int, *, batch_size: int, seed: int | None, labels: Callable[[int], int] = lambda i: i % 2) -> Batches:
    """Two classes that are easy to tell: bright above, or bright below."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 60, (count, 28, 28, 1), dtype=np.uint8)
    for index in range(count):
        pixels[index, (index % 2) * 14 : (index % 2) * 14 + 14] += 150
    named = np.array([labels(index) for index in range(count)], dtype=np.int64)
    return Batches(pixels, named, np.arange(count), batch_size=batch_size, seed=seed, device=CPU)


def train(recipe: Recipe, *, val: bool = True, seed: int = 0, precision: Precision = "float32", **how: Any) -> Trained:
    torch.manual_seed(seed)
    network = create_model("notebook-mnist", num_classes=2)
    trained = Trained([])
    trained.rows = fit(
        network,
        data(60, batch_size=recipe.batch_size, seed=seed),
        data(30, batch_size=8, seed=None, **how) if val else None,
        PREPROCESS,
        recipe,
        Setting(CPU, precision, World(), Display(quiet=True)),
        class_weights=None,
        save=lambda row, kept, is_best: trained.saved.append((dict(row), is_best)),
    )
    trained.state = network.state_dict()
    return trained


def small(**changes: Any) -> Recipe:
    return merged(find("modern", "digits"), {"epochs": 3, "batch_size": 16, **changes})


def test_it_learns_what_can_be_learnt() -> None:
    trained = train(small(epochs=4))
    assert trained.rows[-1]["val/acc"] == 1.0
    assert trained.rows[-1]["train/loss"] < trained.rows[0]["train/loss"]


def test_a_given_time_is_kept_and_the_schedule_reaches_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr("alexnet.training.loop.time.perf_counter", lambda: next(ticks) * 0.5)
    torch.manual_seed(0)
    setting = Setting(CPU, "float32", World(), Display(quiet=True), seconds=60, pictures_afterwards=0)
    network = create_model("notebook-mnist", num_classes=2)
    batches = data(60, batch_size=16, seed=0)
    recipe = small(epochs=1000)
    rows = fit(
        network, batches, None, PREPROCESS, recipe, setting, class_weights=None, save=lambda row, kept, is_best: None
    )
    assert 3 <= len(rows) < 30, "not a thousand epochs"
    assert rows[-1]["time"] <= 60
    assert rows[-1]["lr"] < 0.1 * recipe.optimizer.lr, "the cosine came down in time"


def test_rows_hold_the_columns_of_the_results_file_and_are_saved_once_an_epoch() -> None:
    trained = train(small())
    assert [row["epoch"] for row in trained.rows] == [1, 2, 3]
    for row in trained.rows:
        assert set(row) <= set(RESULTS_COLUMNS)
        assert {"train/loss", "val/loss", "val/acc", "lr", "images_per_second", "data_wait", "time"} <= set(row)
        assert "metrics/accuracy_top5" not in row, "two classes: top-5 says nothing"
    assert [row for row, _ in trained.saved] == trained.rows


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not() -> None:
    recipe = small(epochs=2)
    one, two, other = train(recipe), train(recipe), train(recipe, seed=1)
    assert all(torch.equal(one.state[name], two.state[name]) for name in one.state)
    assert not torch.equal(one.state["conv1.weight"], other.state["conv1.weight"])
    timed = {"time", "images_per_second", "data_wait"}
    for first, second in zip(one.rows, two.rows, strict=True):
        assert {k: v for k, v in first.items() if k not in timed} == {k: v for k, v in second.items() if k not in timed}


def test_best_is_the_epoch_with_the_best_validation() -> None:
    trained = train(small(epochs=4))
    scores = [(row["val/acc"], -row["val/loss"]) for row in trained.rows]
    expected = [score > max(scores[:i], default=(-1.0, 0.0)) for i, score in enumerate(scores)]
    assert [is_best for _, is_best in trained.saved] == expected


@pytest.mark.parametrize("keep_last", [True, False])
def test_without_a_choice_the_last_epoch_counts(keep_last: bool) -> None:
    trained = train(small(keep="last"), val=True) if keep_last else train(small(), val=False)
    assert all(is_best for _, is_best in trained.saved)


def test_epochs_are_compared_by_the_centre_whatever_the_views_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Preprocess] = []

    def judged(network: AlexNet, batches: Batches, preprocess: Preprocess, *rest: Any) -> Tally:
        seen.append(preprocess)
        return evaluate(network, batches, preprocess, *rest)

    monkeypatch.setattr("alexnet.training.loop.evaluate", judged)
    ten = Preprocess(size=26, resize_to=28, channels=1, views=10)
    fit(
        create_model("notebook-mnist", num_classes=2, image_size=26),
        data(16, batch_size=8, seed=0),
        data(8, batch_size=8, seed=None),
        ten,
        small(epochs=1),
        Setting(CPU, "float32", World(), Display(quiet=True)),
        class_weights=None,
        save=lambda row, kept, is_best: None,
    )
    assert seen == [replace(ten, views=1)]


def test_patience_stops_when_validation_no_longer_rises() -> None:
    hopeless = train(small(epochs=30, patience=3, optimizer={"lr": 1e-6}), labels=lambda i: 1 - i % 2)
    assert len(hopeless.rows) < 30
    best = max(epoch for epoch, (_, is_best) in enumerate(hopeless.saved, 1) if is_best)
    assert len(hopeless.rows) == best + 3


def test_patience_counts_also_where_the_last_epoch_is_kept() -> None:
    recipe = small(epochs=30, patience=2, keep="last", optimizer={"lr": 1e-6})
    trained = train(recipe, labels=lambda i: 1 - i % 2)
    assert len(trained.rows) < 30
    assert all(is_saved for _, is_saved in trained.saved)


def test_a_loss_that_is_no_number_stops_and_is_not_saved() -> None:
    saved: list[Row] = []
    with pytest.raises(DivergedError, match="epoch 1"):
        fit(
            create_model("notebook-mnist", num_classes=2),
            data(60, batch_size=16, seed=0),
            None,
            PREPROCESS,
            small(optimizer={"name": "sgd", "lr": 1e30}),
            Setting(CPU, "float32", World(), Display(quiet=True)),
            class_weights=None,
            save=lambda row, kept, is_best: saved.append(row),
        )
    assert saved == []


def test_weights_that_break_in_the_last_step_are_noticed_as_well() -> None:
    with pytest.raises(DivergedError, match="not finite"):
        train(small(epochs=1, batch_size=60, optimizer={"name": "sgd", "lr": 1e40}, schedule={"warmup": 0}), val=False)


def test_an_epoch_that_cannot_be_judged_is_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alexnet.training.loop.evaluate", lambda *_: Tally(30, float("nan"), 0, 0))
    with pytest.raises(DivergedError, match="epoch 1"):
        train(small())


def test_bf16_and_float32_agree_within_bf16s_precision() -> None:
    losses = []
    for precision in ("float32", "bf16"):
        torch.manual_seed(0)
        network = create_model("notebook-mnist", num_classes=2)
        rows = fit(
            network,
            data(60, batch_size=20, seed=0),
            None,
            PREPROCESS,
            small(epochs=5),
            Setting(CPU, "bf16" if precision == "bf16" else "float32", World(), Display(quiet=True)),
            class_weights=None,
            save=lambda row, kept, is_best: None,
        )
        losses.append([row["train/loss"] for row in rows])
    assert losses[0] == pytest.approx(losses[1], rel=0.03)
    assert losses[0] != losses[1], "bf16 must have been used"


def test_class_weights_change_what_counts() -> None:
    states = []
    for weights in (None, torch.tensor([10.0, 0.1])):
        torch.manual_seed(0)
        network = create_model("notebook-mnist", num_classes=2)
        rows = fit(
            network,
            data(60, batch_size=20, seed=0, labels=lambda i: int(i % 3 == 0)),
            data(60, batch_size=20, seed=None, labels=lambda i: int(i % 3 == 0)),
            PREPROCESS,
            small(epochs=1),
            Setting(CPU, "float32", World(), Display(quiet=True)),
            class_weights=weights,
            save=lambda row, kept, is_best: None,
        )
        states.append(rows[-1]["train/loss"])
    assert states[0] != states[1]


def test_the_line_of_an_epoch_reads_well() -> None:
    row: Row = dict(zip(RESULTS_COLUMNS, itertools.count(1.0), strict=False))
    assert epoch_line(row, 12).startswith("epoch   1/12  loss 3.0000  acc 4.0000  val_loss 5.0000  val_acc 6.0000")


def test_frozen_statistics_stand_still(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = create_model("notebook-flowers", num_classes=2, image_size=163)
    for parameter in network.get_submodule("bn1").parameters():
        parameter.requires_grad = False
    pixels = np.random.default_rng(0).integers(0, 256, (8, 163, 163, 3), dtype=np.uint8)
    batches = Batches(pixels, np.arange(8) % 2, np.arange(8), batch_size=4, seed=0, device=CPU)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fit(
        network,
        batches,
        None,
        Preprocess(size=163, resize_to=163),
        merged(find("notebook", "flowers17"), {"epochs": 1, "batch_size": 4}),
        Setting(CPU, "float32", World(), Display(quiet=True), frozen=("bn1",)),
        class_weights=None,
        save=lambda row, kept, is_best: None,
    )
    after = network.state_dict()
    assert torch.equal(before["bn1.running_mean"], after["bn1.running_mean"])
    assert not torch.equal(before["bn2.running_mean"], after["bn2.running_mean"])


def test_the_rate_drops_when_the_validation_error_stops_falling() -> None:
    """Nothing can be learnt here: after the first epoch at a rate no error is smaller than its best for long."""
    schedule = {"name": "plateau", "wait": 2, "most_drops": 2, "warmup": 0, "drop": 0.5}
    recipe = small(epochs=12, optimizer={"lr": 1e-5}, schedule=schedule)
    trained = train(recipe, labels=lambda i: 1 - i % 2)
    errors = [1 - row["val/acc"] for row in trained.rows]
    wanted = [1e-5 * 0.5 ** plateau_drops(errors[:epochs], 2, 2) for epochs in range(12)]
    assert [row["lr"] for row in trained.rows] == pytest.approx(wanted)
    assert trained.rows[-1]["lr"] == pytest.approx(2.5e-6)


def test_the_papers_rule_learns_what_can_be_learnt() -> None:
    recipe = small(epochs=6, optimizer={"name": "paper", "lr": 0.01, "weight_decay": 5e-4, "bias_lr": 2})
    assert train(recipe).rows[-1]["val/acc"] == 1.0


def test_weights_and_biases_are_trained_at_their_own_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[torch.optim.Optimizer] = []
    build = optimizers.build

    def heard(*given: Any) -> torch.optim.Optimizer:
        built.append(build(*given))
        return built[-1]

    monkeypatch.setattr("alexnet.training.optimizers.build", heard)
    schedule = {"name": "steps", "drops_at": [0.5], "warmup": 0}
    train(small(optimizer={"lr": 0.01, "bias_lr": 3}, schedule=schedule, bias_schedule={"name": "constant"}), val=False)
    assert {group["of"]: group["lr"] for group in built[0].param_groups} == pytest.approx(
        {"weights": 0.001, "biases": 0.03}
    )


def test_twenty_steps_in_bf16_end_where_float32_does() -> None:
    recipe = small(epochs=5)  # of four steps
    exact, fast = (train(recipe, precision=precision).rows for precision in ("float32", "bf16"))
    for row, other in zip(exact, fast, strict=True):
        assert other["train/loss"] == pytest.approx(row["train/loss"], abs=0.02)
    assert exact != fast
    assert exact[-1]["train/loss"] < 0.5 * exact[0]["train/loss"]
