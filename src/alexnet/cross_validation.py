"""One training for each fold: every training picture is judged once, by a network that has not seen it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import experiment, pictures, settings
from alexnet.errors import UsageError
from alexnet.judging import metrics
from alexnet.judging.calibration import calibration
from alexnet.judging.evaluate import PREDICTION_COLUMNS
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.settings import Options
from alexnet.training.world import World


def train(
    data: str | Path | None = None,
    *,
    folds: int,
    config: str | Path | None = None,
    assignments: Sequence[str] = (),
    display: Display | None = None,
    **given: Any,  # noqa: ANN401 (as for `experiment.train`)
) -> Run:
    """Train `folds` times as `experiment.train` does; returns the Run PROJECT/NAME, with the runs fold1, fold2, ...
    inside.

    Its metrics.json and predictions.csv are those of all folds together; "folds" holds each one's accuracy. The last
    epoch is kept unless the recipe's `keep` is set: a best epoch chosen on the fold it is judged on would flatter.

    Errors: UsageError, DataError as for training; also when a class has fewer pictures than there are folds.
    """
    display = display or Display()
    asked = {**given, **({} if data is None else {"data": str(data)})}
    options, recipe = settings.resolve(asked, None if config is None else Path(config), assignments, display)
    if recipe.validate_on == "test":
        raise UsageError(
            f"--folds divides the training part, recipe {recipe.name} judges on the test part: take another"
        )
    if World.described().size > 1:
        raise UsageError("--folds trains in one process: leave out torchrun")
    own_choice = "keep" in asked or any(text.partition("=")[0].strip() == "keep" for text in assignments)
    made = Run.create(options.project, options.name, exist_ok=options.exist_ok)
    made.refuse_trained()
    made.clear()
    trained = []
    for fold in range(1, folds + 1):
        display.say(f"fold {fold} of {folds}")
        once = {**asked, "folds": folds, "fold": fold, "project": made.path, "name": f"fold{fold}"}
        trained.append(
            experiment.train(
                config=config,
                assignments=assignments if own_choice else (*assignments, "keep=last"),
                display=Display(display.stream, quiet=display.quiet, verbose=display.verbose),
                **once,
            )
        )
    _gather(made, trained, options, display)
    return made


def _gather(made: Run, trained: Sequence[Run], options: Options, display: Display) -> None:
    """Write the verdict over all folds, draw it, and say it."""
    first = trained[0]
    made.write_args({key: value for key, value in first.args.items() if key != "fold"})
    made.write_classes(first.classes)
    rows = [row for run in trained for row in run.predictions]
    made.write_table("predictions.csv", PREDICTION_COLUMNS, rows)
    figures = _figures(rows, tuple(first.classes)) | {"folds": [run.metrics["accuracy_top1"] for run in trained]}
    made.write_json("metrics.json", figures)
    pictures.draw(made)
    each = np.array(figures["folds"])
    low, high = figures["interval95"]
    display.say(
        f"{len(each)} folds: accuracy {figures['accuracy_top1']:.4f} of {figures['n']:,} pictures (95 % interval "
        f"{low:.4f} to {high:.4f}); single folds {each.min():.4f} to {each.max():.4f}, standard deviation "
        f"{each.std(ddof=1):.4f}"
    )
    display.say(str(made.path))


def _figures(rows: Sequence[Mapping[str, str]], classes: tuple[str, ...]) -> dict[str, Any]:
    """The content of metrics.json, from all predictions."""
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[row["label"]] for row in rows], dtype=np.int64)
    predicted = np.array([number[row["predicted"]] for row in rows], dtype=np.int64)
    scores = np.array([float(row["score"]) for row in rows], dtype=np.float32)
    matrix = metrics.confusion(labels, predicted, len(classes))
    right = int((labels == predicted).sum())
    low, high = metrics.interval95(right, len(rows))
    return {
        "split": "val",
        "n": len(rows),
        "accuracy_top5": None,
        "loss": float(np.mean([float(row["loss"]) for row in rows])),
        "accuracy_top1": right / len(rows),
        "interval95": [low, high],
        **calibration(scores, labels == predicted).figures(),
        "per_class": metrics.per_class(matrix, classes),
        "confusion_matrix": matrix.tolist(),
    }
