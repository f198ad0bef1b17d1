import base64
import io
import os
import random
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from alexnet.data import images
from alexnet.errors import DataError

Pixels = NDArray[np.uint8]
RAMP = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, bits: int, colour: int, content: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def message(source: Path | bytes, name: str | None = None) -> str:
    """What is said of a picture that cannot be read; it is one line that names the picture."""
    with pytest.raises(DataError) as caught:
        images.read(source, name)
    text = str(caught.value)
    shown = name or str(source)
    assert len(text.splitlines()) == 1
    assert text.startswith(f"{shown}: ")
    assert len(text) > len(f"{shown}: ") + 3
    return text


def test_rgb_is_read_exactly_from_bytes_and_from_a_file(tmp_path: Path) -> None:
    content = encoded(Image.fromarray(RAMP))
    (tmp_path / "a.png").write_bytes(content)
    for source in (content, tmp_path / "a.png"):
        pixels = images.read(source)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (4, 4, 3)
        np.testing.assert_array_equal(pixels, RAMP)


@pytest.mark.fault("A6")
def test_one_bit_pictures_become_black_and_white() -> None:
    image = Image.new("1", (3, 2), 0)
    image.putpixel((2, 1), 1)
    pixels = images.read(encoded(image))
    assert pixels[1, 2].tolist() == [255, 255, 255]
    assert pixels.sum() == 3 * 255


@pytest.mark.fault("A6")
def test_grey_is_repeated_over_three_channels() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    np.testing.assert_array_equal(images.read(encoded(Image.fromarray(grey))), np.stack([grey] * 3, axis=-1))


@pytest.mark.fault("A6")
@pytest.mark.parametrize(("alpha", "grey"), [(255, 100), (0, 255), (128, 177)])
def test_transparent_grey_is_laid_over_white(alpha: int, grey: int) -> None:
    image = Image.new("LA", (2, 2), (100, alpha))
    assert np.abs(images.read(encoded(image)).astype(int) - grey).max() <= 1


@pytest.mark.fault("A6")
@pytest.mark.parametrize(("alpha", "colour"), [(255, (200, 0, 50)), (0, (255, 255, 255)), (51, (244, 204, 214))])
def test_transparent_colour_is_laid_over_white(alpha: int, colour: tuple[int, int, int]) -> None:
    pixels = images.read(encoded(Image.new("RGBA", (2, 2), (200, 0, 50, alpha))))
    assert np.abs(pixels.astype(int) - colour).max() <= 1


def palette_picture() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    return image


@pytest.mark.fault("A6")
def test_a_palette_is_looked_up() -> None:
    assert images.read(encoded(palette_picture()))[0].tolist() == [[10, 20, 30], [200, 100, 50]]


@pytest.mark.fault("A6")
@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_transparent_entries_of_a_palette_become_white(transparency: int | bytes) -> None:
    content = encoded(palette_picture(), transparency=transparency)
    assert images.read(content)[0].tolist() == [[10, 20, 30], [255, 255, 255]]


@pytest.mark.fault("A6")
def test_a_transparent_colour_of_an_rgb_picture_becomes_white() -> None:
    content = encoded(Image.fromarray(RAMP), transparency=tuple(int(value) for value in RAMP[1, 2]))
    pixels = images.read(content)
    assert pixels[1, 2].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(pixels[0], RAMP[0])


@pytest.mark.fault("A5")
@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 160, 0), (20, 40, 220), (255, 255, 255), (0, 0, 0)])
def test_adobe_cmyk_jpeg_has_its_true_colours(colour: tuple[int, int, int]) -> None:
    inks = (*(255 - value for value in colour), 0)
    content = encoded(Image.new("CMYK", (16, 16), inks), "JPEG", quality=100)
    assert b"Adobe" in content  # inverted inks
    assert np.abs(images.read(content).astype(int) - colour).max() <= 3


@pytest.mark.fault("A5")
@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 160, 0), (20, 40, 220), (255, 255, 255), (0, 0, 0)])
def test_adobe_ycck_jpeg_has_its_true_colours(colour: tuple[int, int, int]) -> None:
    """YCCK: the inks' opposites as luminance and two colours, black apart; marked by 2 in Adobe's segment."""
    opposite = Image.new("RGB", (16, 16), tuple(255 - value for value in colour)).convert("YCbCr")
    bands = [band.point([255 - value for value in range(256)]) for band in opposite.split()]
    content = encoded(Image.merge("CMYK", [*bands, Image.new("L", (16, 16), 0)]), "JPEG", quality=100)
    place = content.index(b"Adobe") + 11
    assert content[place] == 0
    marked = content[:place] + b"\x02" + content[place + 1 :]
    assert np.abs(images.read(marked).astype(int) - colour).max() <= 3


