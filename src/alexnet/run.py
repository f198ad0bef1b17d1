"""The run directory: names of its files, reading and writing plain values.

Stages meet here and nowhere else: training writes a run; pictures, prediction and evaluation read it.
"""

import os
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from alexnet import durable
from alexnet.errors import UsageError
from alexnet.plain_files import in_one_line, read_csv, read_mapping, read_text, whole, write_csv

RESULTS_COLUMNS = (
    "epoch",
    "time",
    "train/loss",
    "train/acc",
    "val/loss",
    "val/acc",
    "metrics/accuracy_top1",
    "metrics/accuracy_top5",
    "lr",
    "images_per_second",
    "data_wait",
)
"""One row an epoch. Accuracies are fractions; `time` is seconds since the start; `images_per_second` is the
training part with its waiting for data, `data_wait` the seconds of that wait."""

PICTURES = {
    "samples": "samples.png",
    "curves_accuracy": "curves_accuracy.png",
    "results": "results.png",
    "predictions": "predictions.png",
    "confusion_matrix": "confusion_matrix.png",
    "worst": "worst.png",
    "reliability": "reliability.png",
}

_ENDING = ("stopped.json", "metrics.json", "vitals.json", "predictions.csv", *PICTURES.values())
_FILES = (
    *("args.yaml", "env.json", "summary.txt", "labels.txt", "split.csv", "train.log", "thumbnails.npz"),
    *("results.csv", "training.json", "checkpoint.pt"),
    *("weights/best.safetensors", "weights/last.safetensors", "weights/config.json"),
    *_ENDING,
)

Row = dict[str, float]


