"""A look at all pictures of a data set before anybody trains on it: what cannot be read, what is there twice, how
classes and parts stand. It decodes everything and writes nothing."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet import dataset, settings
from alexnet.data import images, sources, split, twins
from alexnet.data.sources import Source
from alexnet.data.split import Split
from alexnet.data.survey import Survey, survey
from alexnet.doctor.imbalance import RATIO
from alexnet.errors import DataError
from alexnet.progress import Display
from alexnet.run import shown
from alexnet.settings import Options

SHOWN = 5  # names, or pictures that are there twice, that a list on the screen has

PARTS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Inspection:
    """What was found: `to_dict` names every picture, `lines` the first of each kind."""

    source: Source
    options: Options
    seen: Survey
    parts: Split | None
    """The readable pictures as training divides them; None: it cannot."""
    refused: str | None
    """Why training would stop, in one line; None: it would not."""
    alike: list[NDArray[np.int64]]
    """The pictures that are there more than once, each as the indices of all its copies."""

    @property
    def counts(self) -> dict[str, int]:
        """Readable pictures of each class."""
        found = np.bincount(self.source.labels[self.seen.usable], minlength=len(self.source.classes))
        return dict(zip(self.source.classes, found.tolist(), strict=True))

    @property
    def sizes(self) -> dict[str, list[int]]:
        """Width and height of the smallest, the middle and the largest picture, by their number of pixels."""
        sides = self.seen.sides[self.seen.usable]
        if not len(sides):
            return {}
        order = np.argsort(sides[:, 0].astype(np.int64) * sides[:, 1], kind="stable")
        places = {"smallest": order[0], "median": order[len(order) // 2], "largest": order[-1]}
        return {name: sides[place].tolist() for name, place in places.items()}

    @property
    def doubles(self) -> dict[str, list[NDArray[np.int64]]]:
        """Those of `alike` under two labels (one is wrong), in two parts (the verdict flatters), and the others."""
        part = np.full(len(self.source), "", dtype=object)
        for name in PARTS if self.parts is not None else ():
            part[getattr(self.parts, name)] = name
        labels = [group for group in self.alike if len(set(self.source.labels[group])) > 1]
        parts = [group for group in self.alike if len(set(part[group])) > 1]
        named = {id(group) for group in (*labels, *parts)}
        return {"labels": labels, "parts": parts, "copies": [each for each in self.alike if id(each) not in named]}

    @property
    def next(self) -> str:
        """The command that trains on these pictures as they were looked at."""
        options = self.options
        words = ["alexnet train", shown(Path(options.data))]
        for field in ("data_dir", "protocol", "bad_files"):
            if (value := getattr(options, field)) is not None:
                words.append(f"--{field.replace('_', '-')} {shown(Path(str(value)))}")
        words += [f"--{field.replace('_', '-')}" for field in ("strict", "accept_truncated") if getattr(options, field)]
        return " ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values."""
        names, seen, parts = self.source.names, self.seen, self.parts
        return {
            "data": self.options.data,
            "pictures": len(self.source),
            "readable": len(seen.usable),
            "unreadable": [{"path": names[index], "reason": error.reason} for index, error in seen.bad.items()],
            "classes": self.counts,
            "parts": {} if parts is None else {name: len(getattr(parts, name)) for name in PARTS},
            "missing_classes": {} if parts is None else dataset.missing_classes(self.source, parts),
            "sizes": self.sizes,
            "doubles": {kind: [[names[i] for i in each] for each in groups] for kind, groups in self.doubles.items()},
            "named_otherwise": [{"path": names[index], "content": kind} for index, kind in sorted(seen.kinds.items())],
            "first_frame_of": [names[index] for index in seen.framed],
            "refused": self.refused,
            "next": None if self.refused else self.next,
        }

    def lines(self) -> Iterator[str]:
        """What a person reads: a few lines on a clean set, and what is wrong with the others. Without `next`."""
        count, left_out = len(self.source), len(self.seen.bad)
        told = f"{left_out:,} cannot be read and are left out" if left_out else "all can be read"
        yield f"{self.source.name}: {count:,} pictures, {told}"
        yield from self._unreadable()
        yield from self._balance()
        sizes = {name: f"{width}×{height}" for name, (width, height) in self.sizes.items()}
        if len(set(sizes.values())) == 1:
            yield f"sizes: {sizes['median']}"
        elif sizes:
            yield "sizes: " + ", ".join(f"{name} {size}" for name, size in sizes.items())
        yield from self._twice()
        yield from self._notes()

    def _unreadable(self) -> Iterator[str]:
        by_reason: dict[str, list[str]] = defaultdict(list)
        for index, error in self.seen.bad.items():
            by_reason[error.reason].append(self.source.names[index])
        for reason, names in sorted(by_reason.items(), key=lambda each: -len(each[1])):
            yield f"  {len(names):,}: {reason}"
            yield from _listed(names)
        cut = (index for index, error in self.seen.bad.items() if error.reason == images.TRUNCATED)
        if any(images.named_kind(self.source.names[index]) == "JPEG" for index in cut):
            yield "  (--accept-truncated reads JPEGs that are cut short, grey where they are missing)"

    def _balance(self) -> Iterator[str]:
        counts = self.counts
        fewest, most = (choose(counts, key=lambda name: counts[name]) for choose in (min, max))
        if counts[fewest] == counts[most]:
            told = f"{len(counts):,} classes of {counts[most]:,} pictures each"
        else:
            few, many = (f"{counts[label]:,} (class {label})" for label in (fewest, most))
            told = f"{len(counts):,} classes of {few} to {many} pictures"
        if self.parts is not None:
            told += "; " + ", ".join(f"{len(getattr(self.parts, part)):,} {name}" for part, name in PARTS.items())
        yield told
        if counts[most] > RATIO * counts[fewest] > 0:
            yield "  more than ten to one: --class-weights auto lets each class count the same"
        missing = {} if self.parts is None else dataset.missing_classes(self.source, self.parts)
        for part, classes in missing.items():
            yield f"  no {PARTS[part]} picture of {_some(classes)}"

    def _twice(self) -> Iterator[str]:
        doubles = self.doubles
        if not self.alike:
            yield "no picture is there twice"
        for kind, told in (
            ("labels", "under two labels, one of which is wrong"),
            ("parts", "in two parts, so that the verdict flatters"),
            ("copies", "more than once in one class and part"),
        ):
            if groups := doubles[kind]:
                yield f"{len(groups):,} {'picture' if len(groups) == 1 else 'pictures'} {told}:"
                yield from _listed(_some([self.source.names[index] for index in group], " = ") for group in groups)

    def _notes(self) -> Iterator[str]:
        names, kinds = self.source.names, self.seen.kinds
        if kinds:
            yield f"{len(kinds):,} named otherwise than their content, by which they are read:"
            yield from _listed(f"{names[index]} holds {kind}" for index, kind in sorted(kinds.items()))
        if self.seen.framed:
            yield f"{len(self.seen.framed):,} with several frames or pages, of which the first counts:"
            yield from _listed(names[index] for index in self.seen.framed)


