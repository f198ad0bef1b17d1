"""A digest at the end of an exported file, by which damage and changes show.

Both kinds of file have a place for it: an ONNX model one more entry of its metadata, a .pt2 the comment of its zip
archive. Written by hand, so that checking it takes neither the onnx package nor torch: the last bytes are the SHA-256
of all before them.
"""

import hashlib

_ZIP = b"PK\x03\x04"
_HEX = 64  # digits
_KEY = b"digest"
_ENTRY = bytes([14 << 3 | 2, 2 + len(_KEY) + 2 + _HEX, 1 << 3 | 2, len(_KEY)]) + _KEY + bytes([2 << 3 | 2, _HEX])
"""Field 14 of an ONNX model, metadata_props, as Protocol Buffers write it: the key in field 1, the value in field 2."""


def is_zip(data: bytes) -> bool:
    """Whether a file is a .pt2, whatever it is called."""
    return data.startswith(_ZIP)


def sealed(data: bytes) -> bytes:
    """An ONNX model, or a zip archive without comment, with its digest at the end."""
    begun = data[:-2] + _HEX.to_bytes(2, "little") if is_zip(data) else data + _ENTRY
    return begun + hashlib.sha256(begun).hexdigest().encode()


def is_intact(data: bytes) -> bool:
    """Whether the digest at the end is that of all before it."""
    return hashlib.sha256(data[:-_HEX]).hexdigest().encode() == data[-_HEX:]
