"""Chart: what a run's files say, as plain values, and the few quantities that several ailments ask for."""

import math
import os
import shlex
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alexnet.run import Row, Run

USUAL_RATES = {"sgd": 0.01, "paper": 0.01, "adadelta": 1.0, "adamw": 1e-3}
"""Where one starts: 0.01 is the 2012 paper's (section 5), 1.0 Adadelta's own (Zeiler 2012), 0.001 Adam's."""
BLOWN_UP = 1.5  # times the loss of chance: what no untrained network starts from and no trained one returns to
DEAD = 0.95  # of a layer's units: hardly anything passes it


@dataclass(frozen=True)
class Chart:
    """One run, as its files tell."""

    where: str
    """The run's path, quoted for a shell."""
    args_file: str
    """args.yaml's, likewise."""
    args: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Row, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    vitals: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Pictures of each class in train, val and test."""
    log: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: Run, vitals: Mapping[str, Any] | None = None) -> "Chart":
        """Read a run; `vitals` stand in for a vitals.json that it lacks. Errors: DataError for damaged files."""
        metrics = run.metrics
        rows = run.history
        if "recalibrated_from" in metrics:  # the rows were judged with the statistics of before
            rows = [{key: value for key, value in row.items() if not key.startswith(("val/", "m"))} for row in rows]
        counts: dict[str, Counter[str]] = {"train": Counter(), "val": Counter(), "test": Counter()}
        for row in run.split if (run.path / "split.csv").is_file() else ():
            for part in row["split"].split("+"):
                counts.setdefault(part, Counter())[row["label"]] += 1
        log = run.log_file.read_text("utf-8", "replace").splitlines() if run.log_file.is_file() else []
        return cls(
            where=_quoted(str(run.path)),
            args_file=_quoted(str(run.args_file)),
            args=run.args,
            history=tuple(rows),
            metrics=metrics,
            vitals=run.vitals if vitals is None else vitals,
            counts=counts,
            log=tuple(log),
        )

    def retrain(self, change: str) -> str:
        """The command that trains as this run did, but for `change`."""
        return f"alexnet train --config {self.args_file} {change}"

    @property
    def train_loss(self) -> list[float]:
        """Of each epoch."""
        return [row["train/loss"] for row in self.history]

    @property
    def shares(self) -> dict[str, float]:
        """Of each class among the training pictures."""
        total = sum(self.counts["train"].values()) if self.counts else 0
        return {name: count / total for name, count in self.counts["train"].items()} if total else {}

    @property
    def chance_loss(self) -> float | None:
        """The smallest training loss without looking at the pictures; ln C for C equal classes."""
        shares = self.shares
        if len(shares) < 2:
            return None
        smooth = float(self.args.get("label_smoothing") or 0)
        even = 1 / len(shares)
        weighted = self.args.get("class_weights") == "auto"
        expected = [even if weighted else (1 - smooth) * share + smooth * even for share in shares.values()]
        return -sum(share * math.log(share) for share in expected)

    @property
    def chance_accuracy(self) -> float:
        """Of always naming the most frequent class of the training part."""
        return max(self.shares.values(), default=0.0)

    def is_chance(self, accuracy: float, pictures: float) -> bool:
        """Whether so many pictures could not tell `accuracy` from chance (three standard errors, two points)."""
        chance = self.chance_accuracy
        return accuracy <= chance + 0.02 + 3 * math.sqrt(chance * (1 - chance) / max(pictures, 1))

    @property
    def learnt_nothing(self) -> bool:
        """Three epochs or more, the loss never below 97 % of chance's, the accuracy that of chance to the end."""
        chance = self.chance_loss
        if chance is None or len(self.history) < 3 or min(self.train_loss) < 0.97 * chance:
            return False
        best = self.vitals.get("batch") or self.vitals.get("evaluation")
        inside = best is None or self.is_chance(best["accuracy"], self.vitals["pictures"])
        return inside and self.is_chance(self.history[-1]["train/acc"], sum(self.counts["train"].values()))

    @property
    def rate(self) -> float:
        """The learning rate at its highest; 0 if not known."""
        return float(self.args.get("optimizer", {}).get("lr", 0))

    @property
    def usual_rate(self) -> float:
        """Where one would start with this rule."""
        return USUAL_RATES.get(self.rule, 0.01)

    @property
    def rule(self) -> str:
        """The optimizer's name."""
        return str(self.args.get("optimizer", {}).get("name", ""))

    @property
    def statistics_lag(self) -> float:
        """Accuracy that is lost by answering with moving statistics instead of each batch's own."""
        batch = self.vitals.get("batch")
        return batch["accuracy"] - self.vitals["evaluation"]["accuracy"] if batch else 0.0

    @property
    def deadest(self) -> Mapping[str, Any] | None:
        """The ReLU with the largest share of dead units."""
        relus = [layer for layer in self.vitals.get("activations", ()) if layer["kind"] == "relu"]
        return max(relus, key=lambda layer: layer["dead"], default=None)

    @property
    def labels_by_lot(self) -> bool:
        """Whether pictures that look alike share their label no more often than by chance (50 pictures at least)."""
        neighbours, pictures = self.vitals.get("neighbours"), self.vitals.get("pictures", 0)
        if neighbours is None or pictures < 50:
            return False
        chance = neighbours["chance"]
        return bool(neighbours["accuracy"] <= chance + 2 * math.sqrt(chance * (1 - chance) / pictures))


def _quoted(path: str) -> str:
    return subprocess.list2cmdline([path]) if os.name == "nt" else shlex.quote(path)
