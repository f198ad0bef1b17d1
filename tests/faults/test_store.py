"""The decoded store under kills, damage, full and read-only disks, and several processes (rows B)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from alexnet import durable
from alexnet.data import store, store_files
from alexnet.data.batches import Batches
from alexnet.data.sources import Source
from alexnet.data.store_files import INDEX, DamagedError
from alexnet.data.writing import PIXELS
from alexnet.errors import DataError, ResourceError
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from tests.conftest import noisy, raw

RULE = Preprocess(size=20, resize_to=20)

PRELUDE = """
import io, json, os, resource, shutil, signal, sys, time, traceback
from pathlib import Path
import filelock
import numpy as np
import torch
from PIL import Image
from alexnet import durable
from alexnet.data import space, store, store_files
from alexnet.data.batches import Batches
from alexnet.data.sources.base import Source
from alexnet.errors import AlexNetError
from alexnet.preprocess import Preprocess
from alexnet.progress import Display

torch.set_num_threads(1)
cache, more = Path(sys.argv[1]), sys.argv[2:]
decoders = cache.parent / "decoders"  # one line for each process that decodes

def png(number):
    file = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()

PICTURES = [png(number) for number in range(60)]
PICTURES[7] = PICTURES[7][:200]
NAMES = tuple(f"{number:04d}.png" for number in range(60))

def source(pause=0.0):
    def contents():
        with decoders.open("a") as file:
            file.write(f"{os.getpid()}\\n")
        for picture in PICTURES:
            time.sleep(pause)
            yield picture
    return Source("made up", ("a", "b"), NAMES, np.arange(60) % 2, ("",) * 60, contents, "key", "")

compressed = np.arange(0, 60, 2) if "jpeg" in more else None

def build(pause=0.0, place=cache, side=20):
    return store.open_or_build(
        source(pause), Preprocess(side, side), place, Display(), workers=2, compress=compressed
    )

def child(work):
    sys.stdout.flush()
    number = os.fork()
    if number == 0:
        try:
            work()
            os._exit(0)
        except AlexNetError as error:
            print(f"error: {error}", flush=True)
            os._exit(error.exit_code)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return number

def code(number):
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])

def until(condition):
    latest = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < latest, "waited in vain"
        time.sleep(0.01)

def stores(place=cache):
    return [entry for entry in place.iterdir() if not entry.name.startswith(".")]

def rests():
    return [entry for entry in cache.iterdir() if entry.name.startswith(".") and entry.is_dir()]

def content(place=cache):
    (folder,) = stores(place)
    pictures = "pixels.npy" if compressed is None else "records.bin"
    assert sorted(file.name for file in folder.iterdir()) == ["index.json", pictures]
    return [(folder / name).read_bytes() for name in ("index.json", pictures)]

def as_nobody():
    if os.geteuid() == 0:  # every door is open to root
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills and limits are tried where fork is")


def by_another_process(script: str, cache: Path, *more: object) -> str:
    """What a new Python says that runs the script; it forks from there, where no thread is alive."""
    cache.mkdir(exist_ok=True)
    result = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(cache), *map(str, more)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return "".join(line for line in result.stdout.splitlines(True) if not line.startswith("decoding"))  # if it is slow


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def source() -> Source:
    """Forty made-up pictures."""
    pictures = [noisy((90, 120, 150), seed, side=32) for seed in range(40)]
    names = tuple(f"{number:04d}" for number in range(40))
    return Source("made up", ("a", "b"), names, np.arange(40) % 2, ("",) * 40, lambda: iter(pictures), "key", "")


@pytest.fixture
def blocks_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_files, "BLOCK", 10 * 20 * 20 * 3)


def opened(source: Source, cache: Path, display: Display | None = None) -> store.Store:
    return store.open_or_build(source, RULE, cache, display or Display(quiet=True), workers=2)


def folder_of(cache: Path) -> Path:
    (folder,) = (entry for entry in cache.iterdir() if not entry.name.startswith("."))
    return folder


# ---- B1: kills ---------------------------------------------------------------------------------------------


