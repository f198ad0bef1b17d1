"""What a file that is no picture is instead, by its first bytes, in words for people."""

LENGTH = 512
"""So many bytes are enough."""

_DAMAGED = "damaged or cut in its header"

_AT: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", f"a JPEG that is {_DAMAGED}"),
    (0, b"\x89PNG", f"a PNG that is {_DAMAGED}"),
    (0, b"GIF8", f"a GIF that is {_DAMAGED}"),
    (8, b"WEBP", f"a WebP that is {_DAMAGED}"),
    (0, b"II*\0", f"a TIFF that is {_DAMAGED}"),
    (0, b"MM\0*", f"a TIFF that is {_DAMAGED}"),
    (4, b"ftypavif", f"an AVIF that is {_DAMAGED}, or that Pillow was built without"),
    (4, b"ftyphei", "a HEIC picture, which cannot be read: save it as JPEG"),
    (4, b"ftypmif1", "a HEIC picture, which cannot be read: save it as JPEG"),
    (0, b"8BPS", "a Photoshop document, which cannot be read: save it as PNG"),
    (0, b"%PDF-", "a PDF document, no picture"),
    (0, b"%!PS", "a PostScript document, no picture"),
    (0, b"PK\x03\x04", "a ZIP archive, no picture"),
    (0, b"\x1f\x8b", "a gzip archive, no picture"),
    (0, b"BZh", "a bzip2 archive, no picture"),
    (0, b"\xfd7zXZ\0", "an xz archive, no picture"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive, no picture"),
    (0, b"Rar!\x1a\x07", "a RAR archive, no picture"),
    (257, b"ustar", "a tar archive, no picture"),
    (4, b"ftyp", "a video, no picture"),
    (0, b"\x1aE\xdf\xa3", "a video, no picture"),
    (8, b"AVI ", "a video, no picture"),
    (0, b"\0\0\x01\xba", "a video, no picture"),
    (0, b"FLV\x01", "a video, no picture"),
    (8, b"WAVE", "a sound, no picture"),
    (0, b"ID3", "a sound, no picture"),
    (0, b"OggS", "a sound, no picture"),
    (0, b"fLaC", "a sound, no picture"),
    (0, b"\x89HDF", "an HDF5 file, no picture"),
    (0, b"\x93NUMPY", "a NumPy array, no picture"),
    (0, b"SQLite format 3", "a database, no picture"),
    (0, b"\x7fELF", "a program, no picture"),
)
"""Where the bytes stand, the bytes, what they mean. The first that fits counts."""

_TEXTS: tuple[tuple[str, str], ...] = (
    ("version https://git-lfs", "a Git LFS pointer, no picture: git lfs pull fetches what it stands for"),
    ("<!doctype html", "an HTML page, no picture"),
    ("<html", "an HTML page, no picture"),
    ("<svg", "an SVG drawing, which cannot be read: save it as PNG"),
    ("<?xml", "an XML document, no picture"),
)
"""What stands in the first bytes of a text, in small letters, and what it means."""


def in_words(head: bytes) -> str:
    """What a file is that begins with `head`, its first `LENGTH` bytes, and cannot be read as a picture.

    >>> in_words(b"%PDF-1.7")
    'a PDF document, no picture'
    """
    if not head:
        return "an empty file, no picture"
    for place, bytes_there, words in _AT:
        if head.startswith(bytes_there, place):
            return words
    if not head.strip(b"\0"):
        return "nothing but zero bytes, no picture"
    text = _as_text(head)
    if text is None:
        return "wrong or damaged content, no picture"
    return next((words for sign, words in _TEXTS if sign in text.lower()), "a text, no picture")


def _as_text(head: bytes) -> str | None:
    """The bytes as text, if they are one; the last letter may be cut."""
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        return text if text and all(sign.isprintable() or sign.isspace() for sign in text) else None
    return None
