"""From any file of weights to any other: read, change what was asked for, write."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from alexnet import weights
from alexnet.errors import ModelFileError, UsageError
from alexnet.models.foreign import change, keras_write, locate, read, torch_files
from alexnet.plain_files import refuse_overwriting
from alexnet.progress import Display
from alexnet.weights import Card

FORMS = (".safetensors", ".pth", ".weights.h5", ".h5", ".keras")
"""What can be written, by the end of the name; the longer of two that fit comes first."""
MOST_CLASSES = 100_000
KERAS: dict[str, keras_write.Form] = {".h5": "h5", ".weights.h5": "weights.h5", ".keras": "keras"}


@dataclass(frozen=True)
class Converted:
    """What was read, what it was taken for, and where it is now."""

    source: Path
    form: str
    card: Card
    written: Path
    parameters: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "source": str(self.source),
            "format": self.form,
            "model": self.card.variant,
            "classes": len(self.card.classes),
            "input": [self.card.preprocess.channels, self.card.preprocess.size, self.card.preprocess.size],
            "parameters": self.parameters,
            "written": str(self.written),
            "notes": list(self.notes),
        }


def convert(
    source: str | Path,
    out: Path,
    *,
    model: str | None = None,
    channels: int | None = None,
    classes: int | None = None,
    labels: Path | None = None,
    seed: int = 0,
    exist_ok: bool = False,
    display: Display | None = None,
) -> Converted:
    """Read weights of any kind from `source` (a file, a run, a name) and write them as the extension of `out` says.

    `model`: the variant, where several have equal shapes. `channels`: 1 for grey pictures. `classes`: as many, the
    last layer drawn anew from `seed`. `labels`: a file of class names, one a line.

    Errors: ModelFileError when the source is damaged or does not fit; UsageError when `out` exists or its end is
    unknown; ResourceError when the disk is full.
    """
    display = display or Display()
    form = _form(out)
    if classes is not None and not 1 <= classes <= MOST_CLASSES:
        raise UsageError(f"--classes must be from 1 to {MOST_CLASSES:,}, not {classes}")
    refuse_overwriting(out, exist_ok)
    file = _found(source, display)
    with display.bar(f"converting {file.name}", 3, "steps") as bar:
        matched = read(file, model)
        state, card = matched.state, matched.card
        bar.advance()
        if channels == 1:
            state, card = change.to_grey(state, card)
        if classes is not None:
            state, card = change.with_fresh_head(state, card, classes, seed)
        if labels is not None:
            card = change.named(card, labels)
        bar.advance()
        notes = (*matched.notes, *_write(out, form, state, card, exist_ok))
        bar.advance()
    parameters = sum(tensor.numel() for name, tensor in state.items() if "running" not in name and tensor.ndim)
    converted = Converted(file, matched.form, card, out, parameters, notes)
    _tell(converted, display)
    return converted


def _form(out: Path) -> str:
    for form in FORMS:
        if out.name.endswith(form) and out.name != form:
            return form
    raise UsageError(f"{out} must end in one of {', '.join(FORMS)}: that says what is written")


def _found(source: str | Path, display: Display) -> Path:
    """The file that is meant; a folder that is no run is a wrong file here."""
    try:
        return locate(source, display)
    except UsageError as error:
        if Path(source).is_dir():
            raise ModelFileError(
                f"{source} is a folder and no run: give a run directory or a file of weights"
            ) from error
        raise


def _write(out: Path, form: str, state: Mapping[str, Tensor], card: Card, exist_ok: bool) -> tuple[str, ...]:
    """Write the file; returns what should be said of it."""
    if form == ".safetensors":
        config = out.with_name("config.json")
        free = not os.path.lexists(config) or (exist_ok and _is_ours(config))
        weights.save(out, state, card, config=free)
        return () if free else (f"{config} stands there for other weights and is left as it is",)
    lost = f"{form} has no place for class names, nor for how pictures are prepared: {card.preprocess.in_words}"
    if form == ".pth":
        return (f"written with {torch_files.write(out, state, card.variant)}", lost)
    keras_write.write(out, state, card, KERAS[form])
    return (lost,)


def _is_ours(config: Path) -> bool:
    """Whether a config.json was written by this program: nobody else's is overwritten."""
    try:
        return config.is_file() and json.loads(config.read_text(encoding="utf-8"))["architecture"] == "alexnet"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def _tell(converted: Converted, display: Display) -> None:
    names = converted.card.classes
    display.say(f"{converted.source}: {converted.form}, taken as {converted.card.variant}")
    for note in converted.notes:
        display.say(f"note: {note}")
    shown = ", ".join(names[:3]) + (f", ... {names[-1]}" if len(names) > 3 else "")
    display.say(f"written to {converted.written}: {converted.parameters:,} parameters, {len(names)} classes ({shown})")
