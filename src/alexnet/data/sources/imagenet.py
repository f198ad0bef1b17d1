"""ImageNet's pictures as the competition published them: ILSVRC-2012's flat folder of validation pictures.

    train/n01440764/n01440764_10026.JPEG …       one folder a class, by WordNet number (WNID): folder.py reads it
    val/ILSVRC2012_val_00000001.JPEG …           50,000 pictures, their labels elsewhere:
    ILSVRC2012_devkit_t12/data/                  the development kit, beside val/ or in it
        ILSVRC2012_validation_ground_truth.txt   a number a picture, an ILSVRC2012_ID from 1 to 1000
        meta.mat                                 what WNID each ILSVRC2012_ID is

The trap: ILSVRC2012_IDs are not the places of sorted WNIDs, the order that classes have here and in torchvision,
Caffe and most others. Who takes one for the other trains well and measures 0.1 % accuracy.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from alexnet import imagenet
from alexnet.errors import DataError

KIT = "ILSVRC2012_devkit_t12"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"

_PICTURE = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG", re.IGNORECASE)


def validation_pictures(folder: Path) -> list[tuple[str, str]]:
    """(file name, WNID) of each picture of a flat validation folder, by number; empty for any other folder.

    Errors: DataError when the development kit is missing, damaged, or knows a picture not.
    """
    numbered = sorted((int(match[1]), match[0]) for match in map(_PICTURE.fullmatch, _file_names(folder)) if match)
    if not numbered:
        return []
    kit = _find_kit(folder)
    truth = _ground_truth(kit / TRUTH, _wnid_of_id(kit / "meta.mat"))
    number, name = numbered[0] if numbered[0][0] < 1 else numbered[-1]
    if not 1 <= number <= len(truth):
        raise DataError(f"{folder / name} has no line in {kit / TRUTH}, which has pictures 1 to {len(truth):,}")
    return [(name, truth[number - 1]) for number, name in numbered]


def readable(wnids: Iterable[str]) -> tuple[str, ...]:
    """The names of classes that are all WNIDs of ILSVRC-2012; any other classes as they are.

    >>> readable(["n01440764", "n01443537"])
    ('tench', 'goldfish')
    """
    classes, names = tuple(wnids), imagenet.names()
    return tuple(names[wnid] for wnid in classes) if all(wnid in names for wnid in classes) else classes


def _file_names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error


def _find_kit(folder: Path) -> Path:
    """The folder of the two files: the kit's `data`, or wherever they were put."""
    around = [place / inner for place in (folder, folder.parent) for inner in (f"{KIT}/data", KIT, "")]
    for kit in around:
        if (kit / TRUTH).is_file() and (kit / "meta.mat").is_file():
            return kit
    raise DataError(
        f"{folder} holds ILSVRC-2012's validation pictures without their labels: unpack {KIT}.tar.gz beside it "
        f"(meta.mat and {TRUTH} are needed), or sort the pictures into folders named by WNID"
    )


def _wnid_of_id(file: Path) -> dict[int, str]:
    """ILSVRC2012_ID to WNID, of the classes that pictures are labelled with (the leaves of the hierarchy).

    Errors: DataError for a file that is not ILSVRC-2012's meta.mat.
    """
    from scipy.io import loadmat

    try:
        synsets = np.atleast_1d(loadmat(file, squeeze_me=True)["synsets"])
        fields = (synsets[name].tolist() for name in ("ILSVRC2012_ID", "WNID", "num_children"))
        return {int(number): str(wnid) for number, wnid, children in zip(*fields, strict=True) if children == 0}
    except Exception as error:  # scipy has no one kind for a damaged file
        raise DataError(f"{file} cannot be read as ILSVRC-2012's table of synsets ({error})") from error


def _ground_truth(file: Path, wnids: dict[int, str]) -> list[str]:
    """The WNID of each validation picture, the first line being picture 1.

    Errors: DataError with the line's number.
    """
    try:
        lines = file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.isdecimal() or len(line) > 9 or int(line) not in wnids:
            raise DataError(f"{file}, line {number}: {line[:40]!r} is no ILSVRC2012_ID of a class in meta.mat")
    return [wnids[int(line)] for line in lines]
