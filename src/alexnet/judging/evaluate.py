"""Run a network over pictures and judge it: quick sums in the loop, the full verdict afterwards."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alexnet.data.batches import Batch, Batches
from alexnet.device import Precision, autocast
from alexnet.judging import metrics
from alexnet.judging.calibration import calibration
from alexnet.judging.metrics import Tally
from alexnet.models.network import probabilities
from alexnet.models.ready import answering
from alexnet.preprocess import Preprocess
from alexnet.progress import Display

WORST = 25  # pictures listed by their loss


def answers(
    network: nn.Module, batches: Batches, preprocess: Preprocess, precision: Precision
) -> Iterator[tuple[Batch, Tensor]]:
    """Each batch with the probabilities of its own pictures, float32 (own, classes). The network's mode is restored
    afterwards."""
    training = network.training
    network.eval()
    try:
        for batch in batches.epoch():
            with torch.inference_mode(), autocast(batches.device, precision):
                scores = probabilities(network, preprocess, batch.pixels)
            yield batch, scores[: batch.own]
    finally:
        network.train(training)


def evaluate(
    network: nn.Module,
    batches: Batches,
    preprocess: Preprocess,
    precision: Precision,
    total: Callable[[list[float]], list[float]] = lambda sums: sums,
    between: Callable[[], None] | None = None,
) -> Tally:
    """Sums over all batches; `total` adds up over processes, `between` is called after every batch."""
    tally = Tally()
    for batch, scores in answers(network, batches, preprocess, precision):
        tally.add(scores, batch.labels[: batch.own])
        if between is not None:
            between()
    return Tally.from_vector(total(tally.vector()))


@dataclass(frozen=True)
class Verdict:
    """All that is known about a network on one part of the data."""

    split: str
    classes: tuple[str, ...]
    names: list[str]
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    scores: NDArray[np.float32]
    """Of the predicted class."""
    losses: NDArray[np.float32]
    tally: Tally

    def figures(self) -> dict[str, Any]:
        """The content of metrics.json."""
        matrix = metrics.confusion(self.labels, self.predicted, len(self.classes))
        low, high = metrics.interval95(self.tally.top1, self.tally.count)
        return {
            "split": self.split,
            "n": self.tally.count,
            "accuracy_top5": None,
            **self.tally.figures(len(self.classes)),
            "interval95": [low, high],
            **calibration(self.scores, self.predicted == self.labels).figures(),
            "per_class": metrics.per_class(matrix, self.classes),
            "confusion_matrix": matrix.tolist(),
            "worst": self.rows(self.by_loss()[:WORST]),
        }

    def by_loss(self) -> NDArray[np.int64]:
        """Positions of the pictures, the worst first."""
        return np.argsort(-self.losses, kind="stable").astype(np.int64)

    def rows(self, positions: NDArray[np.int64] | None = None) -> list[dict[str, Any]]:
        """One row a picture, for predictions.csv: path, label, predicted, score, loss, correct."""
        chosen = range(len(self.names)) if positions is None else positions
        return [
            {
                "path": self.names[i],
                "label": self.classes[self.labels[i]],
                "predicted": self.classes[self.predicted[i]],
                "score": round(float(self.scores[i]), 6),
                "loss": round(float(self.losses[i]), 6),
                "correct": bool(self.labels[i] == self.predicted[i]),
            }
            for i in chosen
        ]


PREDICTION_COLUMNS = ("path", "label", "predicted", "score", "loss", "correct")


def judge(
    network: nn.Module,
    batches: Batches,
    preprocess: Preprocess,
    *,
    split: str,
    classes: tuple[str, ...],
    names: tuple[str, ...],
    display: Display,
    precision: Precision = "float32",
) -> Verdict:
    """The full verdict on one part; `names` are those of the whole source. float32 unless told otherwise."""
    tally = Tally()
    parts: list[tuple[NDArray[Any], ...]] = []
    count = len(batches.indices)
    with answering(network, precision) as (made, called_in), display.bar(f"judging {split}", count) as bar:
        for batch, scores in answers(made, batches, preprocess, called_in):
            tally.add(scores, batch.labels)
            top = scores.max(dim=1)
            losses = metrics.picture_losses(scores, batch.labels)
            parts.append((batch.indices, *(t.cpu().numpy() for t in (batch.labels, top.indices, top.values, losses))))
            bar.advance(len(batch.labels))
    indices, labels, predicted, best, losses_ = (np.concatenate(column) for column in zip(*parts, strict=True))
    shown = [names[index] for index in indices]
    return Verdict(split, classes, shown, indices, labels, predicted, best, losses_, tally)
