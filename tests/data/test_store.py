import io
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from alexnet.data import decode, images, store, store_files
from alexnet.data.sources import Source, open_source
from alexnet.data.sources.base import Content
from alexnet.data.store import Store
from alexnet.errors import DataError
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from tests.conftest import noisy, raw

Folder = Callable[..., Path]
MakeSource = Callable[..., Source]
RULE = Preprocess(size=16, resize_to=20)


def opened(source: Source, cache: Path, rule: Preprocess = RULE, workers: int | None = 2) -> Store:
    return store.open_or_build(source, rule, cache, Display(quiet=True), workers=workers)


def stores(cache: Path) -> list[Path]:
    """All folders of a cache that has no unfinished ones: these are hidden."""
    folders = sorted(entry for entry in cache.iterdir() if entry.suffix != ".lock")
    assert not [folder for folder in folders if folder.name.startswith(".")]
    return folders


def content(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.iterdir()}


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
    assert raw(built).dtype == np.uint8
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
    pixels = raw(opened(open_source(folder_of_colours()), tmp_path / "cache"))
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
        assert (raw(built)[[3, 17, 35]] == 0).all()


def test_the_same_content_elsewhere_is_the_same_store(folder_of_colours: Folder, tmp_path: Path) -> None:
    folder = folder_of_colours()
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(folder, copy)
    opened(open_source(folder), tmp_path / "cache")
    opened(undecodable(open_source(copy)), tmp_path / "cache")
    assert len(stores(tmp_path / "cache")) == 1


@pytest.mark.fault("B4")
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
    (first,) = stores(tmp_path / "cache")
    kept = content(first)
    changed = opened(source, tmp_path / "cache")
    assert raw(changed)[source.names.index("red/000.bmp"), 0, 0].tolist() == [0, 250, 0]
    assert len(stores(tmp_path / "cache")) == 2
    assert content(first) == kept


@pytest.mark.fault("B5")
@pytest.mark.parametrize(
    "other", [{"resize_to": 24}, {"resize": "crop"}, {"channels": 1}], ids=lambda change: next(iter(change))
)
def test_another_way_of_resizing_is_another_store(
    folder_of_colours: Folder, tmp_path: Path, other: dict[str, object]
) -> None:
    source = open_source(folder_of_colours(count=2))
    opened(source, tmp_path / "cache")
    (first,) = stores(tmp_path / "cache")
    before = content(first)
    opened(source, tmp_path / "cache", Preprocess.from_dict(RULE.to_dict() | other))
    assert len(stores(tmp_path / "cache")) == 2
    assert content(first) == before


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


def _by_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"")


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
    "a file in its place": _by_a_file,
    "another picture called bad": lambda folder: _edited(folder, "bad", {"5": "was 4"}),
}


def _edited(folder: Path, key: str, value: object) -> None:
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(index | {key: value}))


@pytest.mark.fault("B2", "B3")
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
    assert stores(tmp_path / "cache") == [place]


def test_a_source_that_gives_too_few_pictures_makes_no_store(source_of: MakeSource, tmp_path: Path) -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(DataError, match="gave 3 of its 4 pictures"):
        opened(source_of([0, 1, 0, 1], contents=[picture] * 3), tmp_path / "cache")
    assert stores(tmp_path / "cache") == []


def test_an_error_while_building_leaves_nothing_behind(folder_of_colours: Folder, tmp_path: Path) -> None:
    source = open_source(folder_of_colours())

    def contents() -> Iterator[Content]:
        yield from list(source.contents())[:20]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        opened(replace(source, contents=contents), tmp_path / "cache")
    assert stores(tmp_path / "cache") == []


