"""What was asked for: options and recipe, from command line, config file, recipe and defaults.

Precedence: command line (or keyword arguments) > config file > recipe > defaults. The outcome is written to
the run as args.yaml and can be passed back as a config file.
"""

import difflib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from alexnet.data.sources import list_datasets
from alexnet.data.space import Form
from alexnet.errors import ModelFileError, UsageError
from alexnet.models import foreign
from alexnet.progress import Display
from alexnet.training import recipes
from alexnet.training.parallel import Way
from alexnet.training.recipe import Recipe, explained, merged, parse_assignments


class Options(BaseModel):
    """What belongs to one run and its machine, and not to the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str = "digits"
    """A named set, a folder or a CSV file."""
    data_dir: Path | None = None
    """Where named sets live."""
    protocol: str | None = None
    """One of a set's published splits."""
    device: str = "auto"
    amp: bool | None = None
    """bf16 on or off; None: on where it was measured faster (see `speed_record`), else where the hardware has it."""
    workers: int | None = Field(None, ge=1)
    """Threads that decode pictures; None: one a processor."""
    seed: int = Field(0, ge=0, lt=2**63)
    deterministic: bool = False
    weights: str | None = None
    """Start from a run, a weights file (other programs' included) or published ones by name ('torchvision')."""
    freeze: str | None = None
    """Layers that stay as they are, such as conv1-conv5."""
    bad_files: int | None = Field(None, ge=0)
    """How many unreadable pictures are tolerated; None: ten, or 1 % if that is more."""
    strict: bool = False
    """Tolerate none."""
    accept_truncated: bool = False
    """Read a JPEG that is cut short all the same, grey where it is missing (see `data.images`)."""
    fast_jpeg: bool = False
    """Decode large JPEGs of the training part at a half, a quarter or an eighth (see `data.jpeg`)."""
    store: Literal["auto", Form] = "auto"
    """How decoded training pictures are kept; auto: raw where all pictures fit into memory (see `data.space`)."""
    folds: int | None = Field(None, ge=2)
    """Into how many parts the training pictures are divided, each of which is validation once."""
    fold: int | None = Field(None, ge=1)
    """Which of them is validation in this run, from 1 on."""
    time: float | None = Field(None, gt=0)
    """Seconds that training and verdict may take, given as such or as 90s, 30m, 2h; None: the recipe's epochs."""
    save_every: int | None = Field(None, ge=1)
    """Steps from one checkpoint to the next; None: at the ends of epochs, as often as costs next to nothing."""
    parallel: Way = "data"
    """How torchrun's processes share the work: every layer's gradients averaged, or dense layers divided."""
    project: Path = Path("runs/train")
    name: str | None = None
    exist_ok: bool = False

    @model_validator(mode="after")
    def _fold_of_folds(self) -> "Options":
        if self.fold is not None and (self.folds is None or self.fold > self.folds):
            raise ValueError(f"fold {self.fold} is none of {self.folds} folds")
        return self

    @field_validator("weights", mode="before")
    @classmethod
    def _as_text(cls, weights: Any) -> Any:  # noqa: ANN401 (anything may be given; pydantic checks it afterwards)
        """As it was written: './torchvision' is a folder, 'torchvision' a name."""
        return os.fspath(weights) if isinstance(weights, os.PathLike) else weights

    @field_validator("time", mode="before")
    @classmethod
    def _in_seconds(cls, time: Any) -> Any:  # noqa: ANN401 (anything may be given; pydantic checks it afterwards)
        units = {"s": 1, "m": 60, "h": 3600}
        if isinstance(time, str) and time[-1:] in units:
            try:
                return float(time[:-1]) * units[time[-1]]
            except ValueError as error:
                raise ValueError("a time such as 90s, 30m or 2h is needed") from error
        return time

    @field_validator("name")
    @classmethod
    def _one_folder(cls, name: str | None) -> str | None:
        if name is not None and (not name.isprintable() or name in ("", ".", "..") or set(name) & set("/\\")):
            raise ValueError("the name of one folder is needed")
        return name


SHORTHANDS = {"lr": ("optimizer", "lr")}


def resolve(
    given: Mapping[str, Any],
    config: Path | None = None,
    assignments: Iterable[str] = (),
    display: Display | None = None,
) -> tuple[Options, Recipe]:
    """Options and recipe from what was `given`, from `assignments` (FIELD=VALUE) and from a config file.

    `given` holds option and recipe fields by name (nested recipe fields as mappings), `recipe` being the
    recipe's name and `lr` short for optimizer.lr. Rank: given, assignments, config, recipe, defaults.

    Errors: UsageError naming the field, what was given and what is allowed.
    """
    filed = _expanded(_read_config(config)) if config is not None else {}
    ranked = [filed, _expanded(parse_assignments(assignments)), _expanded(given)]
    everything = {key: value for part in ranked for key, value in part.items()}
    for part in ranked:
        _refuse_unknown(part)
    options = options_of(everything)
    name = str(everything.get("recipe") or "modern")
    if filed.get("recipe") not in (None, name):
        raise UsageError(f"--config {config} is for recipe {filed['recipe']}: leave out --recipe, or take another file")
    options = _with_whole_paths(options, display or Display(sys.stderr))
    base = recipes.find(name, options.data)
    if options.weights is not None:
        base = _as_trained(base, Path(options.weights), everything)
    elif everything.get("model", base.model) != base.model and "imgsz" not in everything:
        base = base.model_copy(update={"imgsz": None})  # another variant comes with its own size
    fields = Recipe.model_fields.keys() - {"name"}  # `name` is the run's
    return options, merged(base, *({k: v for k, v in part.items() if k in fields} for part in ranked))


