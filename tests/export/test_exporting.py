"""The verb: where files go, what it says, what it refuses."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest

from alexnet import predict
from alexnet.data import images
from alexnet.errors import ModelFileError
from alexnet.export import certificate, compared, exporting, making, packages, runtime
from alexnet.progress import Display
from alexnet.run import Run
from tests.conftest import Call

QUIET = Display(quiet=True)


@pytest.fixture
def run(digits_run: Run, tmp_path: Path) -> Run:
    """A copy of a trained run, which may be written into."""
    shutil.copytree(digits_run.path, tmp_path / "digits")
    return Run(tmp_path / "digits")


def test_a_run_gets_one_file_in_its_own_folder(call: Call, run: Run) -> None:
    done = call("export", run.path)
    assert (done.code, done.err) == (0, "")
    compared_line, inside, written, check = done.out.splitlines()
    assert compared_line.startswith("compared with ours on 32 pictures (validation pictures of digits): probabilities")
    assert compared_line.endswith("100.0% name the same class first")
    assert inside == "inside, with their answers: 8 small pictures, validation pictures of digits"
    file = run.path / "export" / "model.onnx"
    assert written.startswith(f"written to {file}: ")
    assert check == f"check it anywhere: alexnet export --verify {file}"
    assert [path.name for path in (run.path / "export").iterdir()] == ["model.onnx"]
    assert call("export", "--verify", file).code == 0


def test_the_file_knows_what_the_weights_know(call: Call, run: Run) -> None:
    told = call("export", run.path, "--json", "--license", "CC-BY-4.0").json
    card = predict.load(run.best, device="cpu").card
    said = {each.key: each.value for each in onnx.load(told["written"]).metadata_props}
    assert json.loads(said["classes"]) == list(card.classes)
    assert json.loads(said["measured"]) == card.measured
    assert (said["variant"], said["recipe"], said["license"]) == (card.variant, card.recipe, "CC-BY-4.0")
    proof = json.loads(said["certificate"])
    assert proof["largest_difference"] == told["largest_difference"] <= 1e-4
    assert proof["top1_agreement"] == told["top1_agreement"] == 1
    assert proof["accuracy"] == {}


def test_nothing_is_overwritten_unasked(call: Call, run: Run) -> None:
    for form, name in (("onnx", "model.onnx"), ("torch", "model.pt2"), ("triton", "triton/digits/1/model.onnx")):
        (run.path / "export" / name).parent.mkdir(parents=True, exist_ok=True)
        (run.path / "export" / name).write_bytes(b"mine")
        refused = call("export", run.path, "--format", form)
        assert refused.code == 2
        assert "exists already" in refused.error
        assert (run.path / "export" / name).read_bytes() == b"mine"
    assert call("export", run.path, "--exist-ok").code == 0
    assert call("export", "--verify", run.path / "export" / "model.onnx").code == 0


def test_a_file_of_weights_is_written_where_one_says(call: Call, run: Run, tmp_path: Path) -> None:
    refused = call("export", run.best)
    assert refused.code == 2
    assert "say where to write with --output" in refused.error
    wrong = call("export", run.best, "--output", tmp_path / "model.pt2")
    assert wrong.code == 2
    assert "must end in .onnx" in wrong.error
    done = call("export", run.best, "--output", tmp_path / "here" / "m.onnx")
    assert done.code == 0
    assert "pieces of two photographs that come with scikit-learn (CC BY 2.0" in done.out
    assert call("export", run.best, "--output", tmp_path / "here" / "m.onnx").code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none",), "none is no run directory"),
        (("none", "--format", "onxn"), "Invalid value for '--format'"),
        (("last", "--int8", "--format", "torch"), "--int8 is for --format onnx and triton"),
        (("last", "--name", "x"), "--name is of Triton's model"),
    ],
)
def test_wrong_usage_is_told(call: Call, arguments: tuple[str, ...], message: str) -> None:
    refused = call("export", *arguments)
    assert refused.code == 2
    assert message in refused.error


def test_a_missing_package_is_told_with_its_command(call: Call, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"onnx"}
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name in absent else find_spec(name))
    refused = call("export", run.path)
    assert refused.code == 2
    assert refused.error == "error: onnx is not installed: pip install 'alexnet[export]'"
    absent.add("onnxruntime")
    assert "onnx and onnxruntime are not installed" in call("export", run.path).error
    assert call("export", run.path, "--format", "torch").code == 0


def test_a_model_that_answers_otherwise_is_not_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = runtime.Session.answer

    def wrong(session: runtime.Session, pictures: certificate.Pixels) -> certificate.Scores:
        return whole(session, pictures) + np.float32(0.001)

    monkeypatch.setattr(runtime.Session, "answer", wrong)
    with pytest.raises(ModelFileError, match=r"not kept: .* differ from ours by up to 0\.001"):
        exporting.export(str(run.path), display=QUIET)
    assert not (run.path / "export").exists()


def test_a_file_that_is_damaged_on_its_way_to_the_disk_is_not_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = making.onnx
    monkeypatch.setattr(making, "onnx", lambda order: (made(order)[0][:-1] + b"x", made(order)[1]))
    with pytest.raises(ModelFileError, match="is damaged"):
        exporting.export(str(run.path), display=QUIET)
    assert not list((run.path / "export").iterdir())


def test_own_pictures_stay_out_where_that_is_wanted(call: Call, run: Run) -> None:
    told = call("export", run.path, "--public-pictures")
    assert "8 small pictures, pieces of two photographs that come with scikit-learn" in told.out
    said = {each.key: each.value for each in onnx.load(run.path / "export" / "model.onnx").metadata_props}
    inside = certificate.samples_from_json(said["samples"])
    assert [sample.pixels.shape for sample in inside] == [
        images.read(certificate.sample(pixels, np.ones(1, np.float32)).png).shape
        for pixels in certificate.samples(compared.photographs().pictures, 28)
    ]
    assert inside[0].pixels.std() > 20


def test_data_that_are_gone_are_no_hindrance(colours_run: tuple[Path, Run], tmp_path: Path) -> None:
    shutil.copytree(colours_run[1].path, tmp_path / "run")
    run = Run(tmp_path / "run")
    run.write_args({**run.args, "data": str(tmp_path / "gone")})
    made = exporting.export(str(run.path), display=QUIET)
    assert made.certificate.pictures == compared.PHOTOGRAPHS
    assert made.certificate.compared == compared.COUNT


def test_photographs_are_the_same_every_time() -> None:
    once, again = compared.photographs(), compared.photographs()
    assert len(once.pictures) == compared.COUNT
    for one, other in zip(once.pictures, again.pictures, strict=True):
        np.testing.assert_array_equal(one, other)
