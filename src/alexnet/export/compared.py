"""What an exported model is compared on: pictures of the run's data, or two photographs that are always there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_image

from alexnet import settings
from alexnet.data import images, sources
from alexnet.errors import AlexNetError, DataError
from alexnet.export.certificate import Pixels
from alexnet.progress import Display
from alexnet.run import Run

COUNT = 32
PHOTOGRAPHS = (
    "pieces of two photographs that come with scikit-learn (CC BY 2.0, flickr.com/photos/danielbuechele/6061409035 and "
    "flickr.com/photos/vultilion/6056698931)"
)


@dataclass(frozen=True)
class Compared:
    """Pictures, uint8 (H, W, 3) each, and where they came from, in words."""

    pictures: list[Pixels]
    origin: str


def of_run(run: Run, data_dir: Path | None, display: Display) -> Compared:
    """Pictures of the run's validation part (else of its training part), evenly chosen, undecoded ones left out.

    Where the data are no longer there, the photographs: that the numbers agree needs no labels.
    """
    rows = run.split
    part = next((name for name in ("val", "train", "test") if any(name in row["split"].split("+") for row in rows)), "")
    names = [row["path"] for row in rows if part in row["split"].split("+")]
    chosen = {names[index] for index in np.linspace(0, len(names) - 1, min(COUNT, len(names))).astype(int)}
    try:
        pictures = list(_read(run, chosen, data_dir))
        if not pictures:
            raise DataError("none of the pictures can be read")
    except AlexNetError as error:
        display.say(f"note: the data of {run.path} are not at hand ({error}): compared on photographs instead")
        return photographs()
    where = {"val": "validation", "train": "training", "test": "test"}[part]
    return Compared(pictures, f"{where} pictures of {Path(str(run.args['data'])).name}")


def photographs() -> Compared:
    """Pieces of odd sizes, from 20 pixels to the whole picture, always the same ones."""
    generator = np.random.default_rng(0)
    whole = [np.array(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    pieces = []
    for number in range(COUNT - len(whole)):
        picture = whole[number % 2]
        height, width = (int(generator.integers(20, side + 1)) for side in picture.shape[:2])
        top, left = (
            int(generator.integers(0, side - length + 1))
            for side, length in zip(picture.shape[:2], (height, width), strict=True)
        )
        pieces.append(np.ascontiguousarray(picture[top : top + height, left : left + width]))
    return Compared([*whole, *pieces], PHOTOGRAPHS)


def _read(run: Run, chosen: set[str], data_dir: Path | None) -> Iterator[Pixels]:
    options = settings.options_of(run.args)
    source = sources.open_source(
        options.data, data_dir=data_dir or options.data_dir, protocol=options.protocol, display=Display(quiet=True)
    )
    with images.accepting_truncated(bool(options.accept_truncated)):
        for name, content in zip(source.names, source.contents(), strict=False):
            if name in chosen:
                try:
                    yield content if isinstance(content, np.ndarray) else images.read(content, name)
                except DataError:
                    continue  # it was tolerated in training too
