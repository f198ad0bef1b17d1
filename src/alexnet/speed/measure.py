"""The measurement: in turns, within a given time; what follows from it is remembered for training."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet import device as machine
from alexnet import settings, speed_record
from alexnet.data import split
from alexnet.data.decode import CHUNK
from alexnet.data.sources import open_source
from alexnet.device import Precision
from alexnet.errors import AlexNetError
from alexnet.models.arithmetic import flop
from alexnet.progress import Bar, Display
from alexnet.settings import Options
from alexnet.speed.contestants import Call, Stand, product
from alexnet.speed.report import Expected, Figure, Report, What
from alexnet.stopwatch import BURST, Spread, Timed, take_turns
from alexnet.training.recipe import Recipe

PRECISIONS: tuple[Precision, ...] = ("float32", "bf16")
CLEARLY = 0.75  # share of the rounds that the faster of two must win
SIDES, PATIENCE = (8192, 4096, 2048, 1024, 512), 0.2  # of matrices; seconds that one product may take
TRAINING_PARTS = {"digits": 1_437, "mnist": 60_000, "flowers17": 1_088}
"""Pictures of the named sets beside their test part: they need not be here to be counted."""

Key = tuple[What, Precision, int]
"""What is done, in which precision, with how many threads."""


def measure(given: Mapping[str, Any], assignments: Sequence[str], *, seconds: float, display: Display) -> Report:
    """Measure for about `seconds`, and remember what trains faster; `given` and `assignments` as for training.

    Errors: UsageError as for training; DataError for pictures of one's own that cannot be counted.
    """
    options, recipe = settings.resolve(given, assignments=assignments, display=display)
    machine.keep_memory()
    device = machine.choose(options.device)
    machine.seed_everything(options.seed)
    train, val = _counts(options, recipe, display)
    stand = Stand.of(recipe, device)
    threads = _threads(device)
    with _restored_threads():
        data = _data(stand, options.workers or os.cpu_count() or 1, seconds / 8, display)
        sides = {precision: _side(precision, device) for precision in PRECISIONS}
        timed = _network(stand, threads, sides, seconds * 7 / 8, display)
    network = _figures(timed, stand, sides)
    counts = sorted({figure.threads for figure in network}, reverse=True)
    faster = {count: _winner(timed, ("training", "float32", count), ("training", "bf16", count)) for count in counts}
    winner = faster[counts[0]]
    best = None if winner is None else winner[1]
    record, notes = _remember(device, recipe, network, {count: key[1] for count, key in faster.items() if key})
    precision = best or machine.choose_precision(device)
    return Report(
        machine=machine.environment(device, precision),
        model=recipe.model,
        input=stand.network.input_shape,
        batch_size=recipe.batch_size,
        figures=(*network, *data),
        rounds=len(next(iter(timed.values())).seconds),
        faster=best,
        expected=_expected(options, recipe, train, val, precision, [*network, *data]),
        notes=(*_thread_notes(timed, threads, counts, precision), *notes),
        record=record,
    )


def _threads(device: torch.device) -> list[int]:
    """All, half of them, one; a GPU does not ask."""
    every = torch.get_num_threads()
    return sorted({every, max(1, every // 2), 1}, reverse=True) if device.type == "cpu" else [every]


@contextmanager
def _restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _with_threads(count: int, call: Call) -> Call:
    def work() -> None:
        torch.set_num_threads(count)
        call()

    return work


@contextmanager
def _told(display: Display, title: str) -> Iterator[Callable[[float], None]]:
    """A bar, moved by the share of the time that is over."""

    def move(bar: Bar, done: list[float], share: float) -> None:
        bar.advance(100 * share - done[0])
        done[0] = 100 * share

    with display.bar(f"measuring {title}", 100, "%") as bar:
        yield partial(move, bar, [0.0])


def _side(precision: Precision, device: torch.device) -> int:
    """The largest side whose product takes no longer than PATIENCE, judged by the smallest one's."""
    least = SIDES[-1]
    timed = take_turns({"": product(least, precision, device)}, device, seconds=1, fewest=1, most=1, burst=BURST)
    length = timed[""].seconds[0]
    return next((side for side in SIDES if length * (side / least) ** 3 <= PATIENCE), least)


def _data(stand: Stand, workers: int, seconds: float, display: Display) -> list[Figure]:
    """What feeds a network, pictures a second."""
    batch, threads = stand.recipe.batch_size, torch.get_num_threads()
    ways: dict[What, tuple[Call, int, int]] = {
        "gathering": (stand.gathering(), batch, 1),
        "augmenting": (stand.augmenting(), batch, threads),
        "decoding": (stand.decoding(workers), CHUNK * workers, workers),
    }
    with _told(display, "pictures") as tell:
        calls = {str(what): call for what, (call, _, _) in ways.items()}
        timed = take_turns(calls, stand.device, seconds=seconds, burst=BURST, tell=tell)
    return [
        Figure(what, None, used, Spread.of(timed[what].rates(pictures))) for what, (_, pictures, used) in ways.items()
    ]


