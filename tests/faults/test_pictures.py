"""Group A: pictures and data sets, through the commands that people type."""

import base64
import csv
import ctypes
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import alexnet
from alexnet import dataset, settings
from alexnet.data import images, sources
from alexnet.data.sources import Source
from alexnet.data.store import Store
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import Run
from tests.conftest import Call, Result, noisy
from tests.data.test_images import ARITHMETIC, chunk

Folder = Callable[..., Path]

FAST = ("--model", "notebook-mnist", "--epochs", 1, "--device", "cpu", "--no-amp")
LINUX = os.name == "posix" and os.uname().sysname == "Linux"


def trained(call: Call, data: Path, *arguments: object) -> tuple[Run, Result]:
    """A training that comes to its end, and what it said."""
    result = call("train", data, *FAST, "--json", *arguments)
    assert result.code == 0, result.err
    return Run(result.json["run"]), result


def left_out(said: str) -> dict[str, str]:
    """Name and reason of every picture that a training has left out."""
    rows = (line.strip().partition(": ") for line in said.splitlines() if line.startswith("  ") and ": " in line)
    return {name: reason for name, _, reason in rows}


def used(run: Run) -> set[str]:
    return {row["path"] for row in run.split}


def bomb(file: Path) -> Path:
    """30,000 × 30,000 black pixels in 110 KB."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(3751 * 1000)) for _ in range(30)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    assert file.stat().st_size < 1 << 20
    return file


def cut_jpeg(seed: int = 0) -> bytes:
    """The first two thirds of a picture."""
    file = io.BytesIO()
    Image.fromarray(noisy((220, 30, 20), seed, 64)).save(file, "JPEG", quality=95)
    return file.getvalue()[: len(file.getvalue()) * 2 // 3]


def make_unreadable(folder: Path) -> dict[str, str]:
    """Every file of group A that cannot be read, and how its reason begins."""
    (folder / "empty.jpg").touch()
    (folder / "cut.jpg").write_bytes(cut_jpeg())
    (folder / "note.jpg").write_text("not found\n")
    (folder / "page.jpg").write_text("<!DOCTYPE html><html>404</html>")
    (folder / "document.jpg").write_bytes(b"%PDF-1.7\n%\xe2\xe3\n")
    (folder / "packed.jpg").write_bytes(b"PK\x03\x04" + bytes(30))
    bomb(folder / "bomb.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "device.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")
    return {
        "empty.jpg": "an empty file",
        "cut.jpg": "truncated",
        "note.jpg": "a text",
        "page.jpg": "an HTML page",
        "document.jpg": "a PDF document",
        "packed.jpg": "a ZIP archive",
        "bomb.png": "more than the 89,478,485 pixels allowed",
        "dangling.png": "no such file",
        "circle.png": "too many levels of symbolic links",
        "device.png": "not a regular file",
        "pipe.png": "not a regular file",
    }


def make_odd(folder: Path) -> set[str]:
    """Files of group A that are read, whatever is odd about them."""
    picture = Image.fromarray(noisy((220, 30, 20), 5, 32))
    before = {path.name for path in folder.iterdir()}
    for kind in ("PNG", "WEBP", "GIF", "BMP"):
        picture.save(folder / f"holds {kind}.jpg", kind)
    picture.save(folder / "garbage.jpg", "JPEG")
    with (folder / "garbage.jpg").open("ab") as file:
        file.write(b"\0garbage" * 99)
    picture.convert("CMYK").save(folder / "inks.jpg", "JPEG")
    for mode in ("L", "1", "P", "LA", "RGBA"):
        picture.convert(mode).save(folder / f"mode {mode}.png")
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(folder / "deep.png")
    exif = Image.Exif()
    exif[274] = 6
    picture.save(folder / "turned.jpg", exif=exif)
    frames = [Image.new("RGB", (20, 20), (red, 20, 20)) for red in (240, 120, 10)]
    for name in ("moves.gif", "moves.png", "pages.tif"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    for width, height in ((1, 1), (1, 5000), (5000, 1)):
        Image.new("RGB", (width, height), (200, 30, 30)).save(folder / f"{width} by {height}.png")
    picture.save(folder / "progressive.jpg", progressive=True, subsampling="4:2:0")
    picture.save(folder / "restarts.jpg", restart_marker_blocks=1)
    picture.save(folder / "two\nlines.png")
    (folder / "arithmetic.jpg").write_bytes(base64.b64decode(ARITHMETIC["sequential"]))
    return {path.name for path in folder.iterdir()} - before


@pytest.mark.skipif(not LINUX, reason="named pipes and /dev/zero")
@pytest.mark.fault("A1", "A2", "A3", "A4", "A5", "A6", "A8", "A9", "A10", "A11", "A12", "A13")
def test_a_folder_with_every_bad_file_trains_on_the_good_ones_and_names_the_others(
    call: Call, folder_of_colours: Folder
) -> None:
    """All of them among 36 good pictures: those that can be read are trained on, each other one is named."""
    folder = folder_of_colours(count=12, side=16)
    bad = {f"red/{name}": reason for name, reason in make_unreadable(folder / "red").items()}
    good = {f"red/{name}" for name in make_odd(folder / "red")} | {
        f"{label}/{number:03d}.png" for label in ("blue", "green", "red") for number in range(12)
    }
    before = {path: path.lstat() for path in folder.rglob("*")}
    run, result = trained(call, folder, "--bad-files", 20)
    told = left_out(result.err)
    told.pop("red/arithmetic.jpg", None)  # some builds of libjpeg cannot read it
    good -= {"red/arithmetic.jpg"} - used(run)
    assert told.keys() == bad.keys()
    assert {name: told[name].startswith(reason) for name, reason in bad.items()} == dict.fromkeys(bad, True)
    assert used(run) == good
    assert "left out, " in run.log_file.read_text()
    unreadable = call("check", folder, "--bad-files", 20, "--json").json["unreadable"]
    assert {row["path"] for row in unreadable} - {"red/arithmetic.jpg"} == bad.keys()
    assert call("train", folder, *FAST, "--strict").code == 3
    assert call("train", folder, *FAST).code == 3  # more than ten
    after = {path: path.lstat() for path in folder.rglob("*")}
    assert {path: (at.st_mtime_ns, at.st_size) for path, at in after.items()} == {
        path: (at.st_mtime_ns, at.st_size) for path, at in before.items()
    }


@pytest.mark.fault("A1")
def test_one_empty_file_is_left_out_and_with_strict_it_is_exit_3(call: Call, folder_of_colours: Folder) -> None:
    folder = folder_of_colours(count=12, side=16)
    (folder / "red" / "empty.jpg").touch()
    run, result = trained(call, folder)
    assert "left out, 1 of 37 pictures" in result.err
    assert left_out(result.err) == {"red/empty.jpg": "an empty file, no picture"}
    assert "red/empty.jpg" not in used(run)
    refused = call("train", folder, *FAST, "--strict", "--quiet")
    assert refused.code == 3
    assert "red/empty.jpg: an empty file" in refused.error
    assert not Path("runs/train/exp2").exists()


@pytest.mark.fault("A2")
def test_truncated_pictures_are_trained_on_only_if_asked_for(call: Call, folder_of_colours: Folder) -> None:
    """A store of their own, the same decoding by val afterwards, the file as it was."""
    folder = folder_of_colours(count=12, side=16)
    file = folder / "red" / "cut.jpg"
    file.write_bytes(cut_jpeg())
    plain, result = trained(call, folder)
    assert "red/cut.jpg" in left_out(result.err)
    filled, result = trained(call, folder, "--accept-truncated")
    assert left_out(result.err) == {}
    assert used(filled) - used(plain) == {"red/cut.jpg"}
    assert (plain.args["accept_truncated"], filled.args["accept_truncated"]) == (False, True)
    for run in (plain, filled):  # each meets its own pictures again
        assert call("val", run.path, "--split", "train", "--device", "cpu").code == 0
    assert file.read_bytes() == cut_jpeg()
    other = call("train", "--resume", plain.path, "--accept-truncated")
    assert other.code == 2
    assert "--accept-truncated belongs to the run" in other.error


@pytest.mark.fault("A7")
def test_a_turned_picture_is_upright_in_prediction_and_in_the_store(
    colours_run: tuple[Path, Run], folder_of_colours: Folder
) -> None:
    """One picture as it should stand, and eight files that say how they are turned: one answer."""
    classifier = alexnet.load(colours_run[1].path, device="cpu")
    turns: dict[int, Image.Transpose] = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    folder = folder_of_colours("turned", count=1)
    upright = Image.fromarray(noisy((90, 160, 30), 3, 48)).crop((0, 0, 30, 48))
    upright.save(folder / "red" / "1.png")
    for orientation, turn in turns.items():
        exif = Image.Exif()
        exif[274] = orientation
        upright.transpose(turn).save(folder / "red" / f"{orientation}.png", exif=exif)
    files = [folder / "red" / f"{orientation}.png" for orientation in range(1, 9)]
    answers = classifier.predict(files)
    assert all(answer == answers[0] for answer in answers)
    data = _decoded(sources.open_source(folder), {})
    rows = [data.pixels[sources.open_source(folder).names.index(f"red/{file.name}")] for file in files]
    assert all((row == rows[0]).all() for row in rows)


RSS = """
import resource, sys
from pathlib import Path
from alexnet import dataset, inspection, settings
from alexnet.data import images
from alexnet.errors import DataError
from alexnet.progress import Display

