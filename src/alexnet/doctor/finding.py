"""Finding: what is wrong, how it shows, why, and what to type."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alexnet.doctor.chart import Chart

Mend = Literal["recalibrate"] | Mapping[str, Any] | None
"""What can be done without a person: measure the statistics anew, train again with these options, or nothing."""


@dataclass(frozen=True)
class Finding:
    """One ailment of one run."""

    name: str
    evidence: tuple[str, ...]
    """Numbers, and the file that each is from."""
    cause: str
    """One sentence."""
    remedy: str
    """One command to paste; empty where a person must look."""
    sure: float
    """0 to 1."""
    severity: float
    """0 to 1: how much of the network's worth it takes."""
    mend: Mend = None
    advice: str = ""
    """What else helps, or what to look at."""

    @property
    def line(self) -> str:
        """In one line."""
        return f"{self.name} ({self.sure:.0%} sure): {self.cause}"

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "name": self.name,
            "evidence": list(self.evidence),
            "cause": self.cause,
            "remedy": self.remedy,
            "advice": self.advice,
            "sure": round(self.sure, 3),
            "severity": self.severity,
            "can_be_mended": self.mend is not None,
        }


def with_rate(chart: Chart, rate: float) -> tuple[str, Mend]:
    """The remedy that trains again at another learning rate, as a command and as it can be done."""
    written = f"{rate:g}"
    return chart.retrain(f"--lr {written}"), {"lr": float(written)}


def smaller_rate(chart: Chart) -> tuple[str, Mend]:
    """As `with_rate`: a tenth, or where one usually starts if that is less."""
    return with_rate(chart, min(chart.rate / 10, chart.usual_rate))
