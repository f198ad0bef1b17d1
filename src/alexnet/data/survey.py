"""Every picture of a source looked at once, by threads: sides, digest, what is wrong with it. Nothing is written."""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from alexnet.data import images, twins
from alexnet.data.decode import Item, by_threads
from alexnet.data.images import Picture, UnreadableError
from alexnet.data.sources.base import Content, Source
from alexnet.errors import DataError
from alexnet.progress import Display


@dataclass(frozen=True)
class Survey:
    """What a source's pictures are; in arrays, one row a picture, zero for the unreadable ones."""

    digests: NDArray[np.uint8]
    """uint8 (N, twins.DIGEST), of the decoded pictures in their own size."""
    sides: NDArray[np.int32]
    """int32 (N, 2): width and height in pixels, upright."""
    bad: dict[int, UnreadableError] = field(default_factory=dict)
    """Index of each unreadable picture, and what is wrong with it."""
    kinds: dict[int, str] = field(default_factory=dict)
    """Index of each picture whose name promises another kind of file, and which kind it is."""
    framed: list[int] = field(default_factory=list)
    """Indices of animations and files of many pages."""

    @property
    def usable(self) -> NDArray[np.int64]:
        """Indices of the pictures that can be read."""
        return np.setdiff1d(np.arange(len(self.sides)), list(self.bad))


def survey(source: Source, display: Display, workers: int) -> Survey:
    """Look at every picture. Memory: one decoded picture a thread, and some 25 bytes for each that was seen.

    Errors: DataError when the source gives fewer pictures than it has.
    """
    count = len(source)
    result = Survey(np.zeros((count, twins.DIGEST), np.uint8), np.zeros((count, 2), np.int32))
    seen = 0
    items = zip(itertools.count(), source.names, source.contents(), strict=False)
    with images.without_warnings(), display.bar(f"reading {source.name}", count) as bar:
        for looked in by_threads(items, lambda chunk: _look_at(chunk, result), workers):
            seen += looked
            bar.advance(looked)
    if seen != count:
        raise DataError(f"{source.name} gave {seen} of its {count} pictures: it changed while it was read")
    return replace(result, bad=dict(sorted(result.bad.items())), framed=sorted(result.framed))


def _look_at(chunk: list[Item], result: Survey) -> int:
    for number, name, content in chunk:
        try:
            picture = _picture(content, name)
        except UnreadableError as error:
            result.bad[number] = error
            continue
        result.digests[number] = np.frombuffer(twins.digest(picture.pixels), np.uint8)
        result.sides[number] = picture.pixels.shape[1], picture.pixels.shape[0]
        if images.named_kind(name) not in (None, picture.kind):
            result.kinds[number] = picture.kind
        if picture.frames:
            result.framed.append(number)
    return len(chunk)


def _picture(content: Content, name: str) -> Picture:
    if isinstance(content, np.ndarray):
        return Picture(content, kind="", frames=False)
    return images.examine(content, name)
