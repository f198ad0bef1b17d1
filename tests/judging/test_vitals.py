"""Vitals: what they say of networks whose inside is known, and that they change nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from alexnet.data.batches import Batches
from alexnet.judging.evaluate import evaluate
from alexnet.judging.vitals import measure
from alexnet.models import variants
from alexnet.models.initial import Fill, Init
from alexnet.models.layers import BatchNorm, Conv, Dense, Dropout, Layer, MaxPool, ReLU, Tanh, Threshold
from alexnet.models.modules import batch_norms
from alexnet.models.network import AlexNet, create_model
from alexnet.preprocess import Preprocess

SIDE, COUNT = 12, 50
PREPROCESS = Preprocess(SIDE, SIDE)
Make = Callable[..., AlexNet]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a network of given stages for pictures of 12 × 12, three classes."""

    def network(stages: dict[str, tuple[Layer, ...]], biases: float = 0.0) -> AlexNet:
        init = Init(Fill("glorot-uniform"), biases=biases)
        tiny = replace(variants.find("notebook-flowers"), name="t", preprocess=PREPROCESS, stages=stages, init=init)
        monkeypatch.setitem(variants.VARIANTS, "t", tiny)
        torch.manual_seed(0)
        return create_model("t", num_classes=3)

    return network


@pytest.fixture
def batches() -> Batches:
    """Fifty pictures, each class of another brightness; the last batch would hold two."""
    labels = np.arange(COUNT, dtype=np.int64) % 3
    noise = np.random.default_rng(0).integers(0, 40, (COUNT, SIDE, SIDE, 3))
    pixels = (noise + 80 * labels[:, None, None, None]).astype(np.uint8)
    indices = np.arange(COUNT, dtype=np.int64)
    return Batches(pixels, labels, indices, batch_size=16, seed=0, device=torch.device("cpu"))


NORMED: dict[str, tuple[Layer, ...]] = {
    "conv1": (Conv(8, 3), ReLU(), MaxPool(2, 2), BatchNorm(momentum=0.1)),
    "fc2": (Dense(16), ReLU(), Dropout(0.5), BatchNorm(momentum=0.1, biased=False)),
    "fc3": (Dense(None),),
}


@pytest.mark.parametrize("training", [True, False])
def test_nothing_of_the_network_is_changed(make: Make, batches: Batches, training: bool) -> None:
    network = make(NORMED).train(training)
    network.get_submodule("bn1").eval()
    modes = [module.training for module in network.modules()]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator = torch.get_rng_state()
    measure(network, batches, PREPROCESS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert [module.momentum for module in network.modules() if hasattr(module, "num_batches_tracked")] == [0.1, 0.1]
    assert torch.equal(torch.get_rng_state(), generator)
    assert not any(module._forward_hooks for module in network.modules())


def test_evaluation_and_batch_statistics(make: Make, batches: Batches) -> None:
    """Evaluation agrees with the judge; batch statistics agree with training mode without dropout."""
    network = make(NORMED).train()
    for batch in batches.epoch(1):
        with torch.no_grad():
            network(PREPROCESS.test_views(batch.pixels)[0])
    vitals = measure(network, batches, PREPROCESS)
    figures = evaluate(network, batches, PREPROCESS, "float32").figures(3)
    assert vitals["evaluation"] == {"accuracy": figures["accuracy_top1"], "loss": pytest.approx(figures["loss"])}
    assert vitals["pictures"] == COUNT
    assert [norm["steps"] for norm in vitals["batch_norms"]] == [4, 4]
    assert vitals["batch_norms"][0]["held"] == pytest.approx(0.9**4)

    network.train()
    network.get_submodule("drop2").eval()
    right, loss = 0, 0.0
    with torch.no_grad():
        for batch in batches.epoch():
            logits = network(PREPROCESS.test_views(batch.pixels)[0])
            right += int((logits.argmax(1) == batch.labels).sum())
            loss += float(torch.nn.functional.cross_entropy(logits, batch.labels, reduction="sum"))
    assert vitals["batch"]["accuracy"] == right / COUNT
    assert vitals["batch"]["loss"] == pytest.approx(loss / COUNT, abs=1e-5)


def test_a_start_that_is_not_known(make: Make, batches: Batches) -> None:
    """Statistics that came from elsewhere, and cumulative averages, hold nothing that could be told."""
    network = make(NORMED)
    vitals = measure(network, batches, PREPROCESS, averaged_from_start=False)
    assert vitals["batch_norms"] == [
        {"name": name, "momentum": 0.1, "steps": None, "held": None} for name in ("bn1", "bn2")
    ]
    for norm in batch_norms(network).values():
        norm.momentum = None
    vitals = measure(network, batches, PREPROCESS)
    assert [(norm["momentum"], norm["held"]) for norm in vitals["batch_norms"]] == [(None, None)] * 2


def test_dead_and_saturated_units(make: Make, batches: Batches) -> None:
    network = make({"conv1": (Conv(8, 3), ReLU(), MaxPool(2, 2)), "fc2": (Dense(10), Tanh()), "fc3": (Dense(None),)})
    with torch.no_grad():
        network.get_parameter("conv1.bias")[:2] = -100.0
        network.get_parameter("conv1.bias")[2:] = 100.0
        network.get_parameter("fc2.weight").mul_(0.001)
        network.get_parameter("fc2.bias")[:4] = 9.0
    vitals = measure(network, batches, PREPROCESS)
    assert vitals["activations"] == [
        {"name": "relu1", "kind": "relu", "units": 8, "dead": 0.25, "saturated": 0.0},
        {"name": "tanh2", "kind": "tanh", "units": 10, "dead": 0.0, "saturated": pytest.approx(0.4)},
    ]
    assert vitals["batch"] is None
    assert vitals["batch_norms"] == []


def test_a_unit_is_alive_if_any_picture_wakes_it(make: Make, batches: Batches) -> None:
    """Torch7's threshold gives a little above 0 to units that sleep: they are dead all the same."""
    network = make({"fc1": (Dense(4), Threshold(1e-6)), "fc2": (Dense(None),)})
    bright = SIDE * SIDE * 3 * 170 / 255  # the sum of values that only the brightest class exceeds
    with torch.no_grad():
        network.get_parameter("fc1.weight").fill_(1.0)
        network.get_parameter("fc1.bias").copy_(torch.tensor([-bright, -1e4, 0.0, 0.0]))
    assert measure(network, batches, PREPROCESS)["activations"][0]["dead"] == 0.25


def test_outputs_that_never_change(make: Make, batches: Batches) -> None:
    network = make({"fc1": (Dense(4), ReLU()), "fc2": (Dense(None),)}, biases=1.0)
    assert measure(network, batches, PREPROCESS)["output_spread"] > 0.01
    assert measure(network, batches, PREPROCESS)["biases_at_one"] == ["fc1", "fc2"]
    with torch.no_grad():
        network.get_parameter("fc2.weight").zero_()
    assert measure(network, batches, PREPROCESS)["output_spread"] == 0.0


def test_labels_and_what_is_on_the_pictures(make: Make, batches: Batches) -> None:
    network = make({"fc1": (Dense(None),)})
    told = measure(network, batches, PREPROCESS)["neighbours"]
    assert told["accuracy"] == 1.0
    assert told["chance"] == pytest.approx(1 / 3, abs=0.01)
    batches._labels = np.random.default_rng(1).permutation(batches._labels)
    assert measure(network, batches, PREPROCESS)["neighbours"]["accuracy"] < 0.6
