"""The vitals of a network on its own data: measured after a training, or later from a run's weights and pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet import dataset, predict
from alexnet.data.twins import twins
from alexnet.dataset import Dataset
from alexnet.judging import vitals
from alexnet.models.network import AlexNet
from alexnet.progress import Display
from alexnet.run import Run

PICTURES = 512  # of the training part
BATCH = 128


def measure(network: AlexNet, data: Dataset, device: torch.device) -> dict[str, Any]:
    """The content of vitals.json: see `judging.vitals.measure` and, for `twins`, `data.twins.twins`."""
    train = data.split.train
    chosen = np.sort(np.random.default_rng(0).permutation(train)[:PICTURES])
    return {
        **vitals.measure(network, data.batches(chosen, device, BATCH, seed=0), data.preprocess),
        "twins": twins(data.store.pixels, data.source.names, train, data.split.val),
    }


def of_run(run: Run, *, data_dir: Path | None = None, device: str = "auto", display: Display) -> dict[str, Any]:
    """What the run has written, or else what its best weights and its data give now; nothing is written.

    A run that ended before its first epoch did has none. Errors: ModelFileError when the weights are missing;
    DataError when the data are no longer what they were.
    """
    if run.vitals or not (run.best.exists() or run.history or run.metrics):
        return run.vitals
    classifier = predict.load(run.best, device=device)
    data = dataset.of_run(run, classifier.card, data_dir, display)
    return measure(classifier.network, data, classifier.device)