@pytest.mark.fault("A6")
def test_sixteen_bits_of_colour_keep_their_upper_eight() -> None:
    deep = np.array([[[0, 257, 65535], [0x1234, 0x80FF, 0xFF00]]], dtype=">u2")
    content = png(2, 1, 16, 2, zlib.compress(b"\0" + deep.tobytes()))
    assert images.read(content)[0].tolist() == [[0, 1, 255], [0x12, 0x80, 0xFF]]


@pytest.mark.fault("A6")
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(kind: str) -> None:
    deep = np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16)
    content = encoded(Image.fromarray(deep), kind)
    assert Image.open(io.BytesIO(content)).mode.startswith("I;16")
    assert images.read(content)[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.fault("A6")
def test_thirty_two_bit_integers_use_the_sixteen_bit_range() -> None:
    deep = np.array([[-5, 0, 257, 65535, 70000]], dtype=np.int32)
    content = encoded(Image.fromarray(deep), "TIFF")
    assert Image.open(io.BytesIO(content)).mode == "I"
    assert images.read(content)[0, :, 1].tolist() == [0, 0, 1, 255, 255]


@pytest.mark.fault("A6")
def test_floats_are_rounded_and_clipped_and_what_is_no_number_is_black() -> None:
    values = np.array([[-3.0, 0.4, 99.6, 255.0, 1e6, np.inf, -np.inf, np.nan]], dtype=np.float32)
    content = encoded(Image.fromarray(values), "TIFF")
    assert Image.open(io.BytesIO(content)).mode == "F"
    assert images.read(content)[0, :, 2].tolist() == [0, 0, 100, 255, 255, 255, 0, 0]


@pytest.mark.fault("A8")
@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_the_first_frame_of_many_is_read(kind: str, options: dict[str, object]) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert getattr(Image.open(io.BytesIO(content)), "n_frames", 1) == 3
    assert np.unique(images.read(content).reshape(-1, 3), axis=0).tolist() == [[255, 0, 0]]
    assert images.examine(content).frames


UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda stored: np.rot90(stored, 1),
}
"""From the EXIF standard: where row 0 and column 0 of the stored picture belong."""


@pytest.mark.fault("A7")
@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (3, 5, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    np.testing.assert_array_equal(
        images.read(encoded(Image.fromarray(stored), kind, exif=exif)), UPRIGHT[orientation](stored)
    )


@pytest.mark.fault("A7")
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_camera_s_jpeg_stands_upright(orientation: int) -> None:
    stored = np.kron(np.array([[0, 80, 160], [240, 120, 40]], dtype=np.uint8), np.ones((16, 16), np.uint8))
    exif = Image.Exif()
    exif[274] = orientation
    pixels = images.read(encoded(Image.fromarray(stored), "JPEG", quality=95, exif=exif))
    upright = UPRIGHT[orientation](np.stack([stored] * 3, axis=-1))
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).max() <= 4


@pytest.mark.fault("A7")
def test_an_unknown_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[274] = 77
    np.testing.assert_array_equal(images.read(encoded(Image.fromarray(RAMP), exif=exif)), RAMP)


@pytest.mark.fault("A7")
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0nonsense",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\xff\xff\xff\xff\0\0\xff\xff",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
    ],
)
def test_malformed_exif_is_ignored(exif: bytes) -> None:
    plain = encoded(Image.fromarray(RAMP), "JPEG")
    marked = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    np.testing.assert_array_equal(images.read(marked), images.read(plain))


def test_a_picture_that_pillow_warns_of_is_read() -> None:
    """Pillow warns of tags that are larger than the file; the picture itself is whole."""
    whole = bytearray(encoded(Image.fromarray(RAMP), "TIFF", description="made up"))
    place = whole.index(struct.pack("<HH", 270, 2))
    whole[place + 4 : place + 8] = struct.pack("<I", 1 << 24)
    with pytest.warns(UserWarning, match="larger than file"):
        Image.open(io.BytesIO(whole)).load()
    np.testing.assert_array_equal(images.read(bytes(whole)), RAMP)


