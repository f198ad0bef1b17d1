"""Two processes against one: the same steps, the same counts, every picture once."""

import os
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, multiprocessing, nn

from alexnet.data.augment import Augment
from alexnet.data.batches import Batches
from alexnet.data.mixing import Mixing
from alexnet.errors import StoppedError
from alexnet.models.network import create_model
from alexnet.progress import Display
from alexnet.training import checkpoint, loop
from alexnet.training.loop import Setting, fit
from alexnet.training.parallel import Way, dense_layers, traffic
from alexnet.training.recipe import Recipe
from alexnet.training.saving import Saver
from alexnet.training.step import Answered, answer
from alexnet.training.stop import Stop
from alexnet.training.world import World
from tests.training.test_loop import CPU, PREPROCESS, small

PICTURES, BATCH = 65, 16  # 4 batches of 16 and one of a single picture, which joins the fourth
PLAIN = small(epochs=5, optimizer={"name": "sgd", "lr": 0.02, "weight_decay": 1e-3}).model_copy(
    update={"augment": Augment(), "mixing": Mixing()}
)


@dataclass(frozen=True)
class Session:
    """One training, or a piece of one, by some processes."""

    folder: Path
    processes: int = 1
    way: Way = "data"
    recipe: Recipe = PLAIN
    batch: int = BATCH
    stop_at: int | None = None
    """The step of this session in which the last process is asked to stop."""


def pictures(world: World, indices: int, *, seed: int | None, batch: int = BATCH) -> Batches:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (PICTURES, 28, 28, 1), dtype=np.uint8)
    labels = np.arange(PICTURES, dtype=np.int64) % 3
    chosen = np.arange(indices)
    return Batches(pixels, labels, chosen, batch_size=batch, seed=seed, device=CPU, rank=world.rank, ranks=world.size)


def work(rank: int, session: Session, port: int) -> None:
    """What each process does; it leaves its state, its rows and which pictures it took in which step."""
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": session.processes, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in variables.items()}, MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    world, stop, taken = World.described(), Stop(), list[list[int]]()
    world.join(CPU)
    torch.manual_seed(0)
    network = create_model("notebook-mnist", num_classes=3)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0

    def noted(model: Any, batch: Any, *rest: Any) -> Answered:
        taken.append(batch.indices[: batch.own].tolist())
        if len(taken) == session.stop_at and rank == world.size - 1:
            stop.asked = "SIGTERM"
        return answer(model, batch, *rest)

    vars(loop)["answer"] = noted
    file = session.folder / "checkpoint.pt"
    resumed = checkpoint.load(file) if file.exists() else None
    states: list[dict[str, Tensor]] = []
    rows = []
    try:
        rows = fit(
            network,
            pictures(world, PICTURES, seed=3, batch=session.batch),
            pictures(world, 33, seed=None, batch=8),
            PREPROCESS,
            session.recipe,
            Setting(
                CPU, "float32", world, Display(quiet=True),
                parallel=session.way, saver=Saver(file, {}, world=world), stop=stop,
            ),
            class_weights=None,
            save=lambda row, state, is_best: states.append({name: value.clone() for name, value in state.items()}),
            resumed=resumed,
        )  # fmt: skip
    except StoppedError:
        assert session.stop_at is not None
    torch.save((states[-1:], rows, taken), session.folder / f"left-{rank}.pt")
    world.leave()


Left = tuple[list[dict[str, Tensor]], list[dict[str, float]], list[list[int]]]


