"""Caffe files written by protobuf's own library, and the network they make against plain numpy in float64."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alexnet import imagenet
from alexnet.errors import ModelFileError
from alexnet.models import foreign
from alexnet.models.foreign import caffe
from tests.models.foreign.caffe_messages import Layer, messages, net
from tests.models.foreign.conftest import Refused, answer

Array = NDArray[np.float64]
SHAPES = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3),
    "fc6": (4096, 9216),
    "fc7": (4096, 4096),
    "fc8": (1000, 4096),
}
GROUPS = {"conv2": 2, "conv4": 2, "conv5": 2}
PADDING = {"conv2": 2, "conv3": 1, "conv4": 1, "conv5": 1}
MEAN_BGR = (104.00699, 116.66877, 122.67891)
CLASSES = 20


# ---- Caffe in plain numpy ----------------------------------------------------------------------------------------


def convolved(maps: Array, weight: Array, bias: Array, stride: int = 1, pad: int = 0, groups: int = 1) -> Array:
    """(C, H, W) to (O, H', W'): every window a row, times the kernels of its group."""
    padded = np.pad(maps, ((0, 0), (pad, pad), (pad, pad)))
    size = weight.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    inputs, outputs = maps.shape[0] // groups, weight.shape[0] // groups
    parts = []
    for group in range(groups):
        kernels = weight[group * outputs : (group + 1) * outputs]
        seen = windows[group * inputs : (group + 1) * inputs]
        parts.append(np.einsum("ocij,chwij->ohw", kernels, seen, optimize=True))
    return np.concatenate(parts) + bias[:, None, None]


def pooled(maps: Array) -> Array:
    """The maximum of 3 × 3 windows at stride 2, those cut off by the edge included."""
    side = maps.shape[1]
    count = int(np.ceil((side - 3) / 2)) + 1
    rows = [maps[:, 2 * at : 2 * at + 3].max(axis=1) for at in range(count)]
    high = np.stack(rows, axis=1)
    return np.stack([high[:, :, 2 * at : 2 * at + 3].max(axis=2) for at in range(count)], axis=2)


def normed(maps: Array) -> Array:
    """x / (1 + 1e-4 / 5 · the squares of five neighbouring maps) to the power 0.75."""
    squares = np.pad(maps**2, ((2, 2), (0, 0), (0, 0)))
    total = np.sum([squares[shift : shift + len(maps)] for shift in range(5)], axis=0)
    divided: Array = maps / (1 + 1e-4 / 5 * total) ** 0.75
    return divided


def forward(weights: dict[str, tuple[Array, Array]], pixels: Array, pool_first: bool) -> Array:
    """Caffe's answer to a picture, (3, 227, 227) in B, G, R, values 0 to 255."""
    values: Array = pixels - np.array(MEAN_BGR)[:, None, None]
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5"):
        stride = 4 if name == "conv1" else 1
        values = convolved(values, *weights[name], stride, PADDING.get(name, 0), GROUPS.get(name, 1))
        values = np.maximum(values, 0)
        if name in ("conv1", "conv2"):
            values = normed(pooled(values)) if pool_first else pooled(normed(values))
    values = pooled(values).ravel()
    for name in ("fc6", "fc7", "fc8"):
        weight, bias = weights[name]
        values = np.asarray(weight @ values + bias)
        values = np.maximum(values, 0) if name != "fc8" else values
    return values


# ---- whole files -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blobs() -> dict[str, list[NDArray[np.float32]]]:
    """Random weights of BVLC's shapes, with 20 classes; small enough for raw pixels."""
    random = np.random.default_rng(0)
    made = {}
    for name, shape in SHAPES.items():
        shape = (CLASSES, *shape[1:]) if name == "fc8" else shape  # noqa: PLW2901
        fan = int(np.prod(shape[1:]))
        scale = np.sqrt(2 / fan) / (50 if name == "conv1" else 1)
        weight = random.standard_normal(shape, np.float32) * np.float32(scale)
        made[name] = [weight, random.normal(0, 0.3, shape[0]).astype(np.float32)]
    return made


def layers(blobs: dict[str, list[NDArray[np.float32]]], pool_first: bool) -> list[Layer]:
    """The layers in the order in which Caffe lists them."""
    listed: list[Layer] = [("data", "Data", [])]
    for name, content in blobs.items():
        conv = name.startswith("conv")
        listed += [(name, "Convolution" if conv else "InnerProduct", content), (f"relu{name[-1]}", "ReLU", [])]
        after: list[Layer] = [(f"norm{name[-1]}", "LRN", []), (f"pool{name[-1]}", "Pooling", [])]
        if name in ("conv1", "conv2"):
            listed += after[::-1] if pool_first else after
        if name == "conv5":
            listed.append(("pool5", "Pooling", []))
    return listed


