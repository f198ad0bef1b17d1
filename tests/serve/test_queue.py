"""Batches, deadlines, overload, clients that leave, pictures and threads that fail: seen from outside, with a hook
before the real network that makes it wait or die."""

import json
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serve.conftest import Answer, InThread, Serve, eventually, marked, picture

COLOURS = ("blue", "green", "red")


def _pending(server: InThread) -> int:
    return server.application.batcher.pending


def test_requests_share_a_batch_and_each_gets_its_own_answer(serve: Serve) -> None:
    """Sixty requests at once: far fewer batches, and every answer is that of its picture."""
    server, hook = serve(max_batch=16)
    hook.open.clear()
    with ThreadPoolExecutor(60) as pool:
        asked = [
            (colour, pool.submit(server.post, "/predict", picture(colour, seed=seed)))
            for seed in range(20)
            for colour in COLOURS
        ]
        eventually(lambda: _pending(server) == 60)
        hook.batches.clear()
        hook.open.set()
        for colour, answer in asked:
            assert answer.result().label == colour
    assert len(hook.batches) < 20
    assert max(hook.batches) == 16


def test_no_batch_is_larger_than_it_may_be(serve: Serve) -> None:
    """One request of forty pictures, batches of eight."""
    server, hook = serve(max_batch=8)
    pixels = np.full((40, 28, 28, 3), 90, np.uint8)
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.ravel().tolist()}
    hook.batches.clear()
    answer = server.post("/v2/models/colours/infer", json.dumps({"inputs": [tensor]}).encode())
    assert answer.json["outputs"][0]["shape"] == [40, 3]
    assert max(hook.batches) <= 8
    assert sum(hook.batches) == 40


@pytest.mark.fault("E5")
def test_overload_is_refused_and_no_work_is_wasted(serve: Serve) -> None:
    """Ten times what the network can do: 429 with Retry-After, a bounded queue, and every picture that went through
    the network reached its client in time."""
    server, hook = serve(max_queue=20, max_batch=8, deadline=5.0)
    server.post("/predict", picture())
    hook.seconds = 0.02
    hook.batches.clear()
    answers: list[tuple[Answer, float]] = []
    until = time.monotonic() + 3
    content = picture("green")

    def keep_asking() -> None:
        while time.monotonic() < until:
            started = time.monotonic()
            answer = server.post("/predict", content)
            answers.append((answer, time.monotonic() - started))
            if answer.status == 429:
                time.sleep(0.05)

    highest = 0
    clients = [threading.Thread(target=keep_asking) for _ in range(60)]
    for client in clients:
        client.start()
    while time.monotonic() < until:
        highest = max(highest, _pending(server))
        time.sleep(0.005)
    for client in clients:
        client.join()
    statuses = Counter(answer.status for answer, _ in answers)
    assert set(statuses) == {200, 429}
    assert statuses[429] > statuses[200]
    assert highest <= 20
    assert all(int(answer.headers["retry-after"]) >= 1 for answer, _ in answers if answer.status == 429)
    assert sum(hook.batches) == statuses[200]
    assert all(seconds < 5 for answer, seconds in answers if answer.status == 200)
    assert server.get("/health").status == 200


@pytest.mark.fault("E5")
def test_nobody_is_admitted_who_would_wait_beyond_the_deadline(serve: Serve) -> None:
    """A long queue and a slow network: refused by what is known of its pace, although the queue has room."""
    server, hook = serve(max_queue=128, max_batch=4, deadline=2.0)
    hook.seconds = 0.1
    with ThreadPoolExecutor(60) as pool:
        for _ in range(2):
            answers = list(pool.map(lambda _: server.post("/predict", picture()), range(60)))
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) == {200, 429}
    assert 5 <= statuses[200] <= 20


@pytest.mark.fault("E6")
def test_a_deadline_does_not_wait_for_the_batch(serve: Serve) -> None:
    """The network stands still: 504 at the deadline while it still does, for what is queued and what is running."""
    server, hook = serve(deadline=0.4, max_batch=1)
    hook.open.clear()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: server.post("/predict", picture()), range(4)))
    assert not hook.open.is_set()
    assert {answer.status for answer in answers} <= {504, 429}
    assert answers[0].status == 504
    assert _pending(server) == 0
    hook.open.set()
    assert server.post("/predict", picture("blue")).label == "blue"


@pytest.mark.fault("E7")
def test_a_client_that_leaves_is_taken_out_of_the_queue(serve: Serve) -> None:
    """Ten clients wait behind a batch and leave: their pictures never reach the network, nothing is left of them."""
    server, hook = serve(max_batch=4)
    hook.open.clear()
    with ThreadPoolExecutor(1) as pool:
        entered = hook.entered
        first = pool.submit(server.post, "/predict", picture("green"))
        eventually(lambda: hook.entered == entered + 1)
        content = picture("red")
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        leaving = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(10)]
        for plain in leaving:
            plain.sendall(head + content)
        eventually(lambda: _pending(server) == 11)
        for plain in leaving:
            plain.close()
        eventually(lambda: _pending(server) == 1)
        hook.batches.clear()
        hook.open.set()
        assert first.result().label == "green"
    assert server.post("/predict", picture("blue")).label == "blue"
    assert hook.batches == [1, 1]


