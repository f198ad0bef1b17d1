"""What `alexnet bench` measured on this machine and `alexnet train` uses: which precision trains faster.

One small JSON file for each machine as a training meets it (torch's version, processor, threads, device), in the
user's cache directory; it may be deleted at any time. It changes speed and rounding, nothing else; without one the
hardware's instructions decide.
"""

import contextlib
import datetime
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from alexnet import device as machine
from alexnet import durable
from alexnet.device import Precision
from alexnet.download import cache_folder
from alexnet.errors import DataError
from alexnet.progress import Display

CPUINFO = Path("/proc/cpuinfo")


class Note(BaseModel):
    """What was measured for one network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: datetime.date
    faster: Precision
    rates: dict[Precision, Annotated[float, Field(gt=0)]]
    """Pictures a second in training, medians."""


class Record(BaseModel):
    """The notes of one machine, by network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    machine: dict[str, str]
    notes: dict[str, Note]


def choose_precision(device: torch.device, amp: bool | None, model: str, display: Display) -> Precision:
    """What `amp` says; else what is faster by this machine's record; else what the hardware has instructions for.

    `model`'s own note counts, else the newest of the others.
    """
    notes = {} if amp is not None else _notes(device, display)
    if not notes:
        return machine.choose_precision(device, amp)
    name = model if model in notes else max(notes, key=lambda name: notes[name].date)
    note = notes[name]
    display.say(f"{note.faster}: the faster precision for {name} on this machine by alexnet bench of {note.date}")
    return note.faster


def remember(
    device: torch.device, threads: int, model: str, faster: Precision, rates: Mapping[Precision, float]
) -> Path:
    """Note which precision trains `model` faster with so many `threads`; other networks' notes stay. Returns the file.

    Errors: DataError without a home directory; ResourceError and OSError when it cannot be written.
    """
    key = machine_key(device, threads)
    file = _file(key)
    notes: dict[str, Note] = {}
    with contextlib.suppress(OSError, ValueError):  # a damaged one is replaced
        notes = _read(file, key).notes
    note = Note(date=datetime.date.today(), faster=faster, rates=dict(rates))
    record = Record(machine=key, notes={**notes, model: note})
    durable.write_text(file, record.model_dump_json(indent=2) + "\n")
    return file


def machine_key(device: torch.device, threads: int) -> dict[str, str]:
    """What a note holds for: on another processor, or with another torch, anything may be faster."""
    on_gpu = device.type == "cuda"
    return {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if on_gpu else device.type,
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": str(threads),
    }


def _notes(device: torch.device, display: Display) -> dict[str, Note]:
    """This machine's; none where there is no record, or one that cannot be used, which is told."""
    key = machine_key(device, torch.get_num_threads())
    try:
        file = _file(key)
    except DataError:  # no home directory
        return {}
    try:
        return _read(file, key).notes if file.exists() else {}
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged, or another machine's"
        display.say(f"note: {file} is left aside ({why}); alexnet bench measures anew")
        return {}


def _read(file: Path, key: dict[str, str]) -> Record:
    """Errors: OSError; ValueError when it is no record, or one of another machine."""
    record = Record.model_validate_json(file.read_bytes())
    if record.machine != key:
        raise ValueError("another machine's record")
    return record


def _file(key: dict[str, str]) -> Path:
    return cache_folder() / "speed" / f"{durable.digest(*(part for pair in key.items() for part in pair))}.json"


def _processor() -> str:
    """Its name; Linux keeps it in a file."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in CPUINFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
