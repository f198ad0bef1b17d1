"""ImageNet's layout: folders named by WNID, the flat validation folder, and the development kit's own order."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from alexnet import imagenet
from alexnet.data import images
from alexnet.data.sources import Source, open_source
from alexnet.data.sources.imagenet import KIT, TRUTH, readable, validation_pictures
from alexnet.errors import DataError

WNIDS = ("n01440764", "n01443537", "n02012849", "n02108915", "n03126707")
"""Sorted, as classes are: tench, goldfish, the crane that flies, French bulldog, the crane that lifts."""

IDS = {"n02108915": 1, "n01443537": 2, "n03126707": 3, "n01440764": 4, "n02012849": 5}
"""The kit's numbers, in an order of its own."""

LABELS = [3, 1, 4, 1, 5, 2, 5, 3]
"""The made-up ground truth, an ILSVRC2012_ID a picture."""


def grey_level(wnid: str) -> int:
    """Every class has its own, so that a picture tells what it is of."""
    return 40 + 40 * WNIDS.index(wnid)


def picture(file: Path, wnid: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (grey_level(wnid),) * 3).save(file, "JPEG")


def kit(folder: Path, labels: list[int] = LABELS) -> Path:
    """A development kit of five classes and two nodes above them, built as the published one."""
    fields = [
        ("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O"),
        ("children", "O"), ("wordnet_height", "O"), ("num_train_images", "O"),
    ]  # fmt: skip
    nodes = {"n00015388": (6, [7, 2, 4, 5, 1]), "n01503061": (7, [5])}
    synsets = np.empty((len(IDS) + len(nodes), 1), dtype=fields)
    ranked = sorted([*IDS.items(), *((wnid, number) for wnid, (number, _) in nodes.items())], key=lambda pair: pair[1])
    for row, (wnid, number) in enumerate(ranked):
        children = nodes[wnid][1] if wnid in nodes else []
        synsets[row, 0] = (
            np.uint16(number), wnid, "words, more words", "what it is", np.uint8(len(children)),
            np.array(children, dtype=np.uint16), np.uint8(0), np.uint16(1300),
        )  # fmt: skip
    data = folder / KIT / "data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": synsets})
    (data / TRUTH).write_text("".join(f"{label}\n" for label in labels))
    return data


def wnid_of(label: int) -> str:
    return next(wnid for wnid, number in IDS.items() if number == label)


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """train/ of three pictures a class, a flat val/ with eight pictures, the kit beside it."""
    for wnid in WNIDS:
        for number in range(3):
            picture(tmp_path / "train" / wnid / f"{wnid}_{number}.JPEG", wnid)
    for number, label in enumerate(LABELS, 1):
        picture(tmp_path / "val" / f"ILSVRC2012_val_{number:08d}.JPEG", wnid_of(label))
    kit(tmp_path)
    return tmp_path


def labelled(source: Source, part: str) -> list[str]:
    """The class name of each picture of a part, in order."""
    named = zip(source.labels, source.parts, strict=True)
    return [source.classes[label] for label, own in named if own == part]


def assert_labels_fit_pictures(source: Source) -> None:
    """What is seen on each picture is what its label says: the check that a wrong order cannot pass."""
    names = imagenet.names()
    for content, label in zip(source.contents(), source.labels, strict=True):
        assert isinstance(content, Path)
        wnid = next(wnid for wnid in WNIDS if names[wnid] == source.classes[label])
        assert abs(int(images.read(content).mean()) - grey_level(wnid)) < 3, content


def test_the_made_up_kit_is_built_as_the_published_one(flat: Path) -> None:
    """A (n, 1) array of structs with these fields, ids 1 to n being the classes without children."""
    synsets = loadmat(flat / KIT / "data" / "meta.mat")["synsets"]
    assert synsets.shape == (7, 1)
    assert synsets.dtype.names[:3] == ("ILSVRC2012_ID", "WNID", "words")
    assert [int(row["ILSVRC2012_ID"][0].item()) for row in synsets] == [1, 2, 3, 4, 5, 6, 7]


