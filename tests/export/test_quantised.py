"""Eight bits: kept where validation pictures are named as well as before, refused with figures otherwise."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from alexnet import dataset, predict
from alexnet.errors import DataError, ModelFileError, UsageError
from alexnet.export import exporting, onnx_model, quantised, runtime, verification
from alexnet.progress import Display
from alexnet.run import Run
from tests.conftest import Call

QUIET = Display(quiet=True)


@pytest.mark.fault("E18")
def test_eight_bits_are_kept_within_half_a_point(digits_run: Run, tmp_path: Path) -> None:
    made = exporting.export(str(digits_run.path), int8=True, output=tmp_path / "small.onnx", display=QUIET)
    accuracy = made.certificate.accuracy
    assert accuracy["pictures"] == sum(row["split"] == "val" for row in digits_run.split)
    assert accuracy["float32"] - accuracy["int8"] <= quantised.ALLOWED_LOSS
    assert 0 < made.certificate.largest_difference < 0.5
    full = exporting.export(str(digits_run.path), output=tmp_path / "full.onnx", display=QUIET)
    assert made.size < full.size / 2
    kinds = {
        tensor.data_type for tensor in onnx.load(made.written).graph.initializer if tensor.name.startswith("conv1.w")
    }
    assert onnx.TensorProto.INT8 in kinds
    assert verification.verify(made.written).largest_difference <= made.certificate.tolerance


def test_both_are_judged_by_the_same_pictures(digits_run: Run) -> None:
    classifier = predict.load(digits_run.best, device="cpu")
    data = dataset.of_run(digits_run, classifier.card, None, QUIET)
    model = onnx_model.with_pictures(onnx_model.of_network(classifier.network), classifier.card)
    answer = runtime.Session(model.SerializeToString()).answer
    judged = quantised.judge(answer, lambda pictures: np.roll(answer(pictures), 1, axis=1), data, QUIET)
    val = data.split.val
    labels = data.source.labels[val]
    pixels = np.repeat(data.store.pixels[val], 3, axis=3)
    assert judged.before == (classifier.scores(list(pixels)).argmax(axis=1) == labels).mean()
    assert judged.after < 0.2
    with pytest.raises(ModelFileError, match=r"--int8 is refused: top-1 falls from \d\d\.\d+% to .*0\.5% is allowed"):
        judged.refuse_loss()


@pytest.mark.parametrize(("before", "after", "kept"), [(0.9, 0.896, True), (0.9, 0.894, False), (0.9, 0.95, True)])
def test_half_a_point_is_the_limit(before: float, after: float, kept: bool) -> None:
    judged = quantised.Judged(1000, before, after)
    if kept:
        judged.refuse_loss()
    else:
        with pytest.raises(ModelFileError, match=r"90\.00% to 89\.40% of 1000 validation pictures"):
            judged.refuse_loss()


def test_what_is_refused_leaves_nothing(digits_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised, "ALLOWED_LOSS", -1.0)  # not even a gain would do
    with pytest.raises(ModelFileError, match="--int8 is refused"):
        exporting.export(str(digits_run.path), int8=True, output=tmp_path / "small.onnx", display=QUIET)
    assert not list(tmp_path.iterdir())


def test_the_test_part_never_judges(digits_run: Run) -> None:
    classifier = predict.load(digits_run.best, device="cpu")
    data = dataset.of_run(digits_run, classifier.card, None, QUIET)
    object.__setattr__(data.split, "val", data.split.test)  # as the notebook's recipe has it
    with pytest.raises(DataError, match="none beside its test part"):
        quantised.judge(lambda pictures: pictures, lambda pictures: pictures, data, QUIET)  # type: ignore[return-value, arg-type]


def test_eight_bits_need_a_run_and_another_format_than_torch(digits_run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--int8 needs a run"):
        exporting.export(str(digits_run.best), int8=True, output=tmp_path / "m.onnx", display=QUIET)
    with pytest.raises(UsageError, match="--int8 is for"):
        exporting.export(str(digits_run.path), int8=True, form="torch", display=QUIET)


def test_the_command_prints_both_figures(call: Call, digits_run: Run, tmp_path: Path) -> None:
    said = call("export", digits_run.path, "--int8", "--output", tmp_path / "small.onnx")
    assert said.code == 0
    assert "validation pictures: " in said.out
    assert "in float32" in said.out
    assert said.err == ""
    assert json.loads(onnx.load(tmp_path / "small.onnx").metadata_props[-3].value)["accuracy"]["pictures"] > 100