@needs_fork
@pytest.mark.fault("B1")
@pytest.mark.parametrize("form", ["raw", "jpeg"])
def test_a_build_that_was_killed_leaves_nothing_that_looks_like_a_store(cache: Path, form: str, long: bool) -> None:
    """builds killed at random instants, then one that is left alone"""
    said = by_another_process(
        """
        started = time.monotonic()
        build(0.003, cache.parent / "undisturbed")
        duration = time.monotonic() - started
        reference = content(cache.parent / "undisturbed")
        killed = 0
        for share in np.random.default_rng(1).uniform(0, 1.2, int(more[0])):
            number = child(lambda: build(0.003))
            time.sleep(share * duration)
            os.kill(number, signal.SIGKILL)
            killed += code(number) == -signal.SIGKILL
            if stores():
                assert content() == reference
                shutil.rmtree(stores()[0])
        build()
        assert content() == reference
        assert rests() == []
        print(f"killed {killed}")
        """,
        cache,
        10 if long else 3,
        form,
    )
    assert int(said.rsplit("killed ", 1)[1]) >= (3 if long else 1)


@needs_fork
@pytest.mark.fault("B1")
@pytest.mark.parametrize("form", ["raw", "jpeg"])
def test_a_build_that_was_killed_is_gone_on_with_to_the_same_bytes(cache: Path, form: str) -> None:
    """builds killed when some pictures are noted as done, twice; who decodes counts its pictures"""
    said = by_another_process(
        """
        from alexnet.data import decode, images
        decode.CHUNK, decode.NOTED = 4, 0.0
        build(0, cache.parent / "undisturbed")
        reference = content(cache.parent / "undisturbed")
        read, count = images.read, cache.parent / "count"

        def counting(*given, **named):
            with count.open("a") as file:
                file.write("x")
            return read(*given, **named)

        images.read = counting
        done = 0
        for _ in range(2):
            number = child(lambda: build(0.05))
            def noted():
                return [json.loads(file.read_text())["done"] for file in cache.glob(".*/done.json")]
            until(lambda: any(more > done for more in noted()))
            os.kill(number, signal.SIGKILL)
            assert code(number) == -signal.SIGKILL
            (done,) = noted()
        count.unlink()
        build()
        assert content() == reference
        assert rests() == []
        assert len(count.read_text()) == 60 - done
        print(f"kept {done}")
        """,
        cache,
        form,
    )
    assert "of 60 pictures were decoded before: going on" in said
    assert int(said.rsplit("kept ", 1)[1]) >= 8


@needs_fork
@pytest.mark.fault("B1")
@pytest.mark.parametrize("form", ["raw", "jpeg"])
def test_a_build_killed_between_any_two_of_its_steps_is_made_anew_to_the_same_bytes(cache: Path, form: str) -> None:
    """builds killed before and after each of their steps: reserving, decoding, sealing, renaming"""
    by_another_process(
        """
        def dying(owner, name, after):
            real = getattr(owner, name)
            def step(*given, **named):
                if after:
                    real(*given, **named)
                os.kill(os.getpid(), signal.SIGKILL)
            def work():
                setattr(owner, name, step)
                build()
            return work

        build(0, cache.parent / "undisturbed")
        reference = content(cache.parent / "undisturbed")
        steps = [(store, "decode"), (store_files, "seal")]
        steps += [(Path, name) for name in ("mkdir", "replace", "unlink", "rename")]
        if hasattr(os, "posix_fallocate") and compressed is None:
            steps.append((os, "posix_fallocate"))
        for owner, name in steps:
            for after in (False, True):
                assert code(child(dying(owner, name, after))) == -signal.SIGKILL, (name, after)
                complete = (name, after) == ("rename", True)
                assert bool(stores()) == complete, (name, after)
                build()
                assert content() == reference, (name, after)
                assert rests() == [], (name, after)
                shutil.rmtree(stores()[0])
        """,
        cache,
        form,
    )


@pytest.mark.fault("B1")
def test_rests_of_other_stores_are_swept_after_a_day(source: Source, cache: Path) -> None:
    for name in (".old.machine.1", ".new.machine.2"):
        (cache / name).mkdir(parents=True)
        (cache / name / PIXELS).write_bytes(b"half")
    for path in (cache / ".old.machine.1" / PIXELS, cache / ".old.machine.1"):
        os.utime(path, (1e9, 1e9))
    opened(source, cache)
    assert not (cache / ".old.machine.1").exists()
    assert (cache / ".new.machine.2" / PIXELS).exists()  # somebody may be at it, on another machine


# ---- B2, B3: damage ------------------------------------------------------------------------------------------


