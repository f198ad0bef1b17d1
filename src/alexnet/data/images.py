"""Bytes or a path to RGB, uint8 (H, W, 3): the only place that opens a picture.

Training, validation and prediction all come here, so that a picture looks the same to all of them:

* the first frame of an animation or multi-page file;
* EXIF orientation applied (a malformed one is ignored);
* transparency laid over white;
* 16 and 32 bits a channel scaled down to 8, grey repeated over three channels, CMYK converted;
* of a JPEG that is cut short nothing, unless `accepting_truncated` says otherwise.

It never writes, and it decides by content, not by the name's ending.
"""

import io
import stat
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from alexnet.data import jpeg, signatures
from alexnet.errors import DataError, printable

T = TypeVar("T")
Use = Callable[[Image.Image, IO[bytes]], T]
"""What is done with an opened picture and its file."""

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

TRUNCATED = "truncated: the file ends before its picture does"
_TOO_LARGE = "more than the {:,} pixels allowed; shrink the picture"
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


_END_OF_JPEG = b"\xff\xd9"
_truncated_too = False


class UnreadableError(DataError):
    """A picture that cannot be read."""

    def __init__(self, shown: str, reason: str, detail: str = "") -> None:
        super().__init__(f"{shown}: {reason} ({detail})" if detail else f"{shown}: {reason}")
        self.reason = reason
        """What is wrong with it, in the same words for every picture that has this fault."""


@dataclass(frozen=True)
class Picture:
    """A picture, and what kind of file held it."""

    pixels: NDArray[np.uint8]
    """uint8 (H, W, 3), RGB."""
    kind: str
    """One of `FORMATS`, whatever the file is called."""
    frames: bool
    """Whether this is the first of several frames or pages."""


def read(
    source: Path | bytes, name: str | None = None, *, max_pixels: int = MAX_PIXELS, least: int | None = None
) -> NDArray[np.uint8]:
    """The picture in a file or in bytes, uint8 (H, W, 3), RGB; one with more than `max_pixels` is not decoded.

    With `least`, a JPEG may come out smaller, decoded at a half, a quarter or an eighth, if both its sides keep so
    many pixels: an approximation for training pictures, see `jpeg.decode`.

    Errors: UnreadableError (a DataError) naming the picture and what is wrong with it.
    """
    return _opened(source, name, lambda image, file: _pixels(image, file, least), max_pixels)


def examine(source: Path | bytes, name: str | None = None) -> Picture:
    """The same, with what kind of file it is; a little slower. Errors: as `read`."""
    return _opened(source, name, lambda image, file: Picture(_pixels(image, file), _kind(image), _has_frames(image)))


def named_kind(name: str) -> str | None:
    """What a file's name says it is, one of `FORMATS`; None where it says nothing.

    >>> named_kind("a/b.JPG")
    'JPEG'
    """
    Image.init()
    kind = Image.registered_extensions().get(PurePosixPath(name).suffix.lower())
    return kind if kind in FORMATS else None


@contextmanager
def accepting_truncated(accepted: bool) -> Iterator[None]:
    """Whether a JPEG that is cut short is read all the same: what is missing is mid-grey, or coarse if progressive.

    One in which nothing is left to see stays unreadable, and so do cut files of other kinds, whose decoders leave
    black behind, or nothing at all. It holds for the whole process: whoever calls `read` from several threads enters
    this around them all.
    """
    global _truncated_too  # noqa: PLW0603 (threads that others start must see it)
    before, _truncated_too = _truncated_too, accepted
    try:
        yield
    finally:
        _truncated_too = before


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep Pillow's warnings from the terminal: what matters in them is an error of ours.

    Python's warning filters belong to the whole process. Whoever calls `read` from several threads enters this
    around them all, so that no thread puts back filters that another still needs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _opened(source: Path | bytes, name: str | None, use: Use[T], max_pixels: int = MAX_PIXELS) -> T:
    shown = printable(name or (str(source) if isinstance(source, Path) else "picture"))
    try:
        with without_warnings():
            if not isinstance(source, Path):
                return _decoded(io.BytesIO(source), shown, use, max_pixels)
            if not stat.S_ISREG(source.stat().st_mode):
                raise UnreadableError(shown, "not a regular file")
            with source.open("rb") as file:
                return _decoded(file, shown, use, max_pixels)
    except _UNREADABLE as error:
        raise UnreadableError(shown, _reason(error, max_pixels)) from error


def _decoded(file: IO[bytes], shown: str, use: Use[T], max_pixels: int) -> T:
    try:
        image = _header(file, shown, max_pixels)
    except UnidentifiedImageError as error:
        file.seek(0)
        raise UnreadableError(shown, signatures.in_words(file.read(signatures.LENGTH))) from error
    try:
        return use(image, file)
    except OSError as error:
        if not _truncated_too or image.format not in ("JPEG", "MPO") or "truncated" not in str(error):
            raise
        file.seek(0)
        ended = io.BytesIO(file.read() + _END_OF_JPEG)
        rest = _header(ended, shown, max_pixels)
        seen = np.asarray(rest.convert("RGB"))
        if (seen == seen[0, 0]).all():
            raise  # nothing but the grey that was put in
        return use(rest, ended)


def _header(file: IO[bytes], shown: str, max_pixels: int) -> Image.Image:
    """The picture before it is decoded, unless it would be too large."""
    Image.init()
    image: Image.Image = Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
    if image.width * image.height > max_pixels:
        raise UnreadableError(shown, _TOO_LARGE.format(max_pixels), f"{image.width}×{image.height}")
    return image


def _pixels(image: Image.Image, file: IO[bytes], least: int | None = None) -> NDArray[np.uint8]:
    pixels = jpeg.decode(file, image, least)
    if pixels is None:
        image.load()
    elif not _is_turned(image):
        return pixels
    else:
        seen = Image.fromarray(pixels)
        seen.info = image.info
        image = seen
    return np.array(_to_rgb(_upright(image)), dtype=np.uint8)


def _kind(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)


def _has_frames(image: Image.Image) -> bool:
    if image.format == "MPO":
        return False  # a camera's JPEG with a preview or a depth map behind it
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # what comes after the first frame is damaged
        return False


def _is_turned(image: Image.Image) -> bool:
    try:
        return bool(image.getexif().get(ExifTags.Base.Orientation, 1) != 1)
    except Exception:
        return False


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


def _reason(error: BaseException, max_pixels: int) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return _TOO_LARGE.format(max_pixels)
    if isinstance(error, MemoryError):
        return "too large for the memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if "truncated" in str(error).lower():
        return TRUNCATED
    return " ".join(str(error).split()) or type(error).__name__
