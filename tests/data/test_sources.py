import functools
import gzip
import hashlib
import http.server
import io
import os
import struct
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from alexnet import download
from alexnet.data import images
from alexnet.data.sources import Source, describe_datasets, flowers17, list_datasets, mnist, open_source
from alexnet.errors import DataError, ResourceError, UsageError
from alexnet.progress import Display

Folder = Callable[..., Path]


def refused(data: str | Path, **options: Any) -> str:
    """The one line that says why `data` cannot be used."""
    with pytest.raises(DataError) as caught:
        open_source(data, **options)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def counted(source: Source) -> dict[str, int]:
    """Pictures a class."""
    counts = np.bincount(source.labels, minlength=len(source.classes))
    return dict(zip(source.classes, counts.tolist(), strict=True))


def assert_sound(source: Source) -> None:
    """What is true of every source."""
    assert len(set(source.names)) == len(source.names) == len(source.labels) == len(source.parts) == len(source)
    assert source.labels.dtype == np.int64
    assert len(set(source.classes)) == len(source.classes)
    assert set(source.labels.tolist()) == set(range(len(source.classes)))
    assert len(source.digest) == 32


# --- names -----------------------------------------------------------------------------------------------------------


def test_named_sets_are_listed_and_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALEXNET_DATA", raising=False)
    assert list_datasets() == ["digits", "flowers17", "mnist"]
    rows = {row["name"]: row for row in describe_datasets()}
    assert [rows[name]["pictures"] for name in list_datasets()] == [1797, 1360, 70_000]
    assert rows["digits"]["found"] == "built in"


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'mnist'"):
        open_source("mnits")


def test_a_path_that_is_not_there_is_called_a_path(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "nowhere")
    assert "does not exist" in refused("labels.csv")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert "neither a folder nor a CSV file" in refused(tmp_path / "notes.txt")


@pytest.mark.parametrize("data", ["digits", "somewhere/else"])
def test_protocols_are_for_flowers17_alone(data: str) -> None:
    with pytest.raises(UsageError, match="flowers17"):
        open_source(data, protocol="oxford-1")


# --- digits ----------------------------------------------------------------------------------------------------------


def test_digits_are_1797_of_ten_classes() -> None:
    source = open_source("digits")
    assert_sound(source)
    assert len(source) == 1797
    assert source.classes == tuple("0123456789")
    assert list(counted(source).values()) == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    pictures = list(source.contents())
    assert len(pictures) == 1797
    first = pictures[0]
    assert isinstance(first, np.ndarray)
    assert first.shape == (8, 8, 3)
    assert first[0, :, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]  # 0 0 5 13 9 1 0 0 sixteenths
    assert max(int(np.max(np.asarray(picture))) for picture in pictures) == 255


# --- mnist -----------------------------------------------------------------------------------------------------------

SMALL = (("train", "train", 6), ("test", "t10k", 4))


def small_mnist() -> dict[str, bytes]:
    """The four files of a made-up MNIST of 6 and 4 pictures, labels counting from 0."""
    files = {}
    for number, (_, prefix, count) in enumerate(SMALL):
        pixels = np.random.default_rng(number).integers(0, 256, (count, 28, 28)).astype(np.uint8)
        files[f"{prefix}-images-idx3-ubyte"] = struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes()
        files[f"{prefix}-labels-idx1-ubyte"] = struct.pack(">II", 2049, count) + bytes(range(count))
    return files


