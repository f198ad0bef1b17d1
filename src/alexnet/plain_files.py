"""Files of plain values: text, JSON, CSV. Written in one step, read whole or refused by name."""

import csv
import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import yaml

from alexnet import durable
from alexnet.errors import DataError, UsageError


@contextmanager
def whole(file: Path) -> Iterator[None]:
    """Turn what a damaged file leads to into a DataError that names it."""
    try:
        yield
    except (yaml.YAMLError, csv.Error, zipfile.BadZipFile, EOFError, LookupError, RecursionError, TypeError,
            ValueError, zlib.error) as error:  # fmt: skip
        raise DataError(f"{file} is damaged or not whole: restore it or train again") from error


def read_text(file: Path, newline: str | None = None) -> str:
    """The text of a run's file, bytes of odd names kept. Errors: DataError when it is missing."""
    if not file.is_file():
        raise DataError(f"{file} is missing: the run was not finished, or the file was removed")
    with file.open(encoding="utf-8", errors="surrogateescape", newline=newline) as text:
        return text.read()


def read_mapping(file: Path, needed: Iterable[str]) -> dict[str, Any]:
    """A YAML file, or a JSON file by its ending. Errors: DataError when it is missing, or lacks one of `needed`."""
    with whole(file):
        text = read_text(file)
        values = dict(json.loads(text) if file.suffix == ".json" else yaml.safe_load(text))
        if missing := set(needed) - values.keys():
            raise KeyError(*missing)
        return values


def read_csv(file: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of a CSV file. Errors: DataError when it is missing, has no row, or lacks one of `columns`."""
    with whole(file):
        rows = list(csv.DictReader(io.StringIO(read_text(file, newline=""), newline="")))
        if not rows or any(row.get(column) is None for row in rows for column in columns):
            raise KeyError(file.name)
        return rows


def write_csv(file: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file in one step, Unix line ends, bytes of odd names kept."""
    kept = list(rows)
    text = _as_csv(columns, kept, csv.QUOTE_MINIMAL)
    if "\r" in text:  # Python before 3.13 leaves a carriage return in a name unquoted, and the row would end there
        text = _as_csv(columns, kept, csv.QUOTE_ALL)
    durable.write_text(file, text)


def in_one_line(name: str) -> str:
    """A name with its line ends as escapes."""
    return name.replace("\n", "\\n").replace("\r", "\\r")


def model_name(given: str) -> str:
    """A name that is also a folder and a part of an address.

    >>> model_name("my run (2)/3")
    'my-run-2-3'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", given).strip("-.") or "alexnet"


def free_name(parent: Path, base: str) -> str:
    """BASE, or BASE2, BASE3, ...: the first that is not there yet."""
    number = 1
    while (parent / f"{base}{number if number > 1 else ''}").exists():
        number += 1
    return f"{base}{number if number > 1 else ''}"


def refuse_overwriting(file: Path, exist_ok: bool) -> None:
    """Errors: UsageError when `file` exists and `exist_ok` was not said."""
    if os.path.lexists(file) and not file.is_file():
        raise UsageError(f"{file} is no regular file: choose another name")
    if file.exists() and not exist_ok:
        raise UsageError(f"{file} exists already: choose another name, or allow it with --exist-ok")


def _as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], quoting: Literal[0, 1]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n", restval="", quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