quiet = Display(quiet=True)

def look(folder):
    inspection.inspect({"data": folder}, quiet)
    options, recipe = settings.resolve({"data": folder, "model": "notebook-mnist"})
    return dataset.prepare(options, recipe, quiet)

clean, bombs = sys.argv[1:]
look(clean)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
refused = 0
for file in sorted(Path(bombs).rglob("bomb*.png")):
    try:
        images.read(file)
    except DataError:
        refused += 1
left_out = len(look(bombs).store.bad)
print(refused, left_out, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(not LINUX, reason="kilobytes of resident memory")
@pytest.mark.fault("A9")
def test_bombs_take_no_memory(folder_of_colours: Folder, tmp_path: Path) -> None:
    """Four of 30,000 × 30,000 pixels, by images.read, check and train in a process of its own: under 50 MB more."""
    clean, bombs = folder_of_colours("clean", count=12, side=16), folder_of_colours("bombs", count=12, side=16)
    for number in range(4):
        bomb(bombs / "red" / f"bomb{number}.png")
    done = subprocess.run(
        [sys.executable, "-c", RSS, clean, bombs],
        env=_environment(tmp_path),
        capture_output=True,
        check=True,
        text=True,
    )
    refused, left, kilobytes = map(int, done.stdout.split())
    assert (refused, left) == (4, 4)
    assert kilobytes < 50 * 1024


@pytest.mark.fault("A10")
@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 5000), (5000, 1), (2, 3), (27, 29)])
def test_pictures_of_any_sides_are_fitted(resize: Any, channels: int, width: int, height: int) -> None:
    rule = Preprocess(size=28, resize_to=28, resize=resize, channels=channels)
    pixels = rule.fit(np.full((height, width, 3), 77, np.uint8))
    assert pixels.shape == (28, 28, channels)
    assert (pixels == 77).all()


