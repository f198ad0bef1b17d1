"""What the kept weights go through: each part alone, both, and none."""

import torch

from alexnet.progress import Display
from alexnet.training import recipes
from alexnet.training.recipe import Recipe, merged
from alexnet.training.settle import settle
from tests.training.test_recalibrate import PREPROCESS, small, stream

QUIET = Display(quiet=True)


def recipe(**changes: object) -> Recipe:
    return merged(recipes.find("notebook", "folder"), changes)


def test_a_recipe_that_wants_nothing_changes_nothing() -> None:
    network = small(biased=True)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert settle(network, stream(24, 8), stream(24, 8), PREPROCESS, recipe(), QUIET) == {}
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_statistics_are_measured_anew_and_no_weight_is_touched() -> None:
    network = small(biased=True)
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    mean = network.get_buffer("bn1.running_mean").clone()
    found = settle(network, stream(24, 8), None, PREPROCESS, recipe(recalibrate=True), QUIET)
    assert found == {"statistics_over": 24}
    assert not torch.equal(network.get_buffer("bn1.running_mean"), mean)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.named_parameters())


def test_a_given_temperature_divides_the_logits() -> None:
    network = small(biased=True)
    head = network.get_parameter("fc3.weight").clone()
    found = settle(network, stream(24, 8), None, PREPROCESS, recipe(temperature=2.0), QUIET)
    assert found == {"temperature": 2.0}
    torch.testing.assert_close(network.get_parameter("fc3.weight"), head / 2)


def test_a_fitted_temperature_needs_pictures_that_were_held_out() -> None:
    fitted = recipe(temperature="fitted")
    assert settle(small(biased=True), stream(24, 8), None, PREPROCESS, fitted, QUIET) == {}
    found = settle(small(biased=True), stream(24, 8), stream(24, 8), PREPROCESS, fitted, QUIET)
    assert found["temperature"] < 0.1, "all labels are class 0, and a network that could say so should be surer"
