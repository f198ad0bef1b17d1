"""The checkpoint: one file from which a training goes on as if it had never stopped.

    torch's zip archive | MAGIC | format, uint32 | length, uint64 | blake2b-128 of all before

The archive holds tensors and plain values only, and is read with `weights_only`: nothing in it is ever run. The
digest at its end is written last and checked before anything is unpacked, and the file replaces the one before in one
step (`durable.write`). No generator is kept: everything random in a step follows from (seed, epoch, step, rank).
"""

import hashlib
import math
import struct
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from alexnet import durable
from alexnet.errors import ModelFileError
from alexnet.run import Row

FORMAT = 1
MAGIC = b"ALEXNETCKPT\n"
HEADING = struct.Struct(f"<{len(MAGIC)}sIQ")
DIGEST = 16  # bytes
FOOTER = HEADING.size + DIGEST
PIECE = 1 << 22  # bytes read at a time


@dataclass
class Progress:
    """How far a training is, and what it knows so far."""

    epoch: int = 1
    """The epoch at work, from 1 on."""
    step: int = 0
    """Its steps that are done."""
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Of this epoch, on this process: pictures, loss times pictures, right answers."""
    elapsed: float = 0.0
    """Seconds of training, in all sessions together."""
    train_seconds: float = 0.0
    """Of this epoch's steps."""
    waited: float = 0.0
    """Of this epoch, for data."""
    planned: int | None = None
    """How many epochs a given time allows; None: as many as the recipe says."""
    best: tuple[float, float] = (-math.inf, -math.inf)
    """Validation accuracy, and loss below zero, of the best epoch."""
    best_epoch: int = 0
    rows: list[Row] = field(default_factory=list)
    """One an epoch that is done (see `run.RESULTS_COLUMNS`)."""

    @property
    def val_errors(self) -> list[float]:
        """Of all epochs that are done and were judged."""
        return [1 - row["val/acc"] for row in self.rows if "val/acc" in row]


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds."""

    card: dict[str, str]
    """What the weights are and how pictures are prepared for them (`weights.Card`)."""
    progress: Progress
    network: dict[str, Any]
    optimizer: dict[str, Any]
    average: dict[str, Any] | None


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Replace `path` in one step.

    Errors: ResourceError when the disk is full; the checkpoint before stays as it was.
    """
    content = {entry.name: getattr(checkpoint, entry.name) for entry in fields(checkpoint)}
    content["progress"] = asdict(checkpoint.progress)
    durable.write(path, lambda file: _fill(file, content))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Errors: ModelFileError when it is missing, cut short, changed since it was written, or of a newer format.
    """
    try:
        with path.open("rb") as file:
            _refuse_damaged(file, path)
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)  # zip allows for what stands behind it
        content["progress"] = Progress(**content["progress"])
        return Checkpoint(**content)
    except FileNotFoundError as error:
        raise ModelFileError(f"{path} is missing: nothing can be resumed without it") from error
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(f"{path} is no checkpoint that can be read: {' '.join(str(error).split())}") from error


def _fill(file: BinaryIO, content: dict[str, Any]) -> None:
    hashed = _Hashed(file)
    try:
        torch.save(content, cast(Any, hashed))
    except RuntimeError:
        if hashed.failed is None:
            raise
        raise hashed.failed from None  # torch hides why a file could not be written
    hashed.write(HEADING.pack(MAGIC, FORMAT, hashed.length))
    file.write(hashed.total.digest())


def _refuse_damaged(file: BinaryIO, path: Path) -> None:
    """Errors: ModelFileError when the digest or the length is not what was written, or the format is newer."""
    damaged = ModelFileError(f"{path} is damaged or cut short: train again, or resume from a copy that is whole")
    size = file.seek(0, 2)
    file.seek(max(size - FOOTER, 0))
    heading, digest = file.read(HEADING.size), file.read()
    if len(digest) != DIGEST or not heading.startswith(MAGIC):
        raise damaged
    _, version, length = HEADING.unpack(heading)
    if version > FORMAT:
        raise ModelFileError(f"{path} was written by a newer version (format {version}, this one reads {FORMAT})")
    total = hashlib.blake2b(digest_size=DIGEST)
    file.seek(0)
    left = size - DIGEST
    while left and (piece := file.read(min(left, PIECE))):
        total.update(piece)
        left -= len(piece)
    if length != size - FOOTER or total.digest() != digest:
        raise damaged


class _Hashed:
    """A file that is written to and hashed on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.total = hashlib.blake2b(digest_size=DIGEST)
        self.length = 0
        self.failed: OSError | None = None

    def write(self, data: bytes) -> int:
        self.total.update(data)
        self.length += len(data)
        try:
            return self._file.write(data)
        except OSError as error:
            self.failed = error
            raise

    def flush(self) -> None:
        self._file.flush()