CHILD = """
import json, sys
from alexnet.commands.main import main

for arguments in json.loads(sys.argv[1]):
    sys.argv = ["alexnet", *arguments]
    try:
        main()
    except SystemExit as left:
        print("exit", left.code, flush=True)
"""


def _environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}


def _obey_permissions() -> None:
    """For a child of root: without the right to read what nobody may read (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)."""
    if os.getuid() == 0:
        for right in (1, 2):
            if ctypes.CDLL(None, use_errno=True).prctl(24, right, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
                raise OSError(ctypes.get_errno(), "root's rights cannot be dropped")


@pytest.mark.skipif(not LINUX, reason="permissions, pipes and devices of Linux")
@pytest.mark.fault("A13")
def test_what_nobody_may_read_is_left_out_and_nothing_hangs(folder_of_colours: Folder, tmp_path: Path) -> None:
    """Mode 000, dangling and circular links, pipes, devices, in a process that may not read them; then a folder."""
    folder = folder_of_colours(count=12, side=16)
    red = folder / "red"
    shutil.copy(red / "000.png", red / "locked.png")
    (red / "locked.png").chmod(0)
    (red / "dangling.png").symlink_to("nowhere.png")
    (red / "one.png").symlink_to("other.png")
    (red / "other.png").symlink_to("one.png")
    (red / "zeros.png").symlink_to("/dev/zero")
    (red / "terminal.png").symlink_to("/dev/tty")
    os.mkfifo(red / "pipe.png")
    names = ["dangling", "locked", "one", "other", "pipe", "terminal", "zeros"]
    if os.getuid() == 0:
        os.mknod(red / "device.png", 0o020666, os.makedev(1, 5))
        names.append("device")
    other = folder_of_colours("other", count=3, side=16)
    (other / "red").chmod(0)
    commands = [
        ["train", str(folder), *map(str, FAST), "--project", str(tmp_path / "runs")],
        ["train", str(other), *map(str, FAST), "--project", str(tmp_path / "runs")],
    ]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(commands)],
        env=_environment(tmp_path),
        preexec_fn=_obey_permissions,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        text=True,
        timeout=600,
    )
    (other / "red").chmod(0o755)
    first, second = done.stdout.split("exit 0\n")
    told = left_out(first)
    assert told.keys() == {f"red/{name}.png" for name in names}
    assert told["red/locked.png"] == "permission denied"
    assert told["red/pipe.png"] == told["red/zeros.png"] == told["red/terminal.png"] == "not a regular file"
    assert len(used(Run(tmp_path / "runs" / "exp"))) == 36
    assert f"error: {other / 'red'} cannot be read: Permission denied" in second
    assert "exit 3\n" in second