@pytest.fixture
def mnist_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Made-up files that are taken for the published ones."""
    files = small_mnist()
    monkeypatch.setattr(mnist, "MD5", {name: hashlib.md5(content).hexdigest() for name, content in files.items()})
    monkeypatch.setattr(mnist, "PARTS", SMALL)
    return files


def written(files: dict[str, bytes], folder: Path, suffix: str) -> Path:
    """A data folder with mnist/ in it. Files named .gz are compressed; .GZ only look so."""
    (folder / "mnist").mkdir(parents=True)
    for name, content in files.items():
        file = folder / "mnist" / (name.replace("-idx", ".idx") if suffix == "dotted" else name)
        if suffix == "gz":
            file.with_name(f"{name}.gz").write_bytes(gzip.compress(content))
        elif suffix == "gz in name only":
            file.with_name(f"{name}.gz").write_bytes(content)
        else:
            file.write_bytes(content)
    return folder


@pytest.mark.parametrize("suffix", ["gz", "plain", "dotted", "gz in name only"])
def test_mnist_is_read_from_idx_files(mnist_files: dict[str, bytes], tmp_path: Path, suffix: str) -> None:
    folder = written(mnist_files, tmp_path / "data", suffix)
    source = open_source("mnist", data_dir=folder)
    assert source.labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3]
    assert source.parts == ("train",) * 6 + ("test",) * 4
    assert source.names[0] == "mnist/train/00000"
    assert source.names[-1] == "mnist/test/00003"
    pictures = [np.asarray(content) for content in source.contents()]
    assert pictures[0].shape == (28, 28, 3)
    grey = np.concatenate([picture[..., 0].ravel() for picture in pictures[6:]]).astype(np.uint8)
    assert grey.tobytes() == mnist_files["t10k-images-idx3-ubyte"][16:]


@pytest.mark.parametrize("name", sorted(small_mnist()))
def test_an_mnist_file_with_another_md5_is_named(mnist_files: dict[str, bytes], tmp_path: Path, name: str) -> None:
    flipped = bytearray(mnist_files[name])
    flipped[-1] ^= 1
    folder = written(mnist_files | {name: bytes(flipped)}, tmp_path / "data", "gz")
    text = refused("mnist", data_dir=folder)
    assert str(folder / "mnist" / f"{name}.gz") in text
    assert "MD5" in text


@pytest.mark.fault("A22")
@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_a_truncated_mnist_file_is_named(mnist_files: dict[str, bytes], tmp_path: Path, share: float) -> None:
    folder = written(mnist_files, tmp_path / "data", "gz")
    file = folder / "mnist" / "train-images-idx3-ubyte.gz"
    os.truncate(file, int(share * file.stat().st_size))
    assert str(file) in refused("mnist", data_dir=folder)


@pytest.mark.fault("A21")
def test_an_mnist_file_that_unpacks_without_end_is_not_read_to_its_end(
    mnist_files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "LARGEST", 100_000)
    folder = written(mnist_files, tmp_path / "data", "gz")
    file = folder / "mnist" / "train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(bytes(5_000_000)))
    assert len(mnist._decompressed(file)) == 100_001
    assert str(file) in refused("mnist", data_dir=folder)


def test_a_missing_mnist_file_says_what_to_put_where(mnist_files: dict[str, bytes], tmp_path: Path) -> None:
    folder = written(mnist_files, tmp_path / "data", "gz")
    (folder / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    text = refused("mnist", data_dir=folder)
    assert f"no mnist/t10k-labels-idx1-ubyte.gz below {folder}" in text
    assert "https://" in text
    assert mnist.where(folder) is None


def test_nothing_is_written_into_a_named_data_folder(mnist_files: dict[str, bytes], tmp_path: Path) -> None:
    folder = written(mnist_files, tmp_path / "data", "gz")
    before = {file: file.stat().st_mtime_ns for file in [folder, *folder.rglob("*")]}
    list(open_source("mnist", data_dir=folder).contents())
    assert {file: file.stat().st_mtime_ns for file in [folder, *folder.rglob("*")]} == before


def test_the_data_folder_may_be_named_by_the_environment(
    mnist_files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEXNET_DATA", str(written(mnist_files, tmp_path / "data", "gz")))
    assert len(open_source("mnist")) == 10


@pytest.mark.real
def test_the_real_mnist(real_data: Path) -> None:
    source = open_source("mnist", data_dir=real_data)
    assert_sound(source)
    assert source.parts.count("train") == 60_000
    assert source.parts.count("test") == 10_000
    assert source.parts == ("train",) * 60_000 + ("test",) * 10_000
    assert source.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert source.labels[60_000:60_005].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(source.labels[60_000:]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    first = np.asarray(next(source.contents()))
    assert first.shape == (28, 28, 3)
    assert int(first[..., 0].astype(int).sum()) == 27_525


# --- download --------------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data folder is named; the cache is a new one."""
    monkeypatch.delenv("ALEXNET_DATA", raising=False)
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "data"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine: its address, and the folder it serves."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Keep still."""

    folder = tmp_path / "web"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", folder
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_set_is_downloaded_once_into_the_cache(
    mnist_files: dict[str, bytes], nothing_named: Path, web: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = web
    monkeypatch.setattr(mnist, "HOSTS", (address + "gone/", address))
    for name, content in mnist_files.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    shown = io.StringIO()
    source = open_source("mnist", display=Display(shown))
    assert len(source) == 10
    assert sorted(file.name for file in (nothing_named / "mnist").iterdir()) == sorted(f"{n}.gz" for n in mnist_files)
    monkeypatch.setattr("pooch.retrieve", lambda *args, **options: pytest.fail("downloaded again"))
    assert open_source("mnist").digest == source.digest


def test_a_download_with_wrong_content_is_removed(
    mnist_files: dict[str, bytes], nothing_named: Path, web: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = web
    monkeypatch.setattr(mnist, "HOSTS", (address,))
    for name in mnist_files:
        (folder / f"{name}.gz").write_text("<html>log in to this network</html>")
    assert "could not be downloaded" in refused("mnist")
    assert list((nothing_named / "mnist").iterdir()) == []


@pytest.mark.parametrize(("data", "file"), [("mnist", "train-images-idx3-ubyte.gz"), ("flowers17", "17flowers.tgz")])
def test_without_a_network_the_file_and_its_place_are_named(
    nothing_named: Path, monkeypatch: pytest.MonkeyPatch, data: str, file: str
) -> None:
    def no_network(*args: object, **options: object) -> None:
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr("pooch.retrieve", no_network)
    text = refused(data)
    assert file in text
    assert str(nothing_named) in text
    assert "--data-dir" in text


def test_a_disk_that_fills_while_downloading_is_told(nothing_named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pooch.retrieve", full)
    with pytest.raises(ResourceError, match="the disk is full"):
        open_source("mnist")


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("ALEXNET_DATA", raising=False)
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "file" / "cache")
    assert "cannot be made" in refused("mnist")


def test_a_damaged_file_in_the_cache_is_named_with_the_remedy(
    mnist_files: dict[str, bytes], nothing_named: Path
) -> None:
    (nothing_named / "mnist").mkdir(parents=True)
    (nothing_named / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"half")
    assert "delete it, it will be downloaded again" in refused("mnist")


@pytest.mark.parametrize("data", ["mnist", "flowers17"])
def test_an_empty_named_data_folder_says_what_to_put_there(tmp_path: Path, data: str) -> None:
    text = refused(data, data_dir=tmp_path)
    assert f"below {tmp_path}" in text
    assert "Put the file there" in text
    assert list(tmp_path.iterdir()) == []


# --- flowers17 -------------------------------------------------------------------------------------------------------

FEW = 34  # pictures of a made-up archive


def jpeg(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256, 90)).save(file, "JPEG")
    return file.getvalue()


def archive(file: Path, members: list[tuple[tarfile.TarInfo | str, bytes]], mode: str = "w:gz") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, mode) as tar:  # type: ignore[call-overload]
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


