"""Numbers that are none: noticed before the step is taken, with the step and the layer."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alexnet.errors import DivergedError
from alexnet.models.network import AlexNet, create_model
from alexnet.progress import Display
from alexnet.training import loop
from alexnet.training.loop import Setting, fit
from alexnet.training.recipe import Recipe
from alexnet.training.step import Answered, answer
from alexnet.training.world import World
from tests.training.test_loop import CPU, PREPROCESS, data, small

Spoil = Callable[[AlexNet, int], None]


def diverge(monkeypatch: pytest.MonkeyPatch, spoil: Spoil, recipe: Recipe) -> tuple[str, dict[str, Tensor], AlexNet]:
    """Train with `spoil` called before every step; the message, the weights before the last step, and the network."""
    network = create_model("notebook-mnist", num_classes=2)
    steps, before = [0], dict[str, Tensor]()

    def spoilt(model: nn.Module, *rest: Any) -> Answered:
        if torch.is_grad_enabled():  # not where the culprit is looked for
            steps[0] += 1
            spoil(network, steps[0])
            before.update({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return answer(model, *rest)

    monkeypatch.setattr(loop, "answer", spoilt)
    saved: list[Any] = []
    with pytest.raises(DivergedError) as caught:
        fit(
            network,
            data(60, batch_size=16, seed=0),
            None,
            PREPROCESS,
            recipe,
            Setting(CPU, "float32", World(), Display(quiet=True)),
            class_weights=None,
            save=lambda *what: saved.append(what),
        )
    assert len(saved) == (steps[0] - 1) // 4
    return str(caught.value), before, network


@pytest.mark.fault("C14")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("layer", "step"), [("conv1", 2), ("conv2", 6), ("fc4", 3)])
def test_the_layer_and_the_step_are_named_and_no_weight_is_touched(
    value: float, layer: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NaN or infinity in a layer from some step on: epoch, step and layer are named, no weight is changed."""

    def spoil(network: AlexNet, number: int) -> None:
        if number == step:
            network.get_submodule(layer).bias.data[0] = value  # type: ignore[operator]

    message, before, network = diverge(monkeypatch, spoil, small(epochs=3))
    epoch, within = (step - 1) // 4 + 1, (step - 1) % 4 + 1
    assert f"epoch {epoch}, step {within}: the output of {layer} holds numbers that are not finite" in message
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor.nan_to_num(7), before[name].nan_to_num(7)), name


@pytest.mark.fault("C14")
def test_a_gradient_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Infinity in one gradient alone: noticed before the step."""

    def spoil(network: AlexNet, number: int) -> None:
        if number == 2:
            weight = network.get_submodule("fc3").weight
            weight.register_hook(lambda gradient: gradient * float("inf"))  # type: ignore[operator]

    message, _, _ = diverge(monkeypatch, spoil, small(epochs=1))
    assert "epoch 1, step 2: the gradient of fc3.weight holds numbers that are not finite" in message
    assert "Try a smaller --lr (it was 0.002)" in message