def test_warning_filters_are_left_as_they_were() -> None:
    before = list(warnings.filters)
    images.read(encoded(Image.fromarray(RAMP)))
    with pytest.raises(DataError):
        images.read(b"")
    assert list(warnings.filters) == before


@pytest.mark.fault("A4")
@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_content_counts_whatever_the_name_says(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "picture.JPEG"
    file.write_bytes(encoded(Image.new("RGB", (5, 4), (255, 255, 255)), kind))
    assert (images.read(file) == 255).all()


@pytest.mark.fault("A3")
def test_trailing_garbage_is_no_fault() -> None:
    plain = encoded(Image.fromarray(RAMP), "JPEG")
    np.testing.assert_array_equal(images.read(plain + b"\0garbage" * 99), images.read(plain))


@pytest.mark.fault("A11")
@pytest.mark.parametrize(
    "options",
    [
        {"progressive": True},
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:2:0"},
        {"restart_marker_blocks": 1},
    ],
)
def test_jpeg_of_every_kind_is_read(options: dict[str, object]) -> None:
    content = encoded(Image.new("RGB", (33, 17), (90, 160, 30)), "JPEG", quality=95, **options)
    assert np.abs(images.read(content).astype(int) - (90, 160, 30)).max() <= 3


ARITHMETIC = {
    "sequential": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUV"
        "DA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
        "FBT/yQARCAAMABADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD92+zKmYT/2Q=="
    ),
    "progressive": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUV"
        "DA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
        "FBT/ygARCAAMABADASIAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAAAfvA+tri/8wABBAF/9oACAEBAAEFAsD/zAAEEQX/2gAIAQMB"
        "AT8BwP/MAAQRBf/aAAgBAgEBPwHA/8wABBAF/9oACAEBAAY/AsD/zAAEEAX/2gAIAQEAAT8hwP/aAAwDAQACAAMAAAAQ/P/MAAQRBf/a"
        "AAgBAwEBPxDA/8wABBEF/9oACAECAQE/EMD/zAAEEAX/2gAIAQEAAT8QwP/Z"
    ),
}
"""16 by 12 pixels of (90, 160, 30), by `cjpeg -arithmetic -quality 90` of libjpeg-turbo 2.1.5."""


@pytest.mark.fault("A11")
@pytest.mark.parametrize("kind", ARITHMETIC)
def test_an_arithmetic_coded_jpeg_is_read_or_named(kind: str) -> None:
    """Read where Pillow's libjpeg can; some builds cannot."""
    content = base64.b64decode(ARITHMETIC[kind])
    try:
        pixels = images.read(content, "arithmetic.jpg")
    except DataError as error:
        assert str(error).startswith("arithmetic.jpg: ")  # noqa: PT017 (either is right)
    else:
        assert pixels.shape == (12, 16, 3)
        assert np.abs(pixels.astype(int) - (90, 160, 30)).max() <= 3


@pytest.mark.fault("A1")
def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    assert message(tmp_path / "empty.jpg").endswith(": an empty file, no picture")
    assert message(b"", "upload") == "upload: an empty file, no picture"


@pytest.mark.fault("A2")
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_jpeg_is_named_and_left_as_it_is(tmp_path: Path, share: float) -> None:
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)), "JPEG")
    file = tmp_path / "half.jpg"
    file.write_bytes(whole[: int(share * len(whole))])
    assert message(file).endswith(": truncated: the file ends before its picture does")
    assert file.read_bytes() == whole[: int(share * len(whole))]


STRIPES = np.repeat(np.arange(40, 232, 3, dtype=np.uint8), 64).reshape(64, 64)
"""Every row of its own grey, none of them 128."""


