"""A CSV file of path,label (and, if it likes, split): any layout of pictures on the disk."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np

from alexnet import durable
from alexnet.data.sources.base import Content, Part, Source
from alexnet.data.sources.folder import content_digest
from alexnet.errors import DataError

_SPLITS: dict[str, Part] = {
    "": "", "train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
}  # fmt: skip


def load(path: Path) -> Source:
    """Pictures named in `path`, relative to its folder or absolute. Tabs are understood for .tsv.

    Errors: DataError with the line's number for what cannot be used.
    """
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
    names: list[str] = []
    labels: list[str] = []
    parts: list[Part] = []
    lines: dict[str, int] = {}
    for row in _rows(reader, path):
        name, label = (row["path"] or "").strip(), (row["label"] or "").strip()
        split = (row.get("split") or "").strip().lower()
        if not name or not label:
            raise DataError(f"{path}, line {reader.line_num}: path or label is missing")
        if "\0" in name:
            raise DataError(f"{path}, line {reader.line_num}: the path holds a NUL")
        if any(row.get(None) or []):
            raise DataError(f"{path}, line {reader.line_num}: more fields than the header has; quote the commas")
        if split not in _SPLITS:
            raise DataError(f"{path}, line {reader.line_num}: split {split!r} is none of train, val, test")
        if name in lines:
            raise DataError(f"{path}, line {reader.line_num}: {name} stands in line {lines[name]} already, keep one")
        if parts and (parts[0] == "") != (split == ""):
            raise DataError(f"{path}, line {reader.line_num}: give a split for every line or for none")
        lines[name] = reader.line_num
        names.append(name)
        labels.append(label)
        parts.append(_SPLITS[split])
    classes = tuple(sorted(set(labels), key=lambda label: (label.casefold(), label)))
    if len(classes) < 2:
        raise DataError(f"{path} has {len(classes)} classes, at least 2 are needed")
    strangers = sorted(
        set(labels) - {label for label, part in zip(labels, parts, strict=True) if part in ("train", "")}
    )
    if strangers:
        line = lines[names[labels.index(strangers[0])]]
        raise DataError(
            f"{path}, line {line}: classes {', '.join(strangers)} are in val or test but not in train: rename or "
            "remove them"
        )
    index = {label: number for number, label in enumerate(classes)}
    folder = path.parent

    def contents() -> Iterator[Content]:
        yield from (folder / name for name in names)

    def digest() -> str:
        return durable.digest(*(part for name in names for part in (name, content_digest(folder / name))))

    return Source(
        name=str(path),
        classes=classes,
        names=tuple(names),
        labels=np.array([index[label] for label in labels], dtype=np.int64),
        parts=tuple(parts),
        contents=contents,
        digest=digest(),
        rescan=digest,
        why="the column 'split' of the file" if parts[0] else "",
    )


def _rows(reader: "csv.DictReader[str]", path: Path) -> Iterator[dict[str | None, Any]]:
    try:
        yield from cast(Iterator[dict[str | None, Any]], reader)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num + 1}: {error}") from error
