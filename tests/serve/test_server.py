"""The command: its start, its end, its token, and that nothing is lost over many requests."""

import base64
import dataclasses
import http.client
import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alexnet import plain_files, weights
from alexnet.run import Run
from tests.conftest import Call
from tests.serve.conftest import Process, Serve, eventually, picture

TOKEN = "correct-horse-battery"


@pytest.fixture
def starts(taught_run: Run) -> Iterator[type]:
    """Processes that end with the test."""
    started: list[Process] = []

    class Ended(Process):
        def __init__(self, *options: object, run: object = taught_run.path, **environment: str) -> None:
            super().__init__(run, *options, **environment)
            started.append(self)

    yield Ended
    for each in started:
        each.end()


@pytest.mark.fault("E9")
def test_sigterm_under_load_loses_no_request(starts: type) -> None:
    """Thirty-two clients without a pause: after SIGTERM it is not ready and still answers; then all open requests are
    answered, connections end in good order, exit 0."""
    server = starts("--drain-ms", 1500, "--max-queue", 500)
    stop = threading.Event()
    answered: list[int] = []

    def keep_asking(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while True:
            try:
                connection.connect()
            except ConnectionRefusedError:
                return  # it listens no more
            while True:
                connection.request("POST", "/predict", picture("green"))
                response = connection.getresponse()  # an open request that is lost raises here
                assert response.read()
                answered.append(response.status)
                if response.getheader("connection") == "close":
                    break
            connection.close()

    with ThreadPoolExecutor(32) as pool:
        clients = [pool.submit(keep_asking, number) for number in range(32)]
        eventually(lambda: len(answered) > 100)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: server.get("/ready").status == 503)
        before = len(answered)
        assert server.get("/health").status == 200
        assert server.get("/v2/models/exp/ready").status == 503
        assert server.post("/predict", picture("blue")).label == "blue"
        lost = [client.exception() for client in clients]
        stop.set()
    assert [error for error in lost if error is not None] == []
    assert set(answered) == {200}
    assert len(answered) > before
    assert server.process.wait(60) == 0


@pytest.mark.fault("E9")
def test_ctrl_c_ends_it_at_once(starts: type) -> None:
    """SIGINT: the end without a pause, exit 0, no traceback."""
    server = starts("--drain-ms", 60_000)
    assert server.stop(signal.SIGINT) == 0
    assert not any("Traceback" in line for line in server.said)


@pytest.mark.fault("E10")
def test_without_a_whole_model_nothing_listens(call: Call, taught_run: Run, tmp_path: Path) -> None:
    """No run: exit 2; a missing, cut or foreign file of weights: exit 4, one line; the port is free afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    whole = taught_run.best.read_bytes()
    cut, noise = tmp_path / "cut.safetensors", tmp_path / "noise.safetensors"
    cut.write_bytes(whole[:-100])
    noise.write_bytes(os.urandom(1000))
    for run, code in (("nowhere", 2), (tmp_path / "no.safetensors", 4), (cut, 4), (noise, 4)):
        result = call("serve", run, "--port", port)
        assert result.code == code
        assert result.error
        assert not result.out
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


@pytest.mark.fault("E10")
def test_a_file_replaced_under_a_running_server_changes_nothing(starts: type, taught_run: Run, tmp_path: Path) -> None:
    """Its weights overwritten, then gone: the same answers as before."""
    file = tmp_path / "own.safetensors"
    shutil.copy(taught_run.best, file)
    server = starts(run=file)
    before = server.post("/predict", picture("green", seed=5)).json
    with file.open("r+b") as weights:
        weights.write(bytes(file.stat().st_size))
        weights.truncate(1000)
    assert server.post("/predict", picture("green", seed=5)).json == before
    file.unlink()
    assert server.post("/predict", picture("green", seed=5)).json == before


def test_names_that_are_no_unicode_are_served_as_escapes(starts: type, taught_run: Run, tmp_path: Path) -> None:
    """A class whose folder's name is not UTF-8, over every protocol."""
    state, card = weights.load(taught_run.best)
    odd = tuple("bl\udce9" if name == "blue" else name for name in card.classes)
    weights.save(tmp_path / "odd.safetensors", state, dataclasses.replace(card, classes=odd), config=False)
    server = starts(run=tmp_path / "odd.safetensors")
    content, said = picture("blue"), r"bl\udce9"
    assert server.post("/predict", content).label == said
    assert server.post("/huggingface", content).json[0]["label"] == said
    tensor = {"name": "pictures", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(content).decode()]}
    wanted = [{"name": "scores", "parameters": {"classification": 1}}]
    body = {"inputs": [tensor], "outputs": wanted}
    infer = "/v2/models/odd/infer"
    assert server.post(infer, json.dumps(body).encode()).json["outputs"][0]["data"][0].endswith(said)
    refused = server.post(infer, json.dumps(body | {"id": "\ud800"}).encode())
    assert (refused.status, refused.error) == (400, "id must be a string of valid Unicode")


def test_weights_of_others_in_a_folder_of_that_name_are_no_run(starts: type, taught_run: Run, tmp_path: Path) -> None:
    """weights/one.safetensors beside nothing that makes a run: named by the file, and the page has no second tab."""
    file = tmp_path / "weights" / "one.safetensors"
    file.parent.mkdir()
    shutil.copy(taught_run.best, file)
    server = starts(run=file)
    assert server.get("/v2/models/one").status == 200
    assert server.get("/page/about").json["run"] is None


