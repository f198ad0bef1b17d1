"""Stores in which training pictures are JPEGs."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from alexnet import dataset, download, settings
from alexnet.data import space, store, store_files
from alexnet.data.batches import Batches
from alexnet.data.compressed import RECORDS, Compressed, compress, expand
from alexnet.data.sources import Source, open_source
from alexnet.data.store import Store
from alexnet.data.store_files import INDEX, DamagedError
from alexnet.data.twins import twins
from alexnet.data.writing import PIXELS
from alexnet.errors import DataError
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import Run
from tests.conftest import raw

Call = Callable[..., Any]
Folder = Callable[..., Path]

RULE = Preprocess(size=64, resize_to=64)
QUIET = Display(quiet=True)


def built(source: Source, cache: Path, trained: NDArray[np.int64] | None, rule: Preprocess = RULE) -> Store:
    return store.open_or_build(source, rule, cache, QUIET, compress=trained)


def smooth(seed: int, channels: int = 3, side: int = 64) -> NDArray[np.uint8]:
    """A picture as cameras make them: neighbours are alike."""
    coarse = torch.rand(1, channels, 8, 8, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, size=side, mode="bicubic").clamp(0, 1)[0]
    return (255 * fine).byte().permute(1, 2, 0).numpy()


@pytest.fixture
def pictures(source_of: Callable[..., Source]) -> Source:
    return source_of(np.arange(40) % 2, contents=[smooth(number) for number in range(40)])


def test_training_pictures_are_near_and_the_others_exact(pictures: Source, tmp_path: Path) -> None:
    trained = np.arange(0, 40, 2)
    full = raw(built(pictures, tmp_path, None)).astype(int)
    small = built(pictures, tmp_path, trained)
    assert isinstance(small.pixels, Compressed)
    assert (small.form, small.pixels.shape, len(small.pixels)) == ("jpeg", (40, 64, 64, 3), 40)
    read = small.pixels[np.arange(40)]
    error = np.abs(read - full).reshape(40, -1)
    assert (error[1::2] == 0).all()
    assert (error[::2].max(axis=1) > 0).all()
    assert error[::2].mean() < 1.5
    for number in (0, 1, 39):
        np.testing.assert_array_equal(small.pixels[number], read[number])
    assert small.pixels.nbytes < 0.65 * full.size  # half of them raw, the rest a fifth


@pytest.mark.parametrize("channels", [1, 3])
def test_a_record_is_a_jpeg_or_the_pixels_where_that_is_no_shorter(channels: int) -> None:
    for picture, is_jpeg in ((smooth(1, channels), True), (smooth(1, channels, side=12), False)):
        record = compress(picture)
        assert record.startswith(b"\xff\xd8") == is_jpeg
        assert (len(record) < picture.size) == is_jpeg
        read = np.empty_like(picture)
        expand(np.frombuffer(record, np.uint8), read)
        assert np.abs(read.astype(int) - picture).mean() < (1.5 if is_jpeg else 1e-9)


def test_pillow_reads_the_records_alike() -> None:
    record = compress(smooth(3))
    read = np.empty((64, 64, 3), np.uint8)
    expand(np.frombuffer(record, np.uint8), read)
    np.testing.assert_array_equal(read, np.asarray(Image.open(io.BytesIO(record))))


def test_unreadable_pictures_are_empty_records(folder_of_colours: Folder, tmp_path: Path) -> None:
    folder = folder_of_colours(count=5, side=200)
    broken = folder / "red" / "001.png"
    broken.write_bytes(b"no picture")
    source = open_source(folder)
    kept = built(source, tmp_path / "cache", np.arange(15))
    number = source.names.index("red/001.png")
    assert list(kept.bad) == [number]
    assert not kept.pixels[number].any()
    assert kept.pixels[number - 1].any()


def test_other_training_pictures_make_another_store(pictures: Source, tmp_path: Path) -> None:
    for trained in (np.arange(20), np.arange(20), np.arange(21), None):
        built(pictures, tmp_path, trained)
    assert len([entry for entry in tmp_path.iterdir() if entry.is_dir()]) == 3


def test_batches_are_those_of_the_decoded_pictures(pictures: Source, tmp_path: Path) -> None:
    kept = built(pictures, tmp_path, np.arange(40)).pixels
    whole = kept[np.arange(40)]
    both = (
        Batches(given, pictures.labels, np.arange(40), batch_size=7, seed=3, device=torch.device("cpu"))
        for given in (kept, whole)
    )
    for one, other in zip(*(batches.epoch(2) for batches in both), strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert one.pixels.is_contiguous(memory_format=torch.channels_last)


def test_twins_are_found_whatever_their_part(source_of: Callable[..., Source], tmp_path: Path) -> None:
    seen = [smooth(number) for number in range(6)]
    source = source_of(np.arange(8) % 2, contents=[*seen, smooth(2), smooth(9)])
    kept = built(source, tmp_path, np.arange(6))
    found = twins(kept.pixels, source.names, np.arange(6), np.array([6, 7]))
    assert found == {"count": 1, "of": 2, "pairs": [[source.names[2], source.names[6]]]}


# --- damage ----------------------------------------------------------------------------------------------------------


def damage(file: Path, place: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(place)
        byte = opened.read(1)[0]
        opened.seek(place)
        opened.write(bytes([byte ^ 4]))


@pytest.mark.fault("B2")
def test_flipped_bytes_are_noticed_when_a_store_of_jpegs_is_opened(pictures: Source, tmp_path: Path) -> None:
    """bytes of index, lengths and records, flipped one after another"""
    built(pictures, tmp_path, np.arange(30))
    (folder,) = (entry for entry in tmp_path.iterdir() if entry.is_dir())
    records = folder / RECORDS
    length = records.stat().st_size
    places = [(records, int(place)) for place in (*range(0, 160, 7), *np.linspace(160, length - 1, 30))]
    places += [(folder / INDEX, place) for place in range(0, (folder / INDEX).stat().st_size, 5)]
    for file, place in places:
        damage(file, place)
        with pytest.raises(DamagedError, match=file.name):
            store_files.load(folder)
        damage(file, place)
    store_files.load(folder)


@pytest.mark.fault("B2")
def test_of_large_stores_of_jpegs_damaged_pictures_are_named(
    pictures: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_files, "BLOCK", 4000)
    monkeypatch.setattr(store_files, "READ_WHOLE", 0)
    trained = np.arange(40)
    built(pictures, tmp_path, trained)
    (folder,) = (entry for entry in tmp_path.iterdir() if entry.is_dir())
    lengths = np.fromfile(folder / RECORDS, "<u4", 40)
    damage(folder / RECORDS, 160 + int(lengths[:17].sum()) + 1)  # the second byte of every JPEG is the same
    (found,) = store.verify(folder)
    assert 17 in found
    assert len(found) < 8
    kept = built(pictures, tmp_path, trained)
    assert kept.pixels[16].any()
    with pytest.raises(DataError, match=f"{re.escape(str(folder / RECORDS))} is damaged, picture 17: delete the fold"):
        kept.pixels[np.arange(40)]


# --- the choice ------------------------------------------------------------------------------------------------------


QUICK = ("--model", "notebook-mnist", "--epochs", "1", "--device", "cpu", "--no-amp", "--json")


@pytest.mark.fault("B10")
def test_pictures_that_do_not_fit_into_memory_are_stored_as_jpegs(
    call: Call, folder_of_colours: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """a machine that says it has 16 kB in all, and afterwards one that has more"""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 16 kB\nMemAvailable: 16 kB\n")
    with monkeypatch.context() as changed:
        changed.setattr(space, "PROC", tmp_path / "proc")
        trained = call("train", folder_of_colours(), *QUICK)
    assert trained.code == 0, trained.err
    why = "raw, all are 0.0 GB, more than the memory"
    assert f"training pictures are stored as JPEGs, others raw: {why}" in trained.err
    run = Run(trained.json["run"])
    assert run.args["store"] == "jpeg"
    stores = sorted((download.cache_folder() / "stores").iterdir())
    assert call("val", run.path, "--json").json["loss"] == run.metrics["loss"]
    assert sorted((download.cache_folder() / "stores").iterdir()) == stores


@pytest.mark.parametrize("form", ["raw", "jpeg"])
def test_the_form_can_be_asked_for(call: Call, folder_of_colours: Folder, form: str) -> None:
    name = RECORDS if form == "jpeg" else PIXELS
    before = set((download.cache_folder() / "stores").glob(f"*/{name}"))
    trained = call("train", folder_of_colours(side=61), *QUICK, "--store", form)
    assert trained.code == 0, trained.err
    assert Run(trained.json["run"]).args["store"] == form
    assert ("stored as JPEGs, others raw\n" in trained.err) == (form == "jpeg")
    assert len(set((download.cache_folder() / "stores").glob(f"*/{name}")) - before) == 1


def test_what_fits_is_stored_raw(call: Call, folder_of_colours: Folder) -> None:
    assert Run(call("train", folder_of_colours(), *QUICK).json["run"]).args["store"] == "raw"


def test_another_form_is_refused(call: Call, folder_of_colours: Folder) -> None:
    refused = call("train", folder_of_colours(), *QUICK, "--store", "png")
    assert refused.code == 2
    assert "store: input should be 'auto', 'raw' or 'jpeg', not 'png'" in refused.error


def test_what_is_refused_is_decoded_once(call: Call, folder_of_colours: Folder) -> None:
    folder = folder_of_colours(side=62)
    (folder / "red" / "000.png").write_bytes(b"no picture")
    before = set((download.cache_folder() / "stores").glob(f"*/{RECORDS}"))
    refused = call("train", folder, *QUICK, "--store", "jpeg", "--strict")
    assert refused.code == 3
    assert "decoded anew" not in refused.err
    assert len(set((download.cache_folder() / "stores").glob(f"*/{RECORDS}")) - before) == 1


def test_where_training_pictures_judge_as_well_they_are_raw(
    call: Call, folder_of_colours: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "form", lambda shape: "jpeg")
    folder = folder_of_colours()
    table = folder.parent / "table.csv"
    table.write_text(
        "path,label,split\n" + "".join(f"{file},{file.parent.name},train\n" for file in folder.rglob("*.png"))
    )
    trained = call("train", table, *QUICK, "--val-split", "0")
    assert trained.code == 0, trained.err
    assert Run(trained.json["run"]).args["store"] == "raw"


def test_a_run_of_before_stays_raw(call: Call, folder_of_colours: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(call("train", folder_of_colours(), *QUICK).json["run"])
    args = {key: value for key, value in run.args.items() if key != "store"}
    run.write_args(args)
    monkeypatch.setattr(space, "form", lambda shape: "jpeg")
    stores = sorted((download.cache_folder() / "stores").iterdir())
    assert call("val", run.path, "--json").json["loss"] == run.metrics["loss"]
    assert sorted((download.cache_folder() / "stores").iterdir()) == stores


@pytest.mark.parametrize("part", ["train", "val"])
def test_an_unreadable_picture_and_judged_ones_are_exact(
    call: Call, folder_of_colours: Folder, part: str, tmp_path: Path
) -> None:
    """Where the source says the parts, an unreadable training picture changes no part: one store is built."""
    folder = folder_of_colours(count=12, side=100)
    files = sorted(folder.rglob("*.png"))
    parts = [("train", "train", "val", "test")[number % 4] for number in range(len(files))]
    table = tmp_path / "table.csv"
    rows = zip(files, parts, strict=True)
    table.write_text("path,label,split\n" + "".join(f"{file},{file.parent.name},{named}\n" for file, named in rows))
    files[parts.index(part)].write_bytes(b"")
    trained = call("train", table, *QUICK, "--store", "jpeg")
    assert trained.code == 0, trained.err
    assert ("all pictures are decoded anew" in trained.err) == (part == "val")
    run = Run(trained.json["run"])
    options, recipe = settings.resolve({"data": str(table), "model": "notebook-mnist", "store": "jpeg"})
    data = dataset.prepare(options, recipe, QUIET)
    plain = dataset.prepare(options.model_copy(update={"store": "raw"}), recipe, QUIET)
    assert data.split.rows(data.source) == plain.split.rows(plain.source) == run.split
    same = [np.array_equal(data.store.pixels[number], plain.store.pixels[number]) for number in range(len(files))]
    assert all(same[number] for number in data.split.judged)
    assert not any(same[number] for number in data.split.train)
    assert call("val", run.path, "--json").json["loss"] == run.metrics["loss"]


def test_workers_read_too(pictures: Source, tmp_path: Path) -> None:
    kept = store.open_or_build(pictures, RULE, tmp_path, QUIET, compress=np.arange(40), workers=3).pixels
    assert isinstance(kept, Compressed)
    assert kept._threads._max_workers == 3


def test_an_empty_choice_is_an_empty_array(pictures: Source, tmp_path: Path) -> None:
    assert built(pictures, tmp_path, np.arange(40)).pixels[np.arange(0)].shape == (0, 64, 64, 3)
