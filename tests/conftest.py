"""What many tests need: small made-up pictures, a cache of their own, the real data sets where they are."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Colour = tuple[int, int, int]
COLOURS: dict[str, Colour] = {"blue": (20, 40, 220), "green": (30, 200, 60), "red": (220, 30, 20)}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read from or written to the user's cache; one cache a session, so that stores are shared."""
    base = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setattr("alexnet.data.sources.download.cache_folder", lambda: base)
    monkeypatch.setattr("alexnet.dataset.cache_folder", lambda: base)


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
