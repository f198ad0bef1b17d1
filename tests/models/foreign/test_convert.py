"""`alexnet convert` and the verbs that take foreign weights, as people type them."""

import json
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import alexnet
from alexnet import weights
from alexnet.errors import ModelFileError
from alexnet.models import foreign
from alexnet.models.foreign import sniff, torch_files
from alexnet.run import Run
from tests.conftest import COLOURS, Call, noisy
from tests.models.foreign import torchvision_alexnet
from tests.models.foreign.conftest import Refused, made

FAST = ("--device", "cpu", "--no-amp")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkpoint of the small network under our names."""
    torch.save(made("notebook-mnist").state_dict(), tmp_path / "small.pth")
    return tmp_path / "small.pth"


# ---- every way round --------------------------------------------------------------------------------------------


def test_through_every_form_and_back_the_weights_stay_the_same(call: Call, small: Path, tmp_path: Path) -> None:
    matched = foreign.read(small)
    expected, _ = matched.state, matched.card
    here = small
    for number, form in enumerate((".safetensors", ".keras", ".h5", ".weights.h5", ".pth", ".safetensors")):
        there = tmp_path / str(number) / f"weights{form}"
        assert call("convert", here, there).code == 0
        matched = foreign.read(there)
        state, card = matched.state, matched.card
        assert card.variant == "notebook-mnist"
        assert all(torch.equal(tensor, expected[name]) for name, tensor in state.items())
        here = there


def test_what_was_decided_is_said(call: Call, tmp_path: Path) -> None:
    torch.save(torchvision_alexnet.network(1000).state_dict(), "owt.pth")
    result = call("convert", "owt.pth", "owt.safetensors")
    assert result.err == ""
    lines = result.out.splitlines()
    assert lines[0] == "owt.pth: PyTorch checkpoint with torchvision's names, taken as torchvision"
    assert lines[1].startswith("note: the shapes are also those of owt")
    assert lines[2] == (
        "written to owt.safetensors: 61,100,840 parameters, 1000 classes "
        "(tench, goldfish, great white shark, ... toilet tissue)"
    )
    card = weights.load_card(Path("owt.safetensors"))
    assert (card.variant, card.classes[281]) == ("torchvision", "tabby")
    config = json.loads(Path("config.json").read_text(encoding="utf-8"))
    assert (config["variant"], config["id2label"]["207"]) == ("torchvision", "golden retriever")
    assert config["preprocess"]["mean"] == [0.485, 0.456, 0.406]

    result = call("convert", "owt.pth", "other.safetensors", "--model", "owt", "--exist-ok", "--json")
    assert result.json["model"] == "owt"
    assert result.json["parameters"] == 61_100_840
    assert result.json["notes"] == []
    result = call("convert", "owt.pth", "again.pth", "--json")
    assert (
        "no place for class names, nor for how pictures are prepared: shorter side to 256" in result.json["notes"][-1]
    )
    assert call("convert", "owt.pth", "quiet.pth", "--quiet").out == ""


def test_a_run_is_a_source_too(call: Call, digits_run: Run, tmp_path: Path) -> None:
    result = call("convert", digits_run.path, "digits.keras", "--json")
    assert result.json["model"] == "notebook-mnist"
    assert result.json["source"] == str(digits_run.best)
    state, _ = weights.load(digits_run.best)
    matched = foreign.read(Path("digits.keras"))
    read, card = matched.state, matched.card
    assert all(torch.equal(tensor, state[name]) for name, tensor in read.items() if "tracked" not in name)
    assert card.preprocess.size == weights.load_card(digits_run.best).preprocess.size


def test_grey_classes_and_labels(call: Call, tmp_path: Path) -> None:
    torch.save(made("notebook-flowers").state_dict(), "flowers.pth")
    Path("names.txt").write_text("daisy\nrose\n", encoding="utf-8")
    options = ("--channels", "1", "--classes", "2", "--labels", "names.txt", "--seed", "3")
    assert call("convert", "flowers.pth", "grey.safetensors", *options).code == 0
    classifier = alexnet.load("grey.safetensors")
    assert classifier.classes == ("daisy", "rose")
    assert classifier.card.preprocess.channels == 1
    assert classifier.network.get_submodule("conv1").weight.shape == (96, 1, 11, 11)
    first = weights.load(Path("grey.safetensors"))[0]["fc8.weight"]
    assert call("convert", "flowers.pth", "again.safetensors", *options, "--exist-ok").code == 0
    assert torch.equal(weights.load(Path("again.safetensors"))[0]["fc8.weight"], first)


# ---- refusals --------------------------------------------------------------------------------------------------


def test_nothing_is_overwritten_unasked(call: Call, small: Path) -> None:
    assert call("convert", small, "out/a.safetensors").code == 0
    before = Path("out/a.safetensors").read_bytes()
    result = call("convert", small, "out/a.safetensors")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "exists already" in result.err
    assert Path("out/a.safetensors").read_bytes() == before
    config = Path("out/config.json").read_bytes()
    assert call("convert", small, "other.safetensors", "--classes", "3").code == 0
    result = call("convert", "other.safetensors", "out/b.safetensors")
    assert "config.json stands there for other weights and is left as it is" in result.out
    assert Path("out/config.json").read_bytes() == config
    assert call("convert", "other.safetensors", "out/b.safetensors", "--exist-ok").code == 0
    assert Path("out/config.json").read_bytes() != config
    assert call("convert", small, small, "--exist-ok").code == 0
    assert foreign.load_card(small).variant == "notebook-mnist"


@pytest.mark.parametrize("out", ["out.onnx", "out", ".pth", "folder/"])
def test_unknown_ends_of_names_are_refused(call: Call, small: Path, out: str) -> None:
    result = call("convert", small, out)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "must end in one of .safetensors, .pth, .weights.h5, .h5, .keras" in result.err


def test_sources_that_are_none(refused: Refused, call: Call, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.pth").touch()
    (tmp_path / "random.bin").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "random.pth").write_bytes(b"\x93" + np.random.default_rng(1).bytes(5000))
    (tmp_path / "text.h5").write_text("hello\n", encoding="utf-8")
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    assert "folder is a folder and no run" in refused(tmp_path / "folder")
    assert "no weights file at" in refused(tmp_path / "gone.pth")
    assert "empty.pth is empty" in refused(tmp_path / "empty.pth")
    for name in ("random.bin", "random.pth", "text.h5", "picture.jpg"):
        assert "is no file of weights that is known here, or damaged (safetensors, PyTorch" in refused(tmp_path / name)
    assert "is no run directory" in refused(tmp_path / "gone", code=2)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions and pipes are POSIX's")
def test_files_that_cannot_be_read(refused: Refused, tmp_path: Path, small: Path) -> None:
    pipe = tmp_path / "pipe.pth"
    os.mkfifo(pipe)
    assert "is no regular file" in refused(pipe)
    small.chmod(0)
    if os.access(small, os.R_OK):
        pytest.skip("this user may read everything")
    assert "cannot be read" in refused(small)
    small.chmod(stat.S_IRUSR)


@pytest.mark.parametrize("suffix", ["pth", "h5", "keras", "npy", "caffemodel", "safetensors"])
def test_random_bytes_behind_each_magic_are_refused(refused: Refused, tmp_path: Path, suffix: str) -> None:
    magics = {
        "pth": b"PK\x03\x04",
        "h5": b"\x89HDF\r\n\x1a\n",
        "keras": b"PK\x03\x04",
        "npy": b"\x93NUMPY\x01\x00",
        "caffemodel": b"\x0a\x07AlexNet",
        "safetensors": (1000).to_bytes(8, "little") + b'{"',
    }
    file = tmp_path / f"random.{suffix}"
    for seed in range(5):
        file.write_bytes(magics[suffix] + np.random.default_rng(seed).bytes(3000))
        assert str(file) in refused(file)
    file.write_bytes(magics[suffix])
    assert str(file) in refused(file)


def test_the_content_counts_and_not_the_name(tmp_path: Path, small: Path) -> None:
    for name in ("weights", "weights.h5", "weights.caffemodel", "weights.npy"):
        small.rename(tmp_path / name)
        small = tmp_path / name
        assert sniff.kind(small) == "torch"
        assert foreign.load_card(small).variant == "notebook-mnist"


def test_labels_and_weights_of_another_variant(refused: Refused, tmp_path: Path, small: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\n", encoding="utf-8")
    assert "has 2 names, the weights have 10 classes" in refused(small, "--labels", str(tmp_path / "names.txt"))
    text = refused(small, "--model", "torchvision")
    assert "does not fit torchvision: conv1.weight is (32, 1, 3, 3), (64, 1, 11, 11) is expected" in text
    foreign_card = foreign.load_card(small)
    weights.save(tmp_path / "ours.safetensors", foreign.read(small).state, foreign_card)
    assert "holds notebook-mnist, not bvlc" in refused(tmp_path / "ours.safetensors", "--model", "bvlc")


def test_a_keras_model_of_what_keras_cannot_say(call: Call, tmp_path: Path) -> None:
    torch_files.write(tmp_path / "d2l.pth", made("torch7-towers", num_classes=2).state_dict(), "torch7-towers")
    result = call("convert", "d2l.pth", "towers.keras", "--model", "torch7-towers")
    assert (result.code, result.err.count("\n")) == (4, 1)
    assert "Keras has no layer for relu6 of torch7-towers (threshold 0 → 1e-06)" in result.err
    assert not Path("towers.keras").exists()


# ---- the verbs that use weights ---------------------------------------------------------------------------------


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Three classes of small pictures."""
    folder = tmp_path / "colours"
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(noisy(colour, number)).save(folder / label / f"{number}.png")
    return folder