def _decoded(source: Source, given: dict[str, Any]) -> Store:
    options, _ = settings.resolve({"data": source.name, **given})
    return dataset.decode(source, Preprocess(size=16, resize_to=16), options, Display(quiet=True))


@pytest.mark.fault("A14")
@pytest.mark.parametrize("strict", [False, True])
def test_files_that_vanish_and_shrink_between_scan_and_decoding(
    call: Call, folder_of_colours: Folder, monkeypatch: pytest.MonkeyPatch, strict: bool
) -> None:
    """Removed, cut and emptied once the source was opened: left out and named, with --strict exit 3."""
    folder = folder_of_colours(count=12, side=30 if strict else 31)

    def opened(*arguments: Any, **options: Any) -> Source:
        source = open_source(*arguments, **options)
        (folder / "red" / "000.png").unlink()
        os.truncate(folder / "red" / "001.png", 100)
        os.truncate(folder / "red" / "002.png", 0)
        return source

    open_source = sources.open_source
    monkeypatch.setattr(sources, "open_source", opened)
    if strict:
        refused = call("train", folder, *FAST, "--strict", "--quiet")
        assert refused.code == 3
        assert "3 of 36 pictures cannot be read, 0 are tolerated; the first: red/000.png: no such file" in refused.error
        return
    run, result = trained(call, folder)
    told = left_out(result.err)
    assert list(told) == ["red/000.png", "red/001.png", "red/002.png"]
    assert told["red/000.png"] == "no such file or directory"
    assert told["red/002.png"] == "an empty file, no picture"
    assert len(used(run)) == 33


@pytest.mark.skipif(not LINUX, reason="names are bytes on Linux only")
@pytest.mark.fault("A15")
def test_odd_names_survive_training_reports_and_val(call: Call, folder_of_colours: Folder) -> None:
    """Newlines, bytes that are no text, 255 bytes, a leading dash, spaces, right-to-left: as pictures and classes."""
    folder = folder_of_colours(count=6, side=16)
    odd = [
        "two\nlines.png",
        "cr\r.png",
        os.fsdecode(b"caf\xe9.png"),
        "x" * 251 + ".png",
        "-rf.png",
        " spaces  all around .png",
        "שלום.png",
        '"quoted", with comma.png',
    ]
    for label in ("blue", "green", "red"):
        for number, name in enumerate(odd):
            Image.fromarray(noisy((20, 40, 220), number, 16)).save(folder / label / name)
    (folder / "red").rename(folder / "-red\n class ")
    (folder / "blue").rename(folder / os.fsdecode(b"bl\xe9\xff"))
    expected = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    assert len(expected) == 42
    run, _ = trained(call, folder, "--val-split", 0.3)
    assert used(run) == expected
    assert run.classes == ["-red\\n class ", os.fsdecode(b"bl\xe9\xff"), "green"]
    validated = {row["path"] for row in run.split if row["split"] == "val"}
    assert {row["path"] for row in run.predictions} == validated
    assert call("val", run.path, "--device", "cpu", "--split", "train", "--save-csv", "mine.csv").code == 0
    with Path("mine.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as text:
        rows = list(csv.DictReader(text, strict=True))
    assert len(rows) > 10
    assert {row["path"] for row in rows} < expected - validated


@pytest.mark.fault("A16")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("no pictures", "at least 2 are needed"),
        ("one class", "at least 2 are needed"),
        ("an empty class", "class 'red' in"),
        ("a class of empty files", "class 'red' in"),
    ],
)
def test_data_without_pictures_are_exit_3_and_the_class_is_named(
    call: Call, folder_of_colours: Folder, change: str, said: str
) -> None:
    folder = folder_of_colours(count=5, side=16)
    for label in {"no pictures": ("blue", "green", "red"), "one class": ("blue", "red")}.get(change, ("red",)):
        for file in (folder / label).iterdir():
            file.write_bytes(b"") if change == "a class of empty files" else file.unlink()
        if change in ("no pictures", "one class"):
            (folder / label).rmdir()
    for verb, options in (("train", FAST), ("check", ())):
        refused = call(verb, folder, *options, "--quiet")
        assert refused.code == 3
        assert said in refused.error