def carry_out(session: Session, port: int) -> list[Left]:
    """Start the processes, wait for them, and give back what each has left."""
    session.folder.mkdir(exist_ok=True)
    multiprocessing.spawn(work, (session, port), nprocs=session.processes)  # type: ignore[attr-defined,no-untyped-call]
    return [torch.load(session.folder / f"left-{rank}.pt", weights_only=True) for rank in range(session.processes)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Left:
    return carry_out(Session(tmp_path_factory.mktemp("alone")), 29610)[0]


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Norm of the difference, over the norm."""
    both = [torch.cat([state[name].double().flatten() for name in state]) for state in (one, other)]
    return float((both[0] - both[1]).norm() / both[0].norm())


@pytest.mark.fault("D7")
@pytest.mark.parametrize("way", ["data", "hybrid"])
def test_two_processes_take_the_steps_of_one_and_count_each_picture_once(way: Way, alone: Left, tmp_path: Path) -> None:
    """20 steps of SGD in float32 by two processes and by one: weights within 1e-5, counts equal."""
    two = carry_out(Session(tmp_path / "two", 2, way), 29611 if way == "data" else 29612)
    states, rows, taken = alone
    assert len(taken) == 20
    for left in two:
        assert distance(states[-1], left[0][-1]) < 1e-5
        for row, other in zip(rows, left[1], strict=True):
            assert row["val/acc"] == other["val/acc"], "33 pictures, which two do not divide"
            assert row["train/acc"] == other["train/acc"]
            assert row["val/loss"] == pytest.approx(other["val/loss"], rel=1e-5)
            assert row["train/loss"] == pytest.approx(other["train/loss"], rel=1e-5)
    for step, batch in enumerate(taken):
        assert sorted(two[0][2][step] + two[1][2][step]) == sorted(batch)


@pytest.mark.fault("C5")
@pytest.mark.parametrize("way", [pytest.param("data", marks=pytest.mark.long), "hybrid"])
def test_going_on_with_other_numbers_of_processes(way: Way, alone: Left, tmp_path: Path) -> None:
    """Two processes stop in epoch 2, one goes on and stops in it, two end it: each picture once an epoch."""
    folder = tmp_path / "pieces"
    taken: list[list[int]] = []
    for part, (processes, stop_at) in enumerate([(2, 5), (1, 2), (2, 1), (1, None)]):
        how = Session(folder, processes, way, stop_at=stop_at)
        left = carry_out(how, 29620 + part + (10 if way == "hybrid" else 0))
        taken += [[*chain.from_iterable(step)] for step in zip(*(one[2] for one in left), strict=True)]
    assert [sorted(step) for step in taken] == [sorted(step) for step in alone[2]]
    for epoch in range(5):
        assert sorted(chain.from_iterable(taken[4 * epoch : 4 * epoch + 4])) == list(range(PICTURES))
    assert distance(alone[0][-1], left[0][0][-1]) < 1e-5
    assert [row["train/acc"] for row in left[0][1]] == [row["train/acc"] for row in alone[1]]


@pytest.mark.fault("C20")
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 7])
def test_shares_of_any_number_of_processes_make_the_batch(ranks: int) -> None:
    """Batches of 16 and a last one of two or one picture, shared by up to seven: each picture counts once."""
    for count, seed in ((18, 0), (17, 0), (1, 0), (17, None)):
        worlds = [World(rank, ranks) for rank in range(ranks)]
        shares = zip(*(pictures(world, count, seed=seed).epoch(1) for world in worlds), strict=True)
        seen: list[int] = []
        for step in shares:
            assert len({len(share.labels) for share in step}) == 1, "all of one size"
            assert sum(share.weight for share in step) == pytest.approx(ranks)
            seen += [index for share in step for index in share.indices[: share.own].tolist()]
        assert sorted(seen) == list(range(count))


def test_more_processes_than_pictures_in_a_batch(tmp_path: Path) -> None:
    """Three processes, batches of two: one of them only keeps company."""
    recipe = PLAIN.model_copy(update={"epochs": 1})
    one = carry_out(Session(tmp_path / "one", recipe=recipe, batch=2), 29613)[0]
    three = carry_out(Session(tmp_path / "three", 3, recipe=recipe, batch=2), 29614)
    assert distance(one[0][-1], three[2][0][-1]) < 1e-5


def test_what_is_sent_is_counted() -> None:
    """AlexNet of one tower, batch 128 over 8: 62 million weights against activations of three layers."""
    network = create_model("owt")
    sent = traffic(network, 128, 8)
    weights = sum(parameter.numel() for parameter in network.parameters())
    assert sent.data == round(2 * 4 * weights * 7 / 8)
    dense = sum(p.numel() for name in dense_layers(network) for p in network.get_submodule(name).parameters())
    inputs, outputs = 9216 + 4096 + 4096, 4096 + 4096 + 1000
    assert sent.hybrid == round(2 * 4 * (weights - dense + 128 * (inputs + outputs / 8)) * 7 / 8)
    assert sent.hybrid < sent.data / 10


def test_a_batch_weight_is_one_where_one_process_has_it_all() -> None:
    batch = next(iter(pictures(World(), 20, seed=0).epoch(1)))
    assert (batch.own, batch.weight) == (16, 1.0)
    assert replace(batch, own=3).own == 3
