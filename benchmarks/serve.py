"""What serving costs: the server against a loop in one process that decodes and classifies the same bytes.

    python benchmarks/serve.py RUN pictures/*.jpg                # real pictures, the run as it is
    python benchmarks/serve.py RUN pictures/*.jpg --views 1      # one test view: the network is ten times cheaper

Contestants take turns, round after round: the loop and the server for JPEG files, then for pixels (UINT8 over the
Open Inference Protocol). Then twice as many requests as the server can answer: how many are answered in time, and how
late. The load comes from a process of its own, on the same processors as the server: no figure is better for it.
Processor time a picture is given too: it says the same on a machine that has other things to do.
"""

import argparse
import asyncio
import dataclasses
import json
import multiprocessing
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

CONNECTIONS = 512  # for overload


@dataclass
class Load:
    """What the clients saw."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    """Of the answers with status 200, seconds."""
    all_answers: int = 0
    """With those before and after what is measured."""
    unsent: int = 0
    """Requests that were due when all connections were waiting."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.statuses[200] / self.seconds

    def percentile(self, percent: float) -> float:
        """Milliseconds."""
        return 1000 * float(np.percentile(self.latencies, percent))


class Client(asyncio.Protocol):
    """One keep-alive connection; one request at a time."""

    def __init__(self, load: "Generator") -> None:
        self.load, self.buffer, self.sent = load, bytearray(), 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Not to be used again."""
        self.load.lost(self)

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self.buffer, self.sent = bytearray(), time.perf_counter()
        self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Whole when it has as many bytes as it says."""
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = re.search(rb"content-length: (\d+)", self.buffer[:head])
        assert length is not None
        if len(self.buffer) >= head + 4 + int(length[1]):
            self.load.answered(self, int(self.buffer[9:12]), time.perf_counter() - self.sent)


class Generator:
    """Requests to one server: so many at a time, or so many a second."""

    def __init__(self, port: int, requests: list[bytes], seconds: float, *, rate: float | None = None) -> None:
        self.port, self.requests, self.seconds, self.rate = port, requests, seconds, rate
        self.idle: deque[Client] = deque()
        self.number = 0

    async def run(self, connections: int) -> Load:
        """A second to warm up, then what is measured."""
        loop = asyncio.get_running_loop()
        clients = [
            (await loop.create_connection(lambda: Client(self), "127.0.0.1", self.port))[1] for _ in range(connections)
        ]
        self.idle.extend(clients)
        self.measured, self.until = Load(self.seconds), time.perf_counter() + 1 + self.seconds
        self.begin = time.perf_counter() + 1
        if self.rate is None:
            while self.idle:
                self._next()
            await asyncio.sleep(self.until - time.perf_counter())
        else:
            await self._by_the_clock(self.rate)
        for client in clients:
            client.transport.abort()  # type: ignore[attr-defined]
        return self.measured

    async def _by_the_clock(self, rate: float) -> None:
        started, sent = time.perf_counter(), 0
        while (now := time.perf_counter()) < self.until:
            while sent < rate * (now - started):
                sent += 1
                if self.idle:
                    self._next()
                elif now > self.begin:
                    self.measured.unsent += 1
            await asyncio.sleep(0.002)

    def _next(self) -> None:
        self.number += 1
        self.idle.popleft().ask(self.requests[self.number % len(self.requests)])

    def lost(self, client: Client) -> None:
        """A connection that had nothing to do for long is closed by the server."""
        if client in self.idle:
            self.idle.remove(client)

    def answered(self, client: Client, status: int, seconds: float) -> None:
        """Count it, and ask anew if the number of requests under way is what is kept."""
        now = time.perf_counter()
        self.idle.append(client)
        self.measured.all_answers += 1
        if now > self.until:
            return
        if now > self.begin:
            self.measured.statuses[status] += 1
            if status == 200:
                self.measured.latencies.append(seconds)
        if self.rate is None:
            self._next()


def generate(port: int, requests: list[bytes], seconds: float, connections: int, rate: float | None) -> Load:
    """In a process of its own."""
    import uvloop

    return uvloop.run(Generator(port, requests, seconds, rate=rate).run(connections))


def alone(run: str, contents: list[Any], batch: int, seconds: float) -> tuple[float, float]:
    """The loop in one process, as anybody would write it: pictures a second, and processor seconds a picture."""
    import alexnet
    from alexnet.device import keep_memory

    keep_memory()
    classifier = alexnet.load(run)
    batches = [[contents[(at + each) % len(contents)] for each in range(batch)] for at in range(0, 320, batch)]
    classifier.predict(batches[0])
    count, started, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - started < seconds:
        classifier.predict(batches[count % len(batches)])
        count += 1
    pictures = count * batch
    return pictures / (time.perf_counter() - started), (time.process_time() - used) / pictures


def requests_for(files: list[bytes], pixels: list[Any], name: str) -> dict[str, list[bytes]]:
    """The bytes of the requests, made once."""

    def post(path: str, body: bytes, extra: str = "") -> bytes:
        return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body

    tensors = []
    for picture in pixels:
        shape = [1, *picture.shape]
        parameters = {"binary_data_size": picture.nbytes}
        tensor = {"name": "pixels", "datatype": "UINT8", "shape": shape, "parameters": parameters}
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        extra = f"Inference-Header-Content-Length: {len(head)}\r\n"
        tensors.append(post(f"/v2/models/{name}/infer", head + picture.tobytes(), extra))
    return {"jpeg": [post("/predict", file) for file in files], "pixels": tensors}


