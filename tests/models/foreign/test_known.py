"""Weights known by name: found where they lie, downloaded once, and never used when damaged."""

import hashlib
import sys
from pathlib import Path

import pytest
import requests
import torch

from alexnet.commands.main import main
from alexnet.errors import DataError, ModelFileError
from alexnet.models import foreign
from alexnet.models.foreign import known
from alexnet.progress import Display
from tests.models.foreign.conftest import made

QUIET = Display(quiet=True)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small file in the place of the published one."""
    file = tmp_path_factory.mktemp("published") / "weights.pth"
    torch.save(made("notebook-mnist").state_dict(), file)
    return file.read_bytes()


@pytest.fixture
def nowhere(published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No copy anywhere, no network; gives the place in the cache."""
    entry = known.Known("weights.pth", "https://example.org/weights.pth", len(published), sha256(published))
    monkeypatch.setitem(known.KNOWN, "torchvision", entry)
    monkeypatch.setattr("alexnet.download.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv("ALEXNET_DATA", raising=False)
    no_network(monkeypatch)
    return tmp_path / "cache" / "weights" / "weights.pth"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr("pooch.retrieve", refused)


def network(monkeypatch: pytest.MonkeyPatch, content: bytes) -> list[str]:
    """A network that has this content everywhere; gives the list of what was asked for."""
    asked: list[str] = []

    def retrieve(url: str, known_hash: None, fname: str, path: Path, downloader: object) -> None:
        asked.append(url)
        (Path(path) / fname).write_bytes(content)

    monkeypatch.setattr("pooch.retrieve", retrieve)
    return asked


def put(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_the_published_file_is_the_one_that_others_pin() -> None:
    entry = known.KNOWN["torchvision"]
    assert entry.url == "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
    assert (entry.size, entry.sha256[:8]) == (244_408_911, "7be5be79")
    assert entry.file in entry.url
    assert entry.sha256[:8] in entry.file
    assert len(entry.sha256) == 64


def test_it_is_downloaded_once_into_the_cache(nowhere: Path, published: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = network(monkeypatch, published)
    assert foreign.locate("torchvision", QUIET) == nowhere
    assert foreign.locate("torchvision", QUIET) == nowhere
    assert asked == ["https://example.org/weights.pth"]


@pytest.mark.parametrize("place", ["named", "cache", "hub"])
def test_it_is_found_where_it_lies(
    nowhere: Path, published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("ALEXNET_DATA", str(tmp_path / "sets"))
    places = {
        "named": tmp_path / "sets" / "weights" / "weights.pth",
        "cache": nowhere,
        "hub": tmp_path / "hub" / "checkpoints" / "weights.pth",
    }
    file = put(places[place], published)
    assert foreign.locate("torchvision", QUIET) == file


@pytest.mark.parametrize("content", ["half", "other"])
def test_a_damaged_file_is_named_and_never_used(
    nowhere: Path, published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    damaged = published[: len(published) // 2] if content == "half" else published[:-1] + b"\1"
    asked = network(monkeypatch, published)
    for file in (nowhere, tmp_path / "hub" / "checkpoints" / "weights.pth"):
        put(file, damaged)
        with pytest.raises(ModelFileError, match="is damaged") as caught:
            foreign.locate("torchvision", QUIET)
        assert str(file) in str(caught.value)
        assert "delete or replace it (it is published at https://example.org" in str(caught.value)
        file.unlink()
    assert asked == []


def test_a_damaged_download_is_not_kept(nowhere: Path, published: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    network(monkeypatch, published[:-1])
    with pytest.raises(ModelFileError, match="could not be downloaded"):
        foreign.locate("torchvision", QUIET)
    assert list(nowhere.parent.iterdir()) == []


def test_without_a_network_one_line_says_what_to_do(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    commands = (
        ["predict", "torchvision", "."],
        ["train", "--weights", "torchvision"],
        ["convert", "torchvision", "out.safetensors"],
        ["val", "torchvision", "--data", "."],
    )
    (tmp_path / "a.png").touch()
    for arguments in commands:
        monkeypatch.setattr(sys, "argv", ["alexnet", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert left.value.code == 4, said.err
        assert said.err.count("\n") == 1
        assert "weights.pth could not be downloaded from https://example.org/weights.pth" in said.err
        assert f"put it at {nowhere}" in said.err
        assert "ALEXNET_DATA" in said.err


def test_a_file_of_that_name_needs_its_path(
    nowhere: Path, published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = put(tmp_path / "torchvision", b"mine")
    put(nowhere, published)
    assert foreign.locate("torchvision", QUIET) == nowhere
    assert foreign.locate("./torchvision", QUIET) == Path("./torchvision")
    assert foreign.locate(file, QUIET) == file


def test_a_data_folder_of_nobody_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEXNET_DATA", "~nosuchuser/data")
    with pytest.raises(DataError, match="~nosuchuser/data, from --data-dir or ALEXNET_DATA"):
        foreign.locate("torchvision", QUIET)