@pytest.mark.parametrize(
    ("model", "legacy", "said"),
    [("bvlc", False, "LRN stands before pooling"), ("caffenet", True, "pooling stands before LRN")],
)
def test_a_file_answers_as_caffe_does(
    blobs: dict[str, list[NDArray[np.float32]]], tmp_path: Path, model: str, legacy: bool, said: str
) -> None:
    pool_first = model == "caffenet"
    file = tmp_path / "weights.caffemodel"
    file.write_bytes(net(layers(blobs, pool_first), legacy=legacy))
    matched = foreign.read(file)
    assert matched.card.variant == model
    assert said in matched.notes[0]
    rgb = np.random.default_rng(1).integers(0, 256, (3, 227, 227)).astype(np.uint8)
    weights: Any = {name: tuple(blob.astype(np.float64) for blob in content) for name, content in blobs.items()}
    expected = forward(weights, rgb[::-1].astype(np.float64), pool_first)
    batch = matched.card.preprocess.normalise(torch.from_numpy(rgb.copy())[None])
    given = answer(matched.state, model, batch, CLASSES)[0].double().numpy()
    scale = np.abs(expected).max()
    assert scale > 1, "the answers must differ from zero for the comparison to mean something"
    assert np.abs(given - expected).max() < 1e-5 * scale

    # the order of LRN and pooling, and of the colours, are what makes these answers
    for pixels, order in ((rgb[::-1], not pool_first), (rgb, pool_first)):
        assert np.abs(forward(weights, pixels.astype(np.float64), order) - expected).max() > 1e-3 * scale


def test_the_pictures_are_prepared_as_caffe_does(blobs: dict[str, list[NDArray[np.float32]]], tmp_path: Path) -> None:
    file = tmp_path / "weights.caffemodel"
    file.write_bytes(net(layers(blobs, False)))
    card = foreign.load_card(file)
    assert (card.preprocess.size, card.preprocess.resize_to, card.preprocess.resize) == (227, 256, "squash")
    assert card.classes == tuple(str(index) for index in range(CLASSES))
    level = card.preprocess.normalise(torch.full((1, 3, 1, 1), 100, dtype=torch.uint8)).ravel()
    assert np.allclose(level.numpy(), 100 - np.array(MEAN_BGR[::-1]), atol=1e-3)


# ---- small files: the pieces they are made of -------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., list[caffe.Layer]]:
    def read(listed: list[Layer], **form: bool) -> list[caffe.Layer]:
        return caffe._layers(memoryview(net(listed, **form)))

    return read


SOME: list[Layer] = [
    ("conv1", "Convolution", [np.arange(24, dtype=np.float32).reshape(4, 3, 1, 2), np.ones(4, np.float32)]),
    ("fc6", "InnerProduct", [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(2, np.float32)]),
]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("double", [False, True])
def test_every_way_of_writing_numbers_is_read(
    small: Callable[..., list[caffe.Layer]], legacy: bool, packed: bool, double: bool
) -> None:
    for layer, (name, kind, blobs) in zip(small(SOME, legacy=legacy, packed=packed, double=double), SOME, strict=True):
        assert (layer.name, layer.type) == (name, kind)
        for given, expected in zip(layer.blobs, blobs, strict=True):
            assert given.dtype == np.float32
            assert np.array_equal(np.squeeze(given), np.squeeze(expected))


def test_blobs_of_the_old_form_lose_the_ones_on_the_left(tmp_path: Path) -> None:
    file = tmp_path / "old.caffemodel"
    file.write_bytes(net(SOME, legacy=True))
    conv, dense = caffe.read(file)[0].pieces
    assert {role: tuple(tensor.shape) for role, tensor in conv.tensors.items()} == {
        "weight": (4, 3, 1, 2),
        "bias": (4,),
    }
    assert {role: tuple(tensor.shape) for role, tensor in dense.tensors.items()} == {"weight": (2, 3), "bias": (2,)}


def test_colours_of_the_first_convolution_are_turned(tmp_path: Path) -> None:
    file = tmp_path / "some.caffemodel"
    file.write_bytes(net(SOME))
    weight = caffe.read(file)[0].pieces[0].tensors["weight"].numpy()
    assert np.array_equal(weight, SOME[0][2][0][:, ::-1])


def test_batch_norm_is_divided_by_its_factor_and_takes_the_scale_behind_it(tmp_path: Path) -> None:
    """cvjena/cnn-models, AlexNet_cvgj: data/bn, data/scale, conv1, conv1/bn, ..."""
    three = [np.array([2, 4, 6], np.float32), np.array([8, 10, 12], np.float32), np.array([2], np.float32)]
    scale = [np.array([1, 2, 3], np.float32), np.array([4, 5, 6], np.float32)]
    listed: list[Layer] = [("data/bn", "BatchNorm", three), ("data/scale", "Scale", scale), SOME[0]]
    listed.append(("conv1/bn", "BatchNorm", [np.ones(4, np.float32), np.ones(4, np.float32), np.zeros(1, np.float32)]))
    file = tmp_path / "norms.caffemodel"
    file.write_bytes(net(listed))
    found = caffe.read(file)[0]
    assert found.candidates == ("cvgj",)
    picture, _, conv1 = found.pieces
    turned = {role: tensor.tolist() for role, tensor in picture.tensors.items()}
    assert turned == {
        "running_mean": [3, 2, 1],
        "running_var": [6, 5, 4],
        "weight": [3, 2, 1],
        "bias": [6, 5, 4],
    }
    assert {role: tensor.tolist() for role, tensor in conv1.tensors.items()} == {
        "running_mean": [0] * 4,
        "running_var": [0] * 4,
    }


