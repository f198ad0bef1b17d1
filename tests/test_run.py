"""The run directory: its name, and what is written comes back."""

import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from alexnet.errors import AlexNetError, DataError, UsageError
from alexnet.plain_files import write_csv
from alexnet.run import RESULTS_COLUMNS, Run


def test_names_count_up(tmp_path: Path) -> None:
    made = [Run.create(tmp_path / "runs").path.name for _ in range(3)]
    assert made == ["exp", "exp2", "exp3"]
    (tmp_path / "runs" / "exp2").rmdir()
    assert Run.create(tmp_path / "runs").path.name == "exp2"


def test_exist_ok(tmp_path: Path) -> None:
    assert Run.create(tmp_path, "first").path == tmp_path / "first"
    Run.create(tmp_path, "first")  # an empty folder may be taken
    (tmp_path / "first" / "args.yaml").write_text("data: digits\nmodel: m\nrecipe: r\n")
    with pytest.raises(UsageError, match=r"first exists already: .*--exist-ok"):
        Run.create(tmp_path, "first")
    (tmp_path / "first" / "notes.txt").write_text("mine")
    taken = Run.create(tmp_path, "first", exist_ok=True)
    assert taken.args["data"] == "digits", "what was there stays until something new is written"
    taken.clear()
    assert [file.name for file in taken.path.iterdir()] == ["notes.txt"], "what an old run left must not stay"


def test_last_is_the_newest_that_has_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no trained run below"):
        Run.find("last")
    for age, name in enumerate(["new", "old"]):
        run = Run.create("runs/train", name)
        run.write_args({"data": name, "model": "m", "recipe": "r"})
        run.best.parent.mkdir()
        run.best.write_bytes(b"")
        moment = time.time() - 100 * age
        for file in (run.best, run.args_file):
            os.utime(file, (moment, moment))
    Run.create("runs/train", "diverged").write_args({"data": "diverged"})
    assert Run.find("last").args["data"] == "new"
    assert Run.find("last").best == Run("runs/train/new").best


@pytest.mark.fault("C22")
def test_last_is_the_newest_though_the_clock_was_set_back_while_it_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is set back by a day while a run trains: `last` is that run, not the one before."""
    monkeypatch.chdir(tmp_path)
    now = time.time()
    for name, begun, ended in (("before", now - 200, now - 100), ("now", now, now - 86_400)):
        run = Run.create("runs/train", name)
        run.write_args({"data": name, "model": "m", "recipe": "r"})
        run.best.parent.mkdir()
        run.best.write_bytes(b"")
        os.utime(run.args_file, (begun, begun))
        os.utime(run.best, (ended, ended))
    assert Run.find("last").path.name == Run.begun("last").path.name == "now"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe", b'{"split": "val"}', b"[" * 4000])
@pytest.mark.parametrize("name", ["args.yaml", "metrics.json", "results.csv", "split.csv", "predictions.csv"])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    reading = {"args.yaml": "args", "results.csv": "history"}.get(name, name.partition(".")[0])
    with pytest.raises(DataError, match=f"{name} is damaged"):
        getattr(Run(tmp_path), reading)


def test_damaged_thumbnails_are_named(tmp_path: Path) -> None:
    for content in (b"", b"junk", b"PK\x03\x04junk"):
        (tmp_path / "thumbnails.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"thumbnails.npz is damaged"):
            _ = Run(tmp_path).thumbnails


def test_a_trained_run_is_not_written_over(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.refuse_trained()
    run.best.parent.mkdir()
    run.best.write_bytes(b"")
    with pytest.raises(UsageError, match="is a trained run"):
        run.refuse_trained()


def test_find_refuses_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no run directory \(it has no args.yaml\)"):
        Run.find(tmp_path)


def test_history_round_trip_with_empty_fields(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.history == []
    rows = [
        {"epoch": 1, "train/loss": 0.1 + 0.2, "train/acc": 0.5, "val/loss": 1e-17, "lr": 1 / 3},
        {"epoch": 2, "train/loss": 2.5, "train/acc": 1.0, "lr": 0.0},
    ]
    run.write_results(rows)
    assert run.history == rows  # to the last bit
    assert isinstance(run.history[0]["epoch"], int)
    header = run.results_file.read_text().splitlines()[0]
    assert header == ",".join(RESULTS_COLUMNS)


@pytest.mark.parametrize(
    "name",
    [os.fsdecode(b"caf\xe9.png"), "a,b.png", 'quote".png', "line\nbreak.png", "carriage\rreturn.png", "日本.png"],
)
def test_odd_names_survive_csv(tmp_path: Path, name: str) -> None:
    run = Run(tmp_path)
    rows = [{"path": name, "label": "a", "split": "train"}, {"path": "plain.png", "label": "b", "split": "test"}]
    run.write_table("split.csv", ("path", "label", "split"), rows)
    assert run.split == rows
    plain = re.split(r'[\r\n"]', name)[0]
    assert os.fsencode(plain) in (tmp_path / "split.csv").read_bytes()


def test_csv_leaves_out_what_has_no_column(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ("x", "y"), [{"x": 1, "z": 2}])
    assert (tmp_path / "a.csv").read_bytes() == b"x,y\n1,\n"


def test_classes_are_lines(tmp_path: Path) -> None:
    classes = ["a", " b ", "sep\u2028arated", os.fsdecode(b"caf\xe9")]
    Run(tmp_path).write_lines("labels.txt", classes)
    assert Run(tmp_path).classes == classes


def test_values_come_back(tmp_path: Path) -> None:
    run = Run(tmp_path)
    args = {
        "data": os.fsdecode(b"/t\xe9"),
        "model": "m",
        "recipe": "r",
        "lr": 1e-7,
        "none": None,
        "nested": {"a": [1, 2]},
    }
    run.write_args(args)
    assert run.args == args
    assert run.metrics == {}
    needed = {"split": "val", "n": 1, "accuracy_top1": 1.0, "interval95": [0, 1], "confusion_matrix": [[1]]}
    run.write_json("metrics.json", {**needed, "worst": [os.fsdecode(b"\xff.png")]})
    assert run.metrics == {**needed, "worst": [os.fsdecode(b"\xff.png")]}
    json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert run.pictures == {}
    (tmp_path / "results.png").write_bytes(b"x")
    assert run.pictures == {"results": tmp_path / "results.png"}


def test_thumbnails_are_added_and_nothing_is_pickled(tmp_path: Path) -> None:
    run = Run(tmp_path)
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    run.write_thumbnails(samples=pixels, sample_labels=np.array(["é"]))
    run.write_thumbnails(worst=pixels + 1)
    run.write_thumbnails(worst=pixels + 2)
    found = run.thumbnails
    assert sorted(found) == ["sample_labels", "samples", "worst"]
    np.testing.assert_array_equal(found["samples"], pixels)
    np.testing.assert_array_equal(found["worst"], pixels + 2)
    assert found["sample_labels"].tolist() == ["é"]


@pytest.mark.parametrize("attribute", ["args", "classes", "split", "predictions"])
def test_a_missing_file_is_told_in_one_line(tmp_path: Path, attribute: str) -> None:
    with pytest.raises(DataError, match="is missing: the run was not finished") as caught:
        getattr(Run(tmp_path), attribute)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "a: [1\nb: 2", "just words", "- 1\n- 2\n"])
def test_damaged_args(tmp_path: Path, content: str) -> None:
    (tmp_path / "args.yaml").write_text(content)
    with pytest.raises(AlexNetError, match="is damaged") as caught:
        _ = Run(tmp_path).args
    assert "\n" not in str(caught.value)
