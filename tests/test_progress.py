"""What is shown, where, and how often."""

import io
import os
import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from alexnet import progress
from alexnet.progress import Display


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_quiet_prints_nothing_but_logs(tmp_path: Path) -> None:
    stream = io.StringIO()
    display = Display(stream, quiet=True, verbose=True)
    display.log_to(tmp_path / "train.log")
    display.say("a line")
    display.detail("a detail")
    with display.bar("work", 3) as bar:
        assert bar.due is False
        bar.advance(3, "text")
    assert stream.getvalue() == ""
    assert (tmp_path / "train.log").read_text() == "a line\na detail\n"


def test_details_only_when_verbose() -> None:
    for verbose, shown in ((False, ""), (True, "a detail\n")):
        stream = io.StringIO()
        Display(stream, verbose=verbose).detail("a detail")
        assert stream.getvalue() == shown


def test_plain_stream_gets_one_line_an_interval(clock: Clock) -> None:
    stream = io.StringIO()
    moments = []
    with Display(stream).bar("epoch 1/2", 1000, "steps") as bar:
        for _ in range(1000):
            clock.now += 0.05  # 50 seconds in all
            before = len(stream.getvalue())
            bar.advance(1, "loss 1.0")
            if len(stream.getvalue()) > before:
                moments.append(clock.now - 100)
    lines = stream.getvalue().splitlines()
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert moments == pytest.approx([2, 12, 22, 32, 42], abs=0.3)
    assert re.fullmatch(r"epoch 1/2  4[01] of 1,000 steps  loss 1\.0  48 s left", lines[0])
    assert len(lines) == 5


def test_short_work_shows_no_lines(clock: Clock) -> None:
    stream = io.StringIO()
    with Display(stream).bar("decoding", 100) as bar:
        for _ in range(100):
            clock.now += 0.019
            bar.advance()
    assert stream.getvalue() == ""


def test_terminal_gets_a_live_line_that_goes_away(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    display = Display(stream)
    with display.bar("epoch 1/2", 10) as bar:
        clock.now += 1
        before = bar.due
        bar.advance(5, "loss 1.0")
        assert bar.due is False
    assert before
    shown = stream.getvalue()
    assert "epoch 1/2" in shown
    assert "loss 1.0" in shown
    assert shown.rstrip("\x1b[?25hl").endswith("\x1b[2K")  # the last thing: the line is wiped


def test_closed_pipe_does_not_raise() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    display = Display(stream)
    display.say("nobody reads this")
    assert display.quiet
    display.say("nor this")
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_closed_stream_does_not_raise() -> None:
    stream = io.StringIO()
    stream.close()
    display = Display(stream)
    display.say("text")
    assert display.quiet


def test_signs_that_a_stream_lacks_are_replaced() -> None:
    raw = io.BytesIO()
    display = Display(io.TextIOWrapper(raw, encoding="ascii"))
    display.say("80 × 24 · done")
    display.say("more")
    assert raw.getvalue() == b"80 ? 24 ? done\nmore\n"


def test_odd_file_names_are_printed_and_logged(tmp_path: Path) -> None:
    raw = io.BytesIO()
    display = Display(io.TextIOWrapper(raw, encoding="utf-8"))
    display.log_to(tmp_path / "log")
    display.say(os.fsdecode(b"caf\xe9.png"))
    display.say("more")
    assert raw.getvalue() == b"caf\\udce9.png\nmore\n"
    assert (tmp_path / "log").read_text(encoding="utf-8") == "caf\\udce9.png\nmore\n"


def test_a_log_that_cannot_be_written_stops_nothing_and_is_told_once(tmp_path: Path) -> None:
    stream = io.StringIO()
    display = Display(stream)
    display.log_to(tmp_path / "missing" / "train.log")
    display.say("one")
    display.say("two")
    log = tmp_path / "missing" / "train.log"
    note = f"note: {log} cannot be written (no such file or directory): what follows is not in it"
    assert stream.getvalue() == f"one\n{note}\ntwo\n"


@contextmanager
def full_disk() -> Iterator[IO[str]]:
    """A file on it."""
    file = Path("/dev/full").open("w")  # noqa: SIM115 (closing it tries once more)
    yield file
    with suppress(OSError):
        file.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no such device there")
@pytest.mark.parametrize("log_first", [False, True])
def test_what_nobody_reads_is_told_in_the_log_once(log_first: bool, tmp_path: Path) -> None:
    with full_disk() as full:
        display = Display(full)
        if log_first:
            display.log_to(tmp_path / "train.log")
        display.say("one")
        display.say("two")
        with display.bar("work", 3) as bar:
            bar.advance(3, "text")
        display.log_to(tmp_path / "train.log")
        display.say("three")
    note = "note: lines can no longer be shown (no space left on device): they stand here alone"
    assert (tmp_path / "train.log").read_text() == f"{note}\none\ntwo\nthree\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such device there")
def test_where_neither_can_be_written_work_goes_on() -> None:
    with full_disk() as full:
        display = Display(full)
        display.log_to(Path("/dev/full"))
        display.say("one")
        display.say("two")
        assert display.quiet


@pytest.mark.skipif(sys.platform == "win32", reason="no such terminals there")
@pytest.mark.fault("C23")
def test_a_terminal_that_goes_away_stops_nothing(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that is closed while a live line stands on it: work goes on, the log says so."""
    import pty

    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    shown = b""
    with suppress(OSError), os.fdopen(theirs, "w") as terminal:  # closing it tries once more
        display = Display(terminal)
        display.log_to(tmp_path / "train.log")
        with display.bar("epoch 1/2", 10) as bar:
            for done in range(10):
                clock.now += 1
                bar.advance(1, f"loss {done}")
                if done == 4:
                    while b"loss 4" not in shown:
                        shown += os.read(ours, 1000)
                    os.close(ours)
        display.say("epoch 1 is done")
    assert (tmp_path / "train.log").read_text().splitlines() == [
        "note: lines can no longer be shown (input/output error): they stand here alone",
        "epoch 1 is done",
    ]


def test_no_notebook_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert progress._in_notebook() is False
    shells = {"ZMQInteractiveShell": True, "TerminalInteractiveShell": False}
    for name, expected in shells.items():
        module = types.ModuleType("IPython")
        shell = type(name, (), {})()
        module.get_ipython = lambda shell=shell: shell  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert progress._in_notebook() is expected
