"""What every source answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Part = Literal["train", "val", "test", ""]
"""Where the source itself puts a picture; empty: it does not say."""

Content = Path | bytes | NDArray[np.uint8]
"""A picture before decoding: a file, a file's bytes, or pixels (H, W, 3)."""


@dataclass(frozen=True)
class Source:
    """Which pictures, which labels, which class names. Nothing is decoded yet."""

    name: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    """A path, an archive member, or part and number: unique, and shown to people."""
    labels: NDArray[np.int64]
    """Index into `classes`, one a picture."""
    parts: tuple[Part, ...]
    contents: Callable[[], Iterator[Content]] = field(repr=False)
    """Yields the pictures in the order of `names`; may be called again."""
    digest: str
    """Changes when a byte of a picture, a name or the order does; not when only a label or a part does."""
    why: str
    """How the parts came about, in words; written to the run."""
    rescan: Callable[[], str] | None = field(default=None, repr=False)
    """The digest as it is now, where pictures are files that may change while they are read."""

    def __len__(self) -> int:
        return len(self.names)
