"""What files are that are no pictures."""

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest

from alexnet.data.signatures import LENGTH, in_words


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.jpg", b"picture")
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
    return file.getvalue()


def saved() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(9))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (bytes(600), "nothing but zero bytes"),
        (zipped(), "a ZIP archive"),
        (tarred(), "a tar archive"),
        (gzip.compress(b"picture", mtime=0), "a gzip archive"),
        (saved(), "a NumPy array"),
        (json.dumps({"error": "not found"}).encode(), "a text"),
        ("Grüße, 日本\n".encode(), "a text"),
        (b"\xef\xbb\xbfwith a byte order mark", "a text"),
        (b"  <!DOCTYPE HTML><html>404</html>", "an HTML page"),
        (b"<HTML><head></head></HTML>", "an HTML page"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a video"),
        (b"RIFF\x00\x10\0\0AVI LIST", "a video"),
        (b"RIFF\x00\x10\0\0WAVEfmt ", "a sound"),
        (b"\xff\xd8\xff\xe0\0\x10", "a JPEG that is damaged or cut"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG that is damaged or cut"),
        (bytes(range(128, 256)), "wrong or damaged content"),
        (b"\xff", "wrong or damaged content"),
        (b"text\0with a zero byte", "wrong or damaged content"),
    ],
)
def test_the_first_bytes_tell(content: bytes, words: str) -> None:
    assert in_words(content[:LENGTH]).startswith(words)


@pytest.mark.parametrize("cut", range(4))
def test_a_text_whose_last_letter_is_cut_is_a_text(cut: int) -> None:
    text = ("a" * cut + "𝄞" * LENGTH).encode()
    assert in_words(text[:LENGTH]) == "a text, no picture"