def pictures(count: int) -> list[tuple[tarfile.TarInfo | str, bytes]]:
    return [(f"jpg/image_{number:04d}.jpg", jpeg(number)) for number in range(1, count + 1)]


@pytest.fixture
def few_flowers(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(flowers17, "COUNT", FEW)
    return FEW


@pytest.mark.parametrize("mode", ["w:gz", "w", "w:bz2", "w:xz"])
@pytest.mark.parametrize("place", ["17flowers/17flowers.tgz", "17flowers.tgz"])
def test_flowers_are_read_from_the_archive(few_flowers: int, tmp_path: Path, place: str, mode: str) -> None:
    extra: list[tuple[tarfile.TarInfo | str, bytes]] = [("jpg/files.txt", b"names"), ("jpg/image_0001.jpg.txt", b"")]
    archive(tmp_path / place, extra + pictures(few_flowers), mode)
    source = open_source("flowers17", data_dir=tmp_path)
    assert source.names[0] == "jpg/image_0001.jpg"
    assert list(source.contents()) == [content for _, content in pictures(few_flowers)]
    assert flowers17.where(tmp_path) == str(tmp_path / place)


def test_members_in_any_order_come_out_by_number(few_flowers: int, tmp_path: Path) -> None:
    mixed = pictures(few_flowers)
    mixed = mixed[::-1][7:] + mixed[::-1][:7]
    archive(tmp_path / "17flowers.tgz", [(f"./{name}", content) for name, content in mixed])
    source = open_source("flowers17", data_dir=tmp_path)
    assert list(source.contents()) == [content for _, content in pictures(few_flowers)]


def test_the_unpacked_folder_gives_what_the_archive_gives(few_flowers: int, tmp_path: Path) -> None:
    archive(tmp_path / "packed" / "17flowers.tgz", pictures(few_flowers))
    (tmp_path / "folder" / "17flowers" / "jpg").mkdir(parents=True)
    for name, content in pictures(few_flowers):
        (tmp_path / "folder" / "17flowers" / str(name)).write_bytes(content)
    packed = open_source("flowers17", data_dir=tmp_path / "packed")
    unpacked = open_source("flowers17", data_dir=tmp_path / "folder")
    assert packed.names == unpacked.names
    assert packed.parts == unpacked.parts
    for one, other in zip(packed.contents(), unpacked.contents(), strict=True):
        assert isinstance(one, bytes)
        assert isinstance(other, Path)
        np.testing.assert_array_equal(images.read(one), images.read(other))


def test_a_folder_without_all_pictures_is_refused(few_flowers: int, tmp_path: Path) -> None:
    (tmp_path / "jpg").mkdir()
    for name, content in pictures(few_flowers - 3):
        (tmp_path / str(name)).write_bytes(content)
    assert f"{tmp_path / 'jpg'}: holds 31 of the 34 pictures" in refused("flowers17", data_dir=tmp_path)


def unsafe(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


UNSAFE = {
    "upwards": unsafe("../jpg/image_0001.jpg"),
    "upwards inside": unsafe("jpg/../../image_0001.jpg"),
    "absolute": unsafe("/jpg/image_0001.jpg"),
    "symbolic link": unsafe("jpg/image_0001.jpg", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": unsafe("jpg/image_0001.jpg", tarfile.LNKTYPE, "/etc/passwd"),
    "device": unsafe("jpg/image_0001.jpg", tarfile.CHRTYPE),
    "pipe": unsafe("jpg/image_0001.jpg", tarfile.FIFOTYPE),
    "folder": unsafe("jpg/image_0001.jpg", tarfile.DIRTYPE),
}


@pytest.mark.fault("A21")
@pytest.mark.parametrize("kind", UNSAFE)
def test_unsafe_members_are_ignored_and_nothing_is_extracted(few_flowers: int, tmp_path: Path, kind: str) -> None:
    data = tmp_path / "outer" / "data"
    stranger = jpeg(999) if UNSAFE[kind].type == tarfile.REGTYPE else b""
    file = archive(data / "17flowers.tgz", [(UNSAFE[kind], stranger), *pictures(few_flowers)])
    source = open_source("flowers17", data_dir=data)
    assert list(source.contents()) == [content for _, content in pictures(few_flowers)]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    # and it is no substitute for the picture whose name it takes
    archive(data / "17flowers.tgz", [(UNSAFE[kind], stranger), *pictures(few_flowers)[1:]])
    assert "holds 0 of the 34 pictures" in refused("flowers17", data_dir=data)


@pytest.mark.fault("A21")
def test_the_first_of_two_members_of_one_name_counts(few_flowers: int, tmp_path: Path) -> None:
    members = pictures(few_flowers)
    archive(tmp_path / "17flowers.tgz", [*members, (members[4][0], jpeg(999))])
    assert list(open_source("flowers17", data_dir=tmp_path).contents())[4] == members[4][1]


@pytest.mark.fault("A21")
def test_a_member_that_claims_to_be_huge_is_refused(
    few_flowers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flowers17, "LARGEST_PICTURE", 1000)
    members = pictures(few_flowers)
    archive(tmp_path / "17flowers.tgz", [*members[:9], (members[9][0], bytes(1001)), *members[10:]])
    assert "member jpg/image_0010.jpg claims 1,001 bytes" in refused("flowers17", data_dir=tmp_path)


@pytest.mark.fault("A21")
@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.REGTYPE])
def test_an_archive_that_unpacks_without_end_is_not_read_to_its_end(
    few_flowers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: bytes
) -> None:
    """A few kilobytes that become megabytes: as a member's name, as its header, as its content."""
    monkeypatch.setattr(flowers17, "LARGEST_ARCHIVE", 4 << 20)
    info = unsafe("bomb", kind)
    info.size = 64 << 20
    (tmp_path / "17flowers.tgz").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(info.size)))
    tracemalloc.start()
    told = refused("flowers17", data_dir=tmp_path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "unpacks to more than 4,194,304 bytes" in told
    assert most < 16 << 20


@pytest.mark.fault("A21")
def test_a_sparse_member_is_no_larger_than_a_picture_may_be(few_flowers: int, tmp_path: Path) -> None:
    """A hole of gigabytes in a header of half a kilobyte."""
    info = unsafe("jpg/image_0001.jpg", tarfile.GNUTYPE_SPARSE)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % ((1 << 33) - 1)  # the size once the hole is filled
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "17flowers.tgz").write_bytes(gzip.compress(bytes(header) + bytes(1024)))
    assert "member jpg/image_0001.jpg claims 8,589,934,591 bytes" in refused("flowers17", data_dir=tmp_path)