def _as_trained(base: Recipe, file: Path, asked: Mapping[str, Any]) -> Recipe:
    """The recipe with the variant, and the size and cut of pictures, that the weights in `file` were trained with.

    Errors: ModelFileError when another variant was asked for; UsageError for another size or cut.
    """
    card = foreign.load_card(file, asked.get("model"))
    if asked.get("model", card.variant) != card.variant:
        raise ModelFileError(
            f"{file} holds {card.variant}, this run trains {asked['model']}: use --model {card.variant}"
        )
    prepared = card.preprocess
    brought = {"imgsz": prepared.size, "resize": prepared.resize, "margin": prepared.resize_to / prepared.size}
    for field, value in brought.items():
        if asked.get(field) not in (None, value):
            raise UsageError(f"{field} {asked[field]}: the weights in {file} were trained with {value}, leave it out")
    return base.model_copy(update={"model": card.variant, **brought})


def options_of(args: Mapping[str, Any]) -> Options:
    """The options in a run's args.yaml, taken as they stand: weights that a training started from may be gone.

    Errors: UsageError naming the field, what was given and what is allowed.
    """
    try:
        return Options.model_validate({key: value for key, value in args.items() if key in Options.model_fields})
    except ValidationError as error:
        raise UsageError(explained(error)) from error


def recipe_of(args: Mapping[str, Any]) -> Recipe:
    """The recipe in a run's args.yaml, which holds every field.

    Errors: UsageError naming the field, what was given and what is allowed.
    """
    fields = Recipe.model_fields.keys() - {"name"}
    try:
        return Recipe.model_validate({"name": args["recipe"], **{k: v for k, v in args.items() if k in fields}})
    except ValidationError as error:
        raise UsageError(explained(error)) from error


def as_args(options: Options, recipe: Recipe) -> dict[str, Any]:
    """The content of args.yaml: plain values that `resolve` understands.

    What the run is called and where it stands is not part of how it was made.
    """
    values = recipe.model_dump(mode="json")
    name = values.pop("name")
    return {**options.model_dump(mode="json", exclude={"project", "name", "exist_ok"}), "recipe": name, **values}


def _with_whole_paths(options: Options, display: Display) -> Options:
    """Paths that mean the same from any folder; `last` becomes the run it means now."""
    changes: dict[str, Any] = {}
    if not options.data:
        raise UsageError("the data have no name: give a named set, a folder or a CSV file")
    try:
        if options.data not in list_datasets() and Path(options.data).expanduser().exists():
            changes["data"] = str(Path(options.data).expanduser().absolute())
    except (RuntimeError, ValueError, OSError) as error:  # no such user, a NUL, a name too long
        raise UsageError(f"{options.data} cannot be a path: {error}") from error
    if options.data_dir is not None:
        changes["data_dir"] = options.data_dir.expanduser().absolute()
    if options.weights is not None:
        changes["weights"] = str(foreign.locate(options.weights, display).absolute())
    return options.model_copy(update=changes)


def _expanded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Shorthands spelled out; `standardise`, as args.yaml of version 0.1 has it, in today's words."""
    expanded = dict(values)
    if "standardise" in expanded:
        expanded.setdefault("values", "standardised" if expanded["standardise"] else "unit")
        del expanded["standardise"]
    for short, (group, field) in SHORTHANDS.items():
        if short in expanded:
            whole = expanded.get(group, {})
            if not isinstance(whole, Mapping):
                raise UsageError(
                    f"{group} has several fields, such as {group}.{field}: {whole!r} alone is none of them"
                )
            expanded[group] = {**whole, field: expanded.pop(short)}
    return expanded


def _read_config(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"--config {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UsageError(f"--config {path} must hold fields and values, as a run's args.yaml does")
    return values


def _refuse_unknown(values: Mapping[str, Any]) -> None:
    known = {*Options.model_fields, *Recipe.model_fields, "recipe"}
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            suggestion = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"unknown option or recipe field {key!r}.{suggestion}")
        if key in Options.model_fields and isinstance(value, Mapping):
            raise UsageError(f"{key} has no fields, but {key}.{next(iter(value), '')} was given: give {key} itself")
