"""A verdict does not depend on how the pictures were cut into batches."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from alexnet.data.batches import Batches
from alexnet.judging import evaluate
from alexnet.judging.evaluate import Verdict
from alexnet.models.network import AlexNet, create_model
from alexnet.preprocess import Preprocess
from alexnet.progress import Display

COUNT = 65  # one more than a whole batch of 64
CPU = torch.device("cpu")
PREPROCESS = Preprocess(size=28, resize_to=32, channels=1, mean=(0.5,), std=(0.25,), views=2)
CLASSES = tuple(f"class {number}" for number in range(10))


@pytest.fixture(scope="module")
def network() -> AlexNet:
    torch.manual_seed(0)
    return create_model("notebook-mnist")


def batches(size: int) -> Batches:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (COUNT + 10, 32, 32, 1), dtype=np.uint8)
    labels = random.integers(0, 10, COUNT + 10)
    return Batches(pixels, labels, np.arange(5, COUNT + 5), batch_size=size, seed=None, device=CPU)


def verdict(network: AlexNet, size: int) -> Verdict:
    names = tuple(f"{number}.png" for number in range(COUNT + 10))
    display = Display(io.StringIO(), quiet=True)
    return evaluate.judge(
        network, batches(size), PREPROCESS, split="val", classes=CLASSES, names=names, display=display
    )


def test_batch_size_changes_nothing(network: AlexNet) -> None:
    whole = verdict(network, 128)
    assert whole.tally.count == COUNT
    for size in (1, 7, 64):
        judged = verdict(network, size)
        found = judged.tally
        assert (found.count, found.top1, found.top5) == (COUNT, whole.tally.top1, whole.tally.top5)
        assert found.loss == pytest.approx(whole.tally.loss, rel=1e-5)
        np.testing.assert_array_equal(judged.predicted, whole.predicted)
        np.testing.assert_allclose(judged.scores, whole.scores, atol=1e-6)
        assert judged.names == whole.names == [f"{number}.png" for number in range(5, COUNT + 5)]


def test_quick_sums_are_those_of_the_verdict(network: AlexNet) -> None:
    quick, full = evaluate.evaluate(network, batches(64), PREPROCESS, "float32"), verdict(network, 64).tally
    assert quick.loss == pytest.approx(full.loss, rel=1e-6)  # the verdict's network is made ready
    assert replace(quick, loss=full.loss) == full


def test_figures_agree_with_rows(network: AlexNet) -> None:
    judged = verdict(network, 16)
    figures, rows = judged.figures(), judged.rows()
    assert figures["n"] == len(rows) == COUNT
    assert figures["accuracy_top1"] == sum(row["correct"] for row in rows) / COUNT
    assert figures["loss"] == pytest.approx(np.mean([row["loss"] for row in rows]), abs=1e-6)
    assert np.array(figures["confusion_matrix"]).sum() == COUNT
    assert np.trace(figures["confusion_matrix"]) == judged.tally.top1
    assert all((row["label"] == row["predicted"]) == row["correct"] for row in rows)
    low, high = figures["interval95"]
    assert 0 <= low <= figures["accuracy_top1"] <= high <= 1


def test_worst_first(network: AlexNet) -> None:
    judged = verdict(network, 16)
    losses = [row["loss"] for row in judged.figures()["worst"]]
    assert len(losses) == 25
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == round(float(judged.losses.max()), 6)


@pytest.mark.parametrize("training", [True, False])
def test_mode_is_restored(network: AlexNet, training: bool) -> None:
    network.train(training)
    evaluate.evaluate(network, batches(32), PREPROCESS, "float32")
    assert network.training is training
    assert all(child.training is training for child in network.children())


class Failing(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        raise RuntimeError("no answer")


def test_mode_is_restored_after_an_error() -> None:
    network = Failing()
    with pytest.raises(RuntimeError, match="no answer"):
        evaluate.evaluate(network, batches(32), PREPROCESS, "float32")
    assert network.training


def test_sums_of_processes(network: AlexNet) -> None:
    alone = evaluate.evaluate(network, batches(32), PREPROCESS, "float32")
    doubled = evaluate.evaluate(network, batches(32), PREPROCESS, "float32", lambda sums: [2 * each for each in sums])
    assert (doubled.count, doubled.top1) == (2 * alone.count, 2 * alone.top1)


def test_answers_are_float32_probabilities_in_bf16_too(network: AlexNet) -> None:
    for _, scores in evaluate.answers(network, batches(65), PREPROCESS, "bf16"):
        assert scores.dtype == torch.float32
        torch.testing.assert_close(scores.sum(dim=1), torch.ones(65), atol=1e-5, rtol=0)
