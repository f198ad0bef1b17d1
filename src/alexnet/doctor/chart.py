"""Chart: what a run's files say, as plain values, and the few quantities that several ailments ask for."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from alexnet.doctor.records import Activation, Asked, Verdict, Vitals, checked
from alexnet.errors import DataError
from alexnet.run import Row, Run, shown

USUAL_RATES = {"sgd": 0.01, "paper": 0.01, "adadelta": 1.0, "adamw": 1e-3}
"""Where one starts: 0.01 is the 2012 paper's (section 5), 1.0 Adadelta's own (Zeiler 2012), 0.001 Adam's."""
BLOWN_UP = 1.5  # times the loss of chance: what no untrained network starts from and no trained one returns to
DEAD = 0.95  # of a layer's units: hardly anything passes it
GAP = 0.15  # accuracy; a network whose statistics are up to date differs by a few points
FALLEN = 0.97  # of the loss of chance: what any network reaches that learns

Counts = Mapping[str, Mapping[str, int]]
"""Pictures of each class in train, val and test; a class without any is left out."""


def _no_pictures() -> Counts:
    return {"train": {}, "val": {}, "test": {}}


@dataclass(frozen=True)
class Chart:
    """One run, as its files tell."""

    where: str
    """The run's path, quoted for a shell."""
    args_file: str
    """args.yaml's, likewise."""
    asked: Asked = field(default_factory=Asked)
    history: tuple[Row, ...] = ()
    verdict: Verdict | None = None
    vitals: Vitals | None = None
    counts: Counts = field(default_factory=_no_pictures)
    log: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: Run, vitals: Mapping[str, Any] | None = None) -> "Chart":
        """Read a run; `vitals` stand in for a vitals.json that it lacks.

        Errors: DataError that names the file, for damaged ones.
        """
        history = run.history
        if any(("val/loss" in row) != ("val/acc" in row) for row in history):
            raise DataError(f"{run.results_file} is damaged or not whole: restore it or train again")
        counts: dict[str, Counter[str]] = {part: Counter() for part in _no_pictures()}
        for row in run.split if (run.path / "split.csv").is_file() else ():
            for part in row["split"].split("+"):
                counts.setdefault(part, Counter())[row["label"]] += 1
        metrics, inside = run.metrics, run.vitals if vitals is None else vitals
        return replace(
            cls.begun(run, run.args, counts),
            history=tuple(history),
            verdict=checked(Verdict, metrics, run.path / "metrics.json") if metrics else None,
            vitals=checked(Vitals, inside, run.path / "vitals.json") if inside else None,
            log=tuple(run.log_file.read_text("utf-8", "replace").splitlines() if run.log_file.is_file() else ()),
        )

    @classmethod
    def begun(cls, run: Run, args: Mapping[str, Any], counts: Counts) -> "Chart":
        """What is known before the first epoch: the content of args.yaml, and the pictures. Nothing is read.

        Errors: DataError when `args` are not what args.yaml must hold.
        """
        return cls(
            where=shown(run.path),
            args_file=shown(run.args_file),
            asked=checked(Asked, args, run.args_file),
            counts=counts,
        )

    def retrain(self, change: str) -> str:
        """The command that trains as this run did, but for `change`."""
        return f"alexnet train --config {self.args_file} {change}"

    # ---- losses ----------------------------------------------------------------------------------------------

    @property
    def train_loss(self) -> list[float]:
        """Of each epoch, as the training saw its pictures: augmented, and mixed where they are."""
        return [row["train/loss"] for row in self.history]

    @property
    def mixed(self) -> bool:
        """Whether training pictures are mixed: their loss and accuracy are then no measure of what was learnt."""
        return bool(self.asked.mixing.mixup or self.asked.mixing.cutmix)

    @property
    def whole_loss(self) -> list[float]:
        """Of each epoch, on whole pictures: training's, or validation's where those were mixed; empty without one."""
        if not self.mixed:
            return self.train_loss
        losses = [row["val/loss"] for row in self.history if "val/loss" in row]
        return losses if len(losses) == len(self.history) else []

    @property
    def shares(self) -> dict[str, float]:
        """Of each class among the training pictures."""
        total = sum(self.counts["train"].values())
        return {name: count / total for name, count in self.counts["train"].items()}

    @property
    def chance_loss(self) -> float | None:
        """The smallest training loss without looking at the pictures; ln C for C equal classes.

        Mixing does not change it: each of a picture's two labels is of a class as often as that class is there.
        """
        shares = self.shares
        if len(shares) < 2:
            return None
        smooth = self.asked.label_smoothing
        even = 1 / len(shares)
        weighted = self.asked.class_weights == "auto"
        expected = [even if weighted else (1 - smooth) * share + smooth * even for share in shares.values()]
        return -sum(share * math.log(share) for share in expected)

    # ---- accuracies ------------------------------------------------------------------------------------------

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
        """Three epochs or more, the loss never below 97 % of chance's, the accuracy that of chance to the end.

        Of mixed training pictures that is not enough: whole ones must be at chance as well.
        """
        chance = self.chance_loss
        if chance is None or len(self.history) < 3 or min(self.train_loss) < FALLEN * chance:
            return False
        last = self.history[-1]
        whole: list[tuple[float, int]] = []
        if self.vitals is not None:
            whole.append(((self.vitals.batch or self.vitals.evaluation).accuracy, self.vitals.pictures))
        if self.mixed and "val/acc" in last:
            whole.append((last["val/acc"], sum(self.counts["val"].values())))
        if self.mixed and not whole:
            return False
        seen = [*whole, (last["train/acc"], sum(self.counts["train"].values()))]
        return all(self.is_chance(accuracy, pictures) for accuracy, pictures in seen)

    # ---- the learning rate -----------------------------------------------------------------------------------

    @property
    def rate(self) -> float:
        """The learning rate at its highest; 0 if not known."""
        return self.asked.optimizer.lr

    @property
    def usual_rate(self) -> float:
        """Where one would start with this rule."""
        return USUAL_RATES.get(self.rule, 0.01)

    @property
    def rule(self) -> str:
        """The optimizer's name."""
        return self.asked.optimizer.name

    # ---- inside ----------------------------------------------------------------------------------------------

    @property
    def statistics_lag(self) -> float:
        """Accuracy that is lost by answering with running statistics instead of each batch's own."""
        if self.vitals is None or self.vitals.batch is None:
            return 0.0
        return self.vitals.batch.accuracy - self.vitals.evaluation.accuracy

    @property
    def lags(self) -> bool:
        """Whether that is so much that answers, validation's too, say little of the weights."""
        return self.statistics_lag >= GAP

    @property
    def activations(self) -> tuple[Activation, ...]:
        """All ReLUs and tanhs."""
        return self.vitals.activations if self.vitals is not None else ()

    @property
    def deadest(self) -> Activation | None:
        """The ReLU with the largest share of dead units."""
        return max((each for each in self.activations if each.kind == "relu"), key=lambda each: each.dead, default=None)

    @property
    def random_labels(self) -> bool:
        """Whether pictures that look alike share their label no more often than by chance (50 pictures at least)."""
        if self.vitals is None or self.vitals.neighbours is None or self.vitals.pictures < 50:
            return False
        chance = self.vitals.neighbours.chance
        return self.vitals.neighbours.accuracy <= chance + 2 * math.sqrt(chance * (1 - chance) / self.vitals.pictures)
