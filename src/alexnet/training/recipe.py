"""Recipe: every number of a run, typed, frozen, written to the run.

Precision, device and worker counts are not among them: they belong to the machine.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alexnet.data.augment import Augment
from alexnet.data.mixing import Mixing
from alexnet.errors import UsageError
from alexnet.training import schedules
from alexnet.training.optimizers import Kind, Optimizer
from alexnet.training.schedules import Schedule

Values = Literal["unit", "standardised", "centred"]


class Recipe(BaseModel):
    """What is trained and how. Durations are in epochs; the loop turns them into steps once."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    """The name it was found by, such as `notebook` or `modern`."""
    model: str
    """The variant."""
    imgsz: int | None = Field(None, ge=1)
    """Side of the network's input in pixels; None: what the variant's source has."""
    resize: Literal["squash", "crop"] = "squash"
    """squash the whole picture, or crop its central square."""
    margin: float = Field(1.0, ge=1, le=2)
    """Stored side over input side: random crops need some room."""
    values: Values = "unit"
    """unit: values in [0, 1]. standardised: the training part's mean and standard deviation, a channel, taken
    out. centred: values 0 to 255 less the training part's mean colour, as in 2012."""
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    """Pictures a step, over all processes together."""
    optimizer: Optimizer
    schedule: Schedule = Schedule()
    bias_schedule: Schedule | None = None
    """For biases and batch norm; None: as the weights."""
    augment: Augment = Augment()
    mixing: Mixing = Mixing()
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    batch_norm_momentum: float | None = Field(None, gt=0, le=1)
    """Weight of the newest batch in the running statistics (PyTorch's way; Keras's 0.99 is 0.01 here).
    None: what the variant's source has."""
    average: float | None = Field(None, gt=0, lt=1)
    """Judge and keep a running average of the weights, of which a step keeps this share; None: the last ones."""
    class_weights: Literal["none", "auto"] = "none"
    """auto: every class counts the same in the loss, however many pictures it has."""
    validate_on: Literal["cut", "test"] = "cut"
    """cut: validation is the source's own, or cut from the training part. test: the test part (the notebook's way)."""
    val_split: float = Field(0.1, ge=0, lt=1)
    """Share of the training part that is cut; 0: train on all of it, without validation."""
    keep: Literal["best", "last"] = "best"
    """Which epoch's weights are the result: the best on validation, or the last."""
    patience: int | None = Field(None, ge=1)
    """Stop when validation (accuracy, then loss) has not become better for so many epochs."""
    recalibrate: bool = False
    """Measure the batch-norm statistics of the kept weights anew, on training pictures without augmentation."""
    temperature: Literal["fitted"] | Annotated[float, Field(gt=0, le=100)] = 1.0
    """What the logits of the kept weights are divided by, so that scores are shares of right answers; fitted: found
    on the validation part (1 where there is none but the test part)."""
    views: Literal[1, 2, 10] = 1
    """Views averaged in every answer and verdict: the centre, its mirror, the corners. While training runs, epochs
    are compared by the centre alone."""

    def rates(self, step: int, steps: int, steps_per_epoch: int, val_errors: Sequence[float] = ()) -> dict[Kind, float]:
        """The learning rates of `step` (0 is the first) of `steps`; `val_errors` are those of the epochs before."""
        when = step, steps, steps_per_epoch, val_errors
        biases = self.optimizer.lr * self.optimizer.bias_lr
        return {
            "weights": self.optimizer.lr * schedules.factor(self.schedule, *when),
            "biases": biases * schedules.factor(self.bias_schedule or self.schedule, *when),
        }

    @property
    def needs_validation(self) -> bool:
        """Whether a rate follows the validation error."""
        return any(
            schedule is not None and schedule.name == "plateau" for schedule in (self.schedule, self.bias_schedule)
        )


def merged(recipe: Recipe, *changes: Mapping[str, Any]) -> Recipe:
    """The recipe with fields replaced, later changes first in rank; nested ones may be given in part.

    Errors: UsageError naming the field, what was given and what is allowed.
    """
    values = recipe.model_dump()
    for change in changes:
        _merge(values, change)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise UsageError(explained(error)) from error


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """`["optimizer.lr=0.02", "epochs=5"]` as nested values; the right side is read as YAML.

    Errors: UsageError for text that is no assignment.
    """
    values: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set wants FIELD=VALUE, such as optimizer.lr=0.02, not {text!r}")
        try:
            parsed = _number(yaml.safe_load(value))
        except (yaml.YAMLError, RecursionError) as error:
            raise UsageError(f"--set {text!r}: the value cannot be read") from error
        *path, last = name.strip().split(".")
        place = values
        for step in path:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise UsageError(f"--set {text!r}: {step} was set to {place!r} as a whole already")
        place[last] = parsed
    return values


def explained(error: ValidationError) -> str:
    """The first fault of a validation as one line for people."""
    fault = error.errors()[0]
    steps = [str(step) for step in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(".".join(steps), _field_names(Recipe), n=1, cutoff=0.4)
        suggestion = f". Did you mean {near[0]!r}?" if near else ""
        return f"unknown recipe field {'.'.join(steps)!r}{suggestion}"
    said = fault["msg"].removeprefix("Value error, ")
    message = said[0].lower() + said[1:]
    return f"{'.'.join(steps)}: {message}, not {fault['input']!r}"


def _merge(values: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, Mapping) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        elif isinstance(values.get(key), dict) and value is not None:
            fields = ", ".join(f"{key}.{field}" for field in values[key])
            raise UsageError(f"{key} has several fields ({fields}): {value!r} alone is none of them")
        else:
            values[key] = value


def _number(value: Any) -> Any:  # noqa: ANN401 (YAML gives anything)
    """YAML 1.1 takes 1e-3 for a word; people do not."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _field_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    names = []
    for name, field in model.model_fields.items():
        names.append(prefix + name)
        for kind in get_args(field.annotation) or (field.annotation,):  # `X | None` has two
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                names += _field_names(kind, f"{prefix}{name}.")
    return names
