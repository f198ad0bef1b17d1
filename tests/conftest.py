"""What many tests need: small made-up pictures, a cache of their own, the real data sets where they are."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the processors: each takes one, as do the children it starts
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from alexnet.commands.main import main
from alexnet.data.store import Store
from alexnet.progress import Display
from alexnet.run import Run

pytest_plugins = ["tests.faults.table"]

Colour = tuple[int, int, int]
COLOURS: dict[str, Colour] = {"blue": (20, 40, 220), "green": (30, 200, 60), "red": (220, 30, 20)}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read from or written to the user's cache; one cache a session, so that stores are shared."""
    base = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setattr("alexnet.download.cache_folder", lambda: base)
    monkeypatch.setattr("alexnet.dataset.cache_folder", lambda: base)


@pytest.fixture(scope="session", autouse=True)
def _no_measured_speed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the user's machine was measured to do changes nothing here, in fixtures of a session neither."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alexnet.speed_record.cache_folder", lambda: tmp_path_factory.getbasetemp() / "no measured speed")
        yield


@pytest.fixture(autouse=True)
def _with_terminal() -> Iterator[None]:
    """SIGHUP does what it does where nobody has said `nohup`, also in the processes that a test starts."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL) if hasattr(signal, "SIGHUP") else None
    yield
    if before is not None:
        signal.signal(signal.SIGHUP, before)


@dataclass
class Result:
    """What a command left: its exit code, and all it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line on standard error."""
        assert "Traceback" not in self.err
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


Call = Callable[..., Result]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """The command's own entry point, in an empty folder and in this process (importing torch anew takes seconds)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALEXNET_DEBUG", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["alexnet", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Result(left.value.code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether kills and pauses are repeated as often as the matrix of faults says."""
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data sets, or a skip that says so."""
    folder = os.environ.get("ALEXNET_DATA")
    if not folder:
        pytest.skip("ALEXNET_DATA names no folder with mnist/ and 17flowers/: the test on real data is skipped")
    return Path(folder)


def noisy(colour: Colour, seed: int, side: int = 48) -> NDArray[np.uint8]:
    """A picture of one colour with noise, uint8 (side, side, 3)."""
    noise = np.random.default_rng(seed).normal(0, 25, (side, side, 3))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def folder_of_colours(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of three classes, blue, green and red, of PNG pictures."""

    def make(name: str = "colours", count: int = 12, side: int = 48) -> Path:
        folder = tmp_path / name
        for label, colour in COLOURS.items():
            (folder / label).mkdir(parents=True)
            for number in range(count):
                seed = number + 1000 * len(label)
                Image.fromarray(noisy(colour, seed, side)).save(folder / label / f"{number:03d}.png")
        return folder

    return make


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run on the built-in digits, two epochs in float32, trained once and only read by tests."""
    return trained(tmp_path_factory, "digits", epochs=2)


@pytest.fixture(scope="session")
def colours_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A folder of three colours, eight pictures each, and a run trained on it; only read by tests."""
    folder = tmp_path_factory.mktemp("shared") / "three colours"
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(noisy(colour, number + 1000 * len(label))).save(folder / label / f"{number:03d}.png")
    return folder, trained(tmp_path_factory, folder, model="notebook-mnist", epochs=6, batch_size=8)


def trained(tmp_path_factory: pytest.TempPathFactory, data: str | Path, **given: Any) -> Run:
    """A run in a folder of its own; fixtures of a session come before `_own_cache`, hence the patch."""
    from alexnet.experiment import train

    cache = tmp_path_factory.getbasetemp() / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alexnet.download.cache_folder", lambda: cache)
        patch.setattr("alexnet.dataset.cache_folder", lambda: cache)
        project = tmp_path_factory.mktemp("runs")
        return train(data, project=project, device="cpu", amp=False, display=Display(quiet=True), **given)


def raw(kept: Store) -> NDArray[np.uint8]:
    """The pictures of a store that has them as they are."""
    assert isinstance(kept.pixels, np.ndarray)
    return kept.pixels
