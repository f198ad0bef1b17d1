"""Small files that claim much, and damaged ones that look whole: each one line, quickly, with memory to spare."""

import json
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch

from alexnet import weights
from alexnet.models.foreign import torch_files
from alexnet.preprocess import Preprocess
from alexnet.weights import Card
from tests.models.foreign.conftest import Refused, made

QUICK = 20  # seconds; what these files were made for is minutes


def varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*digits, number))


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def archive(path: Path, pickled: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/version", "3\n")
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    torch_files.write(tmp_path / "good.pth", made("notebook-mnist").state_dict(), "notebook-mnist")
    return tmp_path / "good.pth"


def test_a_pickle_that_reserves_memory(tmp_path: Path, refused: Refused) -> None:
    size = (1 << 40).to_bytes(10, "little")
    for name, code in (("bytearray", b"cbuiltins\nbytearray\n"), ("Tensor", b"ctorch\nTensor\n")):
        pickled = b"\x80\x02" + code + b"(\x8a\x0a" + size + b"tR."
        assert f"asks for {name}" in refused(archive(tmp_path / f"{name}.pth", pickled))


def test_an_archive_that_was_packed_again(good: Path, tmp_path: Path, refused: Refused) -> None:
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(packed, "w") as out:
        for member in source.infolist():
            kind = zipfile.ZIP_DEFLATED if member.filename.endswith("data/0") else zipfile.ZIP_STORED
            out.writestr(member.filename, source.read(member), compress_type=kind)
    assert "was compressed" in refused(packed)


def test_one_flipped_bit(good: Path, tmp_path: Path, refused: Refused) -> None:
    data = bytearray(good.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "flipped.pth").write_bytes(data)
    assert "check sum" in refused(tmp_path / "flipped.pth")


@pytest.mark.parametrize(
    "dims",
    [b"".join(varint(1 << 62) for _ in range(50_000)), b"\x01" * 65, b"\x00" + varint(1 << 62) * 2],
    ids=["many", "sixty-five", "empty"],
)
def test_blobs_of_impossible_shapes(dims: bytes, tmp_path: Path, refused: Refused) -> None:
    blob = field(7, field(1, dims)) + field(5, b"\0" * 4)
    layer = field(1, b"conv1") + field(2, b"Convolution") + field(7, blob)
    (tmp_path / "shape.caffemodel").write_bytes(field(100, layer))
    started = time.monotonic()
    assert len(refused(tmp_path / "shape.caffemodel")) < 400
    assert time.monotonic() - started < QUICK


def test_a_million_short_runs_of_numbers(tmp_path: Path, refused: Refused) -> None:
    blob = (b"\x2d\0\0\0\0" + b"\x08\x01") * 100_000
    layer = field(1, b"conv1") + field(2, b"Convolution") + field(7, blob)
    (tmp_path / "runs.caffemodel").write_bytes(field(100, layer))
    started = time.monotonic()
    refused(tmp_path / "runs.caffemodel")
    assert time.monotonic() - started < QUICK


def test_tensors_that_are_too_many_together(tmp_path: Path, refused: Refused) -> None:
    with h5py.File(tmp_path / "many.weights.h5", "w") as file:
        layers = file.create_group("layers")
        for number in range(100):
            name = f"conv2d_{number}" if number else "conv2d"
            layers.create_dataset(f"{name}/vars/0", (1024, 1024), "f4", chunks=(1024, 1024))
    assert "more than the file can hold" in refused(tmp_path / "many.weights.h5")


def test_one_array_in_many_layers(tmp_path: Path, refused: Refused) -> None:
    array = np.zeros((3, 3, 8, 8), np.float32)
    content = np.array({f"conv{number}": [array, array[0, 0, 0]] for number in range(300)}, dtype=object)
    np.save(tmp_path / "copies.npy", content, allow_pickle=True)
    assert "not opened" in refused(tmp_path / "copies.npy")


def card_of(classes: int = 10, size: int = 28, variant: str = "notebook-mnist") -> Card:
    names = tuple(str(index) for index in range(classes))
    return Card(variant, names, Preprocess(size=size, resize_to=size, channels=1))


@pytest.mark.parametrize("card", [card_of(classes=3), card_of(size=64), card_of(variant="paper"), card_of(variant="x")])
def test_a_card_that_lies(card: Card, tmp_path: Path, refused: Refused) -> None:
    weights.save(tmp_path / "lie.safetensors", made("notebook-mnist").state_dict(), card)
    assert "lie.safetensors" in refused(tmp_path / "lie.safetensors")


def test_numbers_that_are_none_in_our_own_files(tmp_path: Path, refused: Refused) -> None:
    state = made("notebook-mnist").state_dict()
    state["fc3.weight"][0, 0] = float("nan")
    weights.save(tmp_path / "nan.safetensors", state, card_of())
    assert "fc3.weight holds NaN" in refused(tmp_path / "nan.safetensors")


def test_classes_without_end(good: Path, refused: Refused) -> None:
    assert "--classes must be from 1 to 100,000" in refused(good, "--classes", "1000000000", code=2)


def test_a_config_of_somebody_else_is_left_alone(good: Path, tmp_path: Path) -> None:
    from alexnet.models.foreign.convert import convert

    place = tmp_path / "place"
    place.mkdir()
    (place / "config.json").write_text('{"mine": true}')
    convert(good, place / "new.safetensors", exist_ok=True)
    assert json.loads((place / "config.json").read_text()) == {"mine": True}
    assert safetensors.torch.load_file(place / "new.safetensors").keys() == made("notebook-mnist").state_dict().keys()
    (place / "config.json").unlink()
    convert(good, place / "new.safetensors", exist_ok=True)
    assert json.loads((place / "config.json").read_text())["architecture"] == "alexnet"


def test_labels_that_are_no_file(good: Path, tmp_path: Path, refused: Refused) -> None:
    assert "no text file" in refused(good, "--labels", str(tmp_path))


def test_the_likeliest_variant_is_named(tmp_path: Path, refused: Refused) -> None:
    state = made("notebook-mnist").state_dict()
    state["fc3.bias"] = torch.zeros(5)
    torch.save(state, tmp_path / "odd.pth")
    assert "does not fit notebook-mnist: fc3.bias is (5,)" in refused(tmp_path / "odd.pth")