def flip(file: Path, place: int, bit: int = 0) -> None:
    with file.open("r+b") as damaged:
        damaged.seek(place)
        (byte,) = damaged.read(1)
        damaged.seek(place)
        damaged.write(bytes([byte ^ 1 << bit]))


@pytest.mark.fault("B2")
def test_every_flipped_byte_is_noticed_when_a_store_is_opened(source: Source, cache: Path) -> None:
    """every byte of index and header, and many of the pixels, flipped one after another"""
    opened(source, cache)
    folder = folder_of(cache)
    index, pixels = folder / INDEX, folder / PIXELS
    length = pixels.stat().st_size
    places = [(index, place) for place in range(index.stat().st_size)] + [(pixels, place) for place in range(128)]
    places += [(pixels, int(place)) for place in (128, length - 1, *np.linspace(200, length - 2, 40))]
    for number, (file, place) in enumerate(places):
        flip(file, place, number % 8)
        with pytest.raises(DamagedError, match=file.name):
            store_files.load(folder)
        flip(file, place, number % 8)
    store_files.load(folder)


@pytest.mark.fault("B2")
@pytest.mark.parametrize("name", [INDEX, PIXELS])
def test_a_store_with_a_flipped_byte_is_named_and_built_anew(
    source: Source, cache: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    before = raw(opened(source, cache)).copy()
    folder = folder_of(cache)
    flip(folder / name, (folder / name).stat().st_size // 2, 3)
    again = opened(source, cache, Display())
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"the store {folder} is damaged ({name}")
    assert line.endswith("it is built anew")
    np.testing.assert_array_equal(again.pixels, before)
    assert store.verify(folder) == []


@pytest.mark.fault("B2")
@pytest.mark.usefixtures("blocks_of_ten")
def test_verify_reads_a_store_of_any_size_and_names_the_damaged_pictures(
    source: Source, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(source, cache)
    folder = folder_of(cache)
    assert store.verify(folder) == []
    for picture in (13, 39):
        flip(folder / PIXELS, 128 + picture * 20 * 20 * 3 + 5)
    assert store.verify(folder) == [range(10, 20), range(30, 40)]
    monkeypatch.setattr(store_files, "READ_WHOLE", 0)  # larger ones are not read whole at each start
    store_files.load(folder)
    flip(folder / PIXELS, 20)
    with pytest.raises(DamagedError, match="header"):
        store_files.load(folder)
    with pytest.raises(DamagedError, match="header"):
        store.verify(folder)


@pytest.mark.fault("B3")
@pytest.mark.parametrize("name", [INDEX, PIXELS])
def test_a_store_that_was_cut_or_grew_is_noticed_when_it_is_opened(source: Source, cache: Path, name: str) -> None:
    """both files cut at many lengths, and made longer"""
    opened(source, cache)
    folder = folder_of(cache)
    whole = (folder / name).read_bytes()
    for length in (0, 1, 60, 127, 128, 129, len(whole) // 2, len(whole) - 1, len(whole) + 1):
        os.truncate(folder / name, length)
        with pytest.raises(DamagedError, match=name):
            store_files.load(folder)
        (folder / name).write_bytes(whole)
    os.truncate(folder / name, len(whole) // 2)
    assert raw(opened(source, cache)).any()
    assert store.verify(folder) == []


@pytest.mark.fault("B3")
@pytest.mark.usefixtures("blocks_of_ten")
@pytest.mark.parametrize("largest", [1 << 30, 0], ids=["read whole", "too large to be read whole"])
def test_a_hole_is_noticed_when_a_store_is_opened(
    source: Source, cache: Path, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    """the last third of the pixels replaced by a hole, the length as it was"""
    opened(source, cache)
    folder = folder_of(cache)
    length = (folder / PIXELS).stat().st_size
    os.truncate(folder / PIXELS, length * 2 // 3)
    os.truncate(folder / PIXELS, length)
    monkeypatch.setattr(store_files, "READ_WHOLE", largest)
    with pytest.raises(DamagedError, match="pictures 20 to 39"):
        store_files.load(folder)
    assert opened(source, cache).pixels[39].any()


# ---- B6: several processes -----------------------------------------------------------------------------------


@needs_fork
@pytest.mark.fault("B6")
def test_of_three_processes_one_builds_and_the_others_wait(cache: Path) -> None:
    """three processes started together on one cache; who decodes leaves a line"""
    said = by_another_process(
        """
        def work():
            assert build(0.02).pixels[:7].any(axis=(1, 2, 3)).all()

        assert [code(number) for number in [child(work) for _ in range(3)]] == [0, 0, 0]
        assert len(decoders.read_text().splitlines()) == 1
        assert rests() == []
        assert store.verify(stores()[0]) == []
        """,
        cache,
    )
    assert said.count("waiting for another process that builds the store") == 2


@needs_fork
@pytest.mark.fault("B6")
def test_who_waits_for_a_builder_that_is_killed_builds_itself(cache: Path) -> None:
    said = by_another_process(
        """
        build(0, cache.parent / "undisturbed")
        decoders.unlink()
        builder = child(lambda: build(1.0))
        until(lambda: decoders.exists() and rests())
        log = cache.parent / "log"
        sys.stdout.flush()

        def patient():
            os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY), 1)
            build()

        other = child(patient)
        until(lambda: log.exists() and "waiting" in log.read_text())
        os.kill(builder, signal.SIGKILL)
        assert code(builder) == -signal.SIGKILL
        assert code(other) == 0
        assert decoders.read_text().split() == [str(builder), str(other)]
        assert content() == content(cache.parent / "undisturbed")
        assert rests() == []
        print(log.read_text())
        """,
        cache,
    )
    assert "waiting for another process" in said


@needs_fork
@pytest.mark.fault("B6")
def test_processes_of_torchrun_share_one_build(cache: Path) -> None:
    script = """
        import torch

        from alexnet.training.world import World

        world = World.described()
        world.join(torch.device("cpu"))
        build(0.01)
        assert len(decoders.read_text().splitlines()) == 1
        assert store.verify(stores()[0]) == []
        world.leave()
        """
    cache.mkdir()
    file = cache.parent / "script.py"
    file.write_text(PRELUDE + textwrap.dedent(script))
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*start, file, cache], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- B7: full disks ------------------------------------------------------------------------------------------


@needs_fork
@pytest.mark.fault("B7")
def test_a_disk_that_fills_is_told_and_nothing_half_built_stays(cache: Path) -> None:
    """no file may be larger than 5 MB, and a store of 12 MB is built: exit 6"""
    said = by_another_process(
        """
        def work():
            resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))
            build(side=256)

        assert code(child(work)) == 6
        assert stores() == rests() == []
        assert not decoders.exists()
        """,
        cache,
    )
    need, error = said.splitlines()
    assert need.startswith(f"store {cache}")
    assert need.endswith(": 12 MB to be written")
    assert error.startswith(f"error: the disk is full: {cache}")


@needs_fork
@pytest.mark.fault("B7")
def test_a_disk_that_fills_with_jpegs_is_told_and_nothing_half_built_stays(cache: Path) -> None:
    """no file may be larger than 5 MB, and one of 7 MB is written, half of it after some have been noted: exit 6"""
    said = by_another_process(
        """
        from alexnet.data import decode
        decode.CHUNK, decode.NOTED = 4, 0.0

        def work():
            resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))
            build(side=256)

        assert code(child(work)) == 6
        assert stores() == rests() == []
        assert decoders.exists()
        """,
        cache,
        "jpeg",
    )
    assert said.splitlines()[-1].startswith(f"error: the disk is full: {cache}")


@needs_fork
@pytest.mark.fault("B7")
def test_a_disk_that_fills_with_the_index_is_told_and_nothing_half_built_stays(cache: Path) -> None:
    """pictures of 2 pixels, and an index of bad pictures that is larger than a file may be: exit 6"""
    said = by_another_process(
        """
        PICTURES[:] = [b"no picture"] * 60

        def work():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
            build(side=2)

        assert code(child(work)) == 6
        assert stores() == rests() == []
        assert decoders.exists()
        """,
        cache,
    )
    assert said.startswith("error: the disk is full")


@pytest.mark.fault("B7")
def test_what_no_disk_can_hold_is_refused_before_anything_is_decoded(cache: Path) -> None:
    """a million pictures of 200 MB each"""

    def contents() -> Iterator[Path]:
        raise AssertionError("decoded")

    count = 1_000_000
    huge = Source("huge", ("a", "b"), ("x",) * count, np.zeros(count, np.int64), (), contents, "key", "")
    with pytest.raises(ResourceError, match=r"needs 201,326,592 MB, [\d,]+ MB are free: free some space") as refused:
        store.open_or_build(huge, Preprocess(8192, 8192), cache, Display(quiet=True))
    assert refused.value.exit_code == 6
    assert not [entry for entry in cache.iterdir() if entry.is_dir()]


# ---- B8: caches that cannot be written -----------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o777)
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o777)
    shutil.rmtree(folder)


@needs_fork
@pytest.mark.fault("B8")
def test_a_store_in_a_read_only_cache_is_used(open_folder: Path) -> None:
    """cache and store without write permission, opened as nobody"""
    said = by_another_process(
        """
        build()
        decoders.unlink()
        for path in [*cache.rglob("*"), cache]:
            path.chmod(0o555 if path.is_dir() else 0o444)

        def work():
            as_nobody()
            assert build().usable.tolist() == [number for number in range(60) if number != 7]

        assert code(child(work)) == 0
        assert not decoders.exists()
        """,
        open_folder / "cache",
    )
    assert said == ""


@needs_fork
@pytest.mark.fault("B8")
@pytest.mark.parametrize("state", ["empty", "with a damaged store", "not there"])
def test_a_read_only_cache_without_a_store_is_one_line_with_the_remedy(open_folder: Path, state: str) -> None:
    said = by_another_process(
        """
        if more[0] == "with a damaged store":
            build()
            os.truncate(stores()[0] / "pixels.npy", 100)
        place = cache / "below" if more[0] == "not there" else cache
        cache.chmod(0o555)

        def work():
            as_nobody()
            build(place=place)

        assert code(child(work)) == 6
        """,
        open_folder / "cache",
        state,
    )
    *before, line = said.splitlines()
    place = open_folder / "cache" / ("below" if state == "not there" else "")
    assert line == (
        f"error: {place} cannot be written (permission denied), and these pictures have no store there: "
        "name another cache with XDG_CACHE_HOME"
    )
    assert len(before) == (1 if state == "with a damaged store" else 0)


@needs_fork
@pytest.mark.fault("B8")
def test_a_lock_that_belongs_to_somebody_else_stops_nobody(open_folder: Path) -> None:
    by_another_process(
        """
        build(place=cache.parent / "first")
        (name,) = (entry.name for entry in stores(cache.parent / "first"))
        (cache / f".{name}.lock").touch(0o400)
        cache.chmod(0o777)
        decoders.chmod(0o666)

        def work():
            as_nobody()
            build()

        assert code(child(work)) == 0
        assert content() == content(cache.parent / "first")
        """,
        open_folder / "cache",
    )


# ---- B9, B11: other formats, stores that are replaced ----------------------------------------------------------


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        file.name: (file.stat().st_ino, file.stat().st_mtime_ns, file.read_bytes()) for file in sorted(folder.iterdir())
    }


@pytest.mark.fault("B9")
@pytest.mark.parametrize("other", [3, 99], ids=["older", "newer"])
def test_a_store_of_another_format_lies_elsewhere_and_is_left_alone(source: Source, cache: Path, other: int) -> None:
    """a store as another version has it, under that version's key, in the same cache"""
    place = cache / durable.digest(str(other), source.digest, RULE.resize, str(RULE.resize_to), str(RULE.channels))
    place.mkdir(parents=True)
    np.save(place / PIXELS, np.zeros((40, 20, 20, 3), np.uint8))
    (place / INDEX).write_text(json.dumps({"format": other, "bad": {}, "digest": durable.digest("{}")}))
    before = state(place)
    assert raw(opened(source, cache)).any()
    assert state(place) == before
    assert len([entry for entry in cache.iterdir() if not entry.name.startswith(".")]) == 2


@pytest.mark.fault("B9")
def test_a_whole_store_that_says_another_format_is_refused_and_left_alone(source: Source, cache: Path) -> None:
    opened(source, cache)
    folder = folder_of(cache)
    said = json.loads((folder / INDEX).read_text()) | {"format": 99}
    body = {key: value for key, value in said.items() if key != "digest"}
    (folder / INDEX).write_text(json.dumps(body | {"digest": durable.digest(json.dumps(body))}))
    before = state(folder)
    with pytest.raises(DataError, match=f"format 99, not {store_files.FORMAT}, and is left as it is: move it away"):
        opened(source, cache)
    assert state(folder) == before


@needs_fork
@pytest.mark.fault("B11")
def test_who_has_a_store_open_keeps_it_while_another_process_replaces_it(cache: Path) -> None:
    """a store damaged and built anew by another process while it is open in this one"""
    by_another_process(
        """
        kept = build()
        before = kept.pixels.copy()
        file = stores()[0] / "pixels.npy"
        number = file.stat().st_ino

        def work():
            (stores()[0] / "index.json").unlink()
            build()

        held = file.open("rb")  # so that its number is not given to another file
        assert code(child(work)) == 0
        assert file.stat().st_ino != number
        assert np.array_equal(kept.pixels, before)
        shutil.rmtree(stores()[0])
        assert np.array_equal(kept.pixels, before)
        """,
        cache,
    )


# ---- B10, B12: large stores ------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="data limits that count no mapped files are Linux's")
@pytest.mark.fault("B10")
def test_a_store_larger_than_the_memory_is_told_and_read_page_by_page(cache: Path) -> None:
    """a store of 200 MB in a process that may take 100 MB more, on a machine that says it has 128 MB"""
    said = by_another_process(
        """
        store_files.BLOCK = 1 << 20
        shape = (1024, 256, 256, 3)
        labels = np.arange(1024) % 2
        given = Source("large", ("a", "b"), tuple(map(str, range(1024))), labels, ("",) * 1024, None, "key", "")
        rule = Preprocess(256, 256)
        parts = (str(store_files.FORMAT), given.digest, rule.resize, str(rule.resize_to), str(rule.channels))
        folder = cache / durable.digest(*parts)
        folder.mkdir()
        np.lib.format.open_memmap(folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)[-1] = 9
        store_files.seal(folder, shape, {})
        space.PROC = cache.parent
        (space.PROC / "meminfo").write_text("MemTotal: 131072 kB\\nMemAvailable: 131072 kB\\n")

        def work():
            words = Path("/proc/self/status").read_text().split()
            most = 1024 * int(words[words.index("VmData:") + 1]) + 100_000_000
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
            pixels = store.open_or_build(given, rule, cache, Display(), workers=1).pixels
            batches = Batches(pixels, labels, np.arange(1024), batch_size=32, seed=1, device=torch.device("cpu"))
            assert sum(int(batch.pixels[:, 0, 99, 99].sum()) for batch in batches.epoch()) == 9
            try:
                np.array(pixels)
            except MemoryError:
                return
            raise AssertionError("there was no limit")

        assert code(child(work)) == 0
        """,
        cache,
    )
    assert said == (
        "the stored pictures (0.2 GB) are more than the free memory (0.1 GB): they are read from disk again in every "
        "epoch; training with --store jpeg or less --imgsz makes them smaller\n"
    )


@pytest.mark.fault("B12")
@pytest.mark.parametrize(("side", "channels"), [(256, 3), (57, 1)])
def test_pictures_beyond_two_and_four_gigabytes_are_the_right_ones(tmp_path: Path, side: int, channels: int) -> None:
    """a file of more than 2^32 bytes, written by offsets at both borders, read as batches"""
    size = side * side * channels
    count = (1 << 32) // size + 3
    file = tmp_path / PIXELS
    np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(count, side, side, channels))
    borders = [0, *((1 << power) // size + step for power in (31, 32) for step in (-1, 0, 1)), count - 1]
    written = {row: np.random.default_rng(row).integers(1, 256, size).astype(np.uint8) for row in borders}
    with file.open("r+b") as raw:
        start = file.stat().st_size - count * size
        for row, values in written.items():
            raw.seek(start + row * size)
            raw.write(values.tobytes())
    assert file.stat().st_size > 1 << 32
    pixels = np.load(file, mmap_mode="r")
    labels = np.arange(count)
    batches = Batches(pixels, labels, np.array(borders), batch_size=3, seed=None, device=torch.device("cpu"))
    seen = 0
    for batch in batches.epoch():
        for picture, label in zip(batch.pixels, batch.labels, strict=True):
            assert torch.equal(picture.permute(1, 2, 0).flatten(), torch.from_numpy(written[int(label)]))
            seen += 1
    assert seen == len(borders) == 8
    assert not pixels[1].any()
