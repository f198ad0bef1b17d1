"""In which form pictures are stored, by the memory that there is."""

from pathlib import Path

import numpy as np
import pytest

from alexnet.data import space
from alexnet.errors import ResourceError
from alexnet.progress import Display

SHAPE = (1000, 100, 100, 3)  # 30 MB


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders in which Linux says how much there is; nothing is said yet."""
    for name in ("proc/self", "cgroup"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(space, "PROC", tmp_path / "proc")
    monkeypatch.setattr(space, "CGROUPS", tmp_path / "cgroup")
    return tmp_path


@pytest.mark.parametrize(("kilobytes", "form"), [(29_000, "jpeg"), (31_000, "raw")])
def test_what_fits_into_all_memory_is_raw(machine: Path, kilobytes: int, form: str) -> None:
    (machine / "proc/meminfo").write_text(f"MemTotal: {kilobytes} kB\nMemFree: 1 kB\nMemAvailable: 1 kB\n")
    assert space.form(SHAPE) == form


def test_where_nobody_says_how_much_there_is_it_is_raw(machine: Path) -> None:
    assert space.form((10**9, 256, 256, 3)) == "raw"


@pytest.mark.parametrize("file", ["memory.max", "box/memory.max", "memory/box/memory.limit_in_bytes"])
def test_a_group_may_have_less(machine: Path, file: str) -> None:
    (machine / "proc/meminfo").write_text("MemTotal: 900000 kB\nMemAvailable: 900000 kB\n")
    (machine / "proc/self/cgroup").write_text("0::/box\n")
    place = machine / "cgroup" / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("max\n")
    assert space.form(SHAPE) == "raw"
    place.write_text("20000000\n")
    assert space.form(SHAPE) == "jpeg"


def test_jpegs_that_no_disk_can_hold_are_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    shape = (10**6, 4096, 4096, 3)
    with pytest.raises(ResourceError, match=r"needs about 10,066,330 MB, [\d,]+ MB are free"):
        space.tell_need(tmp_path / "store", shape, np.zeros(10**6, bool), Display(quiet=True))
