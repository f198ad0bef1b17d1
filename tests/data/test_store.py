import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from alexnet.data import images, store
from alexnet.data.sources import Source, open_source
from alexnet.data.sources.base import Content
from alexnet.data.store import Store
from alexnet.errors import DataError
from alexnet.preprocess import Preprocess
from alexnet.progress import Display

Folder = Callable[..., Path]
MakeSource = Callable[..., Source]
RULE = Preprocess(size=16, resize_to=20)


def opened(source: Source, cache: Path, rule: Preprocess = RULE, workers: int | None = 2) -> Store:
    return store.open_or_build(source, rule, cache, Display(quiet=True), workers=workers)


def stores(cache: Path) -> list[Path]:
    """Finished stores; hidden folders are unfinished ones."""
    return sorted(entry for entry in cache.iterdir() if not entry.name.startswith("."))


def undecodable(source: Source) -> Source:
    """The same source, whose pictures must not be asked for."""

    def contents() -> Iterator[Content]:
        raise AssertionError("the pictures were decoded again")

    return replace(source, contents=contents)


def expected(folder: Path, source: Source) -> NDArray[np.uint8]:
    return np.stack([RULE.fit(images.read(folder / name)) for name in source.names])


def test_a_store_holds_what_fit_makes_of_each_picture(folder_of_colours: Folder, tmp_path: Path) -> None:
    folder = folder_of_colours(count=15, side=30)
    source = open_source(folder)
    built = opened(source, tmp_path / "cache")
    assert built.pixels.dtype == np.uint8
    np.testing.assert_array_equal(built.pixels, expected(folder, source))
    assert built.bad == {}
    assert built.usable.tolist() == list(range(45))


def test_a_store_is_built_once_and_then_only_opened(folder_of_colours: Folder, tmp_path: Path) -> None:
    source = open_source(folder_of_colours())
    first = opened(source, tmp_path / "cache")
    again = opened(undecodable(source), tmp_path / "cache")
    assert isinstance(again.pixels, np.memmap)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert len(stores(tmp_path / "cache")) == 1


def test_a_store_cannot_be_written_through(folder_of_colours: Folder, tmp_path: Path) -> None:
    pixels = opened(open_source(folder_of_colours()), tmp_path / "cache").pixels
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0


def test_the_number_of_workers_changes_nothing(folder_of_colours: Folder, tmp_path: Path) -> None:
    source = open_source(folder_of_colours(count=40, side=24))
    alone = opened(source, tmp_path / "one", workers=1)
    many = opened(source, tmp_path / "many", workers=7)
    np.testing.assert_array_equal(alone.pixels, many.pixels)
    assert [folder.name for folder in stores(tmp_path / "one")] == [folder.name for folder in stores(tmp_path / "many")]


def test_threads_leave_the_process_s_warning_filters_as_they_were(folder_of_colours: Folder, tmp_path: Path) -> None:
    before = list(warnings.filters)
    opened(open_source(folder_of_colours(count=100, side=8)), tmp_path / "cache", workers=8)
    assert list(warnings.filters) == before


def test_pixels_of_a_source_are_stored_as_its_pictures_would_be(source_of: MakeSource, tmp_path: Path) -> None:
    pictures = list(np.random.default_rng(0).integers(0, 256, (70, 9, 13, 3)).astype(np.uint8))
    files = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        files.append(file.getvalue())
    labels = [0, 1] * 35
    as_pixels = opened(source_of(labels, contents=pictures), tmp_path / "cache")
    as_files = opened(source_of(labels, contents=files), tmp_path / "cache")
    np.testing.assert_array_equal(as_pixels.pixels, as_files.pixels)


def test_grey_stores_have_one_channel(folder_of_colours: Folder, tmp_path: Path) -> None:
    source = open_source(folder_of_colours(count=2))
    assert opened(source, tmp_path / "cache", replace(RULE, channels=1)).pixels.shape == (6, 20, 20, 1)


def test_unreadable_pictures_are_named_with_their_index(folder_of_colours: Folder, tmp_path: Path) -> None:
    folder = folder_of_colours(count=12)
    (folder / "blue" / "003.png").write_bytes(b"")
    (folder / "green" / "005.png").write_text("no picture")
    (folder / "red" / "011.png").unlink()
    (folder / "red" / "011.png").symlink_to("nowhere")
    source = open_source(folder)
    whole = [index for index in range(36) if index not in (3, 17, 35)]
    for attempt in (source, undecodable(source)):
        built = opened(attempt, tmp_path / "cache")
        assert {index: reason.split(":")[0] for index, reason in built.bad.items()} == {
            3: "blue/003.png",
            17: "green/005.png",
            35: "red/011.png",
        }
        assert built.usable.tolist() == whole
        assert (built.pixels[[3, 17, 35]] == 0).all()


