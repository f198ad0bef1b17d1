"""Weights and their card: whole, safe to open, and refused in one line when they are not ours."""

import json
import os
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from alexnet import predict, weights
from alexnet.errors import ModelFileError
from alexnet.models.network import create_model
from alexnet.preprocess import Preprocess
from alexnet.run import Run
from alexnet.weights import Card
from tests.conftest import Call

CARD = Card(
    variant="notebook-mnist",
    classes=("zero", "eins", "二", os.fsdecode(b"caf\xe9")),
    preprocess=Preprocess(size=28, resize_to=32, resize="crop", channels=1, mean=(0.1307,), std=(0.3081,), views=2),
    recipe="modern",
    measured={"epoch": 3, "loss": 0.1, "interval95": [0.2, 0.3]},
)


def state() -> dict[str, Tensor]:
    return create_model("notebook-mnist", num_classes=4).state_dict()


def test_round_trip(tmp_path: Path) -> None:
    given = state()
    weights.save(tmp_path / "a.safetensors", given, CARD)
    found, card = weights.load(tmp_path / "a.safetensors")
    assert card == CARD
    assert found.keys() == given.keys()
    for name, tensor in given.items():
        assert torch.equal(found[name], tensor)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "config.json"]


def test_config(tmp_path: Path) -> None:
    weights.save(tmp_path / "a.safetensors", state(), CARD)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == dict(zip("0123", CARD.classes, strict=True))
    assert config["label2id"] == {name: number for number, name in enumerate(CARD.classes)}
    assert config["num_classes"] == 4
    assert config["preprocess"]["mean"] == [0.1307]
    assert config["preprocess"]["channel_order"] == "grey"


def damaged(path: Path, how: str) -> None:
    """Write a file that is wrong in one way."""
    weights.save(path, state(), CARD)
    whole = path.read_bytes()
    header = struct.unpack("<Q", whole[:8])[0]
    bad: dict[str, bytes] = {
        "truncated": whole[:-100],
        "truncated header": whole[:50],
        "empty": b"",
        "noise": bytes(range(256)) * 20,
        "huge header": struct.pack("<Q", 2**62) + whole[8:],
        "longer than the file": struct.pack("<Q", len(whole) * 2) + whole[8:],
        "broken header": whole[:8] + b"{" * header + whole[8 + header :],
        "pickle": pickle.dumps({"a": 1}),
    }
    path.write_bytes(bad[how])


WRONG = [
    *("truncated", "truncated header", "empty", "noise", "huge header", "longer than the file", "broken header"),
    "pickle",
]


def refuse_file(path: Path, call: Call) -> None:
    """Whoever opens it gets one line, and the command exit code 4."""
    with pytest.raises(ModelFileError, match=rf"{path.name} is damaged or no safetensors file") as caught:
        weights.load(path)
    assert "\n" not in str(caught.value)
    Image.new("L", (28, 28)).save(path.with_name("a.png"))
    refused = call("predict", path, path.with_name("a.png"))
    assert refused.code == 4
    assert path.name in refused.error


@pytest.mark.fault("C12")
@pytest.mark.parametrize("how", WRONG)
def test_damaged_files(tmp_path: Path, how: str, call: Call) -> None:
    """Weights cut, empty, noise, a pickle, with a header longer than the file or none: refused by load and predict."""
    path = tmp_path / "a.safetensors"
    damaged(path, how)
    refuse_file(path, call)


LIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "one tensor over another": lambda header: header["conv2.bias"].update(data_offsets=[0, 256]),
    "behind the end": lambda header: header["fc4.bias"].update(data_offsets=[10**9, 10**9 + 16]),
    "beyond 64 bits": lambda header: header["fc4.bias"].update(data_offsets=[2**64, 2**64 + 16]),
    "backwards": lambda header: header["fc4.bias"].update(data_offsets=[16, 0]),
    "negative": lambda header: header["fc4.bias"].update(data_offsets=[-16, 0]),
    "no number": lambda header: header["fc4.bias"].update(shape=[float("nan")]),
    "another shape": lambda header: header["fc4.bias"].update(shape=[5]),
    "a shape that overflows": lambda header: header["fc4.bias"].update(shape=[2**32, 2**32]),
    "another kind": lambda header: header["fc4.bias"].update(dtype="F64"),
    "an unknown kind": lambda header: header["fc4.bias"].update(dtype="F31"),
    "a hole": lambda header: header.pop("conv1.bias"),
    "metadata that are no text": lambda header: header["__metadata__"].update(recipe=float("nan")),
}


