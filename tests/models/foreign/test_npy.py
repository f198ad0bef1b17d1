"""caffe-tensorflow's .npy files: weights turned as its converter turns them, and what that does to the answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.models import foreign
from tests.models.foreign.conftest import Refused, answer, made, picture

CLASSES = 7


@pytest.fixture(scope="module")
def caffes() -> dict[str, Tensor]:
    """Weights of bvlc as a Caffe file has them: first convolution for B, G, R."""
    state = dict(made("bvlc", num_classes=CLASSES).state_dict())
    return state | {"conv1.weight": state["conv1.weight"].flip(1)}


@pytest.fixture(scope="module")
def converted(caffes: dict[str, Tensor]) -> dict[str, Any]:
    """What ethereon/caffe-tensorflow makes of them: kernels (h, w, in, out), dense layers (in, out), rows H, W, C."""
    layers: dict[str, Any] = {}
    for name in ("fc8", "conv1", "fc6", "conv2", "conv5", "conv3", "fc7", "conv4"):  # Python 2's order: none
        weight, bias = caffes[f"{name}.weight"].numpy(), caffes[f"{name}.bias"].numpy()
        if weight.ndim == 4:
            layers[name] = [weight.transpose(2, 3, 1, 0), bias]
        else:
            if name == "fc6":
                weight = weight.reshape(-1, 256, 6, 6).transpose(0, 2, 3, 1).reshape(weight.shape)
            layers[name] = [weight.transpose(), bias]
    return layers


def saved(path: Path, layers: dict[str, Any]) -> Path:
    np.save(path, layers, allow_pickle=True)  # type: ignore[arg-type]
    return path


def test_random_weights_come_back(converted: dict[str, Any], caffes: dict[str, Tensor], tmp_path: Path) -> None:
    matched = foreign.read(saved(tmp_path / "bvlc_alexnet.npy", converted))
    assert matched.card.variant == "bvlc"
    assert "taken as bvlc" in matched.notes[0]
    assert "caffenet" in matched.notes[0]
    for name, tensor in matched.state.items():
        expected = caffes[name].flip(1) if name == "conv1.weight" else caffes[name]
        assert torch.equal(tensor, expected), name


def test_the_rows_of_fc6_are_in_the_order_h_w_c(converted: dict[str, Any], tmp_path: Path) -> None:
    """The first dense layer as TensorFlow runs it, on maps laid out H, W, C, against ours."""
    matched = foreign.read(saved(tmp_path / "bvlc_alexnet.npy", converted))
    maps = torch.rand(1, 256, 6, 6, generator=torch.Generator().manual_seed(0))
    rows, bias = converted["fc6"]
    as_tensorflow = maps.permute(0, 2, 3, 1).reshape(1, -1).numpy() @ rows + bias
    ours = F.linear(maps.flatten(1), matched.state["fc6.weight"], matched.state["fc6.bias"])
    assert np.allclose(ours.numpy(), as_tensorflow, atol=1e-4)
    wrong = F.linear(maps.permute(0, 2, 3, 1).flatten(1), matched.state["fc6.weight"], matched.state["fc6.bias"])
    assert (wrong - ours).abs().max() > 0.1


def test_dictionaries_and_another_variant(converted: dict[str, Any], tmp_path: Path) -> None:
    named = {name: {"weights": weight, "biases": bias} for name, (weight, bias) in converted.items()}
    file = saved(tmp_path / "named.npy", named)
    matched = foreign.read(file, "caffenet")
    state, card = matched.state, matched.card
    assert (card.variant, len(card.classes)) == ("caffenet", CLASSES)
    batch = picture((3, 227, 227)) * 100
    matched = foreign.read(file)
    plain, _ = matched.state, matched.card
    assert not torch.allclose(answer(state, "caffenet", batch, CLASSES), answer(plain, "bvlc", batch, CLASSES))


KERNEL, BIAS = np.zeros((11, 11, 3, 96), np.float32), np.zeros(96, np.float32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"conv1": [KERNEL[..., :64], BIAS]}, "conv1 weights is (64, 3, 11, 11), (96, 3, 11, 11) is expected"),
        ({"conv1": [KERNEL]}, "conv1.bias is missing in conv1, (96,) is expected"),
        ({"conv1": [KERNEL, BIAS]}, "conv2.weight is missing, (256, 48, 5, 5) is expected"),
        ({"conv1": "text"}, "conv1 is no layer of weights and biases"),
        ({"conv1": {"weights": KERNEL, "scale": BIAS}}, "conv1 is no layer of weights and biases"),
        ({"conv1": [BIAS]}, "conv1 is no layer of weights and biases"),
        ({}, "no dictionary of layers"),
        (np.array([1, "two", None], object), "no dictionary of layers"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, refused: Refused, content: Any, message: str) -> None:
    assert message in refused(saved(tmp_path / "odd.npy", content))


def test_numbers_that_are_none_are_refused(converted: dict[str, Any], tmp_path: Path, refused: Refused) -> None:
    weight, bias = converted["fc8"]
    diverged = converted | {"fc8": [weight * np.float32("nan"), bias]}
    assert "fc8 weights holds NaN or infinity" in refused(saved(tmp_path / "nan.npy", diverged))


def test_an_array_without_a_dictionary_is_refused(tmp_path: Path, refused: Refused) -> None:
    np.save(tmp_path / "mean.npy", np.zeros((3, 4)))
    assert "is one array of shape (3, 4): a dictionary of layers is expected" in refused(tmp_path / "mean.npy")