@pytest.mark.fault("A22")
@pytest.mark.parametrize("mode", ["w:gz", "w", "w:bz2"])
def test_of_two_archives_one_behind_the_other_none_is_lost_in_silence(
    few_flowers: int, tmp_path: Path, mode: str
) -> None:
    """Two halves are refused; a whole one with any other behind it is read as the whole one."""
    half = few_flowers // 2
    everything = pictures(few_flowers)
    first, second, whole = (
        archive(tmp_path / "made" / "part.tgz", members, mode).read_bytes()
        for members in (everything[:half], everything[half:], everything)
    )
    file = tmp_path / "17flowers.tgz"
    file.write_bytes(first + second)
    assert f"holds {half} of the {few_flowers} pictures" in refused("flowers17", data_dir=tmp_path)
    file.write_bytes(whole + second)
    assert list(open_source("flowers17", data_dir=tmp_path).contents()) == [content for _, content in everything]


@pytest.mark.fault("A22")
def test_an_mnist_file_behind_another_is_refused(mnist_files: dict[str, bytes], tmp_path: Path) -> None:
    folder = written(mnist_files, tmp_path / "data", "gz")
    file = folder / "mnist" / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes() * 2)
    assert "is not the published file (its MD5 differs)" in refused("mnist", data_dir=folder)


@pytest.mark.fault("A22")
@pytest.mark.parametrize("name", ["pictures.zip", "pictures.tar.gz"])
def test_an_archive_of_pictures_is_no_source(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    assert "an archive must be unpacked first" in refused(tmp_path / name)


@pytest.mark.fault("A22")
@pytest.mark.parametrize("mode", ["w:gz", "w", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.8])
def test_a_truncated_archive_is_refused(few_flowers: int, tmp_path: Path, mode: str, share: float) -> None:
    file = archive(tmp_path / "17flowers.tgz", pictures(few_flowers), mode)
    os.truncate(file, int(share * file.stat().st_size))
    assert str(file) in refused("flowers17", data_dir=tmp_path)


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "17flowers.tgz").write_text("<html>not found</html>")
    assert "no whole archive" in refused("flowers17", data_dir=tmp_path)


@pytest.mark.fault("A22")
def test_an_archive_with_a_flipped_byte_is_refused(few_flowers: int, tmp_path: Path) -> None:
    file = archive(tmp_path / "17flowers.tgz", pictures(few_flowers))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    assert str(file) in refused("flowers17", data_dir=tmp_path)


