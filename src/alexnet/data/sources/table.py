"""A CSV file of path,label (and, if it likes, split): any layout of pictures on the disk."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from alexnet import durable
from alexnet.data.sources.base import Content, Part, Source
from alexnet.data.sources.folder import content_digest
from alexnet.errors import DataError

_SPLITS: dict[str, Part] = {
    "": "", "train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
}  # fmt: skip


class _Line(NamedTuple):
    number: int
    name: str
    label: str
    part: Part


def load(path: Path) -> Source:
    """Pictures named in `path`, relative to its folder or absolute. Tabs are understood for .tsv.

    Errors: DataError with the line's number for what cannot be used.
    """
    lines = _lines(path)
    index = {label: number for number, label in enumerate(_classes(lines, path))}
    names = tuple(line.name for line in lines)
    folder = path.parent

    def contents() -> Iterator[Content]:
        yield from (folder / name for name in names)

    def digest() -> str:
        return durable.digest(*(part for name in names for part in (name, content_digest(folder / name))))

    return Source(
        name=str(path),
        classes=tuple(index),
        names=names,
        labels=np.array([index[line.label] for line in lines], dtype=np.int64),
        parts=tuple(line.part for line in lines),
        contents=contents,
        digest=digest(),
        rescan=digest,
        why="the column 'split' of the file" if lines[0].part else "",
    )


def _lines(path: Path) -> list[_Line]:
    reader = _reader(path)
    lines: list[_Line] = []
    seen: dict[str, int] = {}
    for row in _rows(reader, path):
        line = _line(row, reader.line_num, path)
        if line.name in seen:
            raise DataError(
                f"{path}, line {line.number}: {line.name} stands in line {seen[line.name]} already, keep one"
            )
        if lines and (lines[0].part == "") != (line.part == ""):
            raise DataError(f"{path}, line {line.number}: give a split for every line or for none")
        seen[line.name] = line.number
        lines.append(line)
    return lines


def _reader(path: Path) -> "csv.DictReader[str]":
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    try:
        fields = [field.strip().lower() for field in reader.fieldnames or []]
    except csv.Error as error:
        raise DataError(f"{path}, line 1: {error}") from error
    if "path" not in fields or "label" not in fields:
        raise DataError(
            f"{path}, line 1: the header must name 'path' and 'label' (and may name 'split'), it is {fields}"
        )
    reader.fieldnames = fields
    return reader


def _rows(reader: "csv.DictReader[str]", path: Path) -> Iterator[dict[str | None, Any]]:
    try:
        yield from cast(Iterator[dict[str | None, Any]], reader)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num + 1}: {error}") from error


def _line(row: dict[str | None, Any], number: int, path: Path) -> _Line:
    name, label = (row["path"] or "").strip(), (row["label"] or "").strip()
    split = (row.get("split") or "").strip().lower()
    if not name or not label:
        raise DataError(f"{path}, line {number}: path or label is missing")
    if "\0" in name:
        raise DataError(f"{path}, line {number}: the path holds a NUL")
    if any(row.get(None) or []):
        raise DataError(f"{path}, line {number}: more fields than the header has; quote the commas")
    if split not in _SPLITS:
        raise DataError(f"{path}, line {number}: split {split!r} is none of train, val, test")
    return _Line(number, name, label, _SPLITS[split])


def _classes(lines: Sequence[_Line], path: Path) -> list[str]:
    """In the order of the alphabet; each must be among the training pictures."""
    classes = sorted({line.label for line in lines}, key=lambda label: (label.casefold(), label))
    if len(classes) < 2:
        raise DataError(f"{path} has {len(classes)} classes, at least 2 are needed")
    trained = {line.label for line in lines if line.part in ("train", "")}
    strangers = [line for line in lines if line.label not in trained]
    if strangers:
        labels = sorted({line.label for line in strangers})
        first = next(line.number for line in strangers if line.label == labels[0])
        raise DataError(
            f"{path}, line {first}: classes {', '.join(labels)} are in val or test but not in train: rename or "
            "remove them"
        )
    return classes
