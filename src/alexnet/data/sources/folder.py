"""Any folder of pictures: one folder a class, or train/ with val/ and/or test/ of class folders.

ImageNet's layout is one of them: folders named by WNID, and a validation folder that may be flat (see imagenet.py).
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alexnet import durable
from alexnet.data.images import SUFFIXES
from alexnet.data.sources import imagenet
from alexnet.data.sources.base import Content, Part, Source
from alexnet.errors import DataError

_PARTS: dict[str, Part] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def load(path: Path) -> Source:
    """Pictures below `path`; a class's pictures may lie in folders of their own, links are followed once.

    Classes are matched by name, and ordered by name (upper and lower case alike first, so that the order is
    the same on every machine). Classes that are WNIDs of ILSVRC-2012 keep that order and get readable names.

    Errors: DataError when there are no classes, only one, or the parts' classes differ.
    """
    parts = _part_folders(path)
    if parts and "train" not in parts.values():
        raise DataError(f"{path} has {', '.join(sorted(parts))} but no train folder: add one, or drop the level")
    if set(parts.values()) == {"train"}:  # nothing is divided yet
        parts = dict.fromkeys(parts, "")
    entries: list[tuple[str, str, Part]] = []  # name below path, class, part
    why = "its own folders " + ", ".join(sorted(parts)) if any(parts.values()) else ""
    if parts:
        for folder, part in sorted(parts.items()):
            entries += [(f"{folder}/{name}", label, part) for name, label in _class_pictures(path / folder)]
        entries, left_out = _of_trained_classes(entries)
        if left_out:
            why += f"; {left_out:,} validation pictures of classes that are not trained are left out"
    else:
        entries = [(name, label, "") for name, label in _class_pictures(path)]
    train_folders = [path / name for name, part in parts.items() if part in ("train", "")] or [path]
    classes = _checked_classes(path, entries, train_folders[0])
    names = tuple(name for name, _, _ in entries)
    index = {label: number for number, label in enumerate(classes)}

    def contents() -> Iterator[Content]:
        yield from (path / name for name in names)

    def digest() -> str:
        return durable.digest(*(part for name in names for part in (name, content_digest(path / name))))

    return Source(
        name=str(path),
        classes=imagenet.readable(classes),
        names=names,
        labels=np.array([index[label] for _, label, _ in entries], dtype=np.int64),
        parts=tuple(part for _, _, part in entries),
        contents=contents,
        digest=digest(),
        rescan=digest,
        why=why,
    )


def content_digest(file: Path) -> str:
    """Digest of a file's content; a word for one that cannot be read (it is named when it is decoded)."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return "not a regular file"
        return durable.digest_file(file)
    except OSError as error:
        return f"unreadable: {error.errno}"


def _part_folders(path: Path) -> dict[str, Part]:
    """Folder name to part, if the folder is divided: all its folders are parts and hold class folders.

    Classes that happen to be called `train` or `test`, and hold pictures themselves, divide nothing.
    """
    found = {entry.name: _PARTS[entry.name.lower()] for entry in _folders(path) if entry.name.lower() in _PARTS}
    others = [entry.name for entry in _folders(path) if entry.name.lower() not in _PARTS]
    if not any(_folders(path / name) for name in found):
        return {}
    if others and "train" in found.values():
        raise DataError(
            f"{path} has train beside {', '.join(others)}: keep train, val and test alone, or classes alone"
        )
    if others:
        return {}
    if len(set(found.values())) < len(found):
        raise DataError(f"{path} has more than one folder for one part: {', '.join(sorted(found))}; keep one")
    return found


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(
            (e for e in path.iterdir() if e.is_dir() and not e.name.startswith((".", "__MACOSX", imagenet.KIT))),
            key=_order,
        )
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _order(path: Path) -> tuple[str, str]:
    return path.name.casefold(), path.name


def _class_pictures(path: Path) -> list[tuple[str, str]]:
    """(name below path, class) of every picture, by class, then by name; of ImageNet's flat validation, by number."""
    found = []
    for folder in _folders(path):
        found += [(f"{folder.name}/{name}", folder.name) for name in _pictures_below(folder)]
    return found + imagenet.validation_pictures(path)


def _of_trained_classes(entries: list[tuple[str, str, Part]]) -> tuple[list[tuple[str, str, Part]], int]:
    """The entries, without those pictures of a flat validation folder whose classes are not trained, and how many
    these are: who trains some of the 1000 classes could not pick them out by hand. Folders are checked elsewhere."""
    trained = {label for _, label, part in entries if part in ("train", "")}
    kept = [(name, label, part) for name, label, part in entries if label in trained or name.count("/") > 1]
    return kept, len(entries) - len(kept)


def _pictures_below(folder: Path) -> list[str]:
    """Names of the pictures below `folder`, with / between; each real folder is entered once.

    A link up to a folder that holds this one is not followed: other classes' pictures lie there.
    """
    names: list[str] = []
    entered = {_identity(above) for above in (*folder.absolute().parents, *folder.resolve().parents)}
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        identity = _identity(Path(place))
        if identity in entered:
            folders.clear()
            continue
        entered.add(identity)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                names.append((Path(place) / name).relative_to(folder).as_posix())
    return sorted(names)


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be read: {error.strerror}. Mend its permissions or move it away")


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _checked_classes(path: Path, entries: list[tuple[str, str, Part]], train: Path) -> tuple[str, ...]:
    trained = {label for _, label, part in entries if part in ("train", "")}
    empty = sorted(folder.name for folder in _folders(train) if folder.name not in trained)
    if trained and empty:
        named = ", ".join(repr(name) for name in empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        one, folder = ("class", "the folder") if len(empty) == 1 else ("classes", "the folders")
        raise DataError(f"{one} {named} in {train}: no pictures there; add some or remove {folder}")
    if len(trained) < 2:
        raise DataError(
            f"{path} has pictures of {len(trained)} classes, at least 2 are needed: "
            "put one folder a class into it, each with its pictures"
        )
    strangers = sorted({label for _, label, _ in entries} - trained)
    if strangers:
        raise DataError(
            f"{path}: classes {', '.join(strangers)} are in val or test but not in train: rename or remove them"
        )
    return tuple(sorted(trained, key=lambda label: (label.casefold(), label)))
