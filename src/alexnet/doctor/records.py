"""What a run's files must hold for the doctor to read them: checked once, typed, all else left aside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alexnet.errors import DataError


class Record(BaseModel):
    """Plain values from one file, or from a part of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


# ---- args.yaml ---------------------------------------------------------------------------------------------


class Rule(Record):
    """The optimizer: its name and its learning rate at its highest; "" and 0 where none is known."""

    name: str = ""
    lr: float = 0.0


class Pace(Record):
    """The schedule of the rate: epochs of rise at the start."""

    warmup: float = 0.0


class Augment(Record):
    """What training pictures go through."""

    crop: str = "centre"
    crop_area: tuple[float, float] = (1.0, 1.0)
    flip: bool = False
    rotate: float = 0.0
    translate: float = 0.0
    zoom: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether a picture is cut, turned, shifted or enlarged; a mirror image alone does not count."""
        return bool(self.crop == "random" or self.crop_area[0] < 1 or self.rotate or self.translate or self.zoom)


class Mixing(Record):
    """Two training pictures in one."""

    mixup: float = 0.0
    cutmix: float = 0.0


class Asked(Record):
    """Options and recipe (args.yaml); the defaults are those of a recipe that does nothing out of the common."""

    data: str = ""
    model: str = ""
    imgsz: int | None = None
    epochs: int | None = None
    time: float | None = None
    """Seconds that were given, in place of epochs."""
    optimizer: Rule = Rule()
    schedule: Pace = Pace()
    augment: Augment = Augment()
    mixing: Mixing = Mixing()
    label_smoothing: float = 0.0
    class_weights: str = "none"
    keep: str = "best"
    weights: str | None = None
    """What the training started from."""


# ---- metrics.json ------------------------------------------------------------------------------------------


class OneClass(Record):
    """The verdict on one class; recall is None for a class without pictures."""

    label: str
    recall: float | None


class Verdict(Record):
    """The verdict on a part (metrics.json)."""

    split: str
    n: int
    accuracy_top1: float
    per_class: tuple[OneClass, ...] = ()
    statistics_over: int | None = None
    """Pictures on which batch norm's statistics were measured anew; None: they are the training's."""
    temperature: float = 1.0
    """What the logits were divided by after the training."""


# ---- vitals.json (see `judging.vitals.measure`) ------------------------------------------------------------


class Figures(Record):
    """Of training pictures."""

    accuracy: float


class Norm(Record):
    """One batch norm; how many steps went in and what it holds of its start, where that is known."""

    name: str
    momentum: float | None
    steps: int | None
    held: float | None


class Activation(Record):
    """One ReLU or tanh; shares of its units."""

    name: str
    kind: str
    units: int
    dead: float
    saturated: float


class Neighbours(Record):
    """Labels of pictures that look alike: how often they agree, and how often random ones would."""

    accuracy: float
    chance: float


class Twins(Record):
    """Validation pictures that are training pictures too."""

    count: int
    of: int
    pairs: tuple[tuple[str, str], ...]


class Vitals(Record):
    """What happens inside the network."""

    pictures: int = Field(ge=1)
    evaluation: Figures
    batch: Figures | None = None
    batch_norms: tuple[Norm, ...] = ()
    activations: tuple[Activation, ...] = ()
    output_spread: float = 1.0
    neighbours: Neighbours | None = None
    biases_at_one: tuple[str, ...] = ()
    twins: Twins | None = None


Known = TypeVar("Known", bound=Record)


def checked(kind: type[Known], values: Mapping[str, Any], file: Path) -> Known:
    """The `values` of a `file` as a record. Errors: DataError that names the file and its first fault."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(step) for step in fault["loc"])
        raise DataError(
            f"{file} is damaged or not whole ({where}: {fault['msg'].lower()}): restore it or train again"
        ) from error