@pytest.mark.fault("A2")
def test_a_truncated_jpeg_is_filled_with_grey_if_asked_for(tmp_path: Path) -> None:
    whole = encoded(Image.fromarray(STRIPES), "JPEG", quality=95)
    file = tmp_path / "half.jpg"
    file.write_bytes(whole[: len(whole) * 2 // 3])
    with images.accepting_truncated(True):
        pixels = images.read(file)
    expected = images.read(whole)
    rows = [bool((pixels[row] == expected[row]).all()) for row in range(64)]
    assert rows[:24] == [True] * 24
    assert (pixels[-16:] == 128).all()
    assert len(file.read_bytes()) == len(whole) * 2 // 3
    assert "truncated" in message(file)  # afterwards all is as before


@pytest.mark.fault("A2")
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_a_jpeg_cut_at_any_byte_is_read_or_named(options: dict[str, object]) -> None:
    """At every byte: with nothing left to see it stays unreadable, and it is never half-read unless asked for."""
    whole = encoded(Image.fromarray(STRIPES), "JPEG", quality=95, **options)
    read = []
    for size in range(len(whole) - 2):  # the last two bytes are its end
        assert message(whole[:size], "cut.jpg") != ""
        with images.accepting_truncated(True):
            try:
                pixels = images.read(whole[:size], "cut.jpg")
            except DataError as error:
                assert str(error).startswith("cut.jpg: ")  # noqa: PT017 (most cuts can be read)
            else:
                assert pixels.shape == (64, 64, 3)
                assert not (pixels == pixels[0, 0]).all()
                read.append(size)
    assert len(read) > 0.4 * len(whole)
    if "progressive" not in options:  # which stays unreadable where it is cut in the header of a further scan
        assert read == list(range(read[0], len(whole) - 2))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("GIF", {}), ("BMP", {}), ("WEBP", {}), ("TIFF", {"compression": "tiff_lzw"}), ("JPEG2000", {})],
)
def test_cut_files_of_other_kinds_are_never_accepted(kind: str, options: dict[str, object]) -> None:
    """Their decoders would leave black, or stale rows."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    whole = encoded(Image.fromarray(noise), kind, **options)
    with images.accepting_truncated(True):
        message(whole[: len(whole) // 2], "cut")


def test_truncated_pictures_are_accepted_by_threads_too_and_no_longer_than_asked() -> None:
    whole = encoded(Image.fromarray(STRIPES), "JPEG")
    cut = whole[: len(whole) * 2 // 3]
    with ThreadPoolExecutor(4) as pool:
        with images.accepting_truncated(True):
            assert all(pixels.shape == (64, 64, 3) for pixels in pool.map(images.read, [cut] * 20))
            with images.accepting_truncated(False):
                assert "truncated" in pool.submit(message, cut, "cut").result()
            images.read(cut)
        assert "truncated" in pool.submit(message, cut, "cut").result()


@pytest.mark.fault("A12")
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"hello\n", "a text, no picture"),
        (b"<!DOCTYPE html><html>404</html>", "an HTML page, no picture"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document, no picture"),
        (b"PK\x03\x04" + bytes(40), "a ZIP archive, no picture"),
        (b"\0" * 999, "nothing but zero bytes, no picture"),
    ],
)
def test_what_has_a_picture_s_name_and_is_none_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "note.jpg").write_bytes(content)
    assert message(tmp_path / "note.jpg") == f"{tmp_path / 'note.jpg'}: {what}"


@pytest.mark.fault("A4")
@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "TIFF", "JPEG", "PPM", "JPEG2000"])
def test_what_a_file_really_is_is_known(kind: str) -> None:
    picture = images.examine(encoded(Image.fromarray(RAMP), kind))
    assert picture.kind == kind
    assert not picture.frames
    np.testing.assert_array_equal(picture.pixels, images.read(encoded(Image.fromarray(RAMP), kind)))


def test_names_say_what_files_should_be() -> None:
    named = {name: images.named_kind(name) for name in ("a.JPG", "a/b.jpeg", "a.tif", "a.txt", "a", ".png", "a.eps")}
    assert named == {
        "a.JPG": "JPEG", "a/b.jpeg": "JPEG", "a.tif": "TIFF", "a.txt": None, "a": None, ".png": None, "a.eps": None,
    }  # fmt: skip


def test_the_picture_behind_a_camera_s_jpeg_is_no_second_frame() -> None:
    """MPO: a JPEG with a preview or a depth map behind it."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    picture = images.examine(content)
    assert (picture.kind, picture.frames) == ("JPEG", False)
    assert picture.pixels[0, 0, 0] > 250


