"""Contestants take turns, and each turn is timed."""

import time
from functools import partial

import pytest
import torch

from alexnet.stopwatch import Spread, Timed, take_turns

CPU = torch.device("cpu")


def test_turns_alternate() -> None:
    calls: list[str] = []

    def call(name: str) -> None:
        calls.append(name)
        time.sleep(0.02)

    timed = take_turns({name: partial(call, name) for name in "abc"}, CPU, seconds=1e-3, fewest=4, burst=0.01)
    assert "".join(calls).endswith("abc" * 4)
    assert {name: len(times.seconds) for name, times in timed.items()} == {"a": 4, "b": 4, "c": 4}
    assert all(seconds >= 0.02 for times in timed.values() for seconds in times.seconds)


def test_short_calls_are_repeated_and_counted_singly() -> None:
    calls = [0]

    def call() -> None:
        calls[0] += 1
        time.sleep(1e-3)

    timed = take_turns({"a": call}, CPU, seconds=1e-3, fewest=1, burst=0.05)
    assert calls[0] > 10
    assert 1e-3 <= timed["a"].seconds[0] < 0.05


def test_time_is_used_up() -> None:
    timed = take_turns({"a": lambda: time.sleep(1e-3)}, CPU, seconds=0.2, burst=0.01)
    assert len(timed["a"].seconds) > 3
    assert len(take_turns({"a": lambda: None}, CPU, seconds=9, fewest=1, most=2, burst=1e-3)["a"].seconds) == 2


def test_what_takes_too_long_is_left_out() -> None:
    """The first of the spare ones first, and no more than is needed."""
    contestants = {name: lambda: time.sleep(0.02) for name in "abc"}
    assert list(take_turns(contestants, CPU, seconds=0.3, spare=("b", "a"), burst=0.06)) == ["c"]
    assert list(take_turns(contestants, CPU, seconds=0.6, spare=("b", "a"), burst=0.06)) == ["a", "c"]
    assert list(take_turns(contestants, CPU, seconds=5, most=3, spare=("b", "a"), burst=0.06)) == ["a", "b", "c"]


def test_shares_of_the_time_are_told() -> None:
    told: list[float] = []
    take_turns({"a": lambda: time.sleep(1e-3)}, CPU, seconds=0.1, burst=0.01, tell=told.append)
    assert told == sorted(told)
    assert told[-1] == 1


def test_rates_and_their_spread() -> None:
    rates = Timed([0.5, 0.25, 1.0]).rates(2)
    assert rates == [4, 8, 2]
    assert Spread.of(rates) == Spread(4, 2, 8)
    with pytest.raises(ValueError):
        Spread.of([])