class Run:
    """One run directory. Every file has one name, and it stands here."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @classmethod
    def create(cls, project: str | Path, name: str | None = None, *, exist_ok: bool = False) -> "Run":
        """Make PROJECT/NAME. Without a name: exp, exp2, exp3, ...

        Errors: UsageError when the named folder exists, is not empty and `exist_ok` was not said.
        """
        parent = Path(project)
        parent.mkdir(parents=True, exist_ok=True)
        if name is None:
            number = 1
            while True:
                path = parent / f"exp{number if number > 1 else ''}"
                try:
                    path.mkdir()
                    return cls(path)
                except FileExistsError:
                    number += 1
        run = cls(parent / name)
        run.refuse_filled(exist_ok)
        run.path.mkdir(parents=True, exist_ok=True)
        return run

    def clear(self) -> None:
        """Remove what an earlier run has left here: its verdict must not stand beside new weights."""
        for file in _FILES:
            (self.path / file).unlink(missing_ok=True)
        self.sweep()

    def clear_ending(self) -> None:
        """Remove the verdict and its pictures, and why it was stopped: training goes on."""
        for file in _ENDING:
            (self.path / file).unlink(missing_ok=True)
        self.sweep()

    def sweep(self) -> None:
        """Remove what writers that were killed have left unfinished."""
        for folder in (self.path, self.path / "weights"):
            for file in folder.glob(f".*{durable.UNFINISHED}"):
                file.unlink(missing_ok=True)

    def refuse_filled(self, exist_ok: bool) -> None:
        """Errors: UsageError when the folder is there, is not empty and `exist_ok` was not said."""
        if self.path.is_dir() and any(self.path.iterdir()) and not exist_ok:
            raise UsageError(f"{self.path} exists already: choose another --name, or allow it with --exist-ok")

    def refuse_trained(self) -> None:
        """Errors: UsageError when this is a trained run, which nothing but training may write into."""
        if self.best.exists() or self.last.exists():
            raise UsageError(f"{self.path} is a trained run: choose another --name")

    @classmethod
    def find(cls, given: str | Path) -> "Run":
        """The run that a person means: a directory, or 'last' for the newest below runs/train with weights.

        Errors: UsageError when there is none.
        """
        if str(given) == "last":
            return cls._newest("trained run", "args.yaml", "weights/best.safetensors")
        run = cls(given)
        if not run.args_file.is_file() and Path(given).name == str(given):
            run = cls(Path("runs/train") / given)  # a run's name alone
        if not run.args_file.is_file():
            raise UsageError(f"{given} is no run directory (it has no args.yaml): give one, or 'last'")
        return run

    @classmethod
    def begun(cls, given: str | Path) -> "Run":
        """As `find`, but 'last' is the newest run below runs/train that was begun, with weights or without.

        Errors: UsageError when there is none.
        """
        if str(given) != "last":
            return cls.find(given)
        return cls._newest("run", "args.yaml")

    @classmethod
    def _newest(cls, kind: str, *names: str) -> "Run":
        """Of the runs below runs/train that have all these files, the one with the newest of them: the first is written
        at a training's start, so that a clock set back afterwards misleads nobody."""
        runs = [cls(path) for path in Path("runs/train").glob("*") if all((path / name).is_file() for name in names)]
        if not runs:
            raise UsageError(f"there is no {kind} below runs/train yet: start one with 'alexnet train'")
        return max(runs, key=lambda run: max((run.path / name).stat().st_mtime for name in names))

    # ---- names -------------------------------------------------------------------------------------------

    @property
    def args_file(self) -> Path:
        """The outcome of all options; can be passed back with --config."""
        return self.path / "args.yaml"

    @property
    def results_file(self) -> Path:
        """One row an epoch."""
        return self.path / "results.csv"

    @property
    def log_file(self) -> Path:
        """What was printed."""
        return self.path / "train.log"

    @property
    def thumbnails_file(self) -> Path:
        """Small copies of the pictures shown in the grids, so that a run can be drawn without its data."""
        return self.path / "thumbnails.npz"

    @property
    def best(self) -> Path:
        """Weights of the best epoch."""
        return self.path / "weights" / "best.safetensors"

    @property
    def last(self) -> Path:
        """Weights of the last epoch."""
        return self.path / "weights" / "last.safetensors"

    @property
    def checkpoint(self) -> Path:
        """What a training goes on from."""
        return self.path / "checkpoint.pt"

    @property
    def presence_file(self) -> Path:
        """Locked by the process that trains here just now; see `presence`."""
        return self.path / "training.json"

    @property
    def pictures(self) -> dict[str, Path]:
        """The pictures that were drawn, by name."""
        return {name: self.path / file for name, file in PICTURES.items() if (self.path / file).is_file()}

    # ---- reading -----------------------------------------------------------------------------------------

    @property
    def args(self) -> dict[str, Any]:
        """What was asked for, defaults filled in."""
        return read_mapping(self.args_file, ("data", "model", "recipe"))

    @property
    def environment(self) -> dict[str, Any]:
        """The machine and the programs that it was trained with (env.json); empty where that is not there."""
        file = self.path / "env.json"
        return read_mapping(file, ()) if file.is_file() else {}

    @property
    def history(self) -> list[Row]:
        """The rows of results.csv; empty fields are left out."""
        if not self.results_file.is_file():
            return []
        rows = []
        with whole(self.results_file):
            for row in self.read_table("results.csv"):
                numbers = {key: float(value) for key, value in row.items() if value not in ("", None)}
                for column in ("train/loss", "train/acc"):
                    numbers[column]  # a row without them is none
                rows.append({**numbers, "epoch": int(numbers["epoch"])})
        return rows

    @property
    def stopped(self) -> dict[str, Any]:
        """Why torchrun's processes have left on purpose (see `peers.remembered`); empty where they have not."""
        file = self.path / "stopped.json"
        return read_mapping(file, ("exit_code", "message", "agent", "restarts")) if file.exists() else {}

    @property
    def metrics(self) -> dict[str, Any]:
        """The verdict (metrics.json); empty before there is one."""
        file = self.path / "metrics.json"
        needed = ("split", "n", "accuracy_top1", "interval95", "confusion_matrix")
        return read_mapping(file, needed) if file.exists() else {}

    @property
    def vitals(self) -> dict[str, Any]:
        """What was measured inside the network after training (vitals.json); empty where nothing was."""
        file = self.path / "vitals.json"
        return read_mapping(file, ("pictures", "evaluation", "activations")) if file.exists() else {}

    @property
    def classes(self) -> list[str]:
        """Class names in the order of the network's outputs (labels.txt); line ends are escaped."""
        return read_text(self.path / "labels.txt").removesuffix("\n").split("\n")  # splitlines knows more ends of lines

    @property
    def split(self) -> list[dict[str, str]]:
        """The rows of split.csv: path, label, split."""
        return self.read_table("split.csv", ("path", "label", "split"))

    @property
    def predictions(self) -> list[dict[str, str]]:
        """The rows of predictions.csv."""
        return self.read_table("predictions.csv", ("path", "label", "predicted", "score", "correct"))

    @property
    def thumbnails(self) -> dict[str, NDArray[Any]]:
        """Arrays by name; see `thumbnails_file`."""
        with (
            whole(self.thumbnails_file),
            self.thumbnails_file.open("rb") as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            return dict(arrays)

    def read_table(self, name: str, columns: Sequence[str] = ()) -> list[dict[str, str]]:
        """A CSV file of this run. Errors: DataError when it is missing, or lacks one of `columns`."""
        return read_csv(self.path / name, columns)

    # ---- writing (each file whole or not at all) -----------------------------------------------------------

    def write_args(self, values: Mapping[str, Any]) -> None:
        """Write args.yaml."""
        durable.write_text(self.args_file, yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True))

    def write_results(self, rows: Sequence[Row]) -> None:
        """Write results.csv; what a row lacks stays empty."""
        self.write_table("results.csv", RESULTS_COLUMNS, rows)

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a JSON file of this run."""
        durable.write_json(self.path / name, values)

    def write_classes(self, names: Iterable[str]) -> None:
        """Write labels.txt, one name a line; line ends inside a name become escapes."""
        self.write_lines("labels.txt", map(in_one_line, names))

    def write_lines(self, name: str, lines: Iterable[str]) -> None:
        """Write a text file of this run, one item a line."""
        durable.write_text(self.path / name, "".join(f"{line}\n" for line in lines))

    def write_table(self, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Write a CSV file of this run. Names that are not UTF-8 keep their bytes."""
        write_csv(self.path / name, columns, rows)

    def write_thumbnails(self, **arrays: NDArray[Any]) -> None:
        """Add to the small pictures for the grids."""
        kept = self.thumbnails if self.thumbnails_file.is_file() else {}
        everything: dict[str, Any] = kept | arrays  # numpy below 2.1 has no allow_pickle here
        durable.write(self.thumbnails_file, lambda file: np.savez_compressed(file, **everything))


def shown(path: Path) -> str:
    """A path as it can be pasted into a command line."""
    return subprocess.list2cmdline([str(path)]) if os.name == "nt" else shlex.quote(str(path))
