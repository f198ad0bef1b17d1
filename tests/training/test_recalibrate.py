"""Statistics measured anew: what they are, and all that must stay as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from alexnet.data.batches import Batches
from alexnet.models.layers import BatchNorm, Conv, Dense, Dropout, MaxPool, ReLU
from alexnet.models.modules import batch_norms
from alexnet.models.network import AlexNet
from alexnet.models.variants import find
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.training.recalibrate import recalibrate

PREPROCESS = Preprocess(size=12, resize_to=14, views=10)


def small(biased: bool) -> AlexNet:
    variant = replace(
        find("notebook-flowers"),
        name="small",
        stages={
            "conv1": (Conv(4, 3), ReLU(), MaxPool(2, 2), BatchNorm(biased=biased)),
            "fc2": (Dense(8), ReLU(), Dropout(0.9), BatchNorm(biased=biased)),
            "fc3": (Dense(None),),
        },
    )
    torch.manual_seed(0)
    return AlexNet(variant, 3, (3, 12, 12))


def stream(count: int, batch_size: int) -> Batches:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 14, 14, 3)).astype(np.uint8)
    labels = np.zeros(count, np.int64)
    return Batches(pixels, labels, np.arange(count), batch_size=batch_size, seed=0, device=torch.device("cpu"))


@pytest.mark.parametrize("biased", [True, False])
def test_statistics_are_the_average_over_batches(biased: bool) -> None:
    network, batches = small(biased), stream(24, 8)
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    assert recalibrate(network, batches, PREPROCESS, Display(quiet=True)) == 24
    means, variances = [], []
    for batch in batches.epoch():
        centre = PREPROCESS.normalise(batch.pixels[:, :, 1:13, 1:13])
        with torch.no_grad():
            values = network.get_submodule("pool1")(network.get_submodule("conv1")(centre)).relu()
        means.append(values.mean(dim=(0, 2, 3)))
        variances.append(values.var(dim=(0, 2, 3), unbiased=not biased))
    first = batch_norms(network)["bn1"]
    assert first.running_mean is not None
    assert first.running_var is not None
    assert torch.allclose(first.running_mean, torch.stack(means).mean(dim=0), atol=1e-6)
    assert torch.allclose(first.running_var, torch.stack(variances).mean(dim=0), atol=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.named_parameters())


def test_dropout_is_off_and_modes_and_momenta_are_as_before() -> None:
    first, second = small(True), small(True)
    for network, training in ((first, True), (second, False)):
        network.train(training)
        torch.manual_seed(3 if training else 4)
        recalibrate(network, stream(24, 8), PREPROCESS, Display(quiet=True))
        assert {module.training for module in network.modules()} == {training}
        assert {norm.momentum for norm in batch_norms(network).values()} == {0.01}
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_what_was_there_before_does_not_matter() -> None:
    clean, spoilt = small(True), small(True)
    for norm in batch_norms(spoilt).values():
        assert norm.running_mean is not None
        norm.running_mean.fill_(float("nan"))
    for network in (clean, spoilt):
        recalibrate(network, stream(24, 8), PREPROCESS, Display(quiet=True))
    for name, tensor in clean.state_dict().items():
        assert torch.equal(tensor, spoilt.state_dict()[name]), name
