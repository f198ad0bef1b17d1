"""What a file says of itself, checked with the file alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from alexnet import weights
from alexnet.errors import ModelFileError
from alexnet.export import certificate, exporting, seal, verification
from alexnet.export.names import CERTIFICATE, SAMPLES
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from tests.conftest import Call
from tests.export.conftest import Make, noise

QUIET = Display(quiet=True)
FORMS: tuple[exporting.Form, ...] = ("onnx", "torch")


@pytest.fixture(scope="module")
def files(make: Make, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One network, exported as ONNX and for torch; only read by tests."""
    folder = tmp_path_factory.mktemp("exported")
    classifier = make(Preprocess(size=28, resize_to=32, resize="crop", mean=(0.4,), std=(0.2,)))
    weights.save(folder / "net.safetensors", classifier.network.state_dict(), classifier.card)
    return {
        form: exporting.export(
            str(folder / "net.safetensors"),
            form=form,
            output=folder / ("m.onnx" if form == "onnx" else "m.pt2"),
            licence="CC0-1.0",
            display=QUIET,
        ).written
        for form in FORMS
    }


def changed(file: Path, change: Callable[[onnx.ModelProto], None], to: Path) -> Path:
    """The model read, changed and saved again by the onnx package."""
    model = onnx.load(file)
    change(model)
    onnx.save(model, to)
    return to


def one_weight(model: onnx.ModelProto) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "fc4.weight")
    values = np.array(numpy_helper.to_array(tensor))
    values[0, 0] *= 1.001
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


@pytest.mark.parametrize("form", FORMS)
def test_a_whole_file_holds_what_it_says(files: dict[str, Path], form: str) -> None:
    verified = verification.verify(files[form])
    assert verified.samples == certificate.SAMPLES
    assert verified.largest_difference <= 1e-5
    assert verified.certificate.compared == 32
    assert verified.certificate.largest_difference <= 1e-5
    assert verified.certificate.top1_agreement == 1
    assert {"alexnet", "torch", "onnxruntime"} <= verified.certificate.made_with.keys()


@pytest.mark.fault("E18")
@pytest.mark.parametrize("form", FORMS)
def test_a_flipped_byte_is_found_wherever_it_is(files: dict[str, Path], form: str, tmp_path: Path) -> None:
    whole = files[form].read_bytes()
    damaged = tmp_path / files[form].name
    places = [0, 1, 7, *np.random.default_rng(0).integers(0, len(whole), 40).tolist(), len(whole) - 65, len(whole) - 1]
    for place in places:
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(ModelFileError, match="is damaged"):
            verification.verify(damaged)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 1000, -1, -64, -70])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_was_cut_is_damaged(files: dict[str, Path], form: str, length: int, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(files[form].read_bytes()[:length])
    with pytest.raises(ModelFileError, match="is damaged"):
        verification.verify(cut)


@pytest.mark.fault("E18")
def test_a_changed_weight_is_found(files: dict[str, Path], tmp_path: Path) -> None:
    """By the digest; and by the answers, where somebody has written a digest that is right."""
    file = changed(files["onnx"], one_weight, tmp_path / "changed.onnx")
    with pytest.raises(ModelFileError, match="was changed after its export"):
        verification.verify(file)

    def all_of_a_layer(model: onnx.ModelProto) -> None:
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "conv1.weight")
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.01), tensor.name))
        del model.metadata_props[-1]

    file = changed(files["onnx"], all_of_a_layer, tmp_path / "sealed.onnx")
    file.write_bytes(seal.sealed(file.read_bytes()))
    with pytest.raises(ModelFileError, match=r"does not answer as its certificate says: .* differ by up to 0\.0"):
        verification.verify(file)


def test_a_file_without_certificate_is_told(files: dict[str, Path], tmp_path: Path) -> None:
    def without(entry: str) -> Callable[[onnx.ModelProto], None]:
        def change(model: onnx.ModelProto) -> None:
            kept = [each for each in model.metadata_props if each.key not in (entry, "digest")]
            del model.metadata_props[:]
            model.metadata_props.extend(kept)

        return change

    for entry in (CERTIFICATE, SAMPLES):
        file = changed(files["onnx"], without(entry), tmp_path / "without.onnx")
        file.write_bytes(seal.sealed(file.read_bytes()))
        with pytest.raises(ModelFileError, match="cannot be run or has no certificate"):
            verification.verify(file)
    file.write_bytes(seal.sealed(b"no model at all"))
    with pytest.raises(ModelFileError, match="cannot be run or has no certificate"):
        verification.verify(file)


def test_the_digest_is_an_entry_of_the_metadata_too(files: dict[str, Path]) -> None:
    model = onnx.load(files["onnx"])
    onnx.checker.check_model(model, full_check=True)
    said = {each.key: each.value for each in model.metadata_props}
    assert len(said["digest"]) == 64
    assert json.loads(said["classes"]) == list("abcde")
    assert said["license"] == "CC0-1.0"
    assert said["variant"] == "notebook-mnist"
    assert json.loads(said["preprocess"])["resize"] == "crop"
    assert said["preprocess_in_words"].startswith("shorter side to 32, central 28")
    assert json.loads(said["measured"]) == {}
    for each in json.loads(said[SAMPLES]):
        assert sum(each["probabilities"]) == pytest.approx(1)


def test_checking_needs_the_file_and_onnxruntime_only(files: dict[str, Path], tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnx', 'sklearn', 'safetensors']))\n"
        "from pathlib import Path; from alexnet.export.verification import verify\n"
        "print(verify(Path(sys.argv[1])).samples)"
    )
    (tmp_path / "alone.onnx").write_bytes(files["onnx"].read_bytes())
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, "alone.onnx"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(verification.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("8\n", "")


@pytest.mark.fault("E18")
def test_the_command_says_it_in_one_line(call: Call, files: dict[str, Path], tmp_path: Path) -> None:
    said = call("export", "--verify", files["onnx"])
    assert said.out.startswith(f"{files['onnx']} holds what it says: its 8 pictures")
    assert call("export", files["torch"], "--verify", "--json").json["samples"] == 8
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(files["onnx"].read_bytes()[:-100] + b"0" * 100)
    damaged = call("export", "--verify", bad)
    assert damaged.code == 4
    assert damaged.error.startswith(f"error: {bad} is damaged, was changed after its export")
    missing = call("export", "--verify", tmp_path / "none.onnx")
    assert missing.code == 4
    assert "no file at" in missing.error


def test_pictures_in_the_file_are_small_and_lossless() -> None:
    pictures = [noise(500, 700, seed) for seed in range(20)]
    small = certificate.samples(pictures, 64)
    assert [max(each.shape) for each in small] == [96] * 8
    assert [max(each.shape) for each in certificate.samples(pictures, 256)] == [384, 384, *[96] * 6]
    one = certificate.sample(small[0], np.array([0.25, 0.75], np.float32))
    read = certificate.samples_from_json(certificate.samples_to_json([one]))
    np.testing.assert_array_equal(read[0].pixels, small[0])
    assert read[0].probabilities == (0.25, 0.75)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1]", '[{"png": "?", "probabilities": [1]}]', '[{"png": ""}]'])
def test_damaged_samples_are_told(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        certificate.samples_from_json(text)


def test_a_difference_that_is_no_number_is_infinite() -> None:
    even = np.full((2, 2), 0.5, np.float32)
    assert certificate.compare(even, even).largest == 0
    assert certificate.compare(even, even * np.float32(np.nan)).largest == float("inf")
