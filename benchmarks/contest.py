"""A contest: contestants take turns on one machine, so that whatever else it does meets all of them alike.

Each contestant is a process of its own, with its own libraries (see contestants/turns.py). All are started and warmed
up first; then round after round each works once while the others wait.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from alexnet.device import choose_precision

HERE = Path(__file__).parent
PEERS = HERE / ".venv" / "bin" / "python"
"""The peers' own environment; `make bench` sets it up."""


@dataclass(frozen=True)
class Contestant:
    """Who takes part: a script below contestants/, and what it is asked to do."""

    name: str
    script: str
    asked: dict[str, Any]
    peer: bool = False
    """Runs in the peers' environment."""


@dataclass
class Outcome:
    """What one contestant did in all rounds."""

    name: str
    about: dict[str, Any]
    rates: list[float] = field(default_factory=list)
    """Of each round, such as pictures a second."""
    seconds: list[float] = field(default_factory=list)
    memory: int = 0
    """The most bytes held."""

    @property
    def median(self) -> float:
        """The median rate."""
        return statistics.median(self.rates)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        about = {key: value for key, value in self.about.items() if key != "answers"}
        return {
            "name": self.name,
            **about,
            "median": self.median,
            "rates": self.rates,
            "seconds": self.seconds,
            "memory_bytes": self.memory,
        }


def hold(contestants: Sequence[Contestant], rounds: int) -> list[Outcome]:
    """Let all take `rounds` turns, A B C A B C …, and return what each did.

    Errors: RuntimeError naming a contestant that gave no answer.
    """
    processes: list[_Process] = []
    try:
        outcomes = []
        for contestant in contestants:
            say(f"  {contestant.name} gets ready")
            processes.append(_Process(contestant))
            outcomes.append(Outcome(contestant.name, processes[-1].answer()))
        for turn in range(rounds):
            for process, outcome in zip(processes, outcomes, strict=True):
                figures = process.turn()
                outcome.seconds.append(figures["seconds"])
                outcome.rates.append(figures["work"] / figures["seconds"])
                outcome.memory = max(outcome.memory, figures["memory"])
            say(f"  round {turn + 1} of {rounds}: " + ", ".join(f"{o.name} {o.rates[-1]:,.4g}" for o in outcomes))
        return outcomes
    finally:
        for process in processes:
            process.end()


def table(outcomes: Sequence[Outcome], unit: str, peak: dict[str, float] | None = None) -> list[str]:
    """Lines of a table; the first contestant is ours, and the others are compared with it.

    With a `peak` (GFLOP/s by precision) each row says its share of it, for contestants that say how much arithmetic
    one unit of their work is and in which precision.
    """
    ours = outcomes[0]
    lines = [
        f"| contestant | {unit}, median | range | ours over it | share of the peak | memory |",
        "|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        ratio = "" if outcome is ours else f"**{ours.median / outcome.median:.2f}**"
        share = ""
        if peak is not None and "flop" in outcome.about:
            rate = outcome.median * outcome.about["flop"] / 1e9
            share = f"{rate / peak[outcome.about['precision']]:.0%} of {outcome.about['precision']}"
        spread = f"{min(outcome.rates):,.4g} to {max(outcome.rates):,.4g}"
        memory = f"{outcome.memory / 1e9:.2f} GB"
        lines.append(f"| {outcome.name} | {outcome.median:,.4g} | {spread} | {ratio} | {share} | {memory} |")
    return lines


def has_bf16() -> bool:
    """Whether the processor multiplies bf16; where it does not, it is emulated, and takes minutes for nothing."""
    return choose_precision(torch.device("cpu")) == "bf16"


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


class _Process:
    """A contestant at work."""

    def __init__(self, contestant: Contestant) -> None:
        python = str(PEERS) if contestant.peer else sys.executable
        command = [python, str(HERE / "contestants" / contestant.script), json.dumps(contestant.asked)]
        self._name = contestant.name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by `end`)
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors, text=True)

    def turn(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            last = self._errors.read().strip().splitlines()[-3:]
            raise RuntimeError(f"{self._name} gave no answer: {' / '.join(last) or 'it ended'}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()