def test_the_same_content_elsewhere_is_the_same_store(folder_of_colours: Folder, tmp_path: Path) -> None:
    folder = folder_of_colours()
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(folder, copy)
    opened(open_source(folder), tmp_path / "cache")
    opened(undecodable(open_source(copy)), tmp_path / "cache")
    assert len(stores(tmp_path / "cache")) == 1


def test_other_content_with_the_same_time_and_size_is_another_store(folder_of_colours: Folder, tmp_path: Path) -> None:
    folder = folder_of_colours()
    file = folder / "red" / "000.bmp"
    Image.new("RGB", (8, 8), (250, 0, 0)).save(file)
    before = file.stat()
    opened(open_source(folder), tmp_path / "cache")
    Image.new("RGB", (8, 8), (0, 250, 0)).save(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    source = open_source(folder)
    changed = opened(source, tmp_path / "cache")
    assert changed.pixels[source.names.index("red/000.bmp"), 0, 0].tolist() == [0, 250, 0]
    assert len(stores(tmp_path / "cache")) == 2


@pytest.mark.parametrize(
    "other", [{"resize_to": 24}, {"resize": "crop"}, {"channels": 1}], ids=lambda change: next(iter(change))
)
def test_another_way_of_resizing_is_another_store(
    folder_of_colours: Folder, tmp_path: Path, other: dict[str, object]
) -> None:
    source = open_source(folder_of_colours(count=2))
    opened(source, tmp_path / "cache")
    opened(source, tmp_path / "cache", Preprocess.from_dict(RULE.to_dict() | other))
    assert len(stores(tmp_path / "cache")) == 2


@pytest.mark.parametrize(
    "other", [{"mean": (0.5,)}, {"views": 10}, {"size": 12}], ids=lambda change: next(iter(change))
)
def test_what_follows_the_store_does_not_make_another(
    folder_of_colours: Folder, tmp_path: Path, other: dict[str, object]
) -> None:
    source = open_source(folder_of_colours(count=2))
    opened(source, tmp_path / "cache")
    opened(undecodable(source), tmp_path / "cache", Preprocess.from_dict(RULE.to_dict() | other))
    assert len(stores(tmp_path / "cache")) == 1


def _cut(file: Path, share: float) -> None:
    os.truncate(file, int(share * file.stat().st_size))


def _sawn(file: Path) -> None:
    """As a killed process leaves it: long enough, but of another shape."""
    np.save(file, np.zeros((36, 10, 40, 3), np.uint8))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "half the pixels": lambda folder: _cut(folder / "pixels.npy", 0.5),
    "a last piece of the pixels": lambda folder: _cut(folder / "pixels.npy", 0.99),
    "no pixels": lambda folder: _cut(folder / "pixels.npy", 0),
    "half the header": lambda folder: os.truncate(folder / "pixels.npy", 60),
    "no pixel file": lambda folder: (folder / "pixels.npy").unlink(),
    "another shape": lambda folder: _sawn(folder / "pixels.npy"),
    "another type": lambda folder: np.save(folder / "pixels.npy", np.zeros((36, 20, 20, 3), np.float32)),
    "half the index": lambda folder: _cut(folder / "index.json", 0.5),
    "no index": lambda folder: (folder / "index.json").unlink(),
    "an index of zeros": lambda folder: (folder / "index.json").write_bytes(bytes(200)),
    "an index of bytes": lambda folder: (folder / "index.json").write_bytes(b"\xff\xfe" * 50),
    "a list": lambda folder: (folder / "index.json").write_text("[]"),
    "a bare index": lambda folder: (folder / "index.json").write_text('{"format": 2}'),
    "an older format": lambda folder: _edited(folder, "format", 1),
    "a newer format": lambda folder: _edited(folder, "format", 99),
    "another picture called bad": lambda folder: _edited(folder, "bad", {"5": "was 4"}),
}


