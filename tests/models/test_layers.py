"""Shapes by arithmetic against the modules themselves, and against Keras's rule of SAME padding."""

import itertools
from typing import Literal

import pytest
import torch

from alexnet.models.layers import (
    LRN,
    AdaptiveAveragePool,
    BatchNorm,
    Conv,
    Dropout,
    Layer,
    MapNorm,
    MaxPool,
    ReLU,
    Tanh,
    Threshold,
)

PADDINGS: list[int | Literal["same", "ceil"]] = [0, 1, 2, "same", "ceil"]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (2, 2), (5, 1), (11, 4)])
def test_convolutions_have_the_shape_that_is_told(
    padding: int | Literal["same", "ceil"], kernel: int, stride: int
) -> None:
    layer = Conv(4, kernel, stride, padding, groups=2)
    for height, width in itertools.product((11, 12, 13, 14, 15), (16, 17)):
        made = layer.module((2, height, width))(torch.zeros(1, 2, height, width))
        assert tuple(made.shape[1:]) == layer.output((2, height, width)), (height, width)


@pytest.mark.parametrize("padding", [0, "same", "ceil"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 2), (3, 1)])
def test_pools_have_the_shape_that_is_told(padding: Literal[0, "same", "ceil"], kernel: int, stride: int) -> None:
    layer = MaxPool(kernel, stride, padding)
    for height, width in itertools.product((5, 6, 7, 8), (9, 10)):
        made = layer.module((2, height, width))(torch.zeros(1, 2, height, width))
        assert tuple(made.shape[1:]) == layer.output((2, height, width)), (height, width)


@pytest.mark.parametrize(
    ("side", "layer", "out"),
    [
        (224, Conv(96, 11, 4), 54),
        (224, Conv(96, 11, 4, "ceil"), 55),
        (227, Conv(96, 11, 4), 55),
        (227, Conv(96, 11, 4, "ceil"), 55),
        (224, Conv(96, 11, 4, 2), 55),
        (224, Conv(96, 11, 4, 1), 54),
        (227, Conv(96, 11, 4, "same"), 57),
        (54, MaxPool(3, 2), 26),
        (54, MaxPool(3, 2, "ceil"), 27),
        (57, MaxPool(3, 2, "same"), 29),
    ],
)
def test_the_sides_that_the_sources_report(side: int, layer: Conv | MaxPool, out: int) -> None:
    assert layer.output((3, side, side))[1:] == (out, out)


def test_same_padding_is_keras_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    for side, kernel, stride in ((8, 3, 2), (9, 3, 2), (10, 5, 1), (16, 4, 3), (20, 11, 4)):
        values = torch.randn(1, 2, side, side + 1)
        ours = Conv(3, kernel, stride, "same").module((2, side, side + 1))
        theirs = keras.layers.Conv2D(3, kernel, stride, padding="same", data_format="channels_first")
        theirs.build((1, 2, side, side + 1))
        theirs.set_weights(
            [ours.weight.detach().permute(2, 3, 1, 0).numpy(), ours.bias.detach().numpy()]  # type: ignore[operator]
        )
        expected = torch.as_tensor(theirs(values.numpy()).detach())
        assert torch.allclose(ours(values), expected, atol=1e-5), (side, kernel, stride)
        pooled = keras.layers.MaxPooling2D(kernel, stride, padding="same", data_format="channels_first")(values.numpy())
        assert torch.equal(MaxPool(kernel, stride, "same").module((2, side, side + 1))(values), torch.as_tensor(pooled))


@pytest.mark.parametrize(
    "layer",
    [ReLU(), Tanh(), Threshold(1e-6), LRN(5, 1e-4, 0.75, 2), MapNorm(5, 1e-3, 0.75, 1), Dropout(0.5), BatchNorm()],
    ids=str,
)
def test_what_keeps_the_shape(layer: Layer) -> None:
    assert layer.output((4, 5, 6)) == (4, 5, 6)
    assert layer.module((4, 5, 6))(torch.rand(2, 4, 5, 6)).shape == (2, 4, 5, 6)


def test_threshold_is_torch7s() -> None:
    values = Threshold(1e-6).module((4,))(torch.tensor([-1.0, 0.0, 1e-9, 2.0]))
    assert values.tolist() == pytest.approx([1e-6, 1e-6, 1e-9, 2.0])


def test_average_pooling_does_nothing_at_its_own_size() -> None:
    values = torch.randn(1, 4, 6, 6)
    pool = AdaptiveAveragePool(6).module((4, 6, 6))
    assert torch.allclose(pool(values), values)
    assert pool(torch.randn(1, 4, 1, 1)).shape == (1, 4, 6, 6)


def test_the_lines_that_people_read() -> None:
    assert str(Conv(256, 5, padding=2, groups=2)) == "conv 256@5×5 pad 2 groups 2"
    assert str(Conv(None, 1)) == "conv classes@1×1"
    assert str(MaxPool(3, 2, "ceil")) == "max pool 3×3/2 ceil"
    assert str(LRN(5, 1e-4, 0.75, k=2, columns=2)) == "LRN 5 maps k 2 α 0.0001/5 β 0.75 in 2 columns"
    assert str(Dropout(0.5, scaled="test")) == "dropout 0.5 scaled at test"