def test_a_port_that_is_taken_is_told(call: Call, server_of_colours: Process, taught_run: Run) -> None:
    result = call("serve", taught_run.path, "--port", server_of_colours.port)
    assert result.code == 2
    assert f"cannot listen on 127.0.0.1:{server_of_colours.port} (address already in use)" in result.error


@pytest.mark.parametrize("options", [("--host", "no.such.host.invalid"), ("--token", ""), ("--token", "a b\n")])
def test_what_cannot_be_is_refused(call: Call, taught_run: Run, options: tuple[str, str]) -> None:
    result = call("serve", taught_run.path, "--port", 0, *options)
    assert result.code == 2
    assert options[0] in result.error


def test_a_server_open_to_all_says_so(starts: type, tmp_path: Path) -> None:
    """Bound to every address without a token: a line says what that means; it may be called by any name."""
    server = starts("--host", "0.0.0.0", "--allowed-host", "flowers.example")
    eventually(lambda: any("--token" in line for line in server.said))
    assert server.get("/ready", Host="flowers.example").status == 200
    assert server.get("/ready", Host="evil.example").status == 400


@pytest.mark.fault("E11")
def test_a_token_is_asked_for_and_never_told(starts: type) -> None:
    """None, wrong, in the query, twice: 401; right: answered; probes need none; the log has neither token nor query."""
    server = starts("--verbose", ALEXNET_TOKEN=TOKEN)
    good = f"Bearer {TOKEN}"
    content = picture("red")
    for path in ("/predict", "/huggingface", "/v2/models/exp/infer"):
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": f"Bearer {TOKEN[:-1]}"},
            {"Authorization": TOKEN},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Basic \xff"},
            {"Authorization": "Bearer"},
            {"X-Api-Key": TOKEN},
        ):
            answer = server.post(path, content, **headers)
            assert answer.status == 401, headers
            assert "Bearer" in answer.headers["www-authenticate"]
        assert server.post(f"{path}?token={TOKEN}&access_token={TOKEN}", content).status == 401
    for path in ("/metrics", "/docs", "/openapi.json", "/v2", "/nowhere"):
        assert server.get(path).status == 401
    twice = f"GET /v2 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {good}\r\nAuthorization: {good}\r\n\r\n"
    assert server.say(twice.encode()).status == 401
    for path in ("/health", "/ready", "/v2/health/live", "/v2/health/ready"):
        assert server.get(path).status == 200
    assert server.post("/predict", content, Authorization=good).label == "red"
    basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    assert server.post("/predict", content, Authorization=f"Basic {basic}").label == "red"
    assert server.stop() == 0
    said = "".join(server.said)
    eventually(lambda: "POST /predict 401" in "".join(server.said))
    assert TOKEN not in said
    assert "token=" not in said


@pytest.mark.fault("E11")
def test_a_token_is_compared_in_constant_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every comparison goes through hmac.compare_digest."""
    import hmac

    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(given: bytes, token: bytes) -> bool:
        compared.append(given)
        return real(given, token)

    monkeypatch.setattr("alexnet.serve.gate.hmac.compare_digest", compare)
    server, _ = serve(token=TOKEN)
    assert server.get("/v2", Authorization="Bearer nearly").status == 401
    assert server.get("/v2", Authorization=f"Bearer {TOKEN}").status == 200
    assert compared == [b"nearly", TOKEN.encode()]


@pytest.mark.fault("E15")
def test_very_many_requests_leave_nothing_behind(server_of_colours: Process, long: bool) -> None:
    """Good, bad and broken-off requests, a thousand (with --long thirty thousand): memory and descriptors stay."""
    server = server_of_colours
    content, head = picture("green"), b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n"

    def many(count: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for number in range(count):
            connection.request("POST", "/predict", content if number % 3 else b"no picture")
            assert connection.getresponse().read()
            if number % 10 == 0:
                with server.connected() as plain:
                    plain.sendall(head + content[:100])
        connection.close()

    many(1000)
    time.sleep(0.5)
    memory, descriptors = server.memory, server.descriptors
    many(30_000 if long else 1000)
    eventually(lambda: server.descriptors <= descriptors + 2)
    assert server.memory - memory < 16 << 20


def test_every_answer_has_the_headers_that_browsers_need(server_of_colours: Process) -> None:
    for path in ("/docs", "/openapi.json", "/nowhere", "/health"):
        answer = server_of_colours.get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_the_reference_needs_nothing_from_elsewhere(server_of_colours: Process) -> None:
    """/docs: every route is on it, lines to type name this server; no script, no address but its own."""
    import re

    page = server_of_colours.get("/docs").body.decode()
    routes = server_of_colours.get("/openapi.json").json["paths"]
    assert all(path in page for path in routes)
    assert f"curl --data-binary @picture.jpg &#x27;http://127.0.0.1:{server_of_colours.port}/predict" in page
    assert "<script" not in page
    assert set(re.findall(r'(?:src|href)="([^"]*)"', page)) == {"/docs/style.css", "/openapi.json"}
    assert server_of_colours.get("/docs/style.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    ("given", "name"), [("exp", "exp"), ("a b/c", "a-b-c"), ("<script>", "script"), ("..", "alexnet"), ("ä", "alexnet")]
)
def test_a_model_gets_a_name_that_fits_into_an_address(given: str, name: str) -> None:
    assert plain_files.model_name(given) == name


def test_help_does_not_load_torch() -> None:
    import subprocess
    import sys

    code = "import sys; sys.argv=['alexnet', 'serve', '--help']\nfrom alexnet.commands.main import main\n"
    code += "try: main()\nexcept SystemExit: print({'torch', 'fastapi'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("set()")
