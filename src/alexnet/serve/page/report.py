"""What the page's second tab shows of a run, from its files alone, whether it trains just now or has long ended."""

import json
import math
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet import doctor, presence
from alexnet.errors import AlexNetError, DataError
from alexnet.run import Run
from alexnet.serve.page import painting
from alexnet.serve.plain_json import readable

MOST_CLASSES = 60  # a larger confusion matrix is told by the pairs that are confused most often
PAIRS = 20
LOG_LINES = 12
GALLERIES = {"predictions": "", "worst": "", "samples": "sample_labels", "held_out": "held_out_labels"}
"""The small pictures of a run by name, and where their class names are; "": in predictions.csv."""


class Reporter:
    """Reads one run again whenever one of its files has changed."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._signature: object = None
        self._text = ""

    def text(self) -> str:
        """The report as JSON."""
        with self._lock:
            trains = presence.trains(self.run)
            signature = trains, _signature(self.run)
            if signature != self._signature:
                self._text = json.dumps(plain(report(self.run, trains)), ensure_ascii=True)
                self._signature = signature
            return self._text

    def gallery(self, name: str) -> bytes:
        """The small pictures called `name` in one row, as PNG. Errors: DataError where the run has none."""
        return painting.row(pixels_of(self.run, name))


def pixels_of(run: Run, name: str) -> NDArray[np.uint8]:
    """Small pictures of a run, uint8 (N, S, S, C). Errors: DataError where there are none of that name."""
    arrays = run.thumbnails if run.thumbnails_file.is_file() else {}
    if name not in GALLERIES or name not in arrays or not len(arrays[name]):
        raise DataError(f"{run.path} has no small pictures called {name}")
    return np.asarray(arrays[name], np.uint8)


def report(run: Run, trains: bool) -> dict[str, Any]:
    """Everything at once: a few kilobytes, and a few dozen for a long training."""
    args, metrics = run.args, run.metrics
    return {
        "name": run.path.resolve().name,
        "state": "training" if trains else "finished" if metrics else "stopped" if run.checkpoint.exists() else "ended",
        "args": args,
        "environment": run.environment,
        "epochs": args.get("epochs"),
        "history": run.history,
        "verdict": _verdict(metrics, run),
        "findings": _findings(run, trains),
        "galleries": _galleries(run),
        "log": _tail(run),
    }


def _verdict(metrics: Mapping[str, Any], run: Run) -> dict[str, Any] | None:
    if not metrics:
        return None
    kept = ("split", "n", "epoch", "accuracy_top1", "accuracy_top5", "interval95", "loss", "ece", "temperature",
            "calibration", "per_class")  # fmt: skip
    names, matrix = run.classes, metrics["confusion_matrix"]
    confused = sorted(
        (
            {"label": names[actual], "predicted": names[predicted], "count": count}
            for actual, counts in enumerate(matrix)
            for predicted, count in enumerate(counts)
            if count and actual != predicted
        ),
        key=lambda pair: -pair["count"],
    )
    return {
        **{key: metrics[key] for key in kept if key in metrics},
        "classes": names,
        "confusion_matrix": matrix if len(names) <= MOST_CLASSES else None,
        "confused": confused[:PAIRS],
    }


def _findings(run: Run, trains: bool) -> list[dict[str, Any]]:
    """The doctor's; while a training runs, only what is plainly hopeless."""
    try:
        if not trains:
            return [finding.to_dict() for finding in doctor.examine(run)]
        finding = doctor.hopeless(doctor.Chart.of(run), run.history)
    except AlexNetError as error:
        return [{"name": "cannot be looked at", "cause": str(error), "evidence": [], "remedy": "", "advice": ""}]
    return [] if finding is None else [finding.to_dict()]


def _galleries(run: Run) -> dict[str, Any]:
    """By name: what is known of each small picture, in their order."""
    if not run.thumbnails_file.is_file():
        return {}
    arrays = run.thumbnails
    judged = (run.path / "predictions.csv").is_file()  # no more, where a finished training goes on
    found: dict[str, Any] = {}
    for name, labels in GALLERIES.items():
        if name not in arrays or not len(arrays[name]) or not (labels or judged):
            continue
        if labels:
            captions: list[dict[str, Any]] = [{"label": str(label)} for label in arrays[labels]]
        else:
            table = run.predictions
            captions = [
                {
                    "label": row["label"],
                    "predicted": row["predicted"],
                    "score": float(row["score"]),
                    "right": row["correct"] == "True",
                }
                for row in (table[place] for place in arrays[f"{name}_rows"])
            ]
        found[name] = {"side": int(arrays[name].shape[1]), "captions": captions}
    return found


def _tail(run: Run) -> list[str]:
    if not run.log_file.is_file():
        return []
    with run.log_file.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 4000))
        return file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]


def _signature(run: Run) -> object:
    names = ("args.yaml", "results.csv", "metrics.json", "vitals.json", "thumbnails.npz", "train.log", "checkpoint.pt")
    return [_stamp(run, name) for name in names]


def _stamp(run: Run, name: str) -> tuple[int, int] | None:
    try:
        state = (run.path / name).stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def plain(values: Any) -> Any:  # noqa: ANN401 (anything that JSON can say)
    """As every browser reads it: numbers that are none become null, bytes of odd names escapes, paths text."""
    if isinstance(values, Mapping):
        return {plain(str(key)): plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [plain(value) for value in values]
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    if values is None or isinstance(values, bool | int):
        return values
    return readable(str(values))
