"""Receptive field and stride against what gradients really reach; multiply-adds against a hook on every module."""

import pytest
import torch
from torch import Tensor, nn

from alexnet.models.network import AlexNet
from alexnet.models.summary import Row, summarise
from alexnet.models.variants import VARIANTS


def rows(name: str, size: int | None = None) -> dict[str, Row]:
    return {row.name: row for row in summarise(name, image_size=size).rows}


@pytest.mark.parametrize("name", ["paper-run", "torchvision", "notebook-flowers", "notebook-mnist"])
def test_receptive_field_is_what_a_gradient_reaches(name: str) -> None:
    """All weights positive, so that no gradient is lost; average instead of max pooling, so that all pixels count."""
    table = rows(name)
    last = next(row for row in reversed(table.values()) if row.receptive_field)
    assert last.receptive_field is not None
    assert last.stride is not None
    size = 2 * last.receptive_field + 3 * last.stride
    variant = VARIANTS[name]
    torch.manual_seed(0)
    network = AlexNet(variant, 2, (1, size, size)).double().eval()
    values = pictures = torch.rand(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    for each in network.layers:
        module = network.get_submodule(each.name)
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.MaxPool2d):
            module = nn.AvgPool2d(module.kernel_size, module.stride, ceil_mode=module.ceil_mode)
        if isinstance(module, nn.AdaptiveAvgPool2d):
            break
        values = module(values)
        if each.name == last.name:
            break
    reached = []
    middle = values.shape[-1] // 2
    for place in (middle - 1, middle):
        (gradient,) = torch.autograd.grad(values[0, 0, place, place], pictures, retain_graph=True)
        touched = gradient[0, 0].nonzero()
        reached.append((int(touched.min()), int(touched.max())))
    (first, end), (second, _) = reached
    assert first > 0
    assert end < size - 1
    assert end - first + 1 == last.receptive_field
    assert second - first == last.stride


def test_known_receptive_fields() -> None:
    fields = {name: (row.receptive_field, row.stride) for name, row in rows("torchvision").items()}
    assert fields["conv1"] == (11, 4)
    assert fields["pool5"] == (195, 32)
    assert fields["fc6"] == (None, None)
    assert rows("paper-run")["conv3"].receptive_field == 131  # 32 more: the within-map norm sees its neighbours
    assert rows("paper")["conv3"].receptive_field == 99


@pytest.mark.parametrize("name", ["bvlc", "slim-v2", "tflearn-flowers", "notebook-mnist"])
def test_multiply_adds_are_those_of_the_modules(name: str) -> None:
    table, counted = summarise(name), {}
    variant = VARIANTS[name]
    with torch.device("meta"):
        network = AlexNet(variant, variant.classes, variant.input).eval()

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        counted[module] = output[0].numel() * weight[0].numel()

    for module in network.children():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    network(torch.zeros(1, *variant.input, device="meta"))
    assert sum(counted.values()) == table.multiply_adds


def test_the_arithmetic_of_55() -> None:
    assert rows("paper")["conv1"].arithmetic == "(224 + 0 + 3 - 11) / 4 + 1 = 55"
    assert rows("bvlc")["conv1"].arithmetic == "(227 - 11) / 4 + 1 = 55"
    assert rows("torchvision")["conv1"].arithmetic == "⌊(224 + 2 + 2 - 11) / 4⌋ + 1 = 55"
    assert rows("notebook-flowers")["conv1"].arithmetic == "⌊(224 - 11) / 4⌋ + 1 = 54"
    assert rows("onnx-zoo")["pool1"].arithmetic == "(54 + 0 + 1 - 3) / 2 + 1 = 27"
    for name in VARIANTS:
        for row in rows(name).values():
            if row.arithmetic:
                formula, result = row.arithmetic.rsplit(" = ", 1)
                inside = formula.replace("⌊", "int(").replace("⌋", ")")
                assert eval(inside) == int(result) == row.shape[1], (name, row.name)
