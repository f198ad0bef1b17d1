"""Predicting many files: which ones are meant, their answers, and what is left on the disk."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet import device as machine
from alexnet import durable
from alexnet.data import images
from alexnet.errors import DataError, UsageError
from alexnet.plain_files import refuse_overwriting, write_csv
from alexnet.predict import Classifier, Prediction, load
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import Run

UNKNOWN = "unknown"
THUMBNAIL = 192  # pixels


@dataclass(frozen=True)
class Answer:
    """One file and what was found: predictions, best first, or what is wrong with the file."""

    path: Path
    predictions: list[Prediction]
    error: str | None = None

    @property
    def shown(self) -> str:
        """The path as it may be printed: bytes that are not UTF-8 are replaced."""
        return str(self.path).encode("utf-8", "replace").decode("utf-8")

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        extra = {} if self.error is None else {"error": self.error}
        return {"path": self.shown, "predictions": self.predictions, **extra}


@dataclass(frozen=True)
class Answers:
    """All answers, and the folder that holds them as files."""

    answers: list[Answer]
    folder: Path

    def raise_if_none(self) -> None:
        """Errors: DataError when no picture at all could be read."""
        if all(answer.error is not None for answer in self.answers):
            raise DataError(f"none of the {len(self.answers)} files could be read as a picture")


def predict_files(
    run: str,
    paths: Sequence[str],
    *,
    topk: int,
    min_score: float,
    batch_size: int,
    device: str,
    amp: bool,
    save_csv: Path | None,
    project: Path,
    name: str | None,
    exist_ok: bool,
    display: Display,
) -> Answers:
    """Classify files, folders and patterns; leaves predictions.csv, .json and .png in PROJECT/NAME.

    Errors: DataError when there is nothing to classify; ModelFileError for unusable weights.
    """
    if save_csv is not None:
        refuse_overwriting(save_csv, exist_ok)
    files = expand(paths)
    machine.keep_memory()
    classifier = load(run, device=device, amp=amp, display=display)
    topk = min(topk, len(classifier.classes))
    answers = []
    with display.bar("predicting", len(files)) as bar:
        for path, found in classifier.stream(files, topk, batch_size):
            answers.append(_answer(path, found, min_score))
            bar.advance()
    made = Run.create(project, name, exist_ok=exist_ok)
    made.refuse_trained()
    folder = made.path
    rows = [_row(answer) for answer in answers]
    columns = (
        "path",
        "label",
        "score",
        "error",
        *(f"{kind}{n}" for n in range(2, topk + 1) for kind in ("label", "score")),
    )
    for file in filter(None, (folder / "predictions.csv", save_csv)):
        write_csv(file, columns, rows)
    durable.write_json(folder / "predictions.json", [answer.to_dict() for answer in answers])
    _draw(answers, classifier, folder / "predictions.png")
    return Answers(answers, folder)


def expand(paths: Sequence[str]) -> list[Path]:
    """The files that are meant: files themselves, pictures below folders, and what patterns match.

    Errors: DataError when a path does not exist or holds no pictures.
    """
    files: list[Path] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            found = (p for p in path.rglob("*") if p.suffix.lower() in images.SUFFIXES and p.is_file())
            below = sorted(p for p in found if not p.name.startswith("."))
            if not below:
                raise DataError(f"{given} holds no pictures")
            files += below
        elif path.exists() or path.is_symlink():
            files.append(path)
        else:
            matched = sorted(Path(name) for name in glob.glob(given, recursive=True))  # noqa: PTH207 (absolute patterns too)
            if not matched:
                raise DataError(f"{given} does not exist and matches nothing")
            files += [p for p in matched if p.is_file()]
    if not files:
        raise UsageError("no files to classify")
    return files


def _answer(path: Path, found: list[Prediction] | DataError, min_score: float) -> Answer:
    if isinstance(found, DataError):
        return Answer(path, [], str(found).removeprefix(f"{path}: "))
    if found[0]["score"] < min_score:
        found = (
            [{"label": UNKNOWN, "score": found[0]["score"]}, *found[:-1]]
            if len(found) > 1
            else [{"label": UNKNOWN, "score": found[0]["score"]}]
        )
    return Answer(path, found)


def _row(answer: Answer) -> dict[str, Any]:
    row: dict[str, Any] = {"path": str(answer.path), "error": answer.error or ""}
    for number, prediction in enumerate(answer.predictions):
        suffix = str(number + 1) if number else ""
        row[f"label{suffix}"] = prediction["label"]
        row[f"score{suffix}"] = round(prediction["score"], 6)
    return row


def _draw(answers: list[Answer], classifier: Classifier, file: Path) -> None:
    """The grid of the first 25 answered pictures."""
    from alexnet import pictures  # matplotlib, which nothing needs until there is something to draw
    from alexnet.pictures import grids

    answered = [answer for answer in answers if answer.error is None][: grids.COUNT]
    if not answered:
        return
    size = min(THUMBNAIL, max(classifier.card.preprocess.size, 32))
    fit = Preprocess(size=size, resize_to=size, resize=classifier.card.preprocess.resize)
    drawn: NDArray[np.uint8] = np.stack([fit.fit(images.read(answer.path)) for answer in answered])
    captions = [f"{answer.predictions[0]['label']}  {answer.predictions[0]['score']:.0%}" for answer in answered]
    count = sum(answer.error is None for answer in answers)
    heading = "Predictions" if count <= grids.COUNT else f"Predictions, the first {grids.COUNT} of {count:,} pictures"
    pictures.save(grids.grid(drawn, captions, heading), file)