def with_views(run: str, views: int, folder: Path) -> str:
    """The run's weights with another number of test views."""
    from alexnet import weights
    from alexnet.run import Run

    state, card = weights.load(Run(run).best)
    preprocess = dataclasses.replace(card.preprocess, views=views)
    weights.save(folder / "views.safetensors", state, dataclasses.replace(card, preprocess=preprocess), config=False)
    return str(folder / "views.safetensors")


def main() -> None:
    """Measure, print a table, and JSON with --json FILE."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--views", type=int, help="test views, instead of the run's")
    parser.add_argument("--port", type=int, default=18700)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", default="", metavar="OPTIONS", help="further options of alexnet serve, as one text")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = asked.run if asked.views is None else with_views(asked.run, asked.views, Path(folder))
        result = measure(run, asked)
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=2) + "\n")


def measure(run: str, asked: argparse.Namespace) -> dict[str, Any]:
    """All contestants, and the overload."""
    from alexnet.data import images
    from alexnet.weights import load_card

    files = [path.read_bytes() for path in asked.pictures if path.suffix != ""][:64]
    card = load_card(Path(run) if Path(run).is_file() else Path(run) / "weights" / "best.safetensors")
    side = card.preprocess.resize_to
    fit = dataclasses.replace(card.preprocess, channels=3, mean=(0.0,), std=(1.0,)).fit
    pixels = [fit(images.read(file)) for file in files]
    pool = multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1)
    command = [sys.executable, "-m", "alexnet", "serve", run, "--port", str(asked.port), "--name", "model"]
    command += ["--max-batch", str(asked.batch), *shlex.split(asked.serve)]
    contents: dict[str, list[Any]] = {"jpeg": files, "pixels": pixels}
    rates: dict[str, list[float]] = {f"{kind} {who}": [] for kind in contents for who in ("alone", "served")}
    costs: dict[str, list[float]] = {name: [] for name in rates}
    last: dict[str, Load] = {}
    overload: Load | None = None
    for turn in range(asked.rounds):
        for kind, content in contents.items():
            rate, cost = pool.apply(alone, (run, content, asked.batch, asked.seconds))
            rates[f"{kind} alone"].append(rate)
            costs[f"{kind} alone"].append(cost)
            server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            try:
                _wait(asked.port)
                requests = requests_for(files, pixels, "model")[kind]
                given = asked.port, requests, asked.seconds, asked.concurrency, None
                before = _used(server.pid)
                last[kind] = pool.apply(generate, given)
                rates[f"{kind} served"].append(last[kind].rate)
                answered = max(1.0, last[kind].all_answers)
                costs[f"{kind} served"].append((_used(server.pid) - before) / answered)
                if turn == asked.rounds - 1 and kind == "jpeg":
                    twice = 2 * last[kind].rate
                    overload = pool.apply(generate, (asked.port, requests, 3 * asked.seconds, CONNECTIONS, twice))
            finally:
                server.terminate()
                server.wait()
    assert overload is not None
    print(
        f"{card.variant}, {card.preprocess.views} views, side {side}, batches of {asked.batch}, {asked.rounds} rounds"
    )
    result: dict[str, Any] = {"variant": card.variant, "views": card.preprocess.views, "processors": os.cpu_count()}
    for kind in contents:
        mine, served = (statistics.median(rates[f"{kind} {who}"]) for who in ("alone", "served"))
        print(f"{kind:7} alone  {mine:7.1f} a second  {_spread(rates[f'{kind} alone'])}")
        print(f"{kind:7} served {served:7.1f} a second  {_spread(rates[f'{kind} served'])}  {served / mine:.2f} of it")
        print(f"        p50 {last[kind].percentile(50):.0f} ms, p99 {last[kind].percentile(99):.0f} ms")
        spent = [1000 * statistics.median(costs[f"{kind} {who}"]) for who in ("alone", "served")]
        print(f"        processor time a picture: {spent[0]:.1f} ms alone, {spent[1]:.1f} ms served")
        result[kind] = {
            "alone": rates[f"{kind} alone"],
            "served": rates[f"{kind} served"],
            "ratio": served / mine,
            "processor_ms": spent,
        }
    goodput = overload.rate / last["jpeg"].rate
    print(
        f"twice the load: {goodput:.2f} of the capacity answered, {dict(overload.statuses)}, {overload.unsent} unsent"
    )
    print(f"        p50 {overload.percentile(50):.0f} ms, p99 {overload.percentile(99):.0f} ms of those with an answer")
    p99 = overload.percentile(99)
    return {**result, "overload": {"goodput": goodput, "p99_ms": p99, "statuses": dict(overload.statuses)}}


def _spread(rates: list[float]) -> str:
    return f"({min(rates):.1f} to {max(rates):.1f})"


def _used(pid: int) -> float:
    """Processor seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait(port: int) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready").close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
