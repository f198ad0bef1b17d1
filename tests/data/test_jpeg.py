import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageDraw, features

from alexnet.data import images, jpeg
from alexnet.data.sources import open_source
from alexnet.errors import DataError
from alexnet.progress import Display

Pixels = NDArray[np.uint8]


def photograph(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Slopes, an edge and some noise, as photographs have them."""
    rows, columns = np.indices((height, width))
    slopes = np.stack([rows * 200 / height, columns * 200 / width, (rows + columns) * 200 / (width + height)], axis=-1)
    noisy = slopes + np.random.default_rng(seed).normal(20, 6, slopes.shape)
    image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, width // 2, height // 2), fill=(250, 30, 60))
    return image.convert(mode)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def outcome(content: bytes) -> Pixels | str:
    """The pixels, or what is said of a file that cannot be read."""
    try:
        return images.read(content, "a picture")
    except DataError as error:
        return str(error)


@pytest.fixture
def by_pillow(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Pixels | str]:
    """What comes out where Pillow decodes everything."""

    def read(content: bytes) -> Pixels | str:
        with monkeypatch.context() as patch:
            patch.setattr(jpeg, "decode", lambda *given: None)
            return outcome(content)

    return read


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif.tobytes()


KINDS: dict[str, bytes] = {
    "4:4:4": encoded(photograph(97, 61), subsampling=0),
    "4:2:2": encoded(photograph(97, 61), subsampling=1),
    "4:2:0": encoded(photograph(97, 61), subsampling=2),
    "progressive": encoded(photograph(97, 61), progressive=True),
    "restart markers": encoded(photograph(97, 61), restart_marker_blocks=3),
    "coarse": encoded(photograph(97, 61), quality=5),
    "finest": encoded(photograph(97, 61), quality=100),
    "grey": encoded(photograph(97, 61, "L")),
    "CMYK": encoded(photograph(97, 61, "CMYK")),
    "stored as RGB": encoded(photograph(97, 61), keep_rgb=True),
    "one pixel": encoded(photograph(1, 1)),
    "one row": encoded(photograph(300, 1)),
    "one column": encoded(photograph(1, 300)),
    "optimised": encoded(photograph(97, 61), optimize=True),
    "with a profile and a comment": encoded(photograph(97, 61), icc_profile=b"x" * 300, comment=b"hello"),
    "two pictures in one": encoded(photograph(97, 61), "MPO", save_all=True, append_images=[photograph(30, 20)]),
    "garbage behind it": encoded(photograph(97, 61)) + b"\x00garbage" * 9,
    "no end": encoded(photograph(97, 61))[:-2],
    "malformed EXIF": encoded(photograph(97, 61), exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff"),
    **{f"turned, {number}": encoded(photograph(97, 61), exif=turned(number)) for number in (1, 2, 3, 4, 5, 6, 7, 8, 9)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_pillow_s_to_the_last_bit(kind: str, by_pillow: Callable[[bytes], Pixels | str]) -> None:
    np.testing.assert_array_equal(outcome(KINDS[kind]), by_pillow(KINDS[kind]))


@pytest.mark.parametrize("kind", ["4:2:0", "progressive", "restart markers", "grey", "turned, 6"])
def test_a_damaged_file_is_read_or_refused_as_pillow_would(
    kind: str, by_pillow: Callable[[bytes], Pixels | str]
) -> None:
    """cut at many lengths, and bytes changed in many places"""
    whole = KINDS[kind]
    random = np.random.default_rng(4)
    damaged = [whole[: int(length)] for length in np.linspace(0, len(whole) - 1, 60)]
    for _ in range(120):
        changed = bytearray(whole)
        changed[int(random.integers(len(whole)))] = int(random.integers(256))
        damaged.append(bytes(changed))
    fates = set()
    for content in damaged:
        ours, theirs = outcome(content), by_pillow(content)
        fates.add(type(ours))
        assert np.array_equal(ours, theirs), (ours, theirs)
    assert len(fates) == 2  # some were read, some were not


def test_a_file_that_grows_behind_its_header_never_writes_beyond_it() -> None:
    """Pillow's header counts: the buffer has its size, whatever the library finds."""
    large, small = encoded(photograph(200, 100)), Image.open(io.BytesIO(encoded(photograph(20, 10))))
    assert jpeg.decode(io.BytesIO(large), small) is None


def test_other_files_and_other_pillows_are_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    png, whole = encoded(photograph(9, 9), "PNG"), KINDS["4:2:0"]
    assert jpeg.decode(io.BytesIO(png), Image.open(io.BytesIO(png))) is None
    assert jpeg.decode(io.BytesIO(whole), Image.open(io.BytesIO(whole))) is not None
    monkeypatch.setattr(features, "check_feature", lambda name: False)
    assert jpeg.decode(io.BytesIO(whole), Image.open(io.BytesIO(whole))) is None


@pytest.mark.parametrize(
    ("shape", "least", "expected"),
    [
        ((640, 480), 240, (320, 240)),
        ((640, 479), 240, (640, 479)),
        ((641, 481), 240, (321, 241)),
        ((640, 480), 120, (160, 120)),
        ((640, 480), 60, (80, 60)),
        ((640, 480), 7, (80, 60)),
        ((640, 480), None, (640, 480)),
    ],
)
def test_a_large_jpeg_is_decoded_at_a_fraction_if_both_sides_keep_enough(
    shape: tuple[int, int], least: int | None, expected: tuple[int, int]
) -> None:
    pixels = images.read(encoded(photograph(*shape)), least=least)
    assert (pixels.shape[1], pixels.shape[0]) == expected


def test_a_turned_jpeg_is_decoded_at_a_fraction_too() -> None:
    content = encoded(photograph(640, 480), exif=turned(6))
    assert images.read(content, least=240).shape == (320, 240, 3)


def test_other_kinds_are_never_decoded_at_a_fraction() -> None:
    assert images.read(encoded(photograph(64, 48), "PNG"), least=8).shape == (48, 64, 3)


@pytest.mark.real
def test_all_flowers_are_pillow_s_to_the_last_bit(real_data: Path, by_pillow: Callable[[bytes], Pixels | str]) -> None:
    source = open_source("flowers17", data_dir=real_data, display=Display(quiet=True))
    seen = 0
    for content in source.contents():
        assert isinstance(content, bytes | Path)
        whole = content.read_bytes() if isinstance(content, Path) else content
        assert jpeg.decode(io.BytesIO(whole), Image.open(io.BytesIO(whole))) is not None
        assert np.array_equal(outcome(whole), by_pillow(whole))
        seen += 1
    assert seen == 1360