@pytest.mark.fault("C12")
@pytest.mark.parametrize("lie", LIES)
def test_headers_that_lie(tmp_path: Path, lie: str, call: Call) -> None:
    """Offsets that overlap, run backwards or beyond the end, shapes and kinds that do not fit, NaN: refused."""
    path = tmp_path / "a.safetensors"
    weights.save(path, state(), CARD)
    whole = path.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + length])
    LIES[lie](header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length :])
    refuse_file(path, call)


@pytest.mark.fault("C12")
def test_a_header_larger_than_any_program_writes(tmp_path: Path, call: Call) -> None:
    """A header of 150 MB in a sparse file: refused before it is read."""
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 150_000_000))
        file.truncate(200_000_000)
    refuse_file(path, call)


@pytest.mark.fault("C11")
def test_pickles_are_never_run(tmp_path: Path) -> None:
    """A pickle that makes a folder, named .safetensors: refused, no folder."""

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = tmp_path / "a.safetensors"
    torch.save({"a": Bomb()}, path)
    with pytest.raises(ModelFileError):
        weights.load(path)
    assert not (tmp_path / "exploded").exists()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no weights file at"):
        weights.load(tmp_path / "a.safetensors")


def test_foreign_file_without_metadata(tmp_path: Path) -> None:
    safetensors.torch.save_file(state(), tmp_path / "a.safetensors")
    with pytest.raises(ModelFileError, match="not this program's description"):
        weights.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "alexnet-weights-999"),
        ("classes", "not JSON"),
        ("classes", "5"),
        ("preprocess", '"text"'),
        ("preprocess", "[1, 2]"),
        ("preprocess", '{"unheard of": 1}'),
        ("preprocess", '{"size": 28, "resize_to": 28, "channels": 1, "mean": [NaN]}'),
        ("measured", "{"),
        ("measured", '{"loss": NaN}'),
        ("measured", '{"loss": -Infinity}'),
    ],
)
def test_odd_metadata(tmp_path: Path, key: str, value: str) -> None:
    metadata = CARD.to_metadata() | {key: value}
    safetensors.torch.save_file(state(), tmp_path / "a.safetensors", metadata)
    with pytest.raises(ModelFileError, match="not this program's description"):
        weights.load(tmp_path / "a.safetensors")


def test_variant_of_another_version(tmp_path: Path) -> None:
    safetensors.torch.save_file(state(), tmp_path / "a.safetensors", CARD.to_metadata() | {"variant": "alexnet-2040"})
    with pytest.raises(ModelFileError, match="cannot be used by this version: unknown model 'alexnet-2040'"):
        predict.load(tmp_path / "a.safetensors")


@pytest.mark.fault("C13")
def test_mismatch_is_named_and_nothing_is_loaded(tmp_path: Path) -> None:
    """Weights for other classes, with a tensor too few or too many: the first difference is named, none is taken."""
    network = create_model("notebook-mnist", num_classes=10)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(
        ModelFileError, match=r"x\.safetensors does not fit notebook-mnist: fc4\.weight is \(4, 128\), "
    ):
        network.load_weights(state(), tmp_path / "x.safetensors")
    whole = network.state_dict()
    lacking = {name: tensor for name, tensor in whole.items() if name != "conv2.bias"}
    with pytest.raises(ModelFileError, match=r"conv2\.bias is missing, \(64,\) is expected"):
        network.load_weights(lacking, "x")
    with pytest.raises(ModelFileError, match=r"extra is \(1,\), nothing is expected"):
        network.load_weights(whole | {"extra": torch.zeros(1)}, "x")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.fault("C13")
def test_weights_of_another_network_or_with_other_classes_by_the_command(
    tmp_path: Path, call: Call, digits_run: Run, folder_of_colours: Callable[..., Path]
) -> None:
    """A run's weights for another network (exit 4), of which the classes are others (told: its last layer is new)."""
    other = call("train", "--weights", digits_run.path, "--model", "notebook-flowers", "--quiet")
    assert other.code == 4
    assert "holds notebook-mnist, this run trains notebook-flowers" in other.error
    folder = folder_of_colours(count=6)
    classes = call("train", folder, "--weights", digits_run.path, "--epochs", 1, "--batch-size", 8)
    assert classes.code == 0
    assert "fc4 is initialised anew" in classes.out
    misfit = tmp_path / "misfit.safetensors"
    weights.save(misfit, state(), replace(CARD, classes=tuple("0123456789")))
    refused = call("train", "--weights", misfit, "--epochs", 1, "--quiet")
    assert refused.code == 4
    assert "fc4.weight is (4, 128), (10, 128) is expected" in refused.error