def _network(
    stand: Stand, threads: Sequence[int], sides: Mapping[Precision, int], seconds: float, display: Display
) -> dict[Key, Timed]:
    """Steps, answers, and the products that they are compared with, by precision and threads.

    Where the time is short, the fewest threads are left out.
    """
    makers: dict[What, Callable[[Precision], Call]] = {
        "training": stand.training,
        "answering": stand.answering,
        "products": lambda precision: product(sides[precision], precision, stand.device),
    }
    made = {(what, precision): make(precision) for what, make in makers.items() for precision in PRECISIONS}
    keys = {f"{what} {p} {count}": (what, p, count) for count in threads for what, p in made}
    calls = {name: _with_threads(key[2], made[key[:2]]) for name, key in keys.items()}
    spare = [name for name, key in reversed(keys.items()) if key[2] != threads[0]]
    with _told(display, stand.recipe.model) as tell:
        timed = take_turns(calls, stand.device, seconds=seconds, spare=spare, burst=BURST, tell=tell)
    whole = [count for count in threads if all(name in timed for name, key in keys.items() if key[2] == count)]
    return {keys[name]: times for name, times in timed.items() if keys[name][2] in whole}


def _figures(timed: Mapping[Key, Timed], stand: Stand, sides: Mapping[Precision, int]) -> list[Figure]:
    peaks = {
        (precision, threads): Spread.of(times.rates(2e-9 * sides[precision] ** 3))
        for (what, precision, threads), times in timed.items()
        if what == "products"
    }
    figures = []
    for (what, precision, threads), times in timed.items():
        peak = peaks[precision, threads]
        if what == "products":
            figures.append(Figure(what, precision, threads, peak))
            continue
        rate = Spread.of(times.rates(stand.recipe.batch_size))
        gflops = 1e-9 * rate.median * flop(stand.network.layers, training=what == "training")
        figures.append(Figure(what, precision, threads, rate, gflops, gflops / peak.median))
    return figures


def _winner(timed: Mapping[Key, Timed], one: Key, other: Key) -> Key | None:
    """Which of two was faster in three rounds of four; None when neither was."""
    pairs = list(zip(timed[one].seconds, timed[other].seconds, strict=True))
    wins = sum(first < second for first, second in pairs) / len(pairs)
    return one if wins >= CLEARLY else other if wins <= 1 - CLEARLY else None


def _thread_notes(
    timed: Mapping[Key, Timed], asked: Sequence[int], measured: Sequence[int], precision: Precision
) -> list[str]:
    every = measured[0]
    notes = []
    for count in measured[1:]:
        fewer: Key = ("training", precision, count)
        if _winner(timed, ("training", precision, every), fewer) == fewer:
            notes.append(f"{count} threads train faster than {every}: OMP_NUM_THREADS={count} alexnet train ...")
    left_out = [str(count) for count in asked if count not in measured]
    return notes + ([f"no time for {' and '.join(left_out)} threads: give it more --seconds"] if left_out else [])


def _remember(
    device: torch.device, recipe: Recipe, figures: Sequence[Figure], faster: Mapping[int, Precision]
) -> tuple[Path | None, list[str]]:
    """Note what is faster, for each number of threads; the file of all threads, and what went wrong."""
    files = {}
    try:
        for threads, best in faster.items():
            rates = {f.precision: f.rate.median for f in figures if f.what == "training" and f.threads == threads}
            by_precision = {each: rates[each] for each in PRECISIONS}
            files[threads] = speed_record.remember(device, threads, recipe.model, best, by_precision)
    except (AlexNetError, OSError) as error:
        return None, [f"not remembered: {error}"]
    return files.get(torch.get_num_threads()), []


def _counts(options: Options, recipe: Recipe, display: Display) -> tuple[int, int]:
    """Pictures trained on and validated on; one's own are looked through, named sets are known."""
    if options.data not in TRAINING_PARTS:
        source = open_source(options.data, data_dir=options.data_dir, protocol=options.protocol, display=display)
        every = np.arange(len(source))
        parts = split.assign(source, every, validate_on=recipe.validate_on, val_split=recipe.val_split)
        return len(parts.train), len(parts.val)
    train = TRAINING_PARTS[options.data]
    if recipe.validate_on == "test":
        return train, {"digits": 360, "mnist": 10_000, "flowers17": 272}[options.data]
    val = round(train * recipe.val_split)
    return train - val, val


def _expected(
    options: Options, recipe: Recipe, train: int, val: int, precision: Precision, figures: Sequence[Figure]
) -> Expected:
    """Steps, the pictures' way to them, validation after every epoch, and the verdict, one after another."""

    def rate(what: What, precision: Precision | None = None) -> float:
        return next(f.rate.median for f in figures if f.what == what and f.precision == precision)

    epoch = train / rate("training", precision) + train / rate("gathering") + val / rate("answering", precision)
    rounds = recipe.views * (2 if recipe.temperature == "fitted" else 1)
    seconds = recipe.epochs * epoch + rounds * val / rate("answering", "float32")
    return Expected(recipe.name, Path(options.data).name, recipe.epochs, train, val, seconds)