def _edited(folder: Path, key: str, value: object) -> None:
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(index | {key: value}))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_built_anew(folder_of_colours: Folder, tmp_path: Path, damage: str) -> None:
    folder = folder_of_colours()
    source = open_source(folder)
    opened(source, tmp_path / "cache")
    (place,) = stores(tmp_path / "cache")
    DAMAGES[damage](place)
    again = opened(source, tmp_path / "cache")
    np.testing.assert_array_equal(again.pixels, expected(folder, source))
    assert again.bad == {}
    opened(undecodable(source), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == [place]


def test_a_source_that_gives_too_few_pictures_makes_no_store(source_of: MakeSource, tmp_path: Path) -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(DataError, match="gave 3 of its 4 pictures"):
        opened(source_of([0, 1, 0, 1], contents=[picture] * 3), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_error_while_building_leaves_nothing_behind(folder_of_colours: Folder, tmp_path: Path) -> None:
    source = open_source(folder_of_colours())

    def contents() -> Iterator[Content]:
        yield from list(source.contents())[:20]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(replace(source, contents=contents), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_space_is_reserved_before_anything_is_decoded(folder_of_colours: Folder, tmp_path: Path) -> None:
    """A hole in a mapped file turns a full disk into a signal that kills the process."""
    source = open_source(folder_of_colours())
    taken: list[int] = []

    def contents() -> Iterator[Content]:
        (file,) = (tmp_path / "cache").glob(".*/pixels.npy")
        taken.append(file.stat().st_blocks * 512)
        yield from source.contents()

    opened(replace(source, contents=contents), tmp_path / "cache")
    assert taken[0] >= 36 * 20 * 20 * 3


def test_the_user_s_folder_is_left_as_it_was(folder_of_colours: Folder, tmp_path: Path) -> None:
    folder = folder_of_colours()
    (folder / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff")

    def state() -> dict[str, tuple[int, bytes]]:
        return {
            str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in [folder, *folder.rglob("*")]
        }

    before = state()
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        built = opened(open_source(folder), tmp_path / "cache")
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert list(built.bad) == [36]
    assert state() == before


PRELUDE = """
import os, resource, signal, sys, time
from pathlib import Path
import numpy as np
import torch
from alexnet.data import store
from alexnet.data.sources.base import Source
from alexnet.errors import ResourceError
from alexnet.preprocess import Preprocess
from alexnet.progress import Display

torch.set_num_threads(1)
cache = Path(sys.argv[1])
PICTURES = np.random.default_rng(0).integers(0, 256, (640, 20, 20, 3)).astype(np.uint8)

def source(pause):
    def contents():
        for picture in PICTURES:
            time.sleep(pause)
            yield picture
    count = len(PICTURES)
    names = tuple(f"{number:04d}" for number in range(count))
    return Source("made up", ("a", "b"), names, np.arange(count) % 2, ("",) * count, contents, "key", "")

def build(pause=0.0):
    return store.open_or_build(source(pause), Preprocess(20, 20), cache, Display(quiet=True), workers=2)

def child(work):
    number = os.fork()
    if number == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return number

def visible():
    return [entry for entry in cache.iterdir() if not entry.name.startswith(".")]

"""


def by_another_process(script: str, cache: Path) -> str:
    """What a new Python says that runs the script; it forks from there, where no thread has been started."""
    cache.mkdir()
    result = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(cache)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_killed_while_building_leaves_nothing_that_looks_like_a_store(tmp_path: Path) -> None:
    said = by_another_process(
        """
        leftovers = 0
        for delay in np.random.default_rng(1).uniform(0.01, 0.5, 10):
            number = child(lambda: build(0.001))
            time.sleep(delay)
            os.kill(number, signal.SIGKILL)
            _, status = os.waitpid(number, 0)
            assert os.WIFSIGNALED(status), "the build was over before it was killed"
            assert visible() == [], visible()
            leftovers = len(list(cache.iterdir()))
        built = build()
        assert np.array_equal(built.pixels, PICTURES)
        assert len(visible()) == 1
        print(leftovers)
        """,
        tmp_path / "cache",
    )
    assert int(said) >= 3  # they were killed in the middle


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_processes_that_build_at_once_end_with_the_same_store(tmp_path: Path) -> None:
    by_another_process(
        """
        def work():
            assert np.array_equal(build(0.0005).pixels, PICTURES)

        numbers = [child(work) for _ in range(3)]
        assert [os.waitpid(number, 0)[1] for number in numbers] == [0, 0, 0]
        assert len(list(cache.iterdir())) == 1, list(cache.iterdir())
        assert np.array_equal(build().pixels, PICTURES)
        """,
        tmp_path / "cache",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_full_disk_is_told_and_nothing_half_built_stays(tmp_path: Path) -> None:
    said = by_another_process(
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            build()
        except ResourceError as error:
            print(error)
        assert list(cache.iterdir()) == []
        """,
        tmp_path / "cache",
    )
    assert said.startswith("the disk is full")
    assert str(tmp_path / "cache") in said