@pytest.mark.fault("A14", "A22")
def test_an_archive_that_is_cut_after_it_was_opened_is_told(few_flowers: int, tmp_path: Path) -> None:
    file = archive(tmp_path / "17flowers.tgz", pictures(few_flowers))
    source = open_source("flowers17", data_dir=tmp_path)
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(DataError, match="changed while it was read"):
        list(source.contents())


def test_the_notebook_s_split_is_always_the_same_1088_and_272() -> None:
    parts, why = flowers17._notebook_split()
    assert (parts.count("train"), parts.count("test")) == (1088, 272)
    again, _ = flowers17._notebook_split()
    assert parts == again
    # the digest of the 272 numbers: a change of this division would break every comparison of runs
    numbers = np.flatnonzero(np.array(parts, dtype=object) == "test")
    assert numbers[:8].tolist() == [6, 12, 16, 17, 20, 21, 31, 32]
    assert hashlib.sha256(numbers.astype("<i8").tobytes()).hexdigest()[:16] == "09903696ff70bc01"
    assert "random_state=42" in why


def splits(few: int) -> dict[str, NDArray[np.uint16]]:
    """Three divisions of the pictures into half, a quarter and a quarter, as Oxford's file has them."""
    fields = {}
    for number in (1, 2, 3):
        order = np.random.default_rng(number).permutation(few) + 1
        fields[f"trn{number}"] = order[: few // 2].astype(np.uint16)
        fields[f"val{number}"] = order[few // 2 : 3 * few // 4].astype(np.uint16)
        fields[f"tst{number}"] = order[3 * few // 4 :].astype(np.uint16)
    return fields


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("place", ["17flowers/datasplits.mat", "datasplits.mat"])
def test_oxford_s_splits_come_from_their_file(few_flowers: int, tmp_path: Path, number: int, place: str) -> None:
    archive(tmp_path / "17flowers" / "17flowers.tgz", pictures(few_flowers))
    fields = splits(few_flowers)
    savemat(tmp_path / place, fields)
    source = open_source("flowers17", data_dir=tmp_path, protocol=f"oxford-{number}")
    for part, name in (("train", "trn"), ("val", "val"), ("test", "tst")):
        numbers = np.flatnonzero(np.array(source.parts, dtype=object) == part) + 1
        np.testing.assert_array_equal(numbers, np.sort(fields[f"{name}{number}"]))
    assert source.why == f"Oxford's published split {number}"
    # the division makes no other store
    assert source.digest == open_source("flowers17", data_dir=tmp_path).digest


def test_oxford_s_splits_that_are_missing_or_wrong_are_named(few_flowers: int, tmp_path: Path) -> None:
    archive(tmp_path / "17flowers.tgz", pictures(few_flowers))
    assert "datasplits.mat" in refused("flowers17", data_dir=tmp_path, protocol="oxford-1")
    file = tmp_path / "datasplits.mat"
    fields = splits(few_flowers)
    for wrong in ({"trn1": fields["val1"]}, {"trn1": fields["trn1"] + 1}, {"trn1": np.array([])}):
        savemat(file, fields | wrong)
        assert f"{file}: does not put each" in refused("flowers17", data_dir=tmp_path, protocol="oxford-1")
    whole = file.read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 3], whole[:150]):
        file.write_bytes(damaged)
        assert str(file) in refused("flowers17", data_dir=tmp_path, protocol="oxford-1")


def test_an_unknown_protocol_suggests_the_nearest(few_flowers: int, tmp_path: Path) -> None:
    archive(tmp_path / "17flowers.tgz", pictures(few_flowers))
    with pytest.raises(UsageError, match="Did you mean 'oxford-"):
        open_source("flowers17", data_dir=tmp_path, protocol="oxford-4")


@pytest.mark.real
def test_the_real_flowers(real_data: Path) -> None:
    source = open_source("flowers17", data_dir=real_data)
    assert_sound(source)
    assert len(source) == 1360
    assert set(counted(source).values()) == {80}
    assert source.classes[source.labels[0]] == "daffodil"
    assert source.classes[source.labels[80]] == "snowdrop"
    assert source.classes[source.labels[1359]] == "pansy"
    assert (source.parts.count("train"), source.parts.count("test")) == (1088, 272)
    read = 0
    for content in source.contents():
        assert isinstance(content, bytes)
        assert content[:3] == b"\xff\xd8\xff"
        if read % 340 == 0:
            assert min(images.read(content).shape[:2]) >= 400
        read += 1
    assert read == 1360


# --- folder ----------------------------------------------------------------------------------------------------------


def tree(root: Path, *files: str) -> Path:
    """A folder with one-colour pictures of these names."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), "red").save(root / file, "PNG")
    return root


def test_folders_are_classes(folder_of_colours: Folder) -> None:
    folder = folder_of_colours(count=3)
    source = open_source(folder)
    assert_sound(source)
    assert counted(source) == {"blue": 3, "green": 3, "red": 3}
    assert source.names[:4] == ("blue/000.png", "blue/001.png", "blue/002.png", "green/000.png")
    assert set(source.parts) == {""}
    assert list(source.contents()) == [folder / name for name in source.names]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
@pytest.mark.parametrize("test", ["test", "Test"])
def test_train_val_and_test_folders_are_parts(tmp_path: Path, val: str, test: str) -> None:
    names = [f"{part}/{label}/{n}.png" for part in ("train", val, test) for label in ("cat", "dog") for n in range(2)]
    source = open_source(tree(tmp_path, *names))
    assert_sound(source)
    assert source.classes == ("cat", "dog")
    by_part = {
        part: [name for name, p in zip(source.names, source.parts, strict=True) if p == part] for part in source.parts
    }
    assert by_part == {"train": names[:4], "val": names[4:8], "test": names[8:]}
    assert all(source.classes[label] in name for name, label in zip(source.names, source.labels, strict=True))


def test_a_class_called_test_is_a_class(tmp_path: Path) -> None:
    source = open_source(tree(tmp_path, "test/a.png", "cat/a.png"))
    assert source.classes == ("cat", "test")


def test_classes_called_train_and_test_with_pictures_straight_below_are_classes(tmp_path: Path) -> None:
    assert open_source(tree(tmp_path, "test/a.png", "train/a.png")).classes == ("test", "train")


def test_parts_without_train_are_refused(tmp_path: Path) -> None:
    assert "no train folder" in refused(tree(tmp_path, "val/cat/a.png", "test/cat/a.png"))


def test_two_validation_folders_are_refused(tmp_path: Path) -> None:
    text = refused(tree(tmp_path, "train/cat/a.png", "train/dog/a.png", "val/cat/a.png", "valid/cat/a.png"))
    assert "valid" in text
    assert "keep one" in text


@pytest.mark.fault("A17")
def test_a_class_that_training_does_not_know_is_named(tmp_path: Path) -> None:
    folder = tree(tmp_path, "train/cat/a.png", "train/dog/a.png", "val/cat/b.png", "val/fox/b.png", "test/owl/c.png")
    text = refused(folder)
    assert "fox, owl" in text
    assert "cat" not in text.replace(str(folder), "")


@pytest.mark.fault("A17")
def test_classes_are_matched_by_name_where_a_part_lacks_one(tmp_path: Path) -> None:
    source = open_source(tree(tmp_path, "train/ant/a.png", "train/bee/a.png", "train/cow/a.png", "val/cow/b.png"))
    index = source.names.index("val/cow/b.png")
    assert source.classes[source.labels[index]] == "cow"


def test_pictures_may_lie_deeper(tmp_path: Path) -> None:
    source = open_source(tree(tmp_path, "cat/a.png", "cat/2020/b.png", "cat/2020/may/c.png", "dog/x/y/z/d.png"))
    assert source.names == ("cat/2020/b.png", "cat/2020/may/c.png", "cat/a.png", "dog/x/y/z/d.png")
    assert counted(source) == {"cat": 3, "dog": 1}


def test_hidden_files_other_files_and_files_beside_the_classes_are_no_pictures(tmp_path: Path) -> None:
    folder = tree(tmp_path, "cat/a.png", "dog/a.png", "cat/.hidden.png", ".cache/a.png", "cat/.thumbs/a.png", "top.png")
    (folder / "cat" / "notes.txt").write_text("hello")
    (folder / "cat" / "Thumbs.db").write_bytes(b"\0")
    assert open_source(folder).names == ("cat/a.png", "dog/a.png")


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".GIF", ".bmp", ".tif", ".webp", ".PPM"])
def test_names_of_pictures_are_known_in_upper_and_lower_case(tmp_path: Path, suffix: str) -> None:
    assert len(open_source(tree(tmp_path, f"cat/a{suffix}", f"dog/a{suffix}"))) == 2


@pytest.mark.fault("A13")
def test_links_to_folders_are_entered_once_and_loops_end(tmp_path: Path) -> None:
    folder = tree(tmp_path / "data", "cat/a.png", "cat/more/b.png", "dog/a.png")
    tree(tmp_path / "elsewhere", "c.png")
    (folder / "cat" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (folder / "cat" / "more" / "again").symlink_to(folder / "cat", target_is_directory=True)
    (folder / "cat" / "self").symlink_to("self")
    (folder / "loop.png").symlink_to("loop.png")
    assert open_source(folder).names == ("cat/a.png", "cat/linked/c.png", "cat/more/b.png", "dog/a.png")


@pytest.mark.fault("A13")
def test_a_link_up_does_not_bring_other_classes_pictures_in(tmp_path: Path) -> None:
    folder = tree(tmp_path / "data", "cat/a.png", "dog/a.png")
    (folder / "cat" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "dog" / "further up").symlink_to(tmp_path, target_is_directory=True)
    assert open_source(folder).names == ("cat/a.png", "dog/a.png")
    linked = tmp_path / "by a link"
    linked.symlink_to(folder, target_is_directory=True)
    assert open_source(linked).names == ("cat/a.png", "dog/a.png")


@pytest.mark.fault("A13")
def test_links_and_pipes_that_are_no_pictures_do_not_stop_the_scan(tmp_path: Path) -> None:
    folder = tree(tmp_path, "cat/a.png", "dog/a.png")
    (folder / "cat" / "dangling.png").symlink_to("nowhere.png")
    (folder / "cat" / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "cat" / "pipe.png")
    source = open_source(folder)
    assert len(source) == 5
    for name in ("cat/dangling.png", "cat/loop.png", "cat/pipe.png"):
        with pytest.raises(DataError):
            images.read(folder / source.names[source.names.index(name)])


@pytest.mark.fault("A16")
@pytest.mark.parametrize("parts", ["", "train/"])
def test_an_empty_class_is_named(tmp_path: Path, parts: str) -> None:
    folder = tree(tmp_path, f"{parts}cat/a.png", f"{parts}dog/a.png")
    (folder / parts / "emu").mkdir()
    (folder / parts / "emu" / "notes.txt").write_text("none yet")
    assert "'emu'" in refused(folder)
    for name in ("gnu", "yak"):
        (folder / parts / name).mkdir()
    assert "classes 'emu', 'gnu', 'yak' in" in refused(folder)


def test_the_empty_one_of_two_classes_is_named(tmp_path: Path) -> None:
    (tree(tmp_path, "cat/a.png") / "emu").mkdir()
    assert "'emu'" in refused(tmp_path)


@pytest.mark.fault("A16")
def test_one_class_no_class_and_loose_pictures_are_refused(tmp_path: Path) -> None:
    for files in ([], ["cat/a.png"], ["loose.png", "more.png"]):
        folder = tree(tmp_path / str(len(files)), *files)
        folder.mkdir(exist_ok=True)
        assert "at least 2 are needed" in refused(folder)


ODD = [
    "with space.png",
    "two\nlines.png",
    "-rf.png",
    "שלום.png",
    "日本.png",
    "x" * 250 + ".png",
    "'\"`$(ls).png",
    "a;b,c.png",
]


def test_odd_names_are_kept(tmp_path: Path) -> None:
    folder = tree(tmp_path, *(f"a class,\n odd/{name}" for name in ODD), "dog/a.png")
    source = open_source(folder)
    assert_sound(source)
    assert source.classes == ("a class,\n odd", "dog")
    assert sorted(name.split("/")[1] for name in source.names[:-1]) == sorted(ODD)
    for content in source.contents():
        assert isinstance(content, Path)
        assert images.read(content).shape == (4, 4, 3)


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname != "Linux", reason="names are bytes on Linux only")
def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    source = open_source(tree(tmp_path, f"{odd}/{odd}.png", "dog/a.png"))
    assert source.classes == (odd, "dog")
    (first, _) = source.contents()
    assert isinstance(first, Path)
    assert os.fsencode(first).endswith(b"caf\xe9/caf\xe9.png")
    assert images.read(first).shape == (4, 4, 3)


def test_upper_and_lower_case_stand_together(tmp_path: Path) -> None:
    names = ["Zebra", "ant", "Bee", "cow", "_x", "10", "9"]
    source = open_source(tree(tmp_path, *(f"{name}/a.png" for name in names)))
    assert source.classes == ("10", "9", "_x", "ant", "Bee", "cow", "Zebra")
    assert [name.split("/")[0] for name in source.names] == list(source.classes)


def test_the_digest_changes_with_content_and_names_and_not_with_place_and_times(tmp_path: Path) -> None:
    files = ("cat/a.png", "cat/b.png", "dog/a.png")
    one, same, renamed = (tree(tmp_path / name, *files) for name in ("one", "same", "renamed"))
    os.utime(same / "cat" / "a.png", (1, 1))
    (renamed / "cat" / "b.png").rename(renamed / "cat" / "c.png")
    digest = open_source(one).digest
    assert open_source(same).digest == digest
    assert open_source(renamed).digest != digest
    with (same / "dog" / "a.png").open("ab") as file:
        file.write(b"\0")
    assert open_source(same).digest != digest


# --- table -----------------------------------------------------------------------------------------------------------


def table(tmp_path: Path, text: str | bytes, name: str = "labels.csv") -> Path:
    """A table beside pictures a.png, b.png and c.png."""
    tree(tmp_path, "a.png", "b.png", "c.png")
    file = tmp_path / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


@pytest.mark.fault("A20")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "path,label\na.png,cat\nb.png,dog\n"),
        ("labels.csv", "path,label\na.png,cat\nb.png,dog"),
        ("labels.csv", "path,label\r\na.png,cat\r\nb.png,dog\r\n"),
        ("labels.csv", "\ufeffpath,label\na.png,cat\nb.png,dog\n"),
        ("labels.csv", 'Label , PATH\n cat,"a.png"\n"dog", b.png \n\n'),
        ("labels.csv", "path,label,\na.png,cat,\nb.png,dog,\n"),
        ("labels.csv", "path,label\na.png,cat,\nb.png,dog,,\n"),
        ("labels.tsv", "path\tlabel\na.png\tcat\nb.png\tdog\n"),
        ("labels.TSV", "\ufeffpath\tlabel\r\na.png\tcat\r\nb.png\tdog\r\n"),
    ],
)
def test_tables_of_path_and_label_are_read(tmp_path: Path, name: str, text: str) -> None:
    source = open_source(table(tmp_path, text, name))
    assert_sound(source)
    assert source.names == ("a.png", "b.png")
    assert source.classes == ("cat", "dog")
    assert source.labels.tolist() == [0, 1]
    assert source.parts == ("", "")
    assert list(source.contents()) == [tmp_path / "a.png", tmp_path / "b.png"]


def test_paths_may_be_absolute_and_hold_commas(tmp_path: Path) -> None:
    file = table(tmp_path, f'path,label\n{tmp_path / "a.png"},cat\n"x, y.png",dog\n')
    assert list(open_source(file).contents()) == [tmp_path / "a.png", tmp_path / "x, y.png"]


def test_the_split_column_names_parts(tmp_path: Path) -> None:
    rows = ["a,x,train", "b,y,Train", "c,x,val", "d,x,valid", "e,y,validation", "f,y, test "]
    source = open_source(table(tmp_path, "\n".join(["path,label,split", *rows])))
    assert source.parts == ("train", "train", "val", "val", "val", "test")
    assert "split" in source.why


def test_an_empty_split_column_divides_nothing(tmp_path: Path) -> None:
    source = open_source(table(tmp_path, "path,label,split\na.png,cat,\nb.png,dog,\n"))
    assert source.parts == ("", "")
    assert source.why == ""


@pytest.mark.fault("A20")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the header must name"),
        ("a.png,cat\nb.png,dog\n", "line 1: the header must name"),
        ("path,class\na.png,cat\n", "line 1: the header must name"),
        ("path;label\na.png;cat\n", "line 1: the header must name"),
        ("path,label\na.png,cat\nb.png\n", "line 3: path or label is missing"),
        ("path,label\na.png,cat\nb.png,\n", "line 3: path or label is missing"),
        ("path,label\na.png,cat\n\nb.png,  \n", "line 4: path or label is missing"),
        ("path,label\na.png,cat\n,dog\n", "line 3: path or label is missing"),
        ("path,label\na.png,cat\nb, c.png,dog\n", "line 3: more fields than the header has"),
        ("path,label,split\na.png,cat,train\nb.png,dog,trian\n", "line 3: split 'trian' is none of"),
        ("path,label,split\na.png,cat,train\nb.png,dog,\n", "line 3: give a split for every line or for none"),
        ("path,label\na.png,cat\nb.png,dog\na.png,cat\n", "line 4: a.png stands in line 2 already"),
        ("path,label\na.png,cat\nb.png,cat\n", "has 1 classes"),
        ("path,label\n", "has 0 classes"),
        ("path,label,split\na.png,cat,train\nb.png,dog,train\nc.png,fox,val\n", "line 4: classes fox are in val"),
        (f"path,label\na.png,cat\nb.png,{'x' * 140_000}\n", "line 3: field larger than"),
        (f"path,label,{'x' * 140_000}\na.png,cat\n", "line 1: field larger than"),
        (b"path,label\ncaf\xe9.png,cat\n", "cannot be read as UTF-8"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_with_its_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    file = table(tmp_path, text)
    told = refused(file)
    assert said in told
    assert str(file) in told


@pytest.mark.fault("A14")
def test_missing_pictures_of_a_table_are_named_when_they_are_read(tmp_path: Path) -> None:
    source = open_source(table(tmp_path, "path,label\na.png,cat\nnowhere.png,dog\n"))
    contents = list(source.contents())
    assert isinstance(contents[1], Path)
    with pytest.raises(DataError, match=r"nowhere\.png: no such file"):
        images.read(contents[1])


def test_labels_are_ordered_upper_and_lower_case_together(tmp_path: Path) -> None:
    source = open_source(table(tmp_path, "path,label\na.png,zebra\nb.png,Cow\nc.png,ant\n"))
    assert source.classes == ("ant", "Cow", "zebra")
    assert source.labels.tolist() == [2, 1, 0]


def test_a_table_s_digest_changes_with_content_and_not_with_labels(tmp_path: Path) -> None:
    digest = open_source(table(tmp_path, "path,label\na.png,cat\nb.png,dog\n")).digest
    assert open_source(table(tmp_path, "path,label\na.png,dog\nb.png,cat\n")).digest == digest
    Image.new("RGB", (4, 4), "blue").save(tmp_path / "b.png")
    assert open_source(tmp_path / "labels.csv").digest != digest


def test_train_beside_strangers_is_refused_and_train_alone_is_divided_by_us(
    folder_of_colours: Callable[..., Path], tmp_path: Path
) -> None:
    root = tmp_path / "divided"
    root.mkdir()
    folder_of_colours("train").rename(root / "train")
    (root / "__MACOSX").mkdir()
    alone = open_source(root)
    assert alone.classes == ("blue", "green", "red")
    assert set(alone.parts) == {""}
    folder_of_colours("val").rename(root / "val")
    assert set(open_source(root).parts) == {"train", "val"}
    folder_of_colours("spare").rename(root / "spare")
    with pytest.raises(DataError, match="train beside spare"):
        open_source(root)
