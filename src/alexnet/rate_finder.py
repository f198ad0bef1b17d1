"""Find a learning rate for a network and its data: a sweep, its picture, one number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet import dataset, pictures, settings, speed_record
from alexnet import device as machine
from alexnet.errors import DivergedError
from alexnet.models.network import create_model
from alexnet.pictures import rates
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.training import rate_search, start
from alexnet.training.loop import Setting
from alexnet.training.rate_search import Sweep
from alexnet.training.world import World

COLUMNS = ("rate", "loss", "smoothed")


@dataclass(frozen=True)
class Found:
    """The suggested rate, the sweep behind it, and the folder with lr_find.csv and lr_find.png."""

    rate: float
    sweep: Sweep
    path: Path


def find(
    given: Mapping[str, Any],
    assignments: Sequence[str] = (),
    *,
    lowest: float,
    highest: float,
    steps: int,
    project: Path,
    name: str | None = None,
    exist_ok: bool = False,
    display: Display,
) -> Found:
    """Sweep the learning rate from `lowest` to `highest`; `given` and `assignments` as for training.

    Errors: UsageError and DataError as for training; DivergedError when the loss never fell.
    """
    options, recipe = settings.resolve(given, assignments=assignments, display=display)
    machine.keep_memory()
    device = machine.choose(options.device)
    precision = speed_record.choose_precision(device, options.amp, recipe.model, display)
    machine.seed_everything(options.seed, options.deterministic)
    data = dataset.prepare(options, recipe, display)
    network = create_model(
        recipe.model,
        num_classes=len(data.source.classes),
        in_channels=data.preprocess.channels,
        image_size=data.preprocess.size,
    )
    frozen = start.prepare(network, data.source.classes, recipe, options.weights, options.freeze, display)
    swept = rate_search.sweep(
        network.on(device),
        data.batches(data.split.train, device, recipe.batch_size, seed=options.seed),
        data.preprocess,
        recipe,
        Setting(device, precision, World(), display, frozen),
        lowest=lowest,
        highest=highest,
        steps=steps,
    )
    suggested = swept.suggested
    if suggested is None:
        raise DivergedError(
            f"the loss never fell between rates {lowest:g} and {highest:g} ({len(swept.rates)} steps): begin lower "
            "with --lowest, or take more --steps"
        )
    made = Run.create(project, name, exist_ok=exist_ok)
    table = zip(swept.rates, swept.losses, swept.smoothed, strict=True)
    made.write_table("lr_find.csv", COLUMNS, [dict(zip(COLUMNS, row, strict=True)) for row in table])
    title = f"{recipe.model} on {Path(options.data).name}, {recipe.optimizer.name}, batches of {recipe.batch_size}"
    figure = rates.sweep(swept.rates, swept.losses, swept.smoothed, suggested, title)
    pictures.save(figure, made.path / "lr_find.png")
    return Found(suggested, swept, made.path)
