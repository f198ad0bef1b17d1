"""Figures against scikit-learn, and against formulas written out here."""

import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from alexnet.judging import metrics
from alexnet.judging.metrics import Tally

CLASSES = 8


@pytest.fixture
def scores() -> NDArray[np.float32]:
    values = np.random.default_rng(0).normal(size=(500, CLASSES)).astype(np.float32) * 2
    return torch.from_numpy(values).softmax(dim=1).numpy()


@pytest.fixture
def labels() -> NDArray[np.int64]:
    return np.random.default_rng(1).choice(CLASSES, 500, p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.06, 0.04]).astype(np.int64)


def tallied(scores: NDArray[np.float32], labels: NDArray[np.int64], batch: int) -> Tally:
    tally = Tally()
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        tally.add(torch.from_numpy(scores[part]), torch.from_numpy(labels[part]))
    return tally


def test_accuracy_and_loss_against_sklearn(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    figures = tallied(scores, labels, 64).figures(CLASSES)
    named = list(range(CLASSES))
    exact = scores.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    assert figures["accuracy_top1"] == sklearn.metrics.accuracy_score(labels, scores.argmax(axis=1))
    assert figures["accuracy_top5"] == sklearn.metrics.top_k_accuracy_score(labels, scores, k=5, labels=named)
    assert figures["loss"] == pytest.approx(sklearn.metrics.log_loss(labels, exact, labels=named), rel=1e-6)


def test_tally_does_not_depend_on_batches(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    whole = tallied(scores, labels, 500)
    for batch in (1, 7, 64):
        parts = tallied(scores, labels, batch)
        assert (parts.count, parts.top1, parts.top5) == (whole.count, whole.top1, whole.top5)
        assert parts.loss == pytest.approx(whole.loss, rel=1e-9)


def test_tallies_of_processes_add_up(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    halves = [tallied(scores[rank::2], labels[rank::2], 64).vector() for rank in range(2)]
    total = Tally.from_vector([sum(column) for column in zip(*halves, strict=True)])
    whole = tallied(scores, labels, 500)
    assert (total.count, total.top1, total.top5) == (whole.count, whole.top1, whole.top5)
    assert total.loss == pytest.approx(whole.loss, rel=1e-9)


def test_top5_only_where_it_says_something() -> None:
    assert "accuracy_top5" not in Tally(1, 0.0, 1, 1).figures(5)
    assert "accuracy_top5" in Tally(1, 0.0, 1, 1).figures(6)


def test_confusion_and_per_class_against_sklearn(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    predicted = scores.argmax(axis=1)
    matrix = metrics.confusion(labels, predicted, CLASSES)
    np.testing.assert_array_equal(matrix, sklearn.metrics.confusion_matrix(labels, predicted, labels=range(CLASSES)))
    rows = metrics.per_class(matrix, tuple("abcdefgh"))
    found = np.array([[row[key] for key in ("precision", "recall", "f1", "n")] for row in rows]).T
    wanted = sklearn.metrics.precision_recall_fscore_support(labels, predicted, labels=range(CLASSES))
    np.testing.assert_allclose(found, np.array(wanted), rtol=1e-12)


def test_per_class_is_none_where_nothing_can_be_said() -> None:
    matrix = metrics.confusion(np.array([0, 0]), np.array([0, 1]), 3)
    rows = metrics.per_class(matrix, ("seen", "only predicted", "neither"))
    shares = [(row["precision"], row["recall"], row["f1"]) for row in rows]
    assert shares[0] == (1.0, 0.5, pytest.approx(2 / 3, rel=1e-12))
    assert shares[1:] == [(0.0, None, 0.0), (None, None, None)]


@pytest.mark.parametrize(("right", "count"), [(0, 10), (10, 10), (7, 10), (272, 300), (9_900, 10_000), (1, 1)])
def test_wilson_interval(right: int, count: int) -> None:
    z = 1.959963984540054
    share = right / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    assert metrics.interval95(right, count) == pytest.approx((middle - half, middle + half), abs=1e-12)


def test_class_weights_against_sklearn(labels: NDArray[np.int64]) -> None:
    wanted = compute_class_weight("balanced", classes=np.arange(CLASSES), y=labels)
    np.testing.assert_allclose(metrics.class_weights(labels, CLASSES), wanted, rtol=1e-6)


def test_class_weights_of_an_absent_class() -> None:
    weights = metrics.class_weights(np.array([0, 0, 0, 2]), 3)
    np.testing.assert_allclose(weights, [4 / (2 * 3), 0, 4 / (2 * 1)], rtol=1e-6)


def test_ranks_of_ties() -> None:
    scores = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.4, 0.1, 0.4, 0.1], [0.1, 0.2, 0.3, 0.4]])
    ranks = [metrics.label_ranks(scores, torch.full((3,), label)).tolist() for label in range(4)]
    assert ranks == [[0, 0, 3], [1, 2, 2], [2, 1, 1], [3, 3, 0]]


def test_ranks_agree_with_argmax(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    coarse = np.round(scores, 1)  # full of ties; numpy takes the first of equals, as the ranks do
    ranks = metrics.label_ranks(torch.from_numpy(coarse), torch.from_numpy(labels)).numpy()
    np.testing.assert_array_equal(ranks == 0, coarse.argmax(axis=1) == labels)


def test_no_number_is_never_right() -> None:
    scores = torch.full((2, CLASSES), math.nan)
    tally = Tally()
    tally.add(scores, torch.tensor([0, 3]))
    assert (tally.count, tally.top1, tally.top5) == (2, 0, 0)
    assert math.isnan(tally.loss)


def test_loss_of_a_certain_error_is_finite() -> None:
    losses = metrics.picture_losses(torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([1, 1]))
    np.testing.assert_allclose(losses.numpy(), [-math.log(1.17549435e-38), math.log(2)], rtol=1e-6)
