"""The rules, against their formulas in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from alexnet.models.modules import KerasBatchNorm
from alexnet.training.optimizers import Optimizer, PaperSGD, build


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), KerasBatchNorm(4), nn.Flatten(), nn.Linear(16, 3))


RULES = ["sgd", "paper", "adamw", "adadelta"]


@pytest.mark.parametrize("name", RULES)
def test_no_decay_on_biases_and_batch_norm(name: str) -> None:
    network = small()
    optimizer = build(Optimizer.model_validate({"name": name, "lr": 0.1, "weight_decay": 0.01}), network.parameters())
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    found = {key: decay[id(parameter)] for key, parameter in network.named_parameters()}
    assert found == {"0.weight": 0.01, "0.bias": 0, "1.weight": 0, "1.bias": 0, "3.weight": 0.01, "3.bias": 0}


@pytest.mark.parametrize("name", RULES)
def test_decay_of_biases_where_a_source_has_it(name: str) -> None:
    settings = Optimizer.model_validate({"name": name, "lr": 0.1, "weight_decay": 0.01, "bias_decay": True})
    assert [group["weight_decay"] for group in build(settings, small().parameters()).param_groups] == [0.01, 0.01]


@pytest.mark.parametrize("name", RULES)
def test_biases_have_a_rate_of_their_own(name: str) -> None:
    optimizer = build(Optimizer.model_validate({"name": name, "lr": 0.1, "bias_lr": 2}), small().parameters())
    assert [(group["of"], group["lr"]) for group in optimizer.param_groups] == [("weights", 0.1), ("biases", 0.2)]
    dims = {group["of"]: {p.dim() for p in group["params"]} for group in optimizer.param_groups}
    assert dims == {"weights": {2, 4}, "biases": {1}}


def test_frozen_parameters_are_left_out() -> None:
    network = small()
    network[0].requires_grad_(False)
    optimizer = build(Optimizer(name="sgd", lr=0.1), network.parameters())
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for key, p in network.named_parameters() if not key.startswith("0.")}


def test_adadelta_is_kerass_rule() -> None:
    """keras/src/optimizers/adadelta.py, written out; three steps, since the second needs the first's averages."""
    lr, rho, epsilon = 0.5, 0.95, 1e-7
    weight = nn.Parameter(torch.tensor([[0.5, -1.0], [2.0, 1e-3]]))
    layer = nn.Module()
    layer.weight = weight
    optimizer = build(Optimizer(name="adadelta", lr=lr, rho=rho, epsilon=epsilon), layer.parameters())
    values = weight.detach().double().numpy().copy()
    gradients = np.random.default_rng(0).normal(size=(3, 2, 2))
    squares, moves = np.zeros((2, 2)), np.zeros((2, 2))
    for gradient in gradients:
        squares = rho * squares + (1 - rho) * gradient**2
        move = -np.sqrt(moves + epsilon) / np.sqrt(squares + epsilon) * gradient
        moves = rho * moves + (1 - rho) * move**2
        values += lr * move
        weight.grad = torch.from_numpy(gradient).float()
        optimizer.step()
        np.testing.assert_allclose(weight.detach().numpy(), values, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_with_momentum_and_decay(nesterov: bool) -> None:
    lr, momentum, decay = 0.1, 0.9, 0.01
    weight = nn.Parameter(torch.tensor([[0.5, -1.0]]))
    layer = nn.Module()
    layer.weight = weight
    settings = Optimizer(name="sgd", lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=decay)
    optimizer = build(settings, layer.parameters())
    values, velocity = weight.detach().double().numpy().copy(), np.zeros((1, 2))
    for step in range(3):
        gradient = np.array([[1.0, step]])
        weight.grad = torch.from_numpy(gradient).float()
        optimizer.step()
        slope = gradient + decay * values
        velocity = momentum * velocity + slope
        values -= lr * (slope + momentum * velocity if nesterov else velocity)
        np.testing.assert_allclose(weight.detach().numpy(), values, rtol=1e-6)


def test_adamw_first_step() -> None:
    """The bias-corrected first step has the length of the rate, and decay is decoupled from it."""
    weight = nn.Parameter(torch.tensor([[0.5, -1.0]]))
    layer = nn.Module()
    layer.weight = weight
    optimizer = build(Optimizer(name="adamw", lr=0.1, weight_decay=0.5, epsilon=1e-8), layer.parameters())
    weight.grad = torch.tensor([[3.0, -0.2]])
    optimizer.step()
    wanted = np.array([[0.5, -1.0]]) * (1 - 0.1 * 0.5) - 0.1 * np.array([[1.0, -1.0]])
    np.testing.assert_allclose(weight.detach().numpy(), wanted, rtol=1e-6)


def test_plain_sgd_needs_no_nesterov() -> None:
    optimizer = build(Optimizer(name="sgd", lr=0.1, momentum=0, nesterov=True), small().parameters())
    assert optimizer.param_groups[0]["nesterov"] is False


DROP = [0.1, 0.1, 0.01, 0.01]
"""The worked example: the rate drops to a tenth in the middle, the gradient stays 1."""


def positions(settings: Optimizer, gradient: float = 1.0, start: float = 0.0) -> list[float]:
    """Where a single weight stands after each step of the rates in DROP."""
    layer = nn.Module()
    layer.weight = weight = nn.Parameter(torch.tensor([[start]], dtype=torch.float64))
    optimizer = build(settings, layer.parameters())
    places = []
    for rate in DROP:
        for group in optimizer.param_groups:
            group["lr"] = rate
        weight.grad = torch.full_like(weight, gradient)
        optimizer.step()
        places.append(weight.item())
    return places


def test_the_papers_rule_and_torchs_differ_after_a_drop_of_the_rate() -> None:
    paper = positions(Optimizer(name="paper", lr=0.1, momentum=0.9))
    sgd = positions(Optimizer(name="sgd", lr=0.1, momentum=0.9, nesterov=False))
    assert paper == pytest.approx([-0.1, -0.29, -0.471, -0.6439], abs=1e-15)
    assert sgd == pytest.approx([-0.1, -0.29, -0.3171, -0.35149], abs=1e-15)


def test_the_papers_rule_is_torchs_where_the_rate_stays() -> None:
    networks = [small(), small()]
    rules = [
        build(
            Optimizer.model_validate({"name": name, "lr": 0.1, "nesterov": False, "weight_decay": 0.01}),
            network.parameters(),
        )
        for name, network in zip(("paper", "sgd"), networks, strict=True)
    ]
    random = torch.Generator().manual_seed(1)
    for _ in range(5):
        for one, other in zip(*(network.parameters() for network in networks), strict=True):
            one.grad = torch.randn(one.shape, generator=random)
            other.grad = one.grad.clone()
        for rule in rules:
            rule.step()
    for one, other in zip(*(network.parameters() for network in networks), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_the_papers_rule_with_decay_in_float64() -> None:
    """v <- 0.9 v - 0.0005 lr w - lr g; w <- w + v, written out for the worked example."""
    found = positions(Optimizer(name="paper", lr=0.1, momentum=0.9, weight_decay=0.0005), gradient=0.5, start=2.0)
    weight, velocity, wanted = 2.0, 0.0, []
    for rate in DROP:
        velocity = 0.9 * velocity - 0.0005 * rate * weight - rate * 0.5
        weight += velocity
        wanted.append(weight)
    assert found == pytest.approx(wanted, abs=1e-15)


def test_the_papers_velocity_travels_in_the_state() -> None:
    def step(network: nn.Module, optimizer: torch.optim.Optimizer, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
        for parameter in network.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()

    settings = Optimizer(name="paper", lr=0.1, weight_decay=0.01, bias_lr=2)
    straight, stopped, resumed = small(), small(), small()
    through, first = build(settings, straight.parameters()), build(settings, stopped.parameters())
    for rate in DROP[:2]:
        step(straight, through, rate)
        step(stopped, first, rate)
    resumed.load_state_dict(stopped.state_dict())
    second = build(settings, resumed.parameters())
    second.load_state_dict(first.state_dict())
    assert {tuple(state) for state in second.state.values()} == {("velocity",)}
    assert [group["of"] for group in second.param_groups] == ["weights", "biases"]
    for rate in DROP[2:]:
        step(straight, through, rate)
        step(resumed, second, rate)
    for one, other in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_papers_rule_leaves_parameters_without_gradient_alone() -> None:
    network = small()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimizer = PaperSGD(network.parameters(), 0.1, 0.9, weight_decay=0.5)
    optimizer.step()
    assert all(torch.equal(parameter, old) for parameter, old in zip(network.parameters(), before, strict=True))
    assert not optimizer.state
