"""What strangers send: no picture, too much, too slowly, in a form that is none. Never 5xx; the server lives on."""

import contextlib
import io
import json
import socket
import struct
import time
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alexnet.predict import load
from alexnet.run import Run
from tests.conftest import COLOURS, noisy
from tests.serve.conftest import Answer, Process, Serve, encoded, eventually, picture

MEGABYTE = 1 << 20
INFER = "/v2/models/colours/infer"


def _bomb() -> bytes:
    """A PNG of 30,000 × 30,000 pixels, all zero: about 100 KB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = bytes(1 + 30_000 // 8)
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    data = zlib.compress(row * 30_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "text": (b"hello", "no picture"),
    "HTML": (b"<!doctype html><title>404</title>", "an HTML page"),
    "PDF": (b"%PDF-1.7", "a PDF document"),
    "cut JPEG": (picture("red", "JPEG")[:600], "truncated"),
    "cut PNG": (picture("red")[:2000], "truncated"),
    "bomb": (_bomb(), "more than the 1,000,000 pixels allowed"),
    "noise": (np.random.default_rng(0).bytes(5000), "no picture"),
    "JPEG header alone": (b"\xff\xd8\xff", "JPEG"),
}
READ: dict[str, bytes] = {
    "WebP": picture("red", "WEBP"),
    "GIF": picture("red", "GIF"),
    "BMP": picture("red", "BMP"),
    "one pixel": encoded(np.full((1, 1, 3), (220, 30, 20), np.uint8)),
    "1 by 5000": encoded(np.full((5000, 1, 3), (220, 30, 20), np.uint8)),
    "garbage behind": picture("red", "JPEG") + bytes(100),
    "progressive": picture("red", "JPEG", progressive=True),
}


def _cmyk() -> bytes:
    file = io.BytesIO()
    Image.fromarray(noisy(COLOURS["red"], 3)).convert("CMYK").save(file, "JPEG")
    return file.getvalue()


READ["CMYK"] = _cmyk()


@pytest.mark.fault("E1")
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_refused_in_every_protocol(alive: Process, kind: str) -> None:
    """Nothing, text, HTML, PDF, noise, cut files, a bomb: 400 or 422, one line that says what it is, little memory."""
    content, reason = REFUSED[kind]
    before = alive.memory
    form = b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n" + content + b"\r\n--b--\r\n"
    length = struct.pack("<I", len(content)) + content
    tensor = {
        "name": "pictures",
        "datatype": "BYTES",
        "shape": [1],
        "parameters": {"binary_data_size": len(length)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    answers = [
        alive.post("/predict", content),
        alive.post("/predict", form, Content_Type="multipart/form-data; boundary=b"),
        alive.post("/huggingface", content),
        alive.post(INFER, head + length, Inference_Header_Content_Length=str(len(head))),
    ]
    for answer in answers:
        assert answer.status in (400, 422), answer
        assert reason in answer.error
    assert alive.memory - before < 50 * MEGABYTE


@pytest.mark.fault("E1")
@pytest.mark.parametrize("kind", READ)
def test_odd_pictures_are_read(server_of_colours: Process, taught_run: Run, kind: str) -> None:
    """Other formats, one pixel, 1 by 5000, garbage behind, progressive, CMYK: as Python reads them."""
    label = load(taught_run.path, device="cpu").predict(READ[kind], topk=1)[0]["label"]
    assert server_of_colours.post("/predict", READ[kind]).label == label


@pytest.mark.fault("E2")
def test_a_body_over_the_limit_is_not_read(alive: Process) -> None:
    """Announced: refused before a byte of it is read; the connection ends."""
    answer = alive.say(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n")
    assert answer.status == 413
    assert "1,048,576 bytes" in answer.error
    assert answer.headers["connection"] == "close"
    assert alive.post("/predict", bytes(MEGABYTE + 1)).status == 413


def _taken(plain: socket.socket, piece: bytes, times: int) -> int:
    """How often a piece could be sent until the connection was ended."""
    for number in range(times):
        try:
            plain.sendall(piece)
        except OSError:
            return number
    return times


@pytest.mark.fault("E2")
def test_an_endless_body_is_cut_off(alive: Process) -> None:
    """Chunked, without a length: no more than a few megabytes are taken, and memory stays."""
    before = alive.memory
    with alive.connected() as plain:
        plain.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
        assert _taken(plain, chunk, 3200) * len(chunk) < 20 * MEGABYTE  # of 200 MB
    assert alive.memory - before < 50 * MEGABYTE


@pytest.mark.fault("E2")
def test_a_chunked_picture_is_an_ordinary_one(server_of_colours: Process) -> None:
    """Chunked within the limit: answered."""
    content = picture("green")
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [content[at : at + 1000] for at in range(0, len(content), 1000)]
    answer = server_of_colours.say(head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n")
    assert answer.label == "green"


LYING = {
    "negative": b"Content-Length: -1",
    "twice": b"Content-Length: 5\r\nContent-Length: 6",
    "words": b"Content-Length: many",
    "huge": b"Content-Length: 99999999999999999999999999",
    "with chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked",
}


@pytest.mark.fault("E2")
@pytest.mark.parametrize("kind", LYING)
def test_a_length_that_cannot_be_is_refused(alive: Process, kind: str) -> None:
    """Negative, double, huge, in words, beside chunks: 400, and the connection ends."""
    with alive.connected() as plain:
        plain.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\n" + LYING[kind] + b"\r\n\r\nhello")
        assert alive.hear(plain).status == 400
        assert plain.recv(1) == b""


@pytest.mark.fault("E2", "E13")
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_an_inflating_body_is_bounded(alive: Process, encoding: str) -> None:
    """100 MB in 100 KB: refused at the limit; cut, damaged or with something behind: 400; unknown: 415."""
    stream = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    bomb = b"".join([*(stream.compress(bytes(MEGABYTE)) for _ in range(100)), stream.flush()])
    before = alive.memory
    assert alive.post("/predict", bomb, Content_Encoding=encoding).status == 413
    assert alive.memory - before < 50 * MEGABYTE
    good = zlib.compress(picture("green"))
    if encoding == "deflate":
        assert alive.post("/predict", good, Content_Encoding=encoding).label == "green"
        for bad in (good[:-10], good + b"more", b"no stream"):
            assert alive.post("/predict", bad, Content_Encoding=encoding).status == 400
        assert alive.post("/predict", good, Content_Encoding="br").status == 415


def _form(*parts: bytes, boundary: bytes = b"b", end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + end


FILE = b"Content-Disposition: form-data; name=file; filename=a.png\r\n\r\n"
FORMS: dict[str, tuple[bytes, str, int]] = {
    "100,000 parts": (_form(*[b"Content-Disposition: form-data; name=a\r\n\r\n"] * 20_000), "b", 413),
    "no file": (_form(b"Content-Disposition: form-data; name=topk\r\n\r\n3"), "b", 400),
    "two files": (_form(FILE + picture(), FILE + picture()), "b", 400),
    "no boundary": (_form(FILE + picture()), "", 400),
    "another boundary": (_form(FILE + picture()), "c", 400),
    "a long boundary": (_form(FILE + picture()), "b" * 5000, 400),
    "a huge header": (_form(b"X: " + b"a" * 100_000 + b"\r\n\r\nx"), "b", 400),
    "many headers": (_form(b"X: a\r\n" * 10_000 + b"\r\nx"), "b", 400),
    "cut": (_form(FILE + picture())[:-6], "b", 400),
    "line ends alone": (b"\r\n" * 500_000, "b", 400),
    "dashes alone": (b"\r\n--" * 250_000, "b", 400),
    "a wrong topk": (_form(FILE + picture(), b"Content-Disposition: form-data; name=topk\r\n\r\n-3"), "b", 400),
}


@pytest.mark.fault("E3")
@pytest.mark.parametrize("kind", FORMS)
def test_a_form_that_is_none_is_refused_at_once(alive: Process, kind: str) -> None:
    """Very many parts, headers or line ends, no or wrong boundaries, cut, no or two files: 400 or 413."""
    body, boundary, status = FORMS[kind]
    answer = alive.post("/predict", body, Content_Type=f"multipart/form-data; boundary={boundary}")
    assert answer.status == status, answer
    assert answer.error


@pytest.mark.fault("E3")
def test_a_part_without_a_file_name_is_a_picture_if_it_is_long(server_of_colours: Process) -> None:
    """No file name: bounded as a body is; answered."""
    body = _form(b"Content-Disposition: form-data; name=file\r\n\r\n" + picture("green"))
    answer = server_of_colours.post("/predict", body, Content_Type="multipart/form-data; boundary=b")
    assert answer.label == "green"


@pytest.mark.fault("E4")
def test_slow_clients_are_cut_off_and_others_do_not_notice(serve: Serve) -> None:
    """Heads and bodies a byte at a time, from fifty connections; others are answered meanwhile."""
    server, _ = serve(head_seconds=1.0, body_seconds=1.0)
    slow: list[socket.socket] = []
    try:
        for number in range(50):
            plain = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            whole = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
            plain.sendall(whole if number % 2 else whole[:30])
            slow.append(plain)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert server.post("/predict", picture("green")).label == "green"
            for plain in slow:
                with contextlib.suppress(OSError):  # it has been cut off
                    plain.send(b"x")
        for number, plain in enumerate(slow):
            if number % 2:
                assert server.hear(plain).status == 408
            else:
                assert _taken(plain, b"x", 1000) < 1000
    finally:
        for plain in slow:
            plain.close()


@pytest.mark.fault("E4")
def test_a_client_that_does_not_read_is_cut_off(serve: Serve) -> None:
    """Thousands of requests for the largest page, no answer read: the connection ends, others are answered."""
    server, _ = serve(write_seconds=0.5)
    with server.connected() as plain:
        plain.settimeout(1)
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100
        assert _taken(plain, ask, 100_000) < 100_000
        eventually(lambda: not server.connections)
    assert server.post("/predict", picture("blue")).label == "blue"


@pytest.mark.fault("E4")
def test_a_head_without_end_is_cut_off(serve: Serve) -> None:
    """A megabyte of headers: 431, or the connection ends."""
    server, _ = serve()
    with server.connected() as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        assert _taken(plain, b"X: %s\r\n" % (b"a" * 1000), 10_000) < 10_000
    assert server.get("/health").status == 200


@pytest.mark.fault("E4")
def test_connections_are_bounded(serve: Serve) -> None:
    """More than so many: the next are closed at once; when some leave there is room again."""
    server, _ = serve(connections=10)
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(20)]
    closed = 0
    for plain in idle[10:]:
        try:
            closed += plain.recv(1) == b""
        except OSError:
            closed += 1
    assert closed == 10
    for plain in idle:
        plain.close()

    def answers() -> bool:
        try:
            return server.get("/health").status == 200
        except OSError:
            return False

    eventually(answers)


def _infer(**changed: Any) -> bytes:
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 2, 3], **changed}
    return json.dumps({"inputs": [{key: value for key, value in tensor.items() if value is not None}]}).encode()


WRONG: dict[str, bytes] = {
    "no JSON": b"{",
    "no object": b"[]",
    "no UTF-8": b'{"id": "\xff"}',
    "deep": b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep data": _infer().replace(b"[1, 2, 3]", b"[" * 200 + b"1,2,3" + b"]" * 200),
    "NaN": _infer().replace(b"[1, 2, 3]", b"[1, NaN, 3]"),
    "no inputs": b"{}",
    "inputs none": b'{"inputs": []}',
    "inputs null": b'{"inputs": null}',
    "input a number": b'{"inputs": [1]}',
    "no name": _infer(name=None),
    "another name": _infer(name="picture"),
    "no datatype": _infer(datatype=None),
    "another datatype": _infer(datatype="INT64"),
    "datatype a list": _infer(datatype=["UINT8"]),
    "datatype of another input": _infer(datatype="FP32"),
    "no shape": _infer(shape=None),
    "shape of another number": _infer(shape=[1, 1, 1, 4]),
    "shape too short": _infer(shape=[3]),
    "negative shape": _infer(shape=[-1, -1, 1, 3]),
    "2^63": _infer(shape=[2**63, 2**63, 1, 3]),
    "2^4000": _infer(shape=[2**4000, 1, 1, 3]),
    "shape of floats": _infer(shape=[1.0, 1, 1, 3]),
    "shape of truths": _infer(shape=[True, True, True, 3]),
    "many dimensions": _infer(shape=[1] * 100 + [3]),
    "none": _infer(shape=[0, 1, 1, 3], data=[]),
    "no data": _infer(data=None),
    "data a text": _infer(data="abc"),
    "data of texts": _infer(data=["a", "b", "c"]),
    "data of floats": _infer(data=[1.5, 2, 3]),
    "data too large": _infer(data=[1, 2, 300]),
    "data huge": _infer(data=[1, 2, 10**400]),
    "data of truths": _infer(data=[True, False, True]),
    "data null": _infer(data=[None, 2, 3]),
    "data ragged": _infer(data=[[1], [2, 3]]),
    "data objects": _infer(data=[{}, {}, {}]),
    "parameters a list": _infer(parameters=[1]),
    "a size without bytes": _infer(parameters={"binary_data_size": 3}, data=None),
    "a negative size": _infer(parameters={"binary_data_size": -3}, data=None),
    "a size and data": _infer(parameters={"binary_data_size": 3}),
    "infinite": _infer(name="tensor", datatype="FP32", shape=[1, 3, 1, 1], data=[1e308, 1, 1]),
    "another side": _infer(name="tensor", datatype="FP32", shape=[1, 3, 1, 1]),
    "no base64": _infer(name="pictures", datatype="BYTES", shape=[1], data=["***"]),
    "BYTES of numbers": _infer(name="pictures", datatype="BYTES", shape=[1], data=[1]),
    "two inputs": b'{"inputs": [' + _infer()[12:-2] + b"," + _infer()[12:-2] + b"]}",
    "id a number": _infer()[:-1] + b', "id": 3}',
    "another output": _infer()[:-1] + b', "outputs": [{"name": "logits"}]}',
    "output twice": _infer()[:-1] + b', "outputs": [{"name": "scores"}, {"name": "scores"}]}',
    "no class": _infer()[:-1] + b', "outputs": [{"name": "scores", "parameters": {"classification": 0}}]}',
    "classes in words": _infer()[:-1] + b', "outputs": [{"name": "scores", "parameters": {"classification": "x"}}]}',
}


@pytest.mark.fault("E13")
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_request_of_the_inference_protocol_is_refused(server_of_colours: Process, kind: str) -> None:
    """Wrong JSON, names, types, shapes, data, sizes, outputs: 400 and {"error": one line}."""
    answer = server_of_colours.post(INFER, WRONG[kind])
    assert answer.status == 400, answer
    assert answer.error


@pytest.mark.fault("E13")
@pytest.mark.parametrize("length", ["-1", "1e3", "999999", "3", "99999999999999999999", "²", ""])
def test_a_wrong_header_length_is_refused(server_of_colours: Process, length: str) -> None:
    """Inference-Header-Content-Length that is no number, too large, or cuts the JSON: 400."""
    answer = server_of_colours.post(INFER, _infer() + b"abc", Inference_Header_Content_Length=length)
    assert answer.status == 400
    assert answer.error


@pytest.mark.fault("E13")
def test_packed_bytes_that_do_not_fit_are_refused(server_of_colours: Process) -> None:
    """BYTES whose lengths run beyond the end, numbers that are cut, bytes left over: 400."""
    for raw, kind, shape in (
        (struct.pack("<I", 2**32 - 1) + b"abc", "pictures", [1]),
        (b"ab", "pictures", [1]),
        (bytes(5), "tensor", [1, 3, 1, 1]),
        (np.full(3 * 28 * 28, np.nan, "<f4").tobytes(), "tensor", [1, 3, 28, 28]),
    ):
        datatype = {"pictures": "BYTES", "tensor": "FP32"}[kind]
        parameters = {"binary_data_size": len(raw)}
        head = _infer(name=kind, datatype=datatype, shape=shape, data=None, parameters=parameters)
        for extra in (b"", b"more"):
            answer = server_of_colours.post(INFER, head + raw + extra, Inference_Header_Content_Length=str(len(head)))
            assert answer.status == 400, raw
            assert answer.error


ODD_JSON = ("{}", '{"inputs": 3}', '{"inputs": "***"}', '{"inputs": "aaaa", "parameters": {"top_k": 0}}', "[", "1")


@pytest.mark.parametrize("text", ODD_JSON)
def test_a_wrong_request_of_hugging_faces_is_refused(server_of_colours: Process, text: str) -> None:
    answer = server_of_colours.post("/huggingface", text.encode(), Content_Type="application/json")
    assert answer.status in (400, 422)
    assert answer.error


PATHS = (
    "//predict",
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/static/..%2f..%2fetc/passwd",
    "/v2/models/..%2f..%2fetc/ready",
    "/v2/models/%00/ready",
    "/v2/models/colours/versions/../infer",
    "/docs/../openapi.json",
    "/predict%00",
    "/predict/",
    "/" + "a" * 5000,
    "/%ff%fe",
)


@pytest.mark.fault("E12")
@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_leads_elsewhere_is_not_found(alive: Process, path: str) -> None:
    """.., %2e, //, NUL, very long, in addresses and names of models: 404, 405 or 400."""
    answer = alive.say(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.status in (400, 404, 405)
    assert b"root:" not in answer.body


HOSTS: dict[bytes, int] = {
    b"Host: localhost": 200,
    b"Host: LOCALHOST:8000": 200,
    b"Host: 127.0.0.1:1": 200,
    b"Host: [::1]:80": 200,
    b"Host: evil.example": 400,
    b"Host: localhost.evil.example": 400,
    b"Host: localhost\r\nHost: evil.example": 400,
    b"Host: evil.example\r\nX-Forwarded-Host: localhost": 400,
    b"Host:": 400,
    b"X: y": 400,
}


@pytest.mark.fault("E12")
@pytest.mark.parametrize("host", HOSTS)
def test_on_this_machine_only_its_own_names_are_heard(server_of_colours: Process, host: bytes) -> None:
    """Another name in Host (a page that has its own name resolved to 127.0.0.1), two, or none: 400."""
    for path in (b"/health", b"/docs", b"/v2"):
        answer: Answer = server_of_colours.say(b"GET " + path + b" HTTP/1.1\r\n" + host + b"\r\n\r\n")
        assert answer.status == HOSTS[host]
