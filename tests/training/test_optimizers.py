"""The rules, against their formulas in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from alexnet.models.layers import KerasBatchNorm
from alexnet.training.optimizers import Optimizer, build


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), KerasBatchNorm(4), nn.Flatten(), nn.Linear(16, 3))


@pytest.mark.parametrize("name", ["sgd", "adamw", "adadelta"])
def test_no_decay_on_biases_and_batch_norm(name: str) -> None:
    network = small()
    optimizer = build(Optimizer.model_validate({"name": name, "lr": 0.1, "weight_decay": 0.01}), network)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    found = {key: decay[id(parameter)] for key, parameter in network.named_parameters()}
    assert found == {"0.weight": 0.01, "0.bias": 0, "1.weight": 0, "1.bias": 0, "3.weight": 0.01, "3.bias": 0}


def test_frozen_parameters_are_left_out() -> None:
    network = small()
    network[0].requires_grad_(False)
    optimizer = build(Optimizer(name="sgd", lr=0.1), network)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for key, p in network.named_parameters() if not key.startswith("0.")}


def test_adadelta_is_kerass_rule() -> None:
    """keras/src/optimizers/adadelta.py, written out; three steps, since the second needs the first's averages."""
    lr, rho, epsilon = 0.5, 0.95, 1e-7
    weight = nn.Parameter(torch.tensor([[0.5, -1.0], [2.0, 1e-3]]))
    layer = nn.Module()
    layer.weight = weight
    optimizer = build(Optimizer(name="adadelta", lr=lr, rho=rho, epsilon=epsilon), layer)
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
    optimizer = build(settings, layer)
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
    optimizer = build(Optimizer(name="adamw", lr=0.1, weight_decay=0.5, epsilon=1e-8), layer)
    weight.grad = torch.tensor([[3.0, -0.2]])
    optimizer.step()
    wanted = np.array([[0.5, -1.0]]) * (1 - 0.1 * 0.5) - 0.1 * np.array([[1.0, -1.0]])
    np.testing.assert_allclose(weight.detach().numpy(), wanted, rtol=1e-6)


def test_plain_sgd_needs_no_nesterov() -> None:
    optimizer = build(Optimizer(name="sgd", lr=0.1, momentum=0, nesterov=True), small())
    assert optimizer.param_groups[0]["nesterov"] is False