def test_after_ctrl_c_the_next_build_goes_on(
    folder_of_colours: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(decode, "NOTED", 0)
    monkeypatch.setattr(decode, "CHUNK", 4)
    folder = folder_of_colours()
    source = open_source(folder)
    read: list[str] = []
    really = images.read

    def counting(content: Path | bytes, name: str | None = None, **given: Any) -> NDArray[np.uint8]:
        read.append(str(name))
        return really(content, name, **given)

    def contents() -> Iterator[Content]:
        yield from list(source.contents())[:28]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(replace(source, contents=contents), tmp_path / "cache", workers=1)
    monkeypatch.setattr(images, "read", counting)
    built = store.open_or_build(source, RULE, tmp_path / "cache", Display(), workers=1)
    told = capsys.readouterr().out
    assert 0 < len(read) < 36
    assert f"{36 - len(read)} of 36 pictures were decoded before: going on" in told
    assert read == list(source.names[36 - len(read) :])
    np.testing.assert_array_equal(built.pixels, expected(folder, source))
    assert len(stores(tmp_path / "cache")) == 1
    assert sorted(file.name for file in stores(tmp_path / "cache")[0].iterdir()) == ["index.json", "pixels.npy"]


def test_large_jpegs_of_some_pictures_are_stored_roughly_in_a_store_of_their_own(tmp_path: Path) -> None:
    slopes = np.add.outer(np.arange(60), 2 * np.arange(90)) % 256
    for number in range(4):
        folder = tmp_path / "pictures" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 9, (60, 90, 3))
        pixels = np.clip(slopes[..., None] // 2 + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=95)
    source = open_source(tmp_path / "pictures")
    full = raw(opened(source, tmp_path / "cache"))
    made = [
        raw(
            store.open_or_build(
                source, RULE, tmp_path / "cache", Display(quiet=True), approximate=np.array(chosen, dtype=np.int64)
            )
        )
        for chosen in ([1, 2], [0])
    ]
    assert [[not np.array_equal(one, other) for one, other in zip(full, rough, strict=True)] for rough in made] == [
        [False, True, True, False],
        [True, False, False, False],
    ]
    difference = full.astype(float) - made[0]
    assert np.sqrt((difference**2).mean()) < 4
    assert len(stores(tmp_path / "cache")) == 3


@pytest.mark.fault("B7")
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


def test_pictures_that_are_cut_short_are_kept_if_asked_for_in_a_store_of_their_own(
    folder_of_colours: Folder, tmp_path: Path
) -> None:
    folder = folder_of_colours()
    file = folder / "red" / "cut.jpg"
    Image.fromarray(noisy((200, 30, 20), 0, side=64)).save(file)
    os.truncate(file, file.stat().st_size // 2)
    source = open_source(folder)
    number = source.names.index("red/cut.jpg")
    for _ in range(2):
        assert list(opened(source, tmp_path / "cache").bad) == [number]
        kept = store.open_or_build(source, RULE, tmp_path / "cache", Display(quiet=True), accept_truncated=True)
        assert kept.bad == {}
        assert kept.pixels[number].any()
    assert len(stores(tmp_path / "cache")) == 2


def test_what_will_be_written_is_told_unless_it_is_little(
    folder_of_colours: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = open_source(folder_of_colours())
    store.open_or_build(source, RULE, tmp_path / "cache", Display())
    assert "to be written" not in capsys.readouterr().out
    for _ in range(2):
        store.open_or_build(source, Preprocess(size=400, resize_to=400), tmp_path / "cache", Display())
    (folder,) = (folder for folder in stores(tmp_path / "cache") if (folder / "pixels.npy").stat().st_size > 10_000_000)
    assert capsys.readouterr().out.count(f"store {folder}: 17 MB to be written") == 1


@pytest.mark.parametrize("doubtful", ["a number", "its pixels", "another shape", "no note"])
def test_an_unfinished_store_that_is_doubtful_is_made_from_the_start(
    folder_of_colours: Folder, tmp_path: Path, doubtful: str
) -> None:
    folder = folder_of_colours()
    source = open_source(folder)
    opened(source, tmp_path / "cache")
    (place,) = stores(tmp_path / "cache")
    left = place.rename(place.parent / f"{store._prefix(place)}0123")
    (left / "index.json").unlink()
    np.save(left / "pixels.npy", np.zeros((36, 20, 20, 3), np.uint8))
    store_files.note(left, 36, {})
    assert store_files.noted(left, (36, 20, 20, 3)) == (36, {})
    match doubtful:
        case "a number":
            text = (left / "done.json").read_text()
            (left / "done.json").write_text(text.replace("36", "35"))
        case "its pixels":
            _cut(left / "pixels.npy", 0.5)
        case "another shape":
            np.save(left / "pixels.npy", np.zeros((36, 20, 40, 3), np.uint8))
        case _:
            (left / "done.json").unlink()
    np.testing.assert_array_equal(opened(source, tmp_path / "cache").pixels, expected(folder, source))
    assert stores(tmp_path / "cache") == [place]


def test_a_store_that_the_disk_spoils_at_once_is_refused(
    folder_of_colours: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = store_files.seal

    def spoiling(folder: Path, *given: Any) -> None:
        seal(folder, *given)
        _cut(folder / "pixels.npy", 0.9)

    monkeypatch.setattr(store_files, "seal", spoiling)
    with pytest.raises(DataError, match=r"was damaged while it was made \(pixels.npy has .* try again"):
        opened(open_source(folder_of_colours()), tmp_path / "cache")


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
