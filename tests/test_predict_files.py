"""Predicting many files: which ones are meant, and what is left on the disk."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from alexnet import predict_files
from alexnet.errors import DataError, UsageError
from alexnet.predict_files import Answers, expand
from alexnet.progress import Display
from alexnet.run import Run

Colours = tuple[Path, Run]


def classify(run: Run, paths: list[str], project: Path, **given: Any) -> Answers:
    asked: dict[str, Any] = {
        "topk": 2, "min_score": 0.0, "batch_size": 4, "device": "cpu", "amp": False,
        "save_csv": None, "name": None, "exist_ok": False, "display": Display(io.StringIO(), quiet=True),
    }  # fmt: skip
    return predict_files.predict_files(str(run.path), paths, project=project, **{**asked, **given})


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures, other files and a folder without any."""
    for name in ("b.png", "a.JPG", "deep/er/c.webp", "deep/[odd].png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name, "PNG")
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("paths", "files"),
    [
        (["b.png"], ["b.png"]),
        (["."], ["a.JPG", "b.png", "deep/[odd].png", "deep/er/c.webp"]),
        (["*.png", "notes.txt"], ["b.png", "notes.txt"]),
        (["**/*.webp"], ["deep/er/c.webp"]),
        (["deep/[odd].png"], ["deep/[odd].png"]),  # a file's own name comes before what it could match
        (["b.png", "a.JPG", "b.png"], ["b.png", "a.JPG", "b.png"]),
    ],
)
def test_which_files_are_meant(paths: list[str], files: list[str]) -> None:
    assert [path.as_posix() for path in expand(paths)] == files


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("paths", "message"),
    [(["gone.png"], "gone.png does not exist"), (["*.gif"], "matches nothing"), (["empty"], "holds no pictures")],
)
def test_nothing_is_meant(paths: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        expand(paths)
    with pytest.raises(UsageError, match="no files"):
        expand([])


def test_files_that_are_left(colours_run: Colours, place: Path) -> None:
    folder, run = colours_run
    (place / "bad.png").write_bytes(b"no picture")
    odd = place / os.fsdecode(b"caf\xe9.png")
    odd.write_bytes((folder / "red" / "000.png").read_bytes())
    paths = [str(folder / "red"), "bad.png", str(odd)]
    found = classify(run, paths, place / "runs", save_csv=place / "mine.csv")
    found.raise_if_none()
    assert found.folder == place / "runs" / "exp"
    assert sorted(path.name for path in found.folder.iterdir()) == [
        "predictions.csv",
        "predictions.json",
        "predictions.png",
    ]
    assert (place / "mine.csv").read_bytes() == (found.folder / "predictions.csv").read_bytes()

    listed = json.loads((found.folder / "predictions.json").read_text(encoding="utf-8"))
    assert listed == [answer.to_dict() for answer in found.answers]
    assert len(listed) == 10
    assert [set(each) for each in listed[:8]] == [{"path", "predictions"}] * 8
    assert listed[8]["predictions"] == []
    assert listed[8]["error"] == "a text, no picture"
    assert listed[9]["path"].endswith("caf?.png")

    header, *lines = (found.folder / "predictions.csv").read_bytes().splitlines()
    assert header == b"path,label,score,error,label2,score2"
    assert lines[9].startswith(os.fsencode(odd) + b",")
    first = listed[0]["predictions"]
    row = lines[0].decode().split(",")
    assert row[1:] == [first[0]["label"], str(round(first[0]["score"], 6)), "", first[1]["label"],
                       str(round(first[1]["score"], 6))]  # fmt: skip
    with Image.open(found.folder / "predictions.png") as image:
        assert image.format == "PNG"
        assert min(image.size) > 500


def test_unsure_answers_are_unknown(colours_run: Colours, tmp_path: Path) -> None:
    folder, run = colours_run
    sure = classify(run, [str(folder)], tmp_path)
    scores = sorted(answer.predictions[0]["score"] for answer in sure.answers)
    border = (scores[11] + scores[12]) / 2
    found = classify(run, [str(folder)], tmp_path, min_score=border)
    named = [answer.predictions[0]["label"] for answer in found.answers]
    assert [name == "unknown" for name in named] == [a.predictions[0]["score"] < border for a in sure.answers]
    assert named.count("unknown") == 12
    assert [row["label"] for row in table(found.folder / "predictions.csv")] == named
    for before, after in zip(sure.answers, found.answers, strict=True):
        if after.predictions[0]["label"] == "unknown":
            assert after.predictions[1:] == before.predictions[:-1], "as many answers as were asked for"
            assert after.predictions[0]["score"] == before.predictions[0]["score"]


def test_nothing_but_bad_files(colours_run: Colours, place: Path) -> None:
    (place / "bad.png").write_bytes(b"")
    found = classify(colours_run[1], ["bad.png", "notes.txt"], place / "runs")
    assert len(table(found.folder / "predictions.csv")) == 2
    assert not (found.folder / "predictions.png").exists()
    with pytest.raises(DataError, match="none of the 2 files could be read") as caught:
        found.raise_if_none()
    assert caught.value.exit_code == 3


def test_an_existing_result_is_not_overwritten(colours_run: Colours, place: Path) -> None:
    classify(colours_run[1], ["b.png"], place / "runs", name="mine")
    with pytest.raises(UsageError, match="--exist-ok"):
        classify(colours_run[1], ["a.JPG"], place / "runs", name="mine")
    classify(colours_run[1], ["a.JPG"], place / "runs", name="mine", exist_ok=True)
    assert [row["path"] for row in table(place / "runs" / "mine" / "predictions.csv")] == ["a.JPG"]
