"""A run whose batch-norm statistics are measured anew: a new run beside it, judged on the same pictures."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alexnet import dataset, predict, verdict, weights
from alexnet.errors import UsageError
from alexnet.progress import Display
from alexnet.run import Run, free_name
from alexnet.training.recalibrate import batch_norms
from alexnet.training.recalibrate import recalibrate as measure


@dataclass(frozen=True)
class Recalibrated:
    """The new run, and the figures (as in metrics.json) of the same part before and after."""

    run: Run
    before: dict[str, Any]
    after: dict[str, Any]


def recalibrate(
    given: str | Path,
    *,
    data_dir: Path | None = None,
    batch_size: int = 128,
    device: str = "auto",
    project: Path | None = None,
    name: str | None = None,
    exist_ok: bool = False,
    display: Display | None = None,
) -> Recalibrated:
    """Measure the batch-norm statistics of a run's best weights on its training pictures.

    The run stays as it is; the new one is PROJECT/NAME, beside it and with "-recalibrated" behind its name unless
    told otherwise. Both are judged on the run's validation part (its test part if it has none).

    Errors: UsageError for a network without batch norm; DataError when the data are no longer what they were.
    """
    display = display or Display()
    run = Run.find(given)
    classifier = predict.load(run.best, device=device)
    network = classifier.network
    if not batch_norms(network):
        raise UsageError(f"{classifier.card.variant} has no batch norm: there are no statistics to measure")
    data = dataset.of_run(run, classifier.card, data_dir, display)
    part = "val" if len(data.split.val) else "test" if len(data.split.test) else "train"
    parent = project or run.path.parent
    made = Run.create(parent, name or free_name(parent, f"{run.path.name}-recalibrated"), exist_ok=exist_ok)
    if made.path.resolve() == run.path.resolve():
        raise UsageError(f"{run.path} stays as it is: choose another --name")
    display.say(f"{run.path}: {classifier.card.variant}, {len(batch_norms(network))} batch norms")

    before = verdict.judge_part(network, data, part, classifier.device, display, batch_size=batch_size).figures()
    batches = data.batches(data.split.train, classifier.device, batch_size, seed=0)
    seen = measure(network, batches, data.preprocess, display)
    result = verdict.judge_part(network, data, part, classifier.device, display, batch_size=batch_size)

    made.clear()
    made.write_args(run.args)
    made.write_classes(data.source.classes)
    made.write_table("split.csv", ("path", "label", "split"), run.split)
    made.write_results(run.history)
    if "samples" in run.thumbnails:
        made.write_thumbnails(**{key: run.thumbnails[key] for key in ("samples", "sample_labels")})
    origin = {"recalibrated_from": str(run.path), "statistics_over": seen}
    after = result.figures()
    kept = {key: after[key] for key in ("split", "n", "loss", "accuracy_top1", "interval95")}
    measured = {"epoch": classifier.card.measured.get("epoch"), **kept, **origin}
    for file in (made.best, made.last):
        weights.save(file, network.state_dict(), replace(classifier.card, measured=measured))
    after = verdict.record(made, data, result, epoch=measured["epoch"], precision="float32", **origin)
    display.say(f"before: {verdict.line(before)}")
    display.say(f"after:  {verdict.line(after)}")
    display.say(f"{seen:,} training pictures measured, no weight touched: {made.path}")
    return Recalibrated(made, before, after)
