"""Counts and sums, and the figures they give; exact whatever the batch size and the number of processes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TOP5_FROM = 6  # classes; with five or fewer, the right one is always among the first five


@dataclass
class Tally:
    """Sums over pictures. Add batches with `add`, other processes' with `vector` and `from_vector`."""

    count: int = 0
    loss: float = 0.0
    top1: int = 0
    top5: int = 0

    def add(self, probabilities: Tensor, labels: Tensor) -> None:
        """A batch: probabilities (N, classes), labels (N,)."""
        self.count += len(labels)
        self.loss += float(picture_losses(probabilities, labels).cpu().sum(dtype=torch.float64))
        ranks = label_ranks(probabilities, labels)
        self.top1 += int((ranks < 1).sum())
        self.top5 += int((ranks < 5).sum())

    def vector(self) -> list[float]:
        """As numbers that may be added up over processes."""
        return [float(self.count), self.loss, float(self.top1), float(self.top5)]

    @classmethod
    def from_vector(cls, sums: list[float]) -> "Tally":
        """Back from numbers."""
        return cls(round(sums[0]), sums[1], round(sums[2]), round(sums[3]))

    def figures(self, classes: int) -> dict[str, float]:
        """Mean loss and shares right; top-5 only where it says something."""
        figures = {"loss": self.loss / self.count, "accuracy_top1": self.top1 / self.count}
        if classes >= TOP5_FROM:
            figures["accuracy_top5"] = self.top5 / self.count
        return figures


def picture_losses(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each picture, (N,), from probabilities (N, classes); at most -log of the smallest float."""
    right = probabilities.gather(1, labels[:, None])[:, 0]
    return -right.clamp_min(torch.finfo(torch.float32).tiny).log()


def label_ranks(probabilities: Tensor, labels: Tensor) -> Tensor:
    """How many classes stand before the right one, (N,). Equal scores: the lower class number first; scores that
    are no numbers: last."""
    right = probabilities.gather(1, labels[:, None])
    earlier = torch.arange(probabilities.shape[1], device=labels.device)[None] < labels[:, None]
    before = (probabilities > right) | ((probabilities == right) & earlier) | ~probabilities.isfinite()
    return before.sum(dim=1)


def interval95(right: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of `right` in `count`."""
    from scipy.stats import binomtest

    interval = binomtest(right, count).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def confusion(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): rows actual, columns predicted."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def per_class(matrix: NDArray[np.int64], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class; None where the denominator is zero."""

    def share(part: float, whole: float) -> float | None:
        return part / whole if whole else None

    rows = []
    for index, name in enumerate(names):
        hits, actual, predicted = (
            int(matrix[index, index]),
            int(matrix[index].sum()),
            int(matrix[:, index].sum()),
        )
        rows.append(
            {
                "label": name,
                "n": actual,
                "precision": share(hits, predicted),
                "recall": share(hits, actual),
                "f1": share(2 * hits, actual + predicted),
            }
        )
    return rows


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Loss weights n / (classes · n_c) that let every class count the same; a class without pictures gets 0."""
    counts = np.bincount(labels, minlength=classes)
    weights = np.zeros(classes, dtype=np.float32)
    present = counts > 0
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights
