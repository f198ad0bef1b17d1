"""What reaches no logit is not computed, and is told from what does."""

import copy

import pytest
import torch

from alexnet.models import reach
from alexnet.models.network import AlexNet, create_model, list_models

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def ordinary_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pixel computed for itself: cut into other tiles, maps of other sizes are rounded in other places."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")


def one_step(network: AlexNet, pictures: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits of a training step, and the gradients of their squares."""
    torch.manual_seed(1)  # dropout
    logits = network.train()(pictures)
    logits.square().mean().backward()
    return logits.detach(), {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


NARROWED = [name for name in list_models() if reach.narrowings(create_model(name).layers, training=True)]


@pytest.mark.parametrize("name", NARROWED)
def test_a_step_is_the_same_with_all_pixels_and_without_those_that_reach_nothing(name: str) -> None:
    torch.manual_seed(0)
    narrow = create_model(name, num_classes=5).on(CPU)
    whole = copy.deepcopy(narrow)
    whole._narrowings = {}
    pictures = torch.rand(2, *narrow.input_shape)
    logits, gradients = one_step(narrow, pictures)
    expected_logits, expected = one_step(whole, pictures)
    assert torch.equal(logits, expected_logits)
    largest = max(float(gradient.norm()) for gradient in expected.values())
    for parameter, gradient in gradients.items():
        assert float((gradient - expected[parameter]).norm()) < 1e-5 * largest, parameter


@pytest.mark.parametrize("name", ["notebook-mnist", "notebook-flowers", "illustrated", "d2l"])
@pytest.mark.parametrize("training", [True, False])
def test_pixels_that_are_left_out_have_no_gradient_and_the_last_ones_kept_have(name: str, training: bool) -> None:
    torch.manual_seed(0)
    network = create_model(name, num_classes=5).on(CPU).train(training)
    network._narrowings = {}
    sides = reach.narrowings(network.layers, training=training)["conv1"]
    pictures = torch.rand(3, *network.input_shape, requires_grad=True)
    network(pictures).square().sum().backward()
    assert pictures.grad is not None
    reached = pictures.grad.abs().amax(dim=(0, 1))
    assert not reached[sides[0] :].any()
    assert not reached[:, sides[1] :].any()
    assert reached[sides[0] - 1].any()
    assert reached[:, sides[1] - 1].any()


def test_the_notebooks_network_for_digits_looks_at_26_of_28_pixels() -> None:
    layers = create_model("notebook-mnist").layers
    assert reach.narrowings(layers, training=True) == reach.narrowings(layers, training=False) == {"conv1": (26, 26)}


def test_batch_norm_looks_at_whole_maps_in_training_only() -> None:
    layers = create_model("notebook-flowers").layers
    assert reach.narrowings(layers, training=True) == {"conv1": (219, 219), "conv5": (7, 7)}
    assert reach.narrowings(layers, training=False) == {"conv1": (211, 211), "conv3": (11, 11)}


@pytest.mark.parametrize("name", ["torchvision", "paper", "caffenet", "tflearn-flowers"])
def test_where_all_windows_fit_nothing_is_left_out(name: str) -> None:
    assert reach.narrowings(create_model(name).layers, training=True) == {}


@pytest.mark.parametrize("side", range(24, 33))
def test_other_sizes_have_their_own(side: int) -> None:
    torch.manual_seed(0)
    narrow = create_model("notebook-mnist", image_size=side).on(CPU)
    whole = copy.deepcopy(narrow)
    whole._narrowings = {}
    pictures = torch.rand(2, 1, side, side)
    assert torch.equal(one_step(narrow, pictures)[0], one_step(whole, pictures)[0])


def test_judging_computes_whole_maps_for_those_who_look_at_them() -> None:
    network = create_model("notebook-mnist").on(CPU).eval()
    shapes = []
    conv1 = network.get_submodule("conv1")
    conv1.register_forward_hook(lambda module, given, output: shapes.append(tuple(output.shape)))
    network(torch.rand(1, 1, 28, 28))
    network.train()(torch.rand(2, 1, 28, 28))
    assert shapes == [(1, 32, 26, 26), (2, 32, 24, 24)]
