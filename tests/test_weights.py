"""Weights and their card: whole, safe to open, and refused in one line when they are not ours."""

import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from alexnet import predict, weights
from alexnet.errors import ModelFileError
from alexnet.models.network import create_model
from alexnet.preprocess import Preprocess
from alexnet.weights import Card

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


@pytest.mark.parametrize(
    "how",
    [
        "truncated",
        "truncated header",
        "empty",
        "noise",
        "huge header",
        "longer than the file",
        "broken header",
        "pickle",
    ],
)
def test_damaged_files(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.safetensors"
    damaged(path, how)
    with pytest.raises(ModelFileError, match=r"a\.safetensors is damaged or no safetensors file") as caught:
        weights.load(path)
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)


def test_pickles_are_never_run(tmp_path: Path) -> None:
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
        ("measured", "{"),
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


def test_mismatch_is_named(tmp_path: Path) -> None:
    network = create_model("notebook-mnist", num_classes=10)
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