def test_predict_takes_a_foreign_file(call: Call, small: Path, colours: Path) -> None:
    for name in ("small.keras", "small.weights.h5"):
        assert call("convert", small, name).code == 0
    answers = []
    for file in (small, "small.keras", "small.weights.h5"):
        result = call("predict", file, colours / "red" / "0.png", "--json", *FAST)
        assert result.code == 0, result.err
        answers.append(result.json[0]["predictions"])
    assert answers[0] == answers[1] == answers[2]
    assert {prediction["label"] for prediction in answers[0]} <= set("0123456789")


def test_predict_by_a_published_name(
    call: Call, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(torchvision_alexnet.network(1000).state_dict(), tmp_path / "published.pth")
    monkeypatch.setattr("alexnet.models.foreign.known.locate", lambda name, display: tmp_path / "published.pth")
    result = call("predict", "torchvision", colours / "red" / "0.png", "--json", *FAST)
    assert result.code == 0, result.err
    assert len(result.json[0]["predictions"]) == 5
    assert alexnet.load("torchvision", device="cpu").classes[0] == "tench"


def test_val_takes_a_foreign_file_on_other_pictures(call: Call, small: Path, colours: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("".join(f"{name}\n" for name in COLOURS), encoding="utf-8")
    assert call("convert", small, "three.safetensors", "--classes", "3", "--labels", "names.txt").code == 0
    result = call("val", "three.safetensors", "--data", colours, "--json", *FAST)
    assert result.code == 0, result.err
    assert result.json["n"] == 24
    assert Run("runs/val/exp").args["model"] == "notebook-mnist"
    result = call("val", "three.safetensors", *FAST)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "say what to judge on with --data" in result.err


def test_train_starts_from_a_foreign_file(call: Call, small: Path, colours: Path) -> None:
    result = call("train", colours, "--weights", small, "--epochs", "1", "--batch-size", "8", *FAST)
    assert result.code == 0, result.err
    assert "fc4 is initialised anew" in result.out
    assert f"weights from {small} (PyTorch checkpoint with this program's names)" in result.out
    card = weights.load_card(Run("runs/train/exp").best)
    assert (card.variant, card.classes) == ("notebook-mnist", ("blue", "green", "red"))


def test_train_on_grey_weights_of_a_colour_network(call: Call, colours: Path, tmp_path: Path) -> None:
    """Values, size, cut and channels are those that the weights were made for."""
    ours = made("keras-blog", num_classes=3)
    torch_files.write(tmp_path / "blog.pth", ours.state_dict(), "keras-blog")
    assert call("convert", "blog.pth", "grey.safetensors", "--channels", "1").code == 0
    options = ("--epochs", "1", "--batch-size", "12", "--val-split", "0", *FAST)
    result = call("train", colours, "--weights", "grey.safetensors", *options)
    assert result.code == 0, result.err
    preprocess = weights.load_card(Run("runs/train/exp").best).preprocess
    assert (preprocess.channels, preprocess.size, preprocess.mean) == (1, 224, (0.0,))


def test_from_python(small: Path, tmp_path: Path) -> None:
    classifier = alexnet.load(small, device="cpu")
    answers = classifier.predict(np.zeros((20, 20, 3), np.uint8), topk=3)
    assert len(answers) == 3
    with pytest.raises(ModelFileError, match="no weights file at"):
        alexnet.load(tmp_path / "gone.caffemodel")
