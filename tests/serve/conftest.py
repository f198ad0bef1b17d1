"""Servers to ask over real sockets: the command in a process of its own, or the application in a thread."""

import dataclasses
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import uvicorn
from numpy.typing import NDArray
from PIL import Image

from alexnet.predict import Classifier, load
from alexnet.run import Run
from alexnet.serve import server
from alexnet.serve.app import Application
from alexnet.serve.limits import Limits
from tests.conftest import COLOURS, noisy, trained

PATIENCE = 60.0  # seconds that any single thing may take on a busy machine


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        assert self.status >= 400, self
        said = self.json
        assert list(said) == ["error"]
        return str(said["error"])

    @property
    def label(self) -> str:
        assert self.status == 200, self
        return str(self.json["predictions"][0]["label"])


class Address:
    """A server somewhere on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request; `Some_Header="..."` becomes Some-Header."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            return self._read(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        return self.ask("POST", path, body, **headers)

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as plain:
            yield plain

    def say(self, text: bytes) -> Answer:
        """Bytes as they are, and what comes back."""
        with self.connected() as plain:
            plain.sendall(text)
            return self.hear(plain)

    def hear(self, plain: socket.socket) -> Answer:
        response = http.client.HTTPResponse(plain)
        response.begin()
        return self._read(response)

    @staticmethod
    def _read(response: http.client.HTTPResponse) -> Answer:
        body = response.read()
        headers = {name.lower(): ", ".join(response.headers.get_all(name, [])) for name in response.headers}
        return Answer(response.status, headers, body)


class Process(Address):
    """`alexnet serve` as people start it."""

    def __init__(self, run: object, *options: object, **environment: str) -> None:
        command = [sys.executable, "-m", "alexnet", "serve", str(run), "--port", "0", "--device", "cpu"]
        command += ["--deadline-ms", "120000"]  # a busy machine is no fault of the server
        self.process = subprocess.Popen(
            [*command, *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NO_COLOR": "1", **environment},
        )
        self.said: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if found := re.search(r"on http://\S+:(\d+)$", line.strip()):
                super().__init__(int(found[1]))
                break
        else:
            raise AssertionError("".join(self.said))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(self.process.stdout)

    @property
    def memory(self) -> int:
        """Bytes that it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class InThread(Address):
    """The application in this process, so that a test can reach the network behind it."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self.application = application
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        super().__init__(listener.getsockname()[1])
        self._server = uvicorn.Server(server.config(application, limits))
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        eventually(lambda: self._server.started)

    @property
    def connections(self) -> int:
        """Those that are open."""
        return len(self._server.server_state.connections)

    def end(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE)


def eventually(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


class Hook:
    """What a network does before it answers: waits, counts, fails. Put before the first layer."""

    def __init__(self, classifier: Classifier) -> None:
        self.open = threading.Event()
        self.open.set()
        self.seconds = 0.0
        self.batches: list[int] = []
        self.entered = 0
        self.deadly: dict[float, BaseException] = {}
        """What is raised for pictures whose brightest value, before scaling, is the key."""
        self._preprocess = classifier.card.preprocess
        classifier.answering.register_forward_pre_hook(self)

    def __call__(self, network: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self.entered += 1
        assert self.open.wait(PATIENCE)
        time.sleep(self.seconds * len(inputs[0]))
        brightest = inputs[0].amax(dim=(1, 2, 3))
        for key, error in self.deadly.items():
            marked = self._preprocess.normalise(torch.full((1, self._preprocess.channels, 1, 1), key)).max()
            if ((brightest - marked).abs() < 1e-4).any():
                raise error
        self.batches.append(len(inputs[0]))


@pytest.fixture(scope="session")
def taught_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that tells three colours apart without doubt, so that an answer shows which picture it is for."""
    folder = tmp_path_factory.mktemp("taught") / "three colours"
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for number in range(16):
            Image.fromarray(noisy(colour, number + 1000 * len(label))).save(folder / label / f"{number:03d}.png")
    return trained(tmp_path_factory, folder, model="notebook-mnist", epochs=6, batch_size=8)


Serve = Callable[..., tuple[InThread, Hook]]


@pytest.fixture
def serve(taught_run: Run) -> Iterator[Serve]:
    """Starts an application in a thread, with any limits; its network has a hook."""
    running: list[InThread] = []

    def start(*, token: str | None = None, hosts: frozenset[str] | None = None, **given: Any) -> tuple[InThread, Hook]:
        classifier = load(taught_run.path, device="cpu")
        preprocess = dataclasses.replace(classifier.card.preprocess, views=1)  # one pass through the network a batch
        classifier.card = dataclasses.replace(classifier.card, preprocess=preprocess)
        hook = Hook(classifier)
        limits = Limits(**{"max_bytes": 1 << 20, "drain_seconds": 0.0, "deadline": 120.0, **given})
        application = Application(classifier, name="colours", limits=limits, token=token, hosts=hosts, threads=1)
        running.append(InThread(application, limits))
        return running[-1], hook

    yield start
    for each in running:
        each.end()


@pytest.fixture(scope="session")
def server_of_colours(taught_run: Run) -> Iterator[Process]:
    """The command, on a run that knows three colours; small limits; shared by tests that leave it as it is."""
    process = Process(taught_run.path, "--max-mb", 1, "--max-pixels", 1_000_000, "--name", "colours")
    yield process
    process.end()


@pytest.fixture
def alive(server_of_colours: Process) -> Iterator[Process]:
    """The same; that it still answers, and rightly, is seen after the test."""
    yield server_of_colours
    assert server_of_colours.post("/predict", picture("red")).label == "red"
    assert server_of_colours.process.poll() is None


def picture(colour: str = "red", kind: str = "PNG", side: int = 48, seed: int = 7, **options: Any) -> bytes:
    """A picture file of one colour."""
    return encoded(noisy(COLOURS[colour], seed, side), kind, **options)


def encoded(pixels: NDArray[np.uint8], kind: str = "PNG", **options: Any) -> bytes:
    """RGB pixels as a picture file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def marked(value: int) -> bytes:
    """A picture that a `Hook` knows by its brightest value."""
    return encoded(np.full((28, 28, 3), value, np.uint8))