@pytest.mark.fault("E8")
def test_a_bad_picture_fails_alone(serve: Serve) -> None:
    """Unreadable ones among good ones at the same time: 422 for them, the right answer for the others."""
    server, hook = serve()
    hook.open.clear()
    cut = picture("red", "JPEG")[:500]
    contents = {number: cut if number % 3 == 0 else picture(COLOURS[number % 3], seed=number) for number in range(12)}
    with ThreadPoolExecutor(12) as pool:
        asked = {number: pool.submit(server.post, "/predict", content) for number, content in contents.items()}
        eventually(lambda: _pending(server) == 8)
        hook.open.set()
        for number, answer in asked.items():
            if number % 3 == 0:
                assert answer.result().status == 422
            else:
                assert answer.result().label == COLOURS[number % 3]


@pytest.mark.fault("E8")
def test_a_picture_that_the_network_fails_on_fails_alone(serve: Serve) -> None:
    """A batch that raises because of one picture: 500 for it, the others are answered."""
    server, hook = serve(max_batch=16)
    hook.deadly[99] = RuntimeError("this one is too much")
    hook.open.clear()
    with ThreadPoolExecutor(6) as pool:
        bad = pool.submit(server.post, "/predict", marked(99))
        good = {colour: pool.submit(server.post, "/predict", picture(colour)) for colour in COLOURS}
        eventually(lambda: _pending(server) == 4)
        hook.open.set()
        assert bad.result().status == 500
        assert "log" in bad.result().error
        assert {colour: answer.result().label for colour, answer in good.items()} == {c: c for c in COLOURS}


@pytest.mark.fault("E17")
def test_a_network_thread_that_dies_is_replaced(serve: Serve) -> None:
    """It dies in a batch: that request is told so, health says it until another lives; no answer is an old one."""
    server, hook = serve(max_batch=1)
    assert server.post("/predict", picture("green")).label == "green"
    hook.deadly[77] = SystemExit("the thread is gone")
    with ThreadPoolExecutor(4) as pool:
        hook.open.clear()
        bad = pool.submit(server.post, "/predict", marked(77))
        eventually(lambda: _pending(server) == 1)
        queued = {colour: pool.submit(server.post, "/predict", picture(colour)) for colour in COLOURS}
        eventually(lambda: _pending(server) == 4)
        hook.open.set()
        assert bad.result().status == 503
        assert bad.result().headers["retry-after"] == "1"
        assert {colour: answer.result().label for colour, answer in queued.items()} == {c: c for c in COLOURS}
    eventually(lambda: server.get("/health").status == 200)
    assert server.post("/predict", picture("blue")).label == "blue"


@pytest.mark.fault("E17")
def test_a_network_that_cannot_live_is_not_live(serve: Serve) -> None:
    """It dies before it answers anything, again and again: neither live nor ready, 503 for all, and told to its
    keeper, who ends the process."""
    server, hook = serve(max_batch=1)
    hook.deadly |= {77: SystemExit(), 0: SystemExit()}  # 0: the black picture that it is tried with
    assert server.post("/predict", marked(77)).status == 503
    eventually(server.application.batcher.broken.is_set)
    for path in ("/health", "/ready", "/v2/health/live", "/v2/models/colours/ready"):
        assert server.get(path).status == 503
    assert server.post("/predict", picture()).status == 503


@pytest.mark.fault("E17")
def test_a_network_that_is_stuck_is_not_live(serve: Serve) -> None:
    """A batch that does not end: not live after the time that it may take."""
    server, hook = serve(stuck_seconds=0.2, deadline=0.1)
    hook.open.clear()
    assert server.post("/predict", picture()).status == 504
    eventually(lambda: server.get("/health").status == 503)
    hook.open.set()
    eventually(lambda: server.get("/health").status == 200)
    assert server.post("/predict", picture("blue")).label == "blue"


def _samples(server: InThread) -> dict[tuple[str, ...], float]:
    text = server.get("/metrics").body.decode()
    families = list(text_string_to_metric_families(text))
    return {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.fault("E16")
def test_metrics_count_and_cannot_be_blown_up(serve: Serve) -> None:
    """Valid text; made-up paths, methods, names and queries add no labels; counts are those of what was asked."""
    server, _ = serve()
    server.get("/nowhere")
    server.post("/v2/models/nobody/infer", b"{}")
    server.say(b"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n")
    server.say(b"PATCH /pot HTTP/1.1\r\nHost: localhost\r\n\r\n")
    before = _samples(server)
    for number in range(50):
        server.get(f"/nowhere-{number}?a={number}")
        server.post(f"/v2/models/{number}%22%0A/infer", b"{}")
        server.say(f"PATCH /{number} HTTP/1.1\r\nHost: localhost\r\nX: {number}\r\n\r\n".encode())
    for _ in range(3):
        server.post("/predict", picture())
    after = _samples(server)
    new = {
        name for name in after.keys() - before.keys() if "route=/predict" not in name and "route=/metrics" not in name
    }
    assert not new
    assert after["alexnet_requests_total", "route=/predict", "status=200"] == 3
    assert after["alexnet_pending_pictures",] == 0
    assert after["alexnet_live",] == 1
    assert after["alexnet_batch_pictures_sum",] == 3


def test_memory_of_bodies_is_bounded_over_all_requests(serve: Serve) -> None:
    """Bodies that are on their way fill what may be held: the next is told to come again, at once."""
    server, _ = serve(max_held=1 << 20, body_seconds=20.0)
    half = bytes(600 << 10)
    with server.connected() as first:
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(half) + 1}\r\n\r\n".encode()
        first.sendall(head + half)
        eventually(lambda: server.post("/predict", half).status == 429)
    eventually(lambda: server.post("/predict", half).status == 422)
