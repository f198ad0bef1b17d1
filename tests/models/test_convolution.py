"""Which of its two ways a convolution takes, and that both lead to the same."""

import copy

import pytest
import torch
from torch import Tensor, nn

from alexnet.models import winograd
from alexnet.models.convolution import Conv2d
from alexnet.models.modules import PaddedConv2d
from alexnet.models.network import create_model

COUNT = 64
"""Pictures. For a few of them kernels would be led to the points for too few tiles."""


@pytest.fixture(autouse=True)
def avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor with AVX2 alone, whatever this one has."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


@pytest.fixture
def tiled(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The weights' shape of each convolution that was taken by tiles."""
    taken: list[torch.Size] = []
    real = winograd.convolve

    def noted(input: Tensor, weight: Tensor, *others: object) -> Tensor:
        taken.append(weight.shape)
        return real(input, weight, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(winograd, "convolve", noted)
    return taken


LAYERS = {
    "3 × 3": (Conv2d(64, 64, 3), 12),
    "padded": (Conv2d(64, 64, 5, padding=2), 13),
    "strided": (Conv2d(3, 96, 11, 4), 64),
    "grouped": (Conv2d(128, 128, 3, padding=1, groups=2), 13),
    "padded on some sides": (PaddedConv2d(64, 64, 3, 1, (0, 1, 0, 1)), 12),
}


@pytest.mark.parametrize("name", LAYERS)
def test_training_takes_tiles_and_judging_pytorchs(name: str, tiled: list[torch.Size]) -> None:
    original, side = LAYERS[name]
    layer = copy.deepcopy(original).train()
    pictures = torch.rand(COUNT, layer.in_channels, side, side)
    by_tiles = layer(pictures)
    assert tiled == [layer.weight.shape]
    with torch.no_grad():
        without_gradients = layer(pictures)
    judged = layer.eval()(pictures)
    assert len(tiled) == 1
    assert torch.equal(judged, without_gradients)
    assert float((by_tiles - judged).detach().norm()) < 1e-5 * float(judged.detach().norm())


@pytest.mark.parametrize(
    ("layer", "side"),
    [
        (Conv2d(1, 32, 3), 26),
        (Conv2d(16, 16, 3, padding=1), 16),
        (Conv2d(64, 64, 1), 8),
        (Conv2d(64, 64, 3), 4),
        (Conv2d(64, 64, 7), 14),
        (Conv2d(64, 64, (3, 5)), 14),
        (Conv2d(64, 64, 3, 2, groups=2), 33),
        (Conv2d(64, 64, 5, (1, 2)), 14),
        (Conv2d(64, 64, 3, dilation=2), 14),
        (Conv2d(64, 64, 3, padding=1, padding_mode="reflect"), 12),
        (Conv2d(64, 64, 3, padding="same"), 12),
        (Conv2d(64, 64, 3, bias=False), 12),
    ],
)
def test_few_channels_and_unusual_layers_are_pytorchs(layer: Conv2d, side: int, tiled: list[torch.Size]) -> None:
    layer.train()(torch.rand(COUNT, layer.in_channels, side, side)).sum().backward()
    assert tiled == []


def test_few_small_maps_are_pytorchs(tiled: list[torch.Size]) -> None:
    layer = Conv2d(64, 64, 3, padding=1).train()
    layer(torch.rand(1, 64, 12, 12))
    assert tiled == []
    layer(torch.rand(COUNT, 64, 12, 12))
    assert tiled == [layer.weight.shape]


def test_a_network_trains_rightly_after_it_was_exported(tiled: list[torch.Size]) -> None:
    """What an export puts in place of tensors is remembered nowhere."""
    layer, pictures = Conv2d(64, 64, 3).train(), torch.rand(COUNT, 64, 12, 12)
    torch.export.export(layer, (pictures,))
    tiled.clear()
    found, expected = layer(pictures), nn.Conv2d.forward(layer, pictures)
    assert tiled
    assert float((found - expected).detach().norm()) < 1e-5 * float(expected.detach().norm())


def test_bf16_and_float64_are_pytorchs(tiled: list[torch.Size]) -> None:
    layer, pictures = Conv2d(64, 64, 3).train(), torch.rand(COUNT, 64, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        layer(pictures)
    layer.double()(pictures.double())
    assert tiled == []


def test_pictures_with_too_few_channels_are_refused_in_pytorchs_words() -> None:
    with pytest.raises(RuntimeError, match="to have 3 channels, but got 1 channels instead"):
        Conv2d(3, 96, 11, 4).train()(torch.rand(2, 1, 224, 224))


@pytest.mark.parametrize("processor", ["AVX2", "AVX512", "DEFAULT"])
def test_other_processors_keep_pytorchs(
    processor: str, monkeypatch: pytest.MonkeyPatch, tiled: list[torch.Size]
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    Conv2d(64, 64, 3).train()(torch.rand(COUNT, 64, 12, 12))
    assert bool(tiled) == (processor == "AVX2")


def test_frozen_weights_let_gradients_through(tiled: list[torch.Size]) -> None:
    layer = Conv2d(64, 64, 3).train()
    layer.requires_grad_(False)
    pictures = torch.rand(COUNT, 64, 12, 12, requires_grad=True)
    layer(pictures).sum().backward()
    (expected,) = torch.autograd.grad(nn.Conv2d.forward(layer, pictures).sum(), pictures)
    assert tiled
    assert layer.weight.grad is None
    assert pictures.grad is not None
    assert float((pictures.grad - expected).norm()) < 1e-5 * float(expected.norm())


@pytest.mark.parametrize(
    ("name", "side", "count", "expected"),
    [("notebook-mnist", 28, 64, 1), ("torchvision", 127, 16, 4), ("paper", 127, 16, 5)],
)
def test_networks_of_the_family_train_by_tiles(
    name: str, side: int, count: int, expected: int, monkeypatch: pytest.MonkeyPatch, tiled: list[torch.Size]
) -> None:
    """All convolutions but those over few channels. Steps are the same but for rounding."""
    losses = {}
    for processor in ("AVX2", "DEFAULT"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda processor=processor: processor)
        torch.manual_seed(0)
        network = create_model(name, num_classes=5, image_size=side).on(torch.device("cpu")).train()
        optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
        pictures, labels = torch.randn(count, *network.input_shape), torch.arange(count) % 5
        for _ in range(5):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(pictures), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        losses[processor] = loss.item()
    assert len(tiled) == 5 * expected
    assert losses["AVX2"] == pytest.approx(losses["DEFAULT"], rel=1e-4)
