"""Every variant: built, run, started as its source says; their counts are in test_proof."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from alexnet.errors import UsageError
from alexnet.models.layers import (
    LRN,
    AdaptiveAveragePool,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MapNorm,
    MaxPool,
    Threshold,
)
from alexnet.models.network import AlexNet, create_model, list_models
from alexnet.models.placing import place
from alexnet.models.variants import VARIANTS, Variant, find

NAMES = [
    "paper",
    "paper-run",
    "paper-half",
    "paper-conv6",
    "bvlc",
    "caffenet",
    "onnx-zoo",
    "owt",
    "owt-footnote",
    "owt-bn",
    "torchvision",
    "torch7-towers",
    "ungrouped",
    "cntk",
    "cvgj",
    "slim-v2",
    "d2l",
    "tflearn-flowers",
    "keras-blog",
    "illustrated",
    "notebook-flowers",
    "notebook-mnist",
]

EVERY = [pytest.param(variant, id=name) for name, variant in VARIANTS.items()]


def smallest(variant: Variant, channels: int) -> int:
    """The smallest side that leaves a pixel, as the error for one pixel tells it."""
    try:
        place(variant, 3, (channels, 1, 1))
    except UsageError as error:
        return int(str(error).rstrip(")").rsplit(" ", 1)[1])
    return 1


def test_all_are_there() -> None:
    assert list_models() == sorted(NAMES)
    with pytest.raises(UsageError, match="Did you mean 'torchvision'"):
        find("torchvison")


@pytest.mark.parametrize("variant", EVERY)
def test_names_mean_the_same_everywhere(variant: Variant) -> None:
    placed = place(variant, variant.classes, variant.input)
    names = [each.name for each in placed]
    assert len(set(names)) == len(names)
    weighty = [each.name for each in placed if isinstance(each.layer, Conv | Dense)]
    assert weighty == [stage for stage in variant.stages if stage != "input"]
    if variant.name != "notebook-mnist":
        assert weighty[:5] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
        assert "fc8" in weighty


@pytest.mark.parametrize("variant", EVERY)
def test_any_classes_channels_and_size(variant: Variant) -> None:
    side = smallest(variant, 4)
    if side > 1:
        with pytest.raises(UsageError, match=rf"The smallest side is {side} "):
            place(variant, 3, (4, side - 1, side - 1))
    with torch.device("meta"):
        for height, width in ((side, side), (side + 30, side + 17)):
            network = AlexNet(variant, 5, (4, height, width)).eval()
            assert network(torch.zeros(2, 4, height, width)).shape == (2, 5)


@pytest.mark.parametrize("variant", EVERY)
def test_a_picture_runs_through_and_back(variant: Variant) -> None:
    """At the smallest size, where the dense layers are small, but for real."""
    side = smallest(variant, variant.preprocess.channels)
    torch.manual_seed(0)
    network = AlexNet(variant, 3, (variant.preprocess.channels, side, side)).train()
    pictures = torch.randn(4, variant.preprocess.channels, side, side)
    logits = network(pictures)
    assert logits.shape == (4, 3)
    logits.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())
    with torch.inference_mode():
        one, all_of_them = network.eval()(pictures[:1]), network(pictures)
    assert torch.allclose(one, all_of_them[:1], atol=1e-4)


def test_sizes_that_the_sources_know() -> None:
    assert smallest(VARIANTS["torchvision"], 3) == 63
    assert smallest(VARIANTS["notebook-flowers"], 3) == 163


STARTS = {
    "paper": ({}, 0.01, "conv2 conv4 conv5 fc6 fc7", 1.0),
    "paper-run": ({"conv3 conv4 conv5": 0.03}, 0.01, "conv2 conv4 conv5 fc6 fc7", 1.0),
    "paper-half": ({"conv3 conv4 conv5": 0.03}, 0.01, "conv2 conv4 conv5 fc6 fc7", 1.0),
    "paper-conv6": ({"conv3 conv4 conv5 conv6": 0.03}, 0.01, "conv2 conv4 conv5 conv6 fc6 fc7", 1.0),
    "bvlc": ({"fc6 fc7": 0.005}, 0.01, "conv2 conv4 conv5 fc6 fc7", 0.1),
    "caffenet": ({"fc6 fc7": 0.005}, 0.01, "conv2 conv4 conv5 fc6 fc7", 1.0),
    "cntk": ({"fc6 fc7": 0.005}, 0.01, "conv2 conv4 conv5 fc6 fc7", 0.1),
}


@pytest.mark.parametrize("name", STARTS)
def test_gaussian_starts(name: str) -> None:
    others, std, lifted, start = STARTS[name]
    torch.manual_seed(0)
    network = create_model(name, image_size=smallest(VARIANTS[name], 3), num_classes=1000)
    for stage, module in network.named_children():
        if isinstance(module, nn.Conv2d | nn.Linear):
            wanted = next((value for stages, value in others.items() if stage in stages.split()), std)
            assert float(module.weight.detach().std()) == pytest.approx(wanted, rel=0.03), stage
            assert module.bias is not None
            expected = torch.tensor(start if stage in lifted.split() else 0.0)
            assert bool((module.bias == expected).all()), stage


def test_owt_starts_its_answers_low() -> None:
    network = create_model("owt", image_size=64)
    assert set(network.get_parameter("fc8.bias").tolist()) == {-7.0}
    assert set(network.get_parameter("fc7.bias").tolist()) == {1.0}


def test_torch_starts() -> None:
    torch.manual_seed(0)
    for name in ("torchvision", "torch7-towers", "owt-bn"):
        network = create_model(name, image_size=64)
        for stage, module in network.named_children():
            if isinstance(module, nn.Conv2d | nn.Linear):
                bound = 1 / math.sqrt(module.weight[0].numel())
                for values in (module.weight, module.bias):
                    assert values is not None
                    assert 0.9 * bound < float(values.detach().abs().max()) <= 1.000001 * bound, stage
                assert float(module.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.03), stage
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                assert 0.4 < float(module.weight.detach().mean()) < 0.6
                assert (module.eps, module.momentum) == (1e-3, 0.1)


def test_tensorflow_starts() -> None:
    torch.manual_seed(0)
    slim = create_model("slim-v2", image_size=224, num_classes=10)
    dense = slim.get_parameter("fc7.weight")
    assert float(dense.detach().abs().max()) <= 0.01
    assert float(dense.detach().std()) == pytest.approx(0.005 * 0.8796, rel=0.02)  # a Gaussian cut at two σ
    for name, start in (("conv1", 0.1), ("fc6", 0.1), ("fc8", 0.0)):
        assert bool((slim.get_parameter(f"{name}.bias") == torch.tensor(start)).all()), name
    flowers = create_model("tflearn-flowers", image_size=20)
    kernels = flowers.get_parameter("conv2.weight")
    assert float(kernels.detach().abs().max()) == pytest.approx(math.sqrt(3 / (96 * 25)), rel=0.01)


def test_jena_has_batch_norm_without_scale_but_on_the_input() -> None:
    network = create_model("cvgj", image_size=67)
    norms = {name: module for name, module in network.named_children() if name.startswith("bn")}
    assert list(norms) == ["bn0", "bn1", "bn2", "bn3", "bn4", "bn5", "bn6", "bn7"]
    assert [name for name, norm in norms.items() if norm.weight is not None] == ["bn0"]


def test_he_and_xavier_starts() -> None:
    torch.manual_seed(0)
    for name in ("cvgj", "keras-blog", "illustrated", "d2l", "ungrouped"):
        channels = VARIANTS[name].preprocess.channels
        network = create_model(name, image_size=smallest(VARIANTS[name], channels))
        kernels = network.get_parameter("conv4.weight").detach()
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(kernels)
        wanted = {"cvgj": math.sqrt(2 / fan_in), "ungrouped": 0.01}.get(name, math.sqrt(2 / (fan_in + fan_out)))
        assert float(kernels.std()) == pytest.approx(wanted, rel=0.02), name
    assert set(network.get_parameter("conv4.bias").tolist()) == {1.0}  # ungrouped
    assert set(network.get_parameter("conv3.bias").tolist()) == {0.0}


def test_a_start_of_a_stage_that_is_not_there() -> None:
    paper = VARIANTS["paper"]
    with pytest.raises(ValueError, match="paper has no stages conv9"):
        replace(paper, init=replace(paper.init, biases_of={"conv9": 1.0}))


# What stands where, set down from the sources (not from the code): LRN as n/k/a/where, dropout as rate/kind, one word a
# layer that has no weights, divided by | between the layers that have
SMALL_PRINT = {
    "paper": "relu lrn5k2a pool3 | relu lrn5k2a pool3 | relu | relu | relu pool3 | relu late.5 | relu late.5 |",
    "paper-run": "lrn5k2a/5x2 pool3 relu | relu lrn5k2a/5x2 map5k1 pool3 | relu | relu | pool3 relu | relu late.5 "
    "| relu late.5 |",
    "paper-half": "lrn5k2a/5 pool3 relu | relu lrn5k2a/5 map5k1 pool3 | relu | relu | pool3 relu | relu late.5 "
    "| relu late.5 |",
    "paper-conv6": "lrn5k2a/5x2 pool3 relu | relu lrn5k2a/5x2 map5k1 pool3 | relu | relu | pool3 relu | relu "
    "| relu late.5 | relu late.5 |",
    "bvlc": "relu lrn5k1a/5 pool3 | relu lrn5k1a/5 pool3 | relu | relu | relu pool3 | relu drop.5 | relu drop.5 |",
    "caffenet": "relu pool3 lrn5k1a/5 | relu pool3 lrn5k1a/5 | relu | relu | relu pool3 | relu drop.5 | relu drop.5 |",
    "onnx-zoo": "relu lrn5k1a/5 pool3 | relu lrn5k1a/5 pool3 | relu | relu | relu pool3 | relu drop.5 | relu drop.5 |",
    "owt": "lrn5k2a/5 pool3 relu | relu lrn5k2a/5 pool3 | relu | relu | pool3 relu | relu late.5 | relu late.5 |",
    "owt-footnote": "lrn5k2a/5 pool3 relu | relu lrn5k2a/5 pool3 | relu | relu | pool3 relu | relu late.5 "
    "| relu late.5 |",
    "owt-bn": "bn relu pool3 | bn relu pool3 | bn relu | bn relu | bn relu pool3 drop.5 | bn relu drop.5 | bn relu |",
    "torchvision": "relu pool3 | relu pool3 | relu | relu | relu pool3 avg6 drop.5 | relu drop.5 | relu |",
    "torch7-towers": "relu pool3 | relu pool3 | relu | relu | relu pool3 drop.5 | 1e-06 drop.5 | 1e-06 |",
    "ungrouped": "relu lrn5k2a/5 pool3 | relu lrn5k2a/5 pool3 | relu | relu | relu pool3 drop.5 | relu drop.5 | relu |",
    "cntk": "relu lrn5k1a/5 pool3 | relu lrn5k1a/5 pool3 | relu | relu | relu pool3 | relu drop.5 | relu drop.5 |",
    "cvgj": "bn relu pool3 | bn relu pool3 | bn relu | bn relu | bn relu pool3 | bn relu | bn relu |",
    "slim-v2": "relu pool3 | relu pool3 | relu | relu | relu pool3 | relu drop.5 | relu avg1 drop.5 |",
    "d2l": "relu pool3 | relu pool3 | relu | relu | relu pool3 | relu drop.5 | relu drop.5 |",
    "tflearn-flowers": "relu pool3 lrn11k1a | relu pool3 lrn11k1a | relu | relu | relu pool3 lrn11k1a | tanh drop.5 "
    "| tanh drop.5 |",
    "keras-blog": "relu pool2 bn | relu pool2 bn | relu bn | relu bn | relu pool2 bn | relu drop.4 bn | relu drop.4 bn "
    "| relu drop.4 bn |",
    "illustrated": "relu pool3 bn | relu pool3 bn | relu | relu | relu pool3 bn | tanh drop.5 | tanh drop.5 |",
    "notebook-flowers": "relu pool3 bn | relu pool3 bn | relu bn | relu bn | relu pool3 bn | relu drop.4 bn "
    "| relu drop.4 bn |",
    "notebook-mnist": "relu pool2 | relu pool2 | relu drop.5 |",
}


def word(layer: Layer) -> str:  # noqa: PLR0911 (a table)
    """One layer without weights, in the words of the table above."""
    match layer:
        case LRN(size=size, k=k, divided=divided, columns=columns, alpha=1e-4, beta=0.75):
            return f"lrn{size}k{k:g}a" + (f"/{size}" if divided else "") + (f"x{columns}" if columns > 1 else "")
        case MapNorm(size=size, k=k, alpha=1e-3, beta=0.75):
            return f"map{size}k{k:g}"
        case Dropout(rate=rate, scaled=scaled):
            return f"{'late' if scaled == 'test' else 'drop'}{rate:g}".replace("0.", ".")
        case MaxPool(kernel=kernel, stride=2):
            return f"pool{kernel}"
        case AdaptiveAveragePool(side=side):
            return f"avg{side}"
        case Threshold(value=value):
            return f"{value:g}"
        case _:
            return layer.kind


@pytest.mark.parametrize("variant", EVERY)
def test_small_print(variant: Variant) -> None:
    words: list[str] = []
    for each in place(variant, variant.classes, variant.input):
        if isinstance(each.layer, Conv | Dense):
            words.append("|")
        elif not isinstance(each.layer, Flatten) and each.name != "bn0":
            words.append(word(each.layer))
    assert " ".join(words[1:]) == SMALL_PRINT[variant.name]
