"""Whether a network is right as often as it says: calibration error, reliability, and the temperature that mends it.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alexnet.data.batches import Batches
from alexnet.models.network import logits_of_views
from alexnet.models.ready import answering
from alexnet.preprocess import Preprocess

BINS = 15  # of equal width, as in the source
DRAWS = 1000  # of the bootstrap
LIMITS = (0.05, 20.0)  # a temperature beyond them says that there is nothing to calibrate


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error of one part, its 95 % interval, and the bins it is made of."""

    error: float
    interval95: tuple[float, float]
    """Percentiles over bootstrap samples. Few pictures alone make an error: the lower end is above 0."""
    bins: tuple[dict[str, Any], ...]
    """Bins that hold pictures: from, to, n, mean score, accuracy."""

    def figures(self) -> dict[str, Any]:
        """As plain values, for metrics.json."""
        low, high = self.interval95
        return {"ece": self.error, "ece_interval95": [low, high], "calibration": list(self.bins)}


def calibration(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> Calibration:
    """From the score of each picture's first answer, (N,) in [0, 1], and whether it was right, (N,).

    The error is the mean over pictures of |accuracy - mean score| of the picture's bin.
    """
    place = np.minimum((scores.astype(np.float64) * BINS).astype(np.int64), BINS - 1)
    gaps = right.astype(np.float64) - scores.astype(np.float64)
    random = np.random.default_rng(0)
    samples = (random.integers(0, len(gaps), len(gaps)) for _ in range(DRAWS))
    drawn = [_error(place[chosen], gaps[chosen]) for chosen in samples]
    low, high = np.percentile(drawn, (2.5, 97.5))
    bins = []
    for index in range(BINS):
        inside = place == index
        if inside.any():
            bins.append(
                {
                    "from": index / BINS,
                    "to": (index + 1) / BINS,
                    "n": int(inside.sum()),
                    "score": float(scores[inside].mean(dtype=np.float64)),
                    "accuracy": float(right[inside].mean()),
                }
            )
    return Calibration(_error(place, gaps), (float(low), float(high)), tuple(bins))


def _error(place: NDArray[np.int64], gaps: NDArray[np.float64]) -> float:
    return float(np.abs(np.bincount(place, weights=gaps, minlength=BINS)).sum() / len(gaps))


def fit_temperature(network: nn.Module, batches: Batches, preprocess: Preprocess) -> float:
    """The temperature that makes the labels of `batches` most likely; the logits are to be divided by it.

    Probabilities are means over the test views, as in every answer. The network's mode is restored afterwards.
    """
    from scipy.optimize import minimize_scalar

    logits, labels = _view_logits(network, batches, preprocess)
    pictures = torch.arange(len(labels))

    def loss(logarithm: float) -> float:
        scores = (logits / math.exp(logarithm)).softmax(dim=2).mean(dim=0)
        return float(-scores[pictures, labels].clamp_min(1e-300).log().mean())

    found = minimize_scalar(loss, bounds=tuple(map(math.log, LIMITS)), method="bounded")
    return math.exp(float(found.x))


def _view_logits(network: nn.Module, batches: Batches, preprocess: Preprocess) -> tuple[Tensor, Tensor]:
    """Logits, float64 (views, N, classes), and labels, int64 (N,), on the CPU."""
    parts, labels = [], []
    with answering(network) as (made, _):
        for batch in batches.epoch():
            with torch.inference_mode():
                views = [view.cpu().double() for view in logits_of_views(made, preprocess, batch.pixels)]
            parts.append(torch.stack(views))
            labels.append(batch.labels.cpu())
    return torch.cat(parts, dim=1), torch.cat(labels)
