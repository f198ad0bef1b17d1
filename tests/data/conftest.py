"""Sources made of what a test has at hand."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from alexnet import durable
from alexnet.data.sources.base import Content, Part, Source

MakeSource = Callable[..., Source]


@pytest.fixture
def source_of() -> MakeSource:
    """Makes a source of pictures (bytes, paths or pixels) or, for divisions, of labels alone."""

    def make(
        labels: Sequence[int], parts: Sequence[Part] = (), contents: Sequence[Content] = (), why: str = ""
    ) -> Source:
        kept = list(contents)
        unsaid: tuple[Part, ...] = tuple("" for _ in labels)
        return Source(
            name="made up",
            classes=tuple(f"class {number}" for number in range(max(labels) + 1)),
            names=tuple(f"{number:04d}" for number in range(len(labels))),
            labels=np.array(labels, dtype=np.int64),
            parts=tuple(parts) or unsaid,
            contents=lambda: iter(kept),
            digest=durable.digest(*(item if isinstance(item, bytes) else repr(item) for item in kept)),
            why=why,
        )

    return make
