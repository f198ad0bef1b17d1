"""Judge a run on any part of its data, or on other pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from alexnet import dataset, predict, settings, verdict
from alexnet import device as machine
from alexnet.data import sources
from alexnet.data.split import Split
from alexnet.dataset import Dataset
from alexnet.errors import UsageError
from alexnet.judging.evaluate import PREDICTION_COLUMNS
from alexnet.models import foreign
from alexnet.models.ready import numbers_for
from alexnet.plain_files import refuse_overwriting, write_csv
from alexnet.predict import Classifier
from alexnet.progress import Display
from alexnet.run import Run


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

    A file of weights, or published ones by name (see `models.foreign`), can be judged too, on `data`.

    Errors: UsageError for a part that the run does not have; DataError when the data have changed.
    """
    display = display or Display()
    if save_csv is not None:
        refuse_overwriting(save_csv, exist_ok)
    run = None if foreign.is_weights(given) else Run.find(given)
    if run is None and data is None:
        raise UsageError(f"{given} is no run, which would know its data: say what to judge on with --data")
    file = foreign.locate(given, display) if run is None else run.best
    machine.keep_memory()
    classifier = predict.load(file, device=device, amp=amp, display=display)
    if data is not None:
        judged = _other_data(classifier, data, data_dir, display)
    elif run is not None:
        judged = dataset.of_run(run, classifier.card, data_dir, display)
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
    args = run.args if run is not None else {"model": classifier.card.variant, "recipe": classifier.card.recipe}
    made.write_args({**args, "data": judged.source.name, "weights": str(file)})
    made.write_classes(classifier.classes)
    precision = numbers_for(classifier.network, classifier.precision) or classifier.precision
    figures = verdict.record(made, judged, result, weights=str(file), precision=precision)
    if save_csv is not None:
        write_csv(save_csv, PREDICTION_COLUMNS, result.rows())
    display.say(verdict.line(figures))
    display.say(f"written to {made.path}")
    return made


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
