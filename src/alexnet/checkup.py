"""The vitals of a network on its own data: measured after a training, or later from a run's weights and pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet import dataset, predict
from alexnet import device as machine
from alexnet.data.twins import twins
from alexnet.dataset import Dataset
from alexnet.errors import DataError, ModelFileError, UsageError
from alexnet.judging import vitals
from alexnet.models.network import AlexNet
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.training.start import set_batch_norm_momentum

PICTURES = 512  # of the training part
BATCH = 128


def measure(run: Run, network: AlexNet, data: Dataset, device: torch.device) -> dict[str, Any]:
    """The content of vitals.json: see `judging.vitals.measure` and, for `twins`, `data.twins.twins`.

    `run` tells by its args.yaml and metrics.json how the running statistics of `network` came about.
    """
    train = data.split.train
    chosen = np.sort(np.random.default_rng(0).permutation(train)[:PICTURES])
    batches = data.batches(chosen, device, BATCH, seed=0)
    return {
        **vitals.measure(network, batches, data.preprocess, averaged_from_start=_averaged_from_start(run)),
        "twins": twins(data.store.pixels, data.source.names, train, data.split.val),
    }


def of_run(run: Run, *, data_dir: Path | None = None, device: str = "auto", display: Display) -> dict[str, Any]:
    """What the run has written, or else what its best weights and its data give now; nothing is written.

    Empty, after one line that says why, where weights or data are missing or no longer what they were; empty too for
    a run that ended before its first epoch did.

    Errors: UsageError for a device that is not there; DataError for damaged files of the run.
    """
    if run.vitals or not (run.best.exists() or run.history or run.metrics):
        return run.vitals
    if not run.best.exists():
        display.say(f"{run.path} has no weights: what happens inside the network is not measured")
        return {}
    momentum = run.args.get("batch_norm_momentum")
    chosen = machine.choose(device)
    try:
        classifier = predict.load(run.best, device=chosen)
        if isinstance(momentum, float | int):
            set_batch_norm_momentum(classifier.network, momentum)
        data = dataset.of_run(run, classifier.card, data_dir, display)
        return measure(run, classifier.network, data, classifier.device)
    except (DataError, ModelFileError, UsageError) as error:
        display.say(f"what happens inside the network is not measured: {error}")
        return {}


def _averaged_from_start(run: Run) -> bool:
    """Whether the running statistics began afresh and are what the steps of one training have made of them."""
    args = run.args
    otherwise = args.get("weights") or args.get("average") or args.get("recalibrate")
    return not otherwise and "statistics_over" not in run.metrics
