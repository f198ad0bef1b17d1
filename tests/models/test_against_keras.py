"""Both notebook networks against Keras's own, with equal weights: outputs, training mode, one step."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from typing import Any

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from alexnet.models.modules import KerasBatchNorm
from alexnet.models.network import AlexNet, create_model
from alexnet.models.summary import summarise
from alexnet.training import optimizers
from alexnet.training.recipes import find

# Keras's torch backend hands tensors to numpy in a way that numpy 2 announces to change
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TOLERANCE = 1e-4
NAMES = ("notebook-flowers", "notebook-mnist")


def keras_flowers(dropout: float) -> Any:
    """The notebook's part A, layer by layer."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((224, 224, 3)),
            layers.Conv2D(96, (11, 11), strides=(4, 4)),
            layers.Activation("relu"),
            layers.MaxPooling2D((3, 3), strides=(2, 2)),
            layers.BatchNormalization(),
            layers.Conv2D(256, (5, 5), padding="same"),
            layers.Activation("relu"),
            layers.MaxPooling2D((3, 3), strides=(2, 2)),
            layers.BatchNormalization(),
            layers.Conv2D(384, (3, 3)),
            layers.Activation("relu"),
            layers.BatchNormalization(),
            layers.Conv2D(384, (3, 3)),
            layers.Activation("relu"),
            layers.BatchNormalization(),
            layers.Conv2D(256, (3, 3)),
            layers.Activation("relu"),
            layers.MaxPooling2D((3, 3), strides=(2, 2)),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(4096),
            layers.Activation("relu"),
            layers.Dropout(dropout),
            layers.BatchNormalization(),
            layers.Dense(4096),
            layers.Activation("relu"),
            layers.Dropout(dropout),
            layers.BatchNormalization(),
            layers.Dense(17),
            layers.Activation("softmax"),
        ]
    )


def keras_mnist(dropout: float) -> Any:
    """The notebook's part B, layer by layer."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )


KERAS = {"notebook-flowers": keras_flowers, "notebook-mnist": keras_mnist}


def pair(name: str, dropout: float) -> tuple[AlexNet, Any]:
    """Our network and Keras's, with Keras's weights in both; weights are made uneven first."""
    keras.utils.set_random_seed(0)
    theirs = KERAS[name](dropout)
    random = np.random.default_rng(0)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape[0]
            layer.set_weights([random.uniform(0.5, 1.5, size), *random.normal(0, 0.2, (2, size)),
                               random.uniform(0.5, 1.5, size)])  # fmt: skip
    ours = create_model(name)
    for module in ours.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    copy_weights(theirs, ours)
    return ours, theirs


def weighted(network: AlexNet) -> list[tuple[str, nn.Module]]:
    """Our layers with weights, in order."""
    return [(name, module) for name, module in network.named_children() if module.state_dict()]


def copy_weights(theirs: Any, ours: AlexNet) -> None:
    """Keras's weights into our network: kernels and the flatten's order turned round."""
    layers = [layer for layer in theirs.layers if layer.get_weights()]
    flat = next(each.input for each in ours.layers if each.name == "flatten")
    dense_seen = False
    for layer, (_, module) in zip(layers, weighted(ours), strict=True):
        values = layer.get_weights()
        if isinstance(module, nn.Conv2d):
            state = {"weight": values[0].transpose(3, 2, 0, 1), "bias": values[1]}
        elif isinstance(module, nn.Linear):
            kernel = values[0]
            if not dense_seen:
                channels, height, width = flat
                kernel = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
                dense_seen = True
            state = {"weight": kernel.T, "bias": values[1]}
        else:
            keys = ("weight", "bias", "running_mean", "running_var")
            state = dict(zip(keys, values, strict=True)) | {"num_batches_tracked": np.array(0)}
        module.load_state_dict({key: torch.tensor(value) for key, value in state.items()})


def pictures(name: str, count: int) -> NDArray[np.float32]:
    """Random pictures in Keras's layout, (count, H, W, C), values in [0, 1]."""
    shape = KERAS[name](0.0).input_shape[1:]
    return np.random.default_rng(1).random((count, *shape), dtype=np.float32)


def channels_first(batch: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(batch).permute(0, 3, 1, 2)


def plain(tensor: Any) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


@pytest.mark.parametrize("name", NAMES)
def test_the_parameter_totals_are_keras_own(name: str) -> None:
    _, theirs = pair(name, 0.0)
    assert theirs.count_params() == summarise(name).total


@pytest.mark.parametrize("name", NAMES)
def test_outputs_equal_keras(name: str) -> None:
    ours, theirs = pair(name, 0.4)
    batch = pictures(name, 4)
    with torch.no_grad():
        expected = plain(theirs(batch, training=False))
        answer = ours.eval()(channels_first(batch)).softmax(dim=1).numpy()
    assert np.abs(answer - expected).max() < TOLERANCE
    assert expected.max() - expected.min() > 0.03, "the outputs must differ for the comparison to mean something"


@pytest.mark.parametrize("name", NAMES)
def test_training_mode_and_running_statistics_equal_keras_after_one_step(name: str) -> None:
    ours, theirs = pair(name, 0.0)
    batch = pictures(name, 6)
    labels = np.arange(6) % 5
    recipe = find("notebook", {"notebook-flowers": "flowers17", "notebook-mnist": "mnist"}[name])
    constants = recipe.optimizer

    # Keras: forward in training mode, gradients through its torch backend, its own Adadelta
    outputs = theirs(batch, training=True)
    loss = keras.losses.SparseCategoricalCrossentropy()(labels, outputs)
    theirs.zero_grad()
    loss.backward()
    variables = theirs.trainable_weights
    rule = keras.optimizers.Adadelta(constants.lr, rho=constants.rho, epsilon=constants.epsilon)
    with torch.no_grad():
        rule.apply([variable.value.grad for variable in variables], variables)

    # ours
    optimizer = optimizers.build(constants, ours.parameters())
    logits = ours.train()(channels_first(batch))
    F.cross_entropy(logits, torch.from_numpy(labels)).backward()  # type: ignore[no-untyped-call]
    optimizer.step()

    assert np.abs(logits.detach().softmax(dim=1).numpy() - plain(outputs.detach())).max() < TOLERANCE
    expected, _ = pair(name, 0.0)
    before = {key: value.clone() for key, value in expected.state_dict().items()}
    copy_weights(theirs, expected)
    for key, value in ours.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        difference = (value - expected.state_dict()[key]).abs().max()
        assert difference < TOLERANCE, key
        if "running" in key:
            moved = (expected.state_dict()[key] - before[key]).abs().max()
            assert moved > 10 * difference, f"{key} must move by far more than it differs"


def test_the_moving_variance_is_the_biased_one() -> None:
    layer = keras.layers.BatchNormalization()
    values = np.random.default_rng(2).normal(3, 2, (8, 5)).astype(np.float32)
    layer(values, training=True)
    ours = KerasBatchNorm(5, eps=1e-3, momentum=0.01)
    ours.train()(torch.from_numpy(values))
    assert ours.running_var is not None
    assert np.allclose(ours.running_var.numpy(), plain(layer.moving_variance), atol=1e-6)
    biased = 0.99 + 0.01 * values.var(axis=0)
    unbiased = 0.99 + 0.01 * values.var(axis=0, ddof=1)
    assert np.allclose(ours.running_var.numpy(), biased, atol=1e-6)
    assert np.abs(unbiased - biased).max() > 1e-4, "with 8 values the two must differ visibly"
