"""The gradient of a convolution's weights as a matrix product, against PyTorch's own in float64."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alexnet.models import convolution
from alexnet.models.convolution import Conv2d
from alexnet.models.modules import PaddedConv2d

LAYERS = {
    "3×3": (Conv2d(16, 8, 3), 9),
    "padded": (Conv2d(16, 8, 5, padding=2), 7),
    "strided": (Conv2d(3, 8, 11, 4), 31),
    "grouped": (Conv2d(32, 6, 3, padding=1, groups=2), 6),
    "padded unequally": (Conv2d(16, 8, 3, padding=(1, 0)), 8),
    "padded on some sides": (PaddedConv2d(16, 8, 3, 2, (0, 1, 0, 1)), 8),
}


@pytest.fixture(autouse=True)
def avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor with AVX2 alone, whatever this one has."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each gradient that was computed as a product."""
    made: list[int] = []
    real = convolution.weight_gradient

    def noted(*arguments: object) -> Tensor:
        made.append(1)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(convolution, "weight_gradient", noted)
    return made


def exact(layer: nn.Conv2d, pictures: Tensor, weighting: Tensor) -> tuple[Tensor, ...]:
    """PyTorch's own gradients in float64: of the pictures, the weights, the biases."""
    assert layer.bias is not None
    given = [each.detach().double().requires_grad_() for each in (pictures, layer.weight, layer.bias)]
    sides = layer.sides if isinstance(layer, PaddedConv2d) else (0, 0)
    padding = (0, 0) if isinstance(layer, PaddedConv2d) else layer.padding
    output = F.conv2d(F.pad(given[0], sides), given[1], given[2], layer.stride, padding, groups=layer.groups)
    return torch.autograd.grad((output * weighting.double()).sum(), given)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("patch_bytes", [1, 1 << 15, 1 << 24])
def test_gradients_are_pytorchs(
    name: str, layout: torch.memory_format, patch_bytes: int, monkeypatch: pytest.MonkeyPatch, products: list[int]
) -> None:
    monkeypatch.setattr(convolution, "PATCH_BYTES", patch_bytes)
    torch.manual_seed(0)
    original, side = LAYERS[name]
    layer = copy.deepcopy(original).train()
    pictures = torch.randn(5, layer.in_channels, side, side + 3).contiguous(memory_format=layout).requires_grad_()
    output = layer(pictures)
    assert torch.equal(output, copy.deepcopy(layer).eval()(pictures))
    weighting = torch.randn_like(output)
    (output * weighting).sum().backward()
    assert products
    assert layer.bias is not None
    for found, expected in zip(
        (pictures.grad, layer.weight.grad, layer.bias.grad), exact(layer, pictures, weighting), strict=True
    ):
        assert found is not None
        assert found.shape == expected.shape
        assert float((found - expected).norm()) < 1e-5 * float(expected.norm())


def test_one_channel_and_frozen_weights_and_bf16_and_judging_are_pytorchs(products: list[int]) -> None:
    pictures = torch.rand(2, 1, 9, 9)
    Conv2d(1, 4, 3).train()(pictures).sum().backward()
    wide = torch.rand(2, 16, 9, 9, requires_grad=True)
    frozen = Conv2d(16, 4, 3).train()
    frozen.weight.requires_grad_(False)
    frozen(wide).sum().backward()
    Conv2d(16, 4, 3).eval()(wide).sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        output = Conv2d(16, 4, 3).train()(wide)
    output.float().sum().backward()
    assert products == []


def test_processors_with_avx512_keep_pytorchs(monkeypatch: pytest.MonkeyPatch, products: list[int]) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    Conv2d(16, 4, 3).train()(torch.rand(2, 16, 9, 9)).sum().backward()
    assert products == []


def test_patches_of_a_large_batch_are_never_laid_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out: list[int] = []
    real = convolution._patches

    def noted(*arguments: object) -> Tensor:
        patches = real(*arguments)  # type: ignore[arg-type]
        laid_out.append(patches.numel() * patches.element_size())
        return patches

    monkeypatch.setattr(convolution, "_patches", noted)
    monkeypatch.setattr(convolution, "PATCH_BYTES", 1 << 20)
    layer = Conv2d(32, 8, 5, padding=2).train()
    layer(torch.rand(40, 32, 16, 16)).sum().backward()
    assert len(laid_out) > 1
    assert max(laid_out) <= 1 << 20
    assert sum(laid_out) == 40 * math.prod((16, 16, 5, 5, 32)) * 4
