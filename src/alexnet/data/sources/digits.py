"""digits: 1,797 real handwritten digits of 8×8 pixels that come with scikit-learn. No download.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (UCI, 1998), its test part.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import durable
from alexnet.data.sources.base import Content, Source
from alexnet.progress import Display

FACTS: dict[str, Any] = {
    "pictures": 1797,
    "classes": 10,
    "picture": "8×8 grey",
    "about": "handwritten digits, comes with scikit-learn",
}


def where(data_dir: Path | None = None) -> str | None:
    """Always at hand."""
    return "built in"


def load(data_dir: Path | None, display: Display) -> Source:
    """The set; its values 0 to 16 become 0 to 255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)

    def contents() -> Iterator[Content]:
        yield from np.repeat(grey[..., None], 3, axis=-1)

    return Source(
        name="digits",
        classes=tuple("0123456789"),
        names=tuple(f"digits/{index:04d}" for index in range(len(grey))),
        labels=bunch.target.astype(np.int64),
        parts=tuple("" for _ in grey),
        contents=contents,
        digest=durable.digest("digits", grey.tobytes()),
        why="",
    )
