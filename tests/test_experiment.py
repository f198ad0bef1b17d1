"""The whole way, from pictures to a verdict: on made-up folders and on the real data sets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import alexnet
from alexnet.dataset import with_values
from alexnet.errors import DataError, UsageError
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import PICTURES
from alexnet.validation import validate

QUIET = Display(quiet=True)
FILES = (
    *("args.yaml", "env.json", "summary.txt", "labels.txt", "split.csv", "train.log"),
    *("results.csv", "predictions.csv", "metrics.json"),
    *("weights/best.safetensors", "weights/last.safetensors", "weights/config.json"),
)


def test_digits_reach_98_percent_and_leave_a_whole_run(tmp_path: Path) -> None:
    run = alexnet.train("digits", project=tmp_path, display=QUIET)
    assert run.metrics["accuracy_top1"] >= 0.98
    for file in (*FILES, *PICTURES.values()):
        assert (run.path / file).stat().st_size > 0, file
    tested = validate(run.path, split="test", project=tmp_path / "val", display=QUIET)
    assert tested.metrics["n"] == 360
    assert tested.metrics["accuracy_top1"] >= 0.97
    again = validate(run.path, project=tmp_path / "val", batch_size=7, display=QUIET)
    for key in ("n", "accuracy_top1", "accuracy_top5", "interval95", "confusion_matrix", "per_class"):
        assert again.metrics[key] == run.metrics[key], key
    assert again.metrics["loss"] == pytest.approx(run.metrics["loss"], rel=1e-5)


def test_the_same_seed_gives_the_same_results_file_but_for_times(tmp_path: Path) -> None:
    runs = [alexnet.train("digits", epochs=2, seed=5, project=tmp_path, display=QUIET) for _ in range(2)]
    timed = ("time", "images_per_second", "data_wait")
    one, two = ([{k: v for k, v in row.items() if k not in timed} for row in run.history] for run in runs)
    assert one == two
    assert runs[0].path != runs[1].path


def test_a_folder_of_ones_own_needs_no_option(folder_of_colours: Callable[..., Path], tmp_path: Path) -> None:
    folder = folder_of_colours(count=15, side=64)
    run = alexnet.train(folder, project=tmp_path / "runs", epochs=1, batch_size=16, display=QUIET)
    assert run.classes == ["blue", "green", "red"]
    assert run.args["model"] == "notebook-flowers"
    parts = [row["split"] for row in run.split]
    assert (parts.count("train"), parts.count("val"), parts.count("test")) == (32, 4, 9)
    classifier = alexnet.load(run.path)
    for row in run.predictions:
        answer = classifier.predict(folder / row["path"], topk=1)[0]
        assert answer["label"] == row["predicted"]
        assert answer["score"] == pytest.approx(float(row["score"]), abs=2e-6)


def test_unreadable_pictures_are_named_left_out_and_not_touched(
    folder_of_colours: Callable[..., Path], tmp_path: Path
) -> None:
    folder = folder_of_colours(count=12, side=32)
    bad = folder / "red" / "000.png"
    bad.write_bytes(b"not a picture")
    lines: list[str] = []

    class Heard(Display):
        def say(self, text: str = "") -> None:
            lines.append(text)

    run = alexnet.train(folder, model="notebook-mnist", epochs=1, project=tmp_path / "runs", display=Heard())
    assert sum("red/000.png" in line for line in lines) == 1
    assert len(run.split) == 35
    assert bad.read_bytes() == b"not a picture"
    with pytest.raises(DataError, match=r"red/000\.png"):
        alexnet.train(folder, model="notebook-mnist", epochs=1, project=tmp_path / "runs", strict=True, display=QUIET)


def test_a_class_without_a_readable_picture_stops(folder_of_colours: Callable[..., Path], tmp_path: Path) -> None:
    folder = folder_of_colours(count=6, side=32)
    for file in (folder / "red").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match="class 'red'"):
        alexnet.train(folder, model="notebook-mnist", epochs=1, project=tmp_path / "runs", display=QUIET)


def test_batches_of_one_are_refused_where_batch_norm_forbids_them(
    folder_of_colours: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="batch norm"):
        alexnet.train(folder_of_colours(), batch_size=1, epochs=1, project=tmp_path / "runs", display=QUIET)


def test_training_without_validation_keeps_the_last_epoch(tmp_path: Path) -> None:
    run = alexnet.train("digits", epochs=1, val_split=0, project=tmp_path, display=QUIET)
    assert "val/acc" not in run.history[0]
    assert run.metrics["split"] == "test"
    assert not any(row["split"] == "val" for row in run.split)


def test_other_pictures_are_judged_with_classes_matched_by_name(
    folder_of_colours: Callable[..., Path], tmp_path: Path
) -> None:
    run = alexnet.train(
        folder_of_colours("first"), model="notebook-mnist", epochs=1, project=tmp_path / "runs", display=QUIET
    )
    other = folder_of_colours("second", count=5)
    (other / "green" / "extra").mkdir()
    judged = validate(run.path, data=str(other), project=tmp_path / "val", display=QUIET)
    assert judged.metrics["n"] == 15
    (other / "red").rename(other / "violet")
    with pytest.raises(UsageError, match="violet"):
        validate(run.path, data=str(other), project=tmp_path / "val", display=QUIET)


def test_fine_tuning_keeps_the_preparation_that_the_weights_were_trained_with(
    folder_of_colours: Callable[..., Path], tmp_path: Path
) -> None:
    common: dict[str, Any] = {"model": "notebook-mnist", "epochs": 1, "project": tmp_path / "runs", "display": QUIET}
    first = alexnet.train(folder_of_colours("first"), recipe="notebook", **common)
    second = alexnet.train(folder_of_colours("second"), weights=first.path, freeze="conv1-conv2", **common)
    cards = [alexnet.load(run.path).card for run in (first, second)]
    assert cards[0].recipe == "notebook"
    assert cards[1].recipe == "modern"
    for name in ("mean", "std", "resize", "resize_to", "size"):
        assert getattr(cards[0].preprocess, name) == getattr(cards[1].preprocess, name), name


def test_a_label_that_has_changed_is_noticed(folder_of_colours: Callable[..., Path], tmp_path: Path) -> None:
    folder = folder_of_colours(count=6)
    rows = [f"{file.relative_to(tmp_path).as_posix()},{file.parent.name}" for file in sorted(folder.rglob("*.png"))]
    table = tmp_path / "all.csv"
    table.write_text("path,label\n" + "\n".join(rows) + "\n")
    run = alexnet.train(table, model="notebook-mnist", epochs=1, project=tmp_path / "runs", display=QUIET)
    table.write_text("path,label\n" + "\n".join([rows[0].replace(",blue", ",red"), *rows[1:]]) + "\n")
    with pytest.raises(DataError, match="was blue when"):
        validate(run.path, project=tmp_path / "val", display=QUIET)


def test_values_are_measured_on_the_training_pictures() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 9, 9, 3), dtype=np.uint8)
    plain = Preprocess(size=9, resize_to=9)
    levels = pixels[:30].reshape(-1, 3).astype(np.float64)
    assert with_values(plain, "unit", pixels, np.arange(30)) == plain
    measured = with_values(plain, "standardised", pixels, np.arange(30))
    assert measured.mean == pytest.approx(levels.mean(axis=0) / 255, abs=1e-4)
    assert measured.std == pytest.approx(levels.std(axis=0) / 255, abs=1e-4)
    centred = with_values(plain, "centred", pixels, np.arange(30))
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    wanted = batch.numpy() - levels.mean(axis=0).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(centred.normalise(batch).numpy(), wanted, rtol=0, atol=0.02)


def test_a_plateau_without_validation_is_refused_before_anything_is_decoded(
    folder_of_colours: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alexnet.dataset.decode", lambda *given: pytest.fail("decoded"))
    with pytest.raises(UsageError, match="--val-split 0 leaves no validation"):
        alexnet.train(
            folder_of_colours(),
            val_split=0,
            assignments=["schedule.name=plateau"],
            project=tmp_path / "runs",
            display=QUIET,
        )
    assert not (tmp_path / "runs").exists()