@pytest.mark.fault("A17")
def test_parts_whose_classes_differ_are_matched_by_name(call: Call, folder_of_colours: Folder, tmp_path: Path) -> None:
    """A class that validation lacks is told; one that training does not know is exit 3."""
    root = tmp_path / "divided"
    root.mkdir()
    for part in ("train", "val"):
        folder_of_colours(part, count=6, side=16).rename(root / part)
    shutil.rmtree(root / "val" / "blue")
    run, result = trained(call, root)
    assert "note: the val part has no picture of blue" in result.err
    labels = {row["path"]: row["label"] for row in run.predictions}
    assert set(labels.values()) == {"green", "red"}
    assert all(path.split("/")[1] == label for path, label in labels.items())
    (root / "val" / "green").rename(root / "val" / "violet")
    refused = call("train", root, *FAST, "--quiet")
    assert refused.code == 3
    assert "classes violet are in val or test but not in train: rename or remove them" in refused.error


@pytest.mark.fault("A18")
def test_pictures_that_leak_into_validation_are_told_by_training(
    call: Call, folder_of_colours: Folder, tmp_path: Path
) -> None:
    root = tmp_path / "divided"
    root.mkdir()
    for number, part in enumerate(("train", "val")):
        folder_of_colours(part, count=6, side=16 + number).rename(root / part)
    for number in range(2):
        shutil.copy(root / "train" / "red" / f"00{number}.png", root / "val" / "red" / f"other{number}.png")
    run, _ = trained(call, root)
    assert run.vitals["twins"] == {
        "count": 2,
        "of": 20,
        "pairs": [[f"train/red/00{number}.png", f"val/red/other{number}.png"] for number in range(2)],
    }
    assert "same picture in training and validation" in call("doctor", run.path).out


@pytest.mark.fault("A19")
def test_eleven_bad_files_of_37_stop_the_training(call: Call, folder_of_colours: Folder) -> None:
    """And ten, or --bad-files 11, do not."""
    folder = folder_of_colours(count=12, side=16)
    for number in range(11):
        (folder / "red" / f"empty{number}.jpg").touch()
    refused = call("train", folder, *FAST, "--quiet")
    assert refused.code == 3
    assert "11 of 47 pictures cannot be read, 10 are tolerated" in refused.error
    assert "--bad-files" in refused.error
    assert not Path("runs").exists()
    run, _ = trained(call, folder, "--bad-files", 11)
    assert len(used(run)) == 36
    (folder / "red" / "empty0.jpg").unlink()
    run, _ = trained(call, folder)
    assert len(used(run)) == 36


@pytest.mark.fault("A20")
def test_a_table_with_a_wrong_line_is_exit_3_before_anything_is_decoded(
    call: Call, folder_of_colours: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of_colours(count=6, side=16)
    monkeypatch.setattr(images, "read", lambda *_: pytest.fail("a picture was read"))
    lines = ["path,label", *(f"red/{number:03d}.png,red" for number in range(6)), "blue/000.png", "blue/001.png,blue"]
    (folder / "labels.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    for verb, options in (("train", FAST), ("check", ())):
        refused = call(verb, folder / "labels.csv", *options, "--quiet")
        assert refused.code == 3
        assert f"{folder / 'labels.csv'}, line 8: path or label is missing" in refused.error
