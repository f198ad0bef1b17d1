"""Contestants take turns, and each turn is timed; by a clock that moves when they work."""

from collections.abc import Callable

import pytest
import torch

from alexnet import stopwatch
from alexnet.stopwatch import Spread, Timed, take_turns

CPU = torch.device("cpu")

Work = Callable[[str, float], Callable[[], None]]


@pytest.fixture
def calls() -> list[str]:
    """Who was called, in order."""
    return []


@pytest.fixture
def work(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> Work:
    """Makes a contestant that takes so many seconds of a clock of this test's own."""
    now = [0.0]
    monkeypatch.setattr(stopwatch, "perf_counter", lambda: now[0])

    def contestant(name: str, seconds: float) -> Callable[[], None]:
        def call() -> None:
            calls.append(name)
            now[0] += seconds

        return call

    return contestant


def test_turns_alternate(work: Work, calls: list[str]) -> None:
    timed = take_turns({name: work(name, 2.0) for name in "abc"}, CPU, seconds=1, fewest=4)
    assert "".join(calls) == "abc" * 5  # the first ones warm up
    assert {name: times.seconds for name, times in timed.items()} == {name: [2.0] * 4 for name in "abc"}


def test_short_calls_are_repeated_and_counted_singly(work: Work, calls: list[str]) -> None:
    timed = take_turns({"short": work("short", 0.25), "long": work("long", 1.5)}, CPU, seconds=1, fewest=1, burst=1)
    assert calls == ["short", "short", "long", *["short"] * 4, "long"]
    assert timed["short"].seconds == [0.25]
    assert timed["long"].seconds == [1.5]


@pytest.mark.parametrize(("seconds", "most", "rounds"), [(1, None, 3), (20, None, 9), (20, 5, 5), (1, 1, 3)])
def test_rounds_fill_the_time(work: Work, seconds: float, most: int | None, rounds: int) -> None:
    timed = take_turns({name: work(name, 1.0) for name in "ab"}, CPU, seconds=seconds, most=most)
    assert len(timed["a"].seconds) == len(timed["b"].seconds) == rounds


@pytest.mark.parametrize(("seconds", "left"), [(8.5, "c"), (9, "ac"), (11.5, "ac"), (12, "abc")])
def test_what_takes_too_long_is_left_out(work: Work, seconds: float, left: str) -> None:
    """Three rounds are needed, a second each; the first of the spare ones goes first, and no more than must."""
    timed = take_turns({name: work(name, 1.0) for name in "abc"}, CPU, seconds=seconds, spare=("b", "a"))
    assert "".join(timed) == left


def test_shares_of_the_time_are_told(work: Work) -> None:
    told: list[float] = []
    take_turns({"a": work("a", 1.0)}, CPU, seconds=4, fewest=4, tell=told.append)
    assert told == [0.5, 0.75, 1, 1]


def test_rates_and_their_spread() -> None:
    rates = Timed([0.5, 0.25, 1.0]).rates(2)
    assert rates == [4, 8, 2]
    assert Spread.of(rates) == Spread(4, 2, 8)
