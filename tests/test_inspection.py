"""`alexnet check`: what is wrong with pictures, before anybody trains on them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Call

Folder = Callable[..., Path]


def files_below(*folders: Path) -> dict[Path, int]:
    """Every file and folder, with the time of its last change."""
    return {path: path.lstat().st_mtime_ns for folder in folders for path in [folder, *folder.rglob("*")]}


def test_a_clean_folder_is_told_in_five_lines(call: Call, folder_of_colours: Folder) -> None:
    folder = folder_of_colours(count=12)
    shown = call("check", folder)
    assert shown.code == 0
    assert shown.out.splitlines() == [
        f"{folder}: 36 pictures, all can be read",
        "3 classes of 12 pictures each; 25 training, 3 validation, 8 test",
        "sizes: 48×48",
        "no picture is there twice",
        f"next: alexnet train '{folder}'" if " " in str(folder) else f"next: alexnet train {folder}",
    ]
    assert shown.err == ""


def test_nothing_is_written_and_no_store_is_built(
    call: Call, folder_of_colours: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of_colours(count=12)
    cache = tmp_path / "cache"
    monkeypatch.setattr("alexnet.dataset.cache_folder", lambda: cache)
    before = files_below(tmp_path)
    assert call("check", folder).code == 0
    assert files_below(tmp_path) == before


def test_the_command_at_the_end_is_the_one_that_trains_on_these_pictures(call: Call, folder_of_colours: Folder) -> None:
    folder = folder_of_colours("two words", count=12)
    last = call("check", folder, "--bad-files", 7, "--accept-truncated").out.splitlines()[-1]
    assert last == f"next: alexnet train '{folder}' --bad-files 7 --accept-truncated"


def test_digits_and_a_table_are_looked_at_too(call: Call, folder_of_colours: Folder) -> None:
    assert "1,797 pictures, all can be read" in call("check", "digits").out
    folder = folder_of_colours(count=12)
    rows = [f"{path.relative_to(folder).as_posix()},{path.parent.name}" for path in sorted(folder.rglob("*.png"))]
    (folder / "labels.csv").write_text("\n".join(["path,label", *rows, "gone.png,red"]))
    found = call("check", folder / "labels.csv", "--json")
    assert found.code == 0
    assert found.json["unreadable"] == [{"path": "gone.png", "reason": "no such file or directory"}]


@pytest.mark.real
def test_the_real_sets_are_clean(call: Call, real_data: Path) -> None:
    for name, pictures in (("mnist", 70_000), ("flowers17", 1360)):
        found = call("check", name, "--data-dir", real_data, "--json")
        assert found.code == 0
        assert found.json["pictures"] == found.json["readable"] == pictures
        assert found.json["doubles"] == {"labels": [], "parts": [], "copies": []}


@pytest.mark.fault("A18")
def test_the_same_picture_in_two_parts_under_two_labels_and_twice_is_found_by_content(
    call: Call, folder_of_colours: Folder, tmp_path: Path
) -> None:
    """Whatever they are called, and also where another kind of file holds the same pixels."""
    root = tmp_path / "divided"
    root.mkdir()
    for number, part in enumerate(("train", "val", "test")):
        folder_of_colours(part, count=4, side=9 + number).rename(root / part)
    shutil.copy(root / "train" / "red" / "000.png", root / "test" / "red" / "other name.png")
    shutil.copy(root / "train" / "red" / "001.png", root / "train" / "blue" / "a.png")
    Image.open(root / "train" / "green" / "002.png").save(root / "train" / "green" / "b.bmp")
    shutil.copy(root / "train" / "green" / "002.png", root / "train" / "green" / "c.png")
    found = call("check", root, "--json")
    assert found.code == 0
    assert found.json["doubles"] == {
        "labels": [["train/blue/a.png", "train/red/001.png"]],
        "parts": [["test/red/other name.png", "train/red/000.png"]],
        "copies": [["train/green/002.png", "train/green/b.bmp", "train/green/c.png"]],
    }
    shown = call("check", root).out
    assert "1 picture under two labels, one of which is wrong:" in shown
    assert "    test/red/other name.png = train/red/000.png" in shown
    assert "1 picture more than once in one class and part:" in shown
    assert "no picture is there twice" not in shown


def test_copies_that_the_division_would_put_into_two_parts_are_a_leak(call: Call, folder_of_colours: Folder) -> None:
    """Where train divides, it is asked how."""
    folder = folder_of_colours(count=20, side=9)
    first = folder / "red" / "000.png"
    for number in range(12):
        shutil.copy(first, folder / "red" / f"copy{number}.png")
    assert len(call("check", folder, "--json").json["doubles"]["parts"]) == 1


def test_unreadable_pictures_are_told_by_what_is_wrong_with_them(call: Call, folder_of_colours: Folder) -> None:
    folder = folder_of_colours(count=12)
    whole = folder / "red" / "whole.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(whole)
    for number in range(7):
        (folder / "red" / f"cut{number}.jpg").write_bytes(whole.read_bytes()[:-300])
    (folder / "blue" / "page.jpg").write_text("<html>404</html>")
    shown = call("check", folder)
    lines = shown.out.splitlines()
    assert lines[0] == f"{folder}: 45 pictures, 8 cannot be read and are left out"
    assert lines[1] == "  7: truncated: the file ends before its picture does"
    assert lines[2:7] == [f"    red/cut{number}.jpg" for number in range(5)]
    assert lines[7] == "    and 2 more (--json names all)"
    assert lines[8:10] == ["  1: an HTML page, no picture", "    blue/page.jpg"]
    assert "--accept-truncated" in lines[10]
    accepted = call("check", folder, "--accept-truncated", "--json")
    assert accepted.json["unreadable"] == [{"path": "blue/page.jpg", "reason": "an HTML page, no picture"}]


@pytest.mark.fault("A19")
def test_too_many_bad_files_are_exit_3_here_too(call: Call, folder_of_colours: Folder) -> None:
    """Eleven of 36: refused; with --bad-files 11 not; with --strict already at one."""
    folder = folder_of_colours(count=12)
    for number in range(11):
        (folder / "red" / f"{number:03d}.png").write_bytes(b"")
    stopped = call("check", folder)
    assert stopped.code == 3
    assert "11 of 36 pictures cannot be read, 10 are tolerated; the first: red/000.png: an empty file" in stopped.error
    assert "11 cannot be read" in stopped.out  # the report is given all the same
    assert "next:" not in stopped.out
    assert call("check", folder, "--bad-files", 11).code == 0
    assert call("check", folder, "--bad-files", 10, "--json").json["next"] is None
    for number in range(1, 11):
        (folder / "red" / f"{number:03d}.png").unlink()
    assert call("check", folder).code == 0
    assert call("check", folder, "--strict").code == 3


@pytest.mark.fault("A16")
def test_a_class_without_a_readable_picture_is_exit_3_here_too(call: Call, folder_of_colours: Folder) -> None:
    folder = folder_of_colours(count=5)
    for file in (folder / "green").iterdir():
        file.write_text("hello")
    stopped = call("check", folder, "--quiet")
    assert stopped.code == 3
    assert "class 'green'" in stopped.error
    assert "no picture that can be read" in stopped.error
    assert stopped.out == ""
    (folder / "yak").mkdir()
    assert "'yak'" in call("check", folder).error


def test_too_few_pictures_to_divide_are_exit_3(call: Call, folder_of_colours: Folder) -> None:
    stopped = call("check", folder_of_colours(count=1))
    assert stopped.code == 3
    assert "too few pictures to set some aside" in stopped.error


@pytest.mark.fault("A17")
def test_classes_that_a_part_lacks_are_told(call: Call, folder_of_colours: Folder, tmp_path: Path) -> None:
    root = tmp_path / "divided"
    root.mkdir()
    for part in ("train", "val"):
        folder_of_colours(part, count=4).rename(root / part)
    shutil.rmtree(root / "val" / "green")
    assert "  no validation picture of green" in call("check", root).out.splitlines()
    assert call("check", root, "--json").json["missing_classes"] == {"val": ["green"]}
    shutil.copytree(root / "val" / "red", root / "val" / "violet")
    assert "classes violet are in val or test but not in train" in call("check", root).error


def test_one_class_with_many_times_the_pictures_of_another_is_told(call: Call, folder_of_colours: Folder) -> None:
    folder = folder_of_colours(count=3, side=8)
    for number in range(40):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / "red" / f"more{number}.png")
    shown = call("check", folder).out
    assert "3 classes of 3 (class blue) to 43 (class red) pictures;" in shown
    assert "--class-weights auto" in shown


@pytest.mark.fault("A4", "A8")
def test_other_content_than_the_name_says_and_more_than_one_frame_are_told(
    call: Call, folder_of_colours: Folder
) -> None:
    folder = folder_of_colours(count=6, side=16)
    (folder / "red" / "000.png").rename(folder / "red" / "photo.JPEG")
    frames = [Image.new("RGB", (16, 16), (red, 9, 9)) for red in (250, 130, 10)]
    for kind in ("gif", "webp", "tif", "png"):
        name = folder / "red" / f"moves.{kind}"
        frames[0].save(name, save_all=True, append_images=frames[1:])
    found = call("check", folder, "--json").json
    assert found["named_otherwise"] == [{"path": "red/photo.JPEG", "content": "PNG"}]
    assert found["first_frame_of"] == [f"red/moves.{kind}" for kind in ("gif", "png", "tif", "webp")]
    lines = call("check", folder).out.splitlines()
    assert "1 named otherwise than their content, by which they are read:" in lines
    assert "    red/photo.JPEG holds PNG" in lines
    assert "4 with several frames or pages, of which the first counts:" in lines


def test_sizes_are_those_of_real_pictures(call: Call, folder_of_colours: Folder) -> None:
    folder = folder_of_colours(count=3, side=20)
    Image.new("RGB", (5, 3)).save(folder / "red" / "small.png")
    Image.new("RGB", (70, 30)).save(folder / "red" / "large.png")
    assert call("check", folder, "--json").json["sizes"] == {
        "smallest": [5, 3],
        "median": [20, 20],
        "largest": [70, 30],
    }
    assert "sizes: smallest 5×3, median 20×20, largest 70×30" in call("check", folder).out


def test_what_is_no_data_is_told_as_train_tells_it(call: Call, tmp_path: Path) -> None:
    assert call("check", "mnits").code == 2
    assert call("check", tmp_path / "nowhere").code == 3
    assert call("check").code == 2


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname != "Linux", reason="names are bytes on Linux only")
@pytest.mark.fault("A15")
def test_odd_names_are_told_on_one_line_each_and_kept_in_json(call: Call, folder_of_colours: Folder) -> None:
    folder = folder_of_colours(count=6, side=8)
    odd = [os.fsdecode(b"caf\xe9\n[red].png"), "-rf.png", "שלום.png"]
    for name in odd:
        (folder / "red" / name).write_bytes(b"")
    shown = call("check", folder)
    assert r"    red/caf\udce9\n[red].png" in shown.out.splitlines()
    assert [row["path"] for row in call("check", folder, "--json").json["unreadable"]] == sorted(
        f"red/{name}" for name in odd
    )
