"""Judge a run on any part of its data, or on other pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from alexnet import dataset, predict, settings, verdict
from alexnet.data import sources
from alexnet.data.split import Split
from alexnet.dataset import Dataset
from alexnet.errors import DataError, UsageError
from alexnet.judging.evaluate import PREDICTION_COLUMNS
from alexnet.predict import Classifier
from alexnet.progress import Display
from alexnet.run import Run, refuse_overwriting, write_csv


def validate(
    given: str | Path,
    *,
    split: str | None = None,
    data: str | None = None,
    data_dir: Path | None = None,
    batch_size: int = 128,
    device: str = "auto",
    amp: bool = False,
    save_csv: Path | None = None,
    project: Path = Path("runs/val"),
    name: str | None = None,
    exist_ok: bool = False,
    display: Display | None = None,
) -> Run:
    """Judge a run's best weights; returns the Run PROJECT/NAME with metrics.json, predictions.csv, pictures.

    Errors: UsageError for a part that the run does not have; DataError when the data have changed.
    """
    display = display or Display()
    if save_csv is not None:
        refuse_overwriting(save_csv, exist_ok)
    run = Run.find(given)
    classifier = predict.load(run.path, device=device, amp=amp)
    if data is None:
        judged = _own_data(run, classifier, data_dir, display)
    else:
        judged = _other_data(classifier, data, data_dir, display)
    part = split or next(name for name in ("val", "test", "train") if len(getattr(judged.split, name)))
    result = verdict.judge_part(
        classifier.network,
        judged,
        part,
        classifier.device,
        display,
        batch_size=batch_size,
        precision=classifier.precision,
    )
    made = Run.create(project, name, exist_ok=exist_ok)
    made.refuse_trained()
    made.write_args({**run.args, "data": judged.source.name, "weights": str(run.best)})
    made.write_classes(classifier.classes)
    figures = verdict.record(made, judged, result, weights=str(run.best), precision=classifier.precision)
    if save_csv is not None:
        write_csv(save_csv, PREDICTION_COLUMNS, result.rows())
    display.say(verdict.line(figures))
    display.say(f"written to {made.path}")
    return made


def _own_data(run: Run, classifier: Classifier, data_dir: Path | None, display: Display) -> Dataset:
    """The run's own data, divided as split.csv says."""
    options, _ = settings.resolve(run.args)
    source = sources.open_source(
        options.data, data_dir=data_dir or options.data_dir, protocol=options.protocol, display=display
    )
    if source.classes != classifier.classes:
        raise DataError(
            f"the classes of {source.name} are no longer those of {run.path}: judge other pictures with --data"
        )
    store = dataset.decode(source, classifier.card.preprocess, options, display)
    number = {name: index for index, name in enumerate(source.names)}
    usable = set(store.usable.tolist())
    parts: dict[str, dict[int, None]] = {"train": {}, "val": {}, "test": {}}  # ordered sets
    for row in run.split:
        index = number.get(row["path"])
        if index is None or index not in usable:
            raise DataError(f"{row['path']} stands in {run.path / 'split.csv'} but {source.name} has it no longer")
        if source.classes[source.labels[index]] != row["label"]:
            raise DataError(f"{row['path']} was {row['label']} when {run.path} was trained and is no longer")
        for part in row["split"].split("+"):
            if part not in parts or index in parts[part]:
                raise DataError(f"{run.path / 'split.csv'} is damaged: {row['path']} is in {row['split']!r}, or twice")
            parts[part][index] = None
    train, val, test = (np.array(list(parts[part]), dtype=np.int64) for part in ("train", "val", "test"))
    return Dataset(source, store, Split(train, val, test, "split.csv"), classifier.card.preprocess)


def _other_data(classifier: Classifier, data: str, data_dir: Path | None, display: Display) -> Dataset:
    """Other pictures: all of them, unless they are divided; classes are matched by name."""
    options, _ = settings.resolve({"data": data, "data_dir": data_dir})
    source = sources.open_source(options.data, data_dir=options.data_dir, display=display)
    strangers = sorted(set(source.classes) - set(classifier.classes))
    if strangers:
        raise UsageError(f"{data} has classes that the network was not trained on: {', '.join(strangers)}")
    number = np.array([classifier.classes.index(name) for name in source.classes])
    source = replace(source, classes=classifier.classes, labels=number[source.labels])
    store = dataset.decode(source, classifier.card.preprocess, options, display)
    said = np.array(source.parts, dtype=object)[store.usable]
    train, val, test = (store.usable[said == part] for part in ("train", "val", "test"))
    undivided = store.usable[said == ""]
    whole = Split(train, val, test if len(test) else undivided, "the source's own parts")
    return Dataset(source, store, whole, classifier.card.preprocess)
