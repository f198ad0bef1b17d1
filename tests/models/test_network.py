"""The network: names, shapes, sizes, initialisation, and what its shortcuts leave unchanged."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alexnet.errors import ModelFileError, UsageError
from alexnet.models.modules import KerasBatchNorm
from alexnet.models.network import AlexNet, create_model, list_models, probabilities
from alexnet.models.placing import place
from alexnet.models.ready import Ready, ready
from alexnet.models.variants.keras import NOTEBOOK_FLOWERS
from alexnet.preprocess import Preprocess


def in_written_order(network: AlexNet, values: Tensor) -> Tensor:
    """The children one after another as the variant lists them: ReLU before pooling."""
    for each in network.layers:
        values = network.get_submodule(each.name)(values)
    return values


def test_stages_carry_their_published_names() -> None:
    children = [name for name, _ in create_model("notebook-flowers").named_children()]
    stages = [name for name in children if name.startswith(("conv", "fc"))]
    assert stages == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    assert children[:4] == ["conv1", "relu1", "pool1", "bn1"]
    small = [name for name, _ in create_model("notebook-mnist").named_children()]
    assert [name for name in small if name.startswith(("conv", "fc"))] == ["conv1", "conv2", "fc3", "fc4"]


def test_every_child_meets_the_shapes_that_were_computed() -> None:
    network = create_model("notebook-flowers").eval()
    seen: dict[str, tuple[int, ...]] = {}
    for name, child in network.named_children():
        child.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, tuple(out.shape[1:])))
    with torch.no_grad():
        network(torch.zeros(1, 3, 224, 224))
    for each in network.layers:
        if each.name in ("relu1", "relu2", "relu5"):  # run after their pool, on the smaller map
            continue
        assert seen[each.name] == each.output, each.name


@pytest.mark.parametrize(
    ("name", "size"), [("notebook-flowers", None), ("notebook-mnist", None), ("tflearn-flowers", 40), ("bvlc", 70)]
)
def test_pooling_before_relu_changes_no_output_and_no_gradient(name: str, size: int | None) -> None:
    torch.manual_seed(0)
    network = create_model(name, image_size=size)
    network.eval()
    # coarse values make many ties inside the pooling windows, zeros among them
    pictures = torch.randint(0, 3, (2, *network.input_shape)).float()
    for parameter in network.parameters():
        parameter.data = (parameter.data * 64).round() / 64
    results = []
    for forward in (network, lambda batch: in_written_order(network, batch)):
        network.zero_grad()
        output = forward(pictures)
        output.square().sum().backward()
        results.append((output.detach(), [p.grad.clone() for p in network.parameters() if p.grad is not None]))
    (fast, fast_gradients), (plain, plain_gradients) = results
    assert torch.equal(fast, plain)
    assert len(fast_gradients) == len(list(network.parameters()))
    for one, other in zip(fast_gradients, plain_gradients, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5 * float(other.abs().max()))


def test_weights_start_as_in_keras() -> None:
    torch.manual_seed(0)
    network = create_model("notebook-flowers")
    for name, module in network.named_children():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
            bound = math.sqrt(6 / (fan_in + fan_out))
            assert float(module.weight.detach().abs().max()) <= bound, name
            assert float(module.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.02), name
            assert module.bias is not None
            assert not module.bias.detach().any(), name
        if isinstance(module, KerasBatchNorm):
            assert (module.momentum, module.eps) == (0.01, 1e-3)


@pytest.mark.parametrize("given", [{"num_classes": 0}, {"in_channels": -1}, {"image_size": "224"}])
def test_numbers_that_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must be a whole number from 1 up"):
        create_model("paper", **given)


def test_too_small_a_picture_is_refused_with_the_smallest_size_that_works() -> None:
    with pytest.raises(UsageError, match="--imgsz 163"):
        create_model("notebook-flowers", image_size=162)
    assert create_model("notebook-flowers", image_size=163).eval()(torch.zeros(1, 3, 163, 163)).shape == (1, 17)
    assert all(side >= 1 for each in place(NOTEBOOK_FLOWERS, 17, (3, 163, 163)) for side in each.output)


def test_cumulative_batch_norm_averages_every_batch_alike() -> None:
    norm = KerasBatchNorm(3, momentum=None)
    batches = torch.randn(4, 8, 3, 5, 5)
    for batch in batches:
        norm(batch)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert torch.allclose(norm.running_mean, batches.mean(dim=(1, 3, 4)).mean(dim=0), atol=1e-6)
    assert torch.allclose(norm.running_var, batches.var(dim=(1, 3, 4), unbiased=False).mean(dim=0), atol=1e-6)


def test_batch_norm_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match="expected a batch"):
        KerasBatchNorm(3)(torch.zeros(2, 3, 4))


def test_weights_that_do_not_fit_are_refused_by_the_first_name() -> None:
    network = create_model("notebook-mnist")
    state = create_model("notebook-mnist", num_classes=3).state_dict()
    with pytest.raises(ModelFileError, match=r"fc4\.weight is \(3, 128\), \(10, 128\) is expected"):
        network.load_weights(state, "some.safetensors")


def test_probabilities_are_the_mean_of_the_views() -> None:
    network = create_model("notebook-mnist").eval()
    stored = torch.randint(0, 256, (3, 1, 32, 32), dtype=torch.uint8)
    ten = Preprocess(size=28, resize_to=32, channels=1, views=10)
    with torch.no_grad():
        separate = [network(view).softmax(dim=1) for view in ten.test_views(stored)]
        answer = probabilities(network, ten, stored)
    assert len(separate) == 10
    assert torch.allclose(answer, sum(separate[1:], separate[0]) / 10, atol=1e-6)
    assert torch.allclose(answer.sum(dim=1), torch.ones(3), atol=1e-5)


def test_all_listed_models_can_be_made() -> None:
    for name in list_models():
        with torch.device("meta"):  # sizes without memory
            network = create_model(name).eval()
        assert network(torch.zeros(2, *network.input_shape, device="meta")).shape == (2, network.classes)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", ["notebook-mnist", "notebook-flowers", "d2l"])
def test_maps_lie_channels_last_whatever_the_layout_of_the_pictures(name: str, layout: torch.memory_format) -> None:
    network = create_model(name, num_classes=3).on(torch.device("cpu")).eval()
    pictures = torch.rand(2, *network.input_shape).contiguous(memory_format=layout)
    assert network.get_submodule("conv1")(pictures).stride(1) == 1
    made, _ = ready(network, "float32")
    assert isinstance(made, Ready)
    for step in made.steps:
        pictures = step(pictures)
        if pictures.dim() == 4 and pictures.shape[1] > 3:
            assert pictures.stride(1) == 1
