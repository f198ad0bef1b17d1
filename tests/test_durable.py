"""Files are whole or absent, whatever happens while they are written."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from alexnet import durable
from alexnet.errors import ResourceError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_writes_and_replaces(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.txt"
    durable.write_text(file, "first\n")
    durable.write_text(file, "zweite Fassung: ä\n")
    assert file.read_bytes() == "zweite Fassung: ä\n".encode()
    assert names(file.parent) == ["a.txt"]


def test_old_file_stays_when_the_new_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    durable.write_text(file, "old")
    seen = []

    def refuse(unfinished: Path) -> None:
        seen.append((unfinished.parent, unfinished.read_bytes()))
        raise ValueError

    with pytest.raises(ValueError):
        durable.write(file, lambda out: out.write(b"new"), check=refuse)
    assert seen == [(tmp_path, b"new")]
    assert file.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_old_file_stays_when_the_filler_raises(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    durable.write_text(file, "old")

    def fill(out: BinaryIO) -> None:
        out.write(b"half of the new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        durable.write(file, fill)
    assert file.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("place", ["fsync", "mkstemp", "fill"])
def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    file = tmp_path / "a.txt"
    durable.write_text(file, "old")
    fill = no_space if place == "fill" else lambda out: out.write(b"new")
    if place == "fsync":
        monkeypatch.setattr(os, "fsync", no_space)
    if place == "mkstemp":
        monkeypatch.setattr(tempfile, "mkstemp", no_space)
    with pytest.raises(ResourceError, match=r"the disk is full: .*a\.txt") as caught:
        durable.write(file, fill)
    assert caught.value.exit_code == 6
    assert "\n" not in str(caught.value)
    assert file.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX")
def test_file_size_limit(tmp_path: Path) -> None:
    """A real refusal by the system in the middle of a write."""
    script = """
        import resource, sys
        from pathlib import Path
        from alexnet import durable
        from alexnet.errors import ResourceError
        file = Path(sys.argv[1])
        durable.write_text(file, "old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            durable.write(file, lambda out: out.write(b"x" * 1_000_000))
        except ResourceError as error:
            sys.exit(error.exit_code)
        """
    file = tmp_path / "a.bin"
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(file)], check=False)
    assert result.returncode == 6
    assert file.read_text() == "old"
    assert names(tmp_path) == ["a.bin"]


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        durable.write_text(tmp_path / "folder", "text")
    assert names(tmp_path) == ["folder"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        durable.write_text(tmp_path / "a", "text")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_json_of_odd_names_is_utf8_and_comes_back(tmp_path: Path) -> None:
    values = {"latin-1": os.fsdecode(b"caf\xe9.png"), "utf-8": "café 日本.png"}
    durable.write_json(tmp_path / "a.json", values)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "café 日本.png" in text
    assert json.loads(text) == values


def test_a_lock_is_held_by_one_and_the_next_waits_until_it_is_free(tmp_path: Path) -> None:
    file, said = tmp_path / "new" / ".lock", []

    def second() -> None:
        with durable.locked(file, lambda: said.append("waits")) as held:
            said.append(f"held: {held}")

    thread = threading.Thread(target=second)
    with durable.locked(file, lambda: said.append("never")) as held:
        assert held
        thread.start()
        deadline = time.monotonic() + 60
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
        assert said == ["waits"]
    thread.join(timeout=60)
    assert said == ["waits", "held: True"]
    assert names(file.parent) == [".lock"]


def test_a_lock_that_cannot_be_made_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with durable.locked(tmp_path / "file" / ".lock", lambda: None) as held:
        assert not held


def test_digests(tmp_path: Path) -> None:
    assert durable.digest("ab", "c") != durable.digest("a", "bc")
    assert durable.digest("é") == durable.digest("é".encode())
    assert len(durable.digest()) == 32
    (tmp_path / "a").write_bytes(b"abc")
    assert durable.digest_file(tmp_path / "a") == hashlib.blake2b(b"abc", digest_size=16).hexdigest()
