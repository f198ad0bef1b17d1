"""Bytes or a path to RGB, uint8 (H, W, 3): the only place that opens a picture.

Training, validation and prediction all come here, so that a picture looks the same to all of them:

* the first frame of an animation or multi-page file;
* EXIF orientation applied (a malformed one is ignored);
* transparency laid over white;
* 16 and 32 bits a channel scaled down to 8, grey repeated over three channels, CMYK converted.

It never writes, and it decides by content, not by the name's ending.
"""

import io
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from alexnet.errors import DataError, printable

MAX_PIXELS = 89_478_485  # Pillow's own warning limit: a quarter of a gigabyte once decoded
SUFFIXES = frozenset(
    [
        ".bmp",
        ".gif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".jfif",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
        ".avif",
        ".jp2",
    ]
)
"""Names that a folder scan takes for pictures; what they really are is found out by opening them."""

FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP")
"""What a file may hold, whatever its name: Pillow knows more, some of which start other programs (EPS)."""

_UNREADABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    SyntaxError,  # Pillow's word for a broken PNG chunk
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,  # of the AVIF decoder
    EOFError,
    struct.error,
    zlib.error,
    MemoryError,
)


def read(source: Path | bytes, name: str | None = None) -> NDArray[np.uint8]:
    """The picture in a file or in bytes, uint8 (H, W, 3), RGB.

    Errors: DataError naming the picture and what is wrong with it.
    """
    shown = printable(name or (str(source) if isinstance(source, Path) else "picture"))
    try:
        with without_warnings():
            if isinstance(source, Path):
                if not stat.S_ISREG(source.stat().st_mode):
                    raise DataError(f"{shown}: not a regular file")
                with source.open("rb") as file:
                    return _decode(file, shown)
            return _decode(io.BytesIO(source), shown)
    except _UNREADABLE as error:
        raise DataError(f"{shown}: {_reason(error)}") from error


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep Pillow's warnings from the terminal: what matters in them is an error of ours.

    Python's warning filters belong to the whole process. Whoever calls `read` from several threads enters this
    around them all, so that no thread puts back filters that another still needs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _decode(file: IO[bytes], shown: str) -> NDArray[np.uint8]:
    Image.init()
    image: Image.Image = Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
    if image.width * image.height > MAX_PIXELS:
        raise DataError(
            f"{shown}: {image.width}×{image.height} pixels are more than the {MAX_PIXELS:,} allowed; shrink the picture"
        )
    image.load()
    return np.array(_to_rgb(_upright(image)), dtype=np.uint8)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    mode = image.mode
    if mode.startswith("I;16"):
        return _from_grey(np.asarray(image, dtype=np.float64) / 257)
    if mode == "I":  # 32-bit integers; files use the 16-bit range
        return _from_grey(np.asarray(image, dtype=np.float64) / 257)
    if mode == "F":  # floats are in [0, 1] or in [0, 255]: nothing above 1 means the former
        floats = np.asarray(image, dtype=np.float64)
        return _from_grey(floats * 255 if not (floats > 1).any() else floats)
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        picture = image.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return image.convert("RGB")


def _from_grey(values: NDArray[np.float64]) -> Image.Image:
    values = np.nan_to_num(values)  # a float file may hold what is no number: black
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no picture that can be read (wrong or damaged content)"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than the {MAX_PIXELS:,} pixels allowed; shrink the picture"
    if isinstance(error, MemoryError):
        return "too large for the memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()) or type(error).__name__
