"""A run whose batch-norm statistics are measured anew: a new run beside it, judged on the same pictures."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alexnet import checkup, dataset, durable, predict, verdict, weights
from alexnet.errors import UsageError
from alexnet.models.modules import batch_norms
from alexnet.plain_files import free_name
from alexnet.progress import Display
from alexnet.run import Row, Run
from alexnet.training.recalibrate import recalibrate as measure


@dataclass(frozen=True)
class Remade:
    """A run made from another, and the figures (as in metrics.json) before and after; empty where there were none."""

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
) -> Remade:
    """Measure the batch-norm statistics of a run's best weights on its training pictures.

    The run stays as it is; the new one is PROJECT/NAME, beside it and with "-recalibrated" behind its name unless
    told otherwise. Both are judged on the run's validation part (its test part if it has none). Nothing is written
    before all is measured.

    Errors: UsageError for a network without batch norm, or a name that is taken; DataError when the data are no longer
    what they were.
    """
    display = display or Display()
    run = Run.find(given)
    beside, free = place_beside(run, "recalibrated", project)
    target = Run(beside / (name or free))
    target.refuse_filled(exist_ok)
    target.refuse_trained()
    classifier = predict.load(run.best, device=device)
    network, card = classifier.network, classifier.card
    if not batch_norms(network):
        raise UsageError(f"{card.variant} has no batch norm: there are no statistics to measure")
    data = dataset.of_run(run, card, data_dir, display)
    part = "val" if len(data.split.val) else "test" if len(data.split.test) else "train"
    samples = run.thumbnails if run.thumbnails_file.is_file() else {}
    display.say(f"{run.path}: {card.variant}, {len(batch_norms(network))} batch norms")

    before = verdict.judge_part(network, data, part, classifier.device, display, batch_size=batch_size).figures()
    batches = data.batches(data.split.train, classifier.device, batch_size, seed=0)
    seen = measure(network, batches, data.preprocess, display)
    result = verdict.judge_part(network, data, part, classifier.device, display, batch_size=batch_size)

    made = Run.create(target.path.parent, target.path.name, exist_ok=exist_ok)
    made.clear()
    made.write_args(run.args)
    for copied in ("env.json", "summary.txt"):  # where it was trained, and what
        if (run.path / copied).is_file():
            durable.write_text(made.path / copied, (run.path / copied).read_text("utf-8"))
    made.write_classes(data.source.classes)
    made.write_table("split.csv", ("path", "label", "split"), run.split)
    made.write_results([_of_training(row) for row in run.history])
    made.write_thumbnails(**{key: samples[key] for key in ("samples", "sample_labels") if key in samples})
    origin = {"recalibrated_from": str(run.path), "statistics_over": seen}
    after = result.figures()
    kept = {key: after[key] for key in ("split", "n", "loss", "accuracy_top1", "interval95")}
    measured = {"epoch": card.measured.get("epoch"), **kept, **origin}
    for file in (made.best, made.last):
        weights.save(file, network.state_dict(), replace(card, measured=measured))
    after = verdict.record(made, data, result, epoch=measured["epoch"], precision="float32", **origin)
    made.write_json("vitals.json", checkup.measure(made, network, data, classifier.device))
    display.say(f"before: {verdict.line(before)}")
    display.say(f"after:  {verdict.line(after)}")
    display.say(f"{seen:,} training pictures measured, no weight touched: {made.path}")
    return Remade(made, before, after)


def place_beside(run: Run, ending: str, project: Path | None = None) -> tuple[Path, str]:
    """The folder that `run` stands in (or `project`), and NAME-ENDING as it is still free there."""
    path = run.path if run.path.name not in ("", "..") else run.path.absolute().resolve()
    folder = project or path.parent
    return folder, free_name(folder, f"{path.name}-{ending}")


def _of_training(row: Row) -> Row:
    """A row of results.csv without what was judged with the statistics of before."""
    return {column: value for column, value in row.items() if not column.startswith(("val/", "metrics/"))}
