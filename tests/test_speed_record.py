"""What was measured is remembered, and used where nobody says otherwise; what cannot be read is left aside, aloud."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alexnet import device as machine
from alexnet import speed_record
from alexnet.device import Precision
from alexnet.errors import DataError
from alexnet.progress import Display
from alexnet.speed_record import remember

CPU = torch.device("cpu")
RATES: dict[Precision, float] = {"float32": 20.0, "bf16": 10.0}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, and a machine whose hardware speaks for bf16."""
    monkeypatch.setattr(speed_record, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    return tmp_path / "cache"


def chosen(model: str = "owt", amp: bool | None = None) -> tuple[Precision, str]:
    said = io.StringIO()
    return speed_record.choose_precision(CPU, amp, model, Display(said)), said.getvalue()


def note(model: str, faster: Precision, threads: int | None = None) -> Path:
    return remember(CPU, threads or torch.get_num_threads(), model, faster, RATES)


def test_without_a_record_the_hardware_decides(cache: Path) -> None:
    assert chosen() == ("bf16", "")
    assert not cache.exists()


def test_the_faster_one_is_taken_and_told(cache: Path) -> None:
    note("owt", "float32")
    precision, said = chosen()
    assert precision == "float32"
    assert said.startswith("float32: the faster precision for owt on this machine by alexnet bench of 20")


def test_what_is_said_counts_more(cache: Path) -> None:
    note("owt", "float32")
    assert chosen(amp=True) == ("bf16", "")
    note("owt", "bf16")
    assert chosen(amp=False) == ("float32", "")


def test_another_network_takes_the_newest_note(cache: Path) -> None:
    note("paper", "bf16")
    file = note("caffenet", "float32")
    assert chosen("caffenet")[0] == "float32"
    assert chosen("paper")[0] == "bf16"
    written = json.loads(file.read_text())
    for day, model in (("2026-01-02", "caffenet"), ("2026-01-01", "paper")):
        written["notes"][model]["date"] = day
    file.write_text(json.dumps(written))
    precision, said = chosen("owt")
    assert precision == "float32"
    assert "for caffenet on this machine by alexnet bench of 2026-01-02" in said


def test_a_new_note_replaces_the_old_one(cache: Path) -> None:
    assert note("owt", "float32") == note("owt", "bf16")
    assert chosen()[0] == "bf16"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda patch: patch.setattr(speed_record, "_processor", lambda: "another"), id="processor"),
        pytest.param(lambda patch: patch.setattr(torch, "__version__", "9.9"), id="torch"),
        pytest.param(lambda patch: patch.setattr(torch, "get_num_threads", lambda: 1023), id="threads"),
    ],
)
def test_another_machine_has_no_record(
    cache: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    note("owt", "float32")
    change(monkeypatch)
    assert chosen() == ("bf16", "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": 2, "machine": {}, "notes": {}}',
        b'{"format": 1, "machine": {}, "notes": {}}',
        b'{"format": 1, "notes": {}}',
    ],
)
def test_a_damaged_or_foreign_record_is_left_aside(cache: Path, content: bytes) -> None:
    file = note("owt", "float32")
    file.write_bytes(content)
    precision, said = chosen()
    assert precision == "bf16"
    assert said == f"note: {file} is left aside (it is damaged, or another machine's); alexnet bench measures anew\n"
    note("owt", "float32")  # measured anew
    assert chosen()[0] == "float32"


@pytest.mark.parametrize(
    ("field", "value"), [("faster", "int8"), ("faster", None), ("rates", {"bf16": -1}), ("more", 1)]
)
def test_a_note_of_other_values_is_left_aside(cache: Path, field: str, value: object) -> None:
    file = note("owt", "float32")
    written = json.loads(file.read_text())
    written["notes"]["owt"][field] = value
    file.write_text(json.dumps(written))
    assert chosen()[0] == "bf16"


def test_a_folder_in_its_place(cache: Path) -> None:
    file = note("owt", "float32")
    file.unlink()
    file.mkdir()
    precision, said = chosen()
    assert precision == "bf16"
    assert "is left aside (" in said


def test_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise DataError("there is no home directory")

    monkeypatch.setattr(speed_record, "cache_folder", none)
    assert chosen() == (machine.choose_precision(CPU), "")