def test_every_picture_with_one_fault_has_the_same_reason() -> None:
    with pytest.raises(images.UnreadableError) as one:
        images.read(png(10_000, 10_000, 1, 0, b""), "one")
    with pytest.raises(images.UnreadableError) as other:
        images.read(png(30_000, 30_000, 1, 0, b""), "other")
    assert one.value.reason == other.value.reason
    assert "(10000×10000)" in str(one.value)


@pytest.mark.fault("A13")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(message(tmp_path / "pipe.jpg")), daemon=True)
    reader.start()
    reader.join(5)
    assert said
    assert "not a regular file" in said[0]


@pytest.mark.fault("A13")
def test_a_folder_a_missing_file_and_links_to_nowhere_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert "not a regular file" in message(tmp_path / "folder.jpg")
    assert "no such file" in message(tmp_path / "missing.jpg")
    assert "no such file" in message(tmp_path / "dangling.jpg")
    assert "symbolic links" in message(tmp_path / "loop.jpg")


@pytest.mark.fault("A9")
def test_a_bomb_is_refused_from_its_header(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """30,000 × 30,000 pixels in 110 KB; Pillow would take 900 MB for them."""
    resource = pytest.importorskip("resource")
    packer = zlib.compressobj(1)
    content = b"".join(packer.compress(bytes(3751 * 1000)) for _ in range(30)) + packer.flush()
    (tmp_path / "bomb.png").write_bytes(png(30_000, 30_000, 1, 0, content))
    assert (tmp_path / "bomb.png").stat().st_size < 1 << 20
    decoded: list[object] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded.append)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "shrink the picture" in message(tmp_path / "bomb.png")
    assert "shrink the picture" in message(png(10_000, 10_000, 8, 2, b""), "smaller bomb")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # kilobytes
    assert decoded == []


def test_a_picture_just_within_the_limit_is_not_called_a_bomb() -> None:
    side = int(images.MAX_PIXELS**0.5)
    assert "shrink" not in message(png(side, side, 1, 0, b""), "within")
    assert f"{images.MAX_PIXELS:,}" in message(png(side, side + 2, 1, 0, b""), "beyond")


def test_broken_png_chunks_are_named() -> None:
    whole = encoded(Image.fromarray(RAMP))
    place = whole.index(b"IDAT")
    wrong_sum = whole[: place + 8] + bytes([whole[place + 8] ^ 0xFF]) + whole[place + 9 :]
    message(wrong_sum, "wrong checksum")
    message(whole[:place] + b"I\x00AT" + whole[place + 4 :], "no chunk name")
    message(png(4, 4, 8, 2, b"no zlib stream"), "no zlib")
    message(png(4, 4, 8, 2, zlib.compress(b"\0" * 5)), "too few rows")


def test_names_that_are_no_text_are_shown_on_one_line(tmp_path: Path) -> None:
    odd = tmp_path / "two\nlines \udcff.jpg"
    odd.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        images.read(odd)
    assert r"two\nlines \udcff.jpg: an empty file" in str(caught.value)
    str(caught.value).encode("utf-8")  # any terminal can show it


def test_damaged_files_never_raise_anything_else() -> None:
    generator = random.Random(0)
    exif = Image.Exif()
    exif[274], exif[270] = 6, "made up"
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8))
    wholes = [encoded(image, kind, exif=exif) for kind in ("PNG", "JPEG", "WEBP")]
    wholes += [encoded(image, kind) for kind in ("GIF", "BMP", "PPM", "JPEG2000")]
    refused: list[str] = []
    for _ in range(1500):
        damaged = bytearray(generator.choice(wholes))
        for _ in range(generator.choice([1, 2, 8])):
            damaged[generator.randrange(min(len(damaged), 300))] = generator.randrange(256)
        try:
            pixels = images.read(bytes(damaged[: generator.choice([len(damaged), generator.randrange(len(damaged))])]))
            assert pixels.ndim == 3
        except DataError as error:
            refused.append(str(error))
    assert 300 < len(refused) < 1500
    assert all(len(said.splitlines()) == 1 for said in refused)


def test_a_decoder_s_own_kind_of_error_is_told_as_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: ImageFile.ImageFile) -> None:
        raise RuntimeError("Failed to decode image:\nMissing or empty image item")

    monkeypatch.setattr(ImageFile.ImageFile, "load", broken)
    assert message(encoded(Image.fromarray(RAMP)), "x.avif") == (
        "x.avif: Failed to decode image: Missing or empty image item"
    )
