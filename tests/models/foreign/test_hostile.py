"""Small files that claim much, and damaged ones that look whole: each one line, quickly, with memory to spare."""

import json
import os
import sys
import time
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch

from alexnet import weights
from alexnet.models import foreign
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


@pytest.mark.fault("C11")
def test_a_pickle_that_reserves_memory(tmp_path: Path, refused: Refused) -> None:
    """Pickles that reserve a terabyte: refused by name."""
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


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packed_member_that_is_damaged(kind: int, tmp_path: Path, refused: Refused) -> None:
    for name, member in (("a.pth", "archive/data.pkl"), ("a.keras", "config.json")):
        with zipfile.ZipFile(tmp_path / name, "w", kind) as file:
            file.writestr(member, np.random.default_rng(0).bytes(1000))
        data = bytearray((tmp_path / name).read_bytes())
        start = 30 + len(member)
        data[start + 3 : start + 24] = b"\xff" * 21
        (tmp_path / name).write_bytes(data)
        assert "is damaged" in refused(tmp_path / name)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory can be bounded on Linux only")
def test_a_small_pickle_that_grows(tmp_path: Path, refused: Refused) -> None:
    """A text of a megabyte, encoded again and again: four gigabytes if it were let."""
    text = b"X" + (1 << 20).to_bytes(4, "little") + b"x" * (1 << 20)
    once = b"c_codecs\nencode\n(h\x00X\x06\0\0\0latin1tR"
    refusal = refused(archive(tmp_path / "grows.pth", b"\x80\x02](" + text + b"q\x00" + once * 4000 + b"e."))
    assert "MemoryError" in refusal or "is damaged" in refusal
    slow = once.replace(b"X\x06\0\0\0latin1", b"X\x08\0\0\0punycode")
    assert "punycode" in refused(archive(tmp_path / "slow.pth", b"\x80\x02](" + text + b"q\x00" + slow + b"e."))


def test_tensors_that_share_what_they_hold(tmp_path: Path, refused: Refused) -> None:
    shared = torch.zeros(1 << 20)
    torch.save({f"conv{number}.weight": shared for number in range(50)}, tmp_path / "shared.pth")
    assert "its tensors share what they hold" in refused(tmp_path / "shared.pth")


def test_kinds_of_tensors_that_are_no_weights(tmp_path: Path, refused: Refused) -> None:
    state = dict(made("notebook-mnist").state_dict())
    with warnings.catch_warnings(action="ignore"):
        nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)], layout=torch.strided)
    torch.save(state | {"conv1.bias": nested}, tmp_path / "nested.pth")
    assert "conv1.bias" in refused(tmp_path / "nested.pth", "--model", "notebook-mnist")
    four_bits = torch.zeros(32, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    torch.save(state | {"conv1.bias": four_bits}, tmp_path / "four.pth")
    assert "conv1.bias" in refused(tmp_path / "four.pth", "--model", "notebook-mnist")


def test_names_and_tables_without_end(tmp_path: Path, refused: Refused) -> None:
    torch.save({"k" * 1_000_000: torch.zeros(2)}, tmp_path / "name.pth")
    assert len(refused(tmp_path / "name.pth")) < 400
    torch.save({f"t{number}": {"conv1.weight": torch.zeros(2)} for number in range(5000)}, tmp_path / "tables.pth")
    started = time.monotonic()
    refused(tmp_path / "tables.pth")
    assert time.monotonic() - started < QUICK


def test_a_configuration_without_end(tmp_path: Path, refused: Refused) -> None:
    with zipfile.ZipFile(tmp_path / "long.keras", "w") as file:
        file.writestr("config.json", "[" + "[],".rstrip() * 500_000 + "[]]")
        file.writestr("model.weights.h5", b"")
    assert "a configuration of" in refused(tmp_path / "long.keras")


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_text(good: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.pth"))
    odd.write_bytes(good.read_bytes())
    assert foreign.read(odd).card.variant == "notebook-mnist"


def test_one_flipped_bit(good: Path, tmp_path: Path, refused: Refused) -> None:
    data = bytearray(good.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "flipped.pth").write_bytes(data)
    assert "checksum" in refused(tmp_path / "flipped.pth")


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


def test_layers_of_caffe_that_are_none(tmp_path: Path, refused: Refused) -> None:
    number = field(7, field(1, b"")) + field(5, b"\0" * 4)
    scalars = b"".join(
        field(100, field(1, b"c%d" % n) + field(2, kind) + field(7, field(7, b"") + field(5, b"\0" * 4)))
        for n, kind in enumerate([b"Convolution"] * 5 + [b"InnerProduct"] * 3)
    )
    (tmp_path / "scalars.caffemodel").write_bytes(scalars)
    assert "scalars.caffemodel" in refused(tmp_path / "scalars.caffemodel")
    many = field(100, field(1, b"n" * 100_000) + field(2, b"Convolution") + field(7, number) * 2000)
    (tmp_path / "many.caffemodel").write_bytes(many)
    assert "has a name of 100,000 characters and 2,000 blobs" in refused(tmp_path / "many.caffemodel")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float16, torch.int8])
def test_our_own_files_hold_float32(dtype: torch.dtype, tmp_path: Path, refused: Refused) -> None:
    state = made("notebook-mnist").state_dict()
    state["fc3.weight"] = state["fc3.weight"].to(dtype)
    weights.save(tmp_path / "eight.safetensors", state, card_of())
    assert f"fc3.weight holds {dtype}, float32 is expected" in refused(tmp_path / "eight.safetensors")


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


@pytest.mark.fault("C13")
@pytest.mark.parametrize("card", [card_of(classes=3), card_of(size=64), card_of(variant="paper"), card_of(variant="x")])
def test_a_card_that_lies(card: Card, tmp_path: Path, refused: Refused) -> None:
    """Weights whose description names other classes, another size or another network."""
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