def test_a_file_of_jena_becomes_cvgj(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    listed: list[Layer] = [
        ("data/bn", "BatchNorm", [random.random(3, np.float32), random.random(3, np.float32), np.ones(1, np.float32)]),
        ("data/scale", "Scale", [random.random(3, np.float32), random.random(3, np.float32)]),
    ]
    for name, shape in SHAPES.items():
        shape = (5, shape[1]) if name == "fc8" else shape  # noqa: PLW2901
        kind = "Convolution" if name.startswith("conv") else "InnerProduct"
        listed.append((name, kind, [np.full(shape, 0.01, np.float32), np.zeros(shape[0], np.float32)]))
        if name != "fc8":
            norm = [random.random(shape[0], np.float32), random.random(shape[0], np.float32), np.ones(1, np.float32)]
            listed.append((f"{name}/bn", "BatchNorm", norm))
    file = tmp_path / "cvgj.caffemodel"
    file.write_bytes(net(listed))
    matched = foreign.read(file)
    assert (matched.card.variant, len(matched.card.classes)) == ("cvgj", 5)
    assert torch.equal(matched.state["bn0.running_mean"], torch.from_numpy(listed[0][2][0][::-1].copy()))
    assert torch.equal(matched.state["bn5.running_var"], torch.from_numpy(listed[11][2][1]))
    answer(matched.state, "cvgj", torch.zeros(1, 3, 227, 227), 5)  # fits


# ---- refusals ------------------------------------------------------------------------------------------------


def test_other_files_are_refused_in_one_line(tmp_path: Path, refused: Refused) -> None:
    file = tmp_path / "odd.caffemodel"
    file.write_bytes(net([("data", "Data", [])], legacy=True))
    assert "holds no weights" in refused(file)
    file.write_bytes(net(SOME))
    assert "taken as" not in refused(file)
    file.write_bytes(net([*SOME, ("prelu", "PReLU", [np.ones(3, np.float32)])]))
    assert "layer prelu of type PReLU has weights" in refused(file)
    oldest = messages()["NetParameter"]()
    oldest.layers.add().layer.name = "conv1"
    file.write_bytes(oldest.SerializeToString())
    assert "upgrade_net_proto_binary" in refused(file)


def test_a_first_layer_of_another_shape_is_named(tmp_path: Path, refused: Refused) -> None:
    kernel = np.zeros((64, 3, 11, 11), np.float32)
    listed: list[Layer] = [
        ("first", "Convolution", [kernel, np.zeros(64, np.float32)]),
        ("norm", "LRN", []),
        ("pool", "Pooling", []),
    ]
    file = tmp_path / "other.caffemodel"
    file.write_bytes(net(listed))
    text = refused(file)
    assert "does not fit bvlc: first, blob 0, is (64, 3, 11, 11), (96, 3, 11, 11) is expected (conv1.weight)" in text


def test_a_blob_without_its_numbers_is_refused(tmp_path: Path) -> None:
    made = messages()["NetParameter"]()
    blob = made.layer.add(name="conv1", type="Convolution").blobs.add()
    blob.shape.dim.extend([2**40, 2**20])
    file = tmp_path / "hollow.caffemodel"
    file.write_bytes(made.SerializeToString())
    with pytest.raises(ModelFileError, match=r"a blob of shape .* has 0 numbers"):
        caffe.read(file)
    blob.shape.dim[:] = [-1, 0]
    file.write_bytes(made.SerializeToString())
    with pytest.raises(ModelFileError, match="a blob of shape"):
        caffe.read(file)


def test_every_beginning_of_a_file_is_refused(tmp_path: Path) -> None:
    whole = net(SOME)
    file = tmp_path / "cut.caffemodel"
    refused = 0
    for end in range(1, len(whole)):
        file.write_bytes(whole[:end])
        try:
            found = caffe.read(file)
        except ModelFileError:
            refused += 1
        else:  # cut between two layers
            assert len(found[0].pieces) < len(SOME)
    assert refused > len(whole) - 5


def test_a_network_without_lrn_is_not_taken_for_one_with_it(tmp_path: Path, refused: Refused) -> None:
    file = tmp_path / "plain.caffemodel"
    file.write_bytes(net([*SOME, ("pool1", "Pooling", [])]))
    assert "without LRN, which neither bvlc nor caffenet is" in refused(file)


def test_a_thousand_classes_are_imagenets() -> None:
    from alexnet.models.foreign.match import class_names

    assert class_names(1000)[:2] == ("tench", "goldfish")
    assert class_names(1000) == tuple(imagenet.names().values())
    assert class_names(3) == ("0", "1", "2")