def inspect(given: Mapping[str, Any], display: Display) -> Inspection:
    """Look at all the pictures that `given` (options as for training) means.

    Errors: UsageError, DataError as for training where there are no pictures to look at: no such folder, a class
    without any file, a table with a wrong line.
    """
    options, recipe = settings.resolve(given, display=display)
    source = sources.open_source(options.data, data_dir=options.data_dir, protocol=options.protocol, display=display)
    with images.accepting_truncated(options.accept_truncated):
        seen = survey(source, display, options.workers or os.cpu_count() or 1)
    refused = dataset.why_refused(source, {index: str(error) for index, error in seen.bad.items()}, options)
    parts = None
    try:
        parts = split.assign(source, seen.usable, validate_on=recipe.validate_on, val_split=recipe.val_split)
    except DataError as error:
        refused = refused or str(error)
    return Inspection(source, options, seen, parts, refused, twins.alike(seen.digests, seen.usable))


def _listed(rows: Iterable[str]) -> Iterator[str]:
    """The first rows, each indented, and how many more there are."""
    everything = list(rows)
    yield from (f"    {row}" for row in everything[:SHOWN])
    if len(everything) > SHOWN:
        yield f"    and {len(everything) - SHOWN:,} more (--json names all)"


def _some(names: list[str], between: str = ", ") -> str:
    more = f"{between}{len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return between.join(names[:SHOWN]) + more
