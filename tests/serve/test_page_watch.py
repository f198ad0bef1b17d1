"""Watching: what is seen of a run that is going on or over, and who may stop it."""

import contextlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import uvicorn

from alexnet import presence
from alexnet.run import Run
from alexnet.serve import live, run_pages
from tests.conftest import Call
from tests.serve.conftest import PATIENCE, Address, eventually
from tests.test_presence import TRAINER

KEY = "the-key"


@pytest.fixture
def run(taught_run: Run, tmp_path: Path) -> Run:
    """A copy, so that somebody can train in it."""
    return Run(shutil.copytree(taught_run.path, tmp_path / "run"))


@pytest.fixture
def watching(run: Run) -> Iterator[Address]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(run_pages.application(run, KEY), log_level="error"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    eventually(lambda: server.started)
    yield Address(listener.getsockname()[1])
    server.should_exit = True
    thread.join(PATIENCE)


@pytest.fixture
def trainer(run: Run) -> Iterator[subprocess.Popen[str]]:
    """A process that trains in the run, or says so."""
    process = subprocess.Popen([sys.executable, "-c", TRAINER, str(run.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_run_is_in_training_as_long_as_its_process_lives(watching: Address, trainer: subprocess.Popen[str]) -> None:
    assert watching.get("/page/about").json["watching"] is True
    assert watching.get("/page/run").json["state"] == "training"
    trainer.kill()
    trainer.wait()
    assert watching.get("/page/run").json["state"] == "finished"


def test_the_newest_weights_are_asked_about_validation_pictures(watching: Address, run: Run) -> None:
    answers = watching.get("/page/run/answers").json
    assert answers["epoch"] == run.history[-1]["epoch"]
    assert len(answers["captions"]) == len(run.thumbnails["held_out"])
    assert all(each["right"] == (each["label"] == each["predicted"]) for each in answers["captions"])
    assert sum(each["right"] for each in answers["captions"]) > 0.8 * len(answers["captions"])


def test_before_the_first_weights_there_are_no_answers(watching: Address, run: Run) -> None:
    run.last.unlink()
    answer = watching.get("/page/run/answers")
    assert answer.status == 200
    assert answer.json is None


def test_only_who_has_the_key_may_stop_a_training(watching: Address, run: Run, trainer: subprocess.Popen[str]) -> None:
    own = f"http://127.0.0.1:{watching.port}"
    assert watching.post("/page/run/stop", b"").status == 403
    assert watching.post("/page/run/stop", b"", X_Key="other", Origin=own).status == 403
    assert watching.post("/page/run/stop", b"", X_Key=KEY, Origin="http://evil.example").status == 403
    assert watching.post("/page/run/stop", b"", X_Key=KEY, Host="evil.example").status == 400
    assert watching.get("/page/run/stop", X_Key=KEY).status in (404, 405)
    assert presence.trains(run)
    assert watching.post("/page/run/stop", b"", X_Key=KEY, Origin=own).status == 200
    assert trainer.wait(PATIENCE) != 0


def test_where_nobody_trains_nobody_is_stopped(watching: Address) -> None:
    answer = watching.post("/page/run/stop", b"", X_Key=KEY)
    assert answer.status == 409
    assert "nobody trains" in answer.error


def test_a_damaged_run_is_told_in_one_line(watching: Address, run: Run) -> None:
    (run.path / "metrics.json").write_text("{")
    assert "metrics.json is damaged" in watching.get("/page/run").error
    assert watching.get("/").status == 200


def test_a_run_that_was_only_begun_can_be_watched(watching: Address, run: Run) -> None:
    for name in ("results.csv", "metrics.json", "predictions.csv", "vitals.json", "train.log"):
        (run.path / name).unlink()
    report = watching.get("/page/run").json
    assert report["history"] == []
    assert report["verdict"] is None


def test_watching_nothing_is_a_wrong_name(call: Call) -> None:
    assert call("watch", "nowhere").code == 2
    assert call("watch").code == 2


def test_the_address_keeps_its_key_from_servers_and_logs() -> None:
    assert live.address(8001, "abc") == "http://127.0.0.1:8001/#key=abc"


def test_a_live_training_opens_its_page_and_is_not_kept_by_it(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.tmp && mv {opened}.tmp {opened}\n')
    browser.chmod(0o755)
    training = subprocess.Popen(
        [sys.executable, "-m", "alexnet", "train", "--epochs", "500", "--device", "cpu", "--live"],
        cwd=tmp_path,
        env={**os.environ, "BROWSER": str(browser)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchers: list[psutil.Process] = []
    try:
        assert training.stdout is not None
        said = next(match for line in training.stdout if (match := re.search(r"^live: (http://127\S+)$", line)))
        eventually(opened.exists)
        watchers = psutil.Process(training.pid).children()
        assert opened.read_text().strip() == said[1]
        assert all("key=" not in argument for watcher in watchers for argument in watcher.cmdline())
        port = int(said[1].partition("/#")[0].rpartition(":")[2])
        assert Address(port).get("/page/run").json["state"] == "training"
        watchers[0].kill()  # what becomes of the page is nothing to the training
        training.send_signal(signal.SIGTERM)
        training.communicate(timeout=PATIENCE)
        assert training.returncode == 75
    finally:
        training.kill()
        training.communicate()
        for watcher in watchers:
            with contextlib.suppress(psutil.NoSuchProcess):
                watcher.kill()


def test_a_page_that_cannot_be_opened_stops_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    said = io.StringIO()
    live.LiveDisplay(said).log_to(tmp_path / "train.log")
    assert "cannot be opened (cannot allocate memory); training goes on" in said.getvalue()
