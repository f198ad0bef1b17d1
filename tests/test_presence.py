"""Who trains in a run: a sign that cannot outlive its process, and a stop that meets nobody else."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alexnet import presence
from alexnet.run import Run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such locks: no sign is given there")

TRAINER = """
import sys, time
from alexnet.presence import announced
from alexnet.run import Run
with announced(Run(sys.argv[1])):
    print("here", flush=True)
    time.sleep(120)
"""


@contextmanager
def _process(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that has said a line."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_sign_lasts_as_long_as_its_process_however_that_ends(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert not presence.trains(run)
    with _process(TRAINER, tmp_path) as trainer:
        assert presence.trains(run)
        trainer.kill()
        trainer.wait()
        assert run.presence_file.exists()
        assert not presence.trains(run)
        assert not presence.stop(run)


def test_stop_asks_the_process_that_trains(tmp_path: Path) -> None:
    with _process(TRAINER, tmp_path) as trainer:
        assert presence.stop(Run(tmp_path))
        assert trainer.wait(60) == -signal.SIGTERM


def test_a_later_training_takes_the_place_of_one_that_was_killed(tmp_path: Path) -> None:
    with _process(TRAINER, tmp_path) as first:
        first.kill()
        first.wait()
    with _process(TRAINER, tmp_path) as second:
        assert presence.stop(Run(tmp_path))
        assert second.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize("content", ["", "[]", "{", '{"pid": 1, "where": "x"}', '{"pid": "7"}', "\0" * 5000])
def test_a_file_that_says_nothing_names_nobody(tmp_path: Path, content: str) -> None:
    run = Run(tmp_path)
    run.presence_file.write_text(content)
    assert not presence.trains(run)
    assert not presence.stop(run)


def test_a_process_that_is_only_written_down_is_left_alone(tmp_path: Path) -> None:
    """Its number may have been another's before: without the lock it is nobody."""
    with _process("import time; print('here', flush=True); time.sleep(60)") as other:
        run = Run(tmp_path)
        run.presence_file.write_text(json.dumps({"pid": other.pid, "where": presence._here()}))
        assert not presence.stop(run)
        assert other.poll() is None


def test_a_process_of_another_machine_is_left_alone(tmp_path: Path) -> None:
    with _process(
        TRAINER.replace("import sys, time", "import sys, time, platform\nplatform.node = lambda: 'b'"), tmp_path
    ):
        assert Run(tmp_path).presence_file.exists()
        assert not presence.trains(Run(tmp_path))
        assert not presence.stop(Run(tmp_path))


def test_nothing_is_left_of_a_sign_that_was_taken_back(tmp_path: Path) -> None:
    with presence.announced(Run(tmp_path)):
        assert Run(tmp_path).presence_file.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_sign_stops_nobody(tmp_path: Path) -> None:
    entered = False
    with presence.announced(Run(tmp_path / "not there")), presence.announced(None):
        entered = True
    assert entered
