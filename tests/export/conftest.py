"""Networks whose every layer matters, and what a trained one would be exported as."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from alexnet.models.network import AlexNet, create_model
from alexnet.predict import Classifier
from alexnet.preprocess import Preprocess
from alexnet.weights import Card

Pixels = NDArray[np.uint8]
Make = Callable[[Preprocess], Classifier]


def lively(network: AlexNet, seed: int = 0) -> AlexNet:
    """Weights that keep values as large as they come, biases and running statistics that are not neutral."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                spread = (2 / module.weight[0].numel()) ** 0.5
                module.weight.normal_(0, spread, generator=generator)
                assert module.bias is not None
                module.bias.normal_(0, 0.1, generator=generator)
            elif isinstance(module, nn.modules.batchnorm._BatchNorm):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.2, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
    return network


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """Fine and coarse structure, uint8 (height, width, 3)."""
    generator = np.random.default_rng(seed)
    slope = np.linspace(40, 200, height)[:, None, None] + np.linspace(-40, 40, width)[None, :, None]
    return np.clip(slope + generator.integers(-80, 80, (height, width, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def make() -> Make:
    """A small network with a way of preparing pictures, its answers neither even nor certain."""

    def classifier(preprocess: Preprocess) -> Classifier:
        torch.manual_seed(0)
        network = create_model(
            "notebook-mnist", num_classes=5, in_channels=preprocess.channels, image_size=preprocess.size
        )
        lively(network).cool(2.0)
        return Classifier(network, Card("notebook-mnist", tuple("abcde"), preprocess), device="cpu")

    return classifier