def test_folders_named_by_wnid_get_readable_names_in_the_order_of_wnids(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for wnid in reversed(WNIDS):
            picture(tmp_path / part / wnid / "a.JPEG", wnid)
    source = open_source(tmp_path)
    assert source.classes == ("tench", "goldfish", "crane (bird)", "French bulldog", "crane (machine)")
    assert source.names[0] == "train/n01440764/a.JPEG"
    assert labelled(source, "val") == list(source.classes)
    assert_labels_fit_pictures(source)


def test_one_folder_that_is_no_wnid_of_2012_and_all_stay_as_they_are(tmp_path: Path) -> None:
    for name in ("n01440764", "n99999999"):
        picture(tmp_path / name / "a.JPEG", "n01440764")
    assert open_source(tmp_path).classes == ("n01440764", "n99999999")


def test_all_1000_are_named_and_no_two_alike() -> None:
    names = readable(imagenet.wnids())
    assert len(set(names)) == 1000
    assert list(imagenet.wnids()) == sorted(imagenet.wnids())
    assert readable(["cat", "dog"]) == ("cat", "dog")


def test_a_flat_validation_folder_is_labelled_by_the_kit(flat: Path) -> None:
    source = open_source(flat)
    names = imagenet.names()
    assert labelled(source, "val") == [names[wnid_of(label)] for label in LABELS]
    assert source.parts.count("train") == 15
    assert source.names[-1] == "val/ILSVRC2012_val_00000008.JPEG"
    assert source.why == "its own folders train, val"
    assert_labels_fit_pictures(source)


def test_the_kit_s_numbers_are_not_the_places_of_the_classes(flat: Path) -> None:
    """The trap: taken for places, its numbers would put seven of the eight pictures into another class."""
    source = open_source(flat)
    taken_for_places = [source.classes[label - 1] for label in LABELS]
    right = sum(a == b for a, b in zip(taken_for_places, labelled(source, "val"), strict=True))
    assert right == 1


def test_flat_and_sorted_validation_folders_say_the_same(flat: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("sorted")
    (flat / "train").rename(other / "train")
    for number, label in enumerate(LABELS, 1):
        picture(other / "val" / wnid_of(label) / f"ILSVRC2012_val_{number:08d}.JPEG", wnid_of(label))
    sorted_source = open_source(other)
    (other / "train").rename(flat / "train")
    flat_source = open_source(flat)
    assert flat_source.classes == sorted_source.classes
    found = [
        {Path(name).name: source.classes[label] for name, label in zip(source.names, source.labels, strict=True)}
        for source in (flat_source, sorted_source)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("place", ["val itself", "its data folder named", "the two files beside"])
def test_a_flat_folder_alone_is_a_data_set(flat: Path, place: str) -> None:
    """As for `alexnet val RUN --data path/to/val`: only classes with pictures are there."""
    if place == "val itself":
        (flat / KIT).rename(flat / "val" / KIT)
    elif place == "the two files beside":
        for file in (flat / KIT / "data").iterdir():
            file.rename(flat / file.name)
    else:
        for file in (flat / KIT / "data").iterdir():
            file.rename(flat / KIT / file.name)
    source = open_source(flat / "val")
    assert source.classes == ("tench", "goldfish", "crane (bird)", "French bulldog", "crane (machine)")
    assert set(source.parts) == {""}
    assert_labels_fit_pictures(source)


def test_validation_pictures_of_classes_that_are_not_trained_are_left_out_and_counted(flat: Path) -> None:
    for wnid in WNIDS[2:]:
        for file in (flat / "train" / wnid).iterdir():
            file.unlink()
        (flat / "train" / wnid).rmdir()
    source = open_source(flat)
    assert source.classes == ("tench", "goldfish")
    assert labelled(source, "val") == ["tench", "goldfish"]
    assert source.why.endswith("6 validation pictures of classes that are not trained are left out")


def test_some_of_the_validation_pictures_keep_their_labels(flat: Path) -> None:
    for number in (1, 2, 5, 6):
        (flat / "val" / f"ILSVRC2012_val_{number:08d}.JPEG").unlink()
    names = imagenet.names()
    assert labelled(open_source(flat), "val") == [names[wnid_of(LABELS[number - 1])] for number in (3, 4, 7, 8)]


def test_other_folders_are_not_flat_validation_folders(tmp_path: Path) -> None:
    assert validation_pictures(tmp_path) == []
    (tmp_path / "ILSVRC2012_test_00000001.JPEG").touch()
    (tmp_path / "xILSVRC2012_val_00000001.JPEG").touch()
    (tmp_path / "notes.txt").touch()
    assert validation_pictures(tmp_path) == []


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_source(folder)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_missing_kit_says_what_to_put_where(flat: Path) -> None:
    (flat / KIT / "data" / "meta.mat").unlink()
    text = refused(flat)
    assert f"{flat / 'val'} holds" in text
    assert f"unpack {KIT}.tar.gz beside it" in text


@pytest.mark.parametrize(("line", "word"), [(3, "0"), (3, "6"), (3, "n01440764"), (8, "4.0"), (1, "-1")])
def test_a_wrong_line_of_the_ground_truth_is_named(flat: Path, line: int, word: str) -> None:
    """6 is there, but a node above the classes."""
    labels = [str(label) for label in LABELS]
    labels[line - 1] = word
    (flat / KIT / "data" / TRUTH).write_text("\n".join(labels))
    assert f"line {line}: {word!r} is no ILSVRC2012_ID of a class" in refused(flat)


def test_a_picture_behind_the_last_line_is_named(flat: Path) -> None:
    picture(flat / "val" / "ILSVRC2012_val_00000009.JPEG", WNIDS[0])
    text = refused(flat)
    assert "ILSVRC2012_val_00000009.JPEG has no line in" in text
    assert "has pictures 1 to 8" in text


def other_table() -> bytes:
    file = io.BytesIO()
    savemat(file, {"synsets": {"ILSVRC2010_ID": 1, "WNID": "n01440764"}})
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"text", other_table(), other_table()[:200]])
def test_a_damaged_or_another_table_is_named(flat: Path, content: bytes) -> None:
    file = flat / KIT / "data" / "meta.mat"
    file.write_bytes(content)
    assert f"{file} cannot be read as ILSVRC-2012's table of synsets" in refused(flat)
