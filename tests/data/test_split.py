from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from alexnet.data import split
from alexnet.data.sources import Source, open_source
from alexnet.data.sources.base import Part
from alexnet.data.split import Split
from alexnet.errors import DataError, UsageError

MakeSource = Callable[..., Source]


def everything(source: Source) -> split.Indices:
    return np.arange(len(source))


def sizes(parts: Split) -> tuple[int, int, int]:
    return len(parts.train), len(parts.val), len(parts.test)


def assert_divided(parts: Split, usable: split.Indices) -> None:
    """No picture is in two parts, none is lost."""
    together = np.concatenate([parts.train, parts.val, parts.test])
    np.testing.assert_array_equal(np.sort(together), usable)


def test_digits_are_divided_as_scikit_learn_divides_them() -> None:
    source = open_source("digits")
    parts = split.assign(source, everything(source), validate_on="cut", val_split=0)
    train, test = train_test_split(everything(source), test_size=0.2, random_state=42, stratify=source.labels)
    assert sizes(parts) == (1437, 0, 360)
    np.testing.assert_array_equal(parts.test, np.sort(test))
    np.testing.assert_array_equal(parts.train, np.sort(train))
    assert "80/20" in parts.why


def test_validation_is_cut_from_training_and_never_touches_test() -> None:
    source = open_source("digits")
    without = split.assign(source, everything(source), validate_on="cut", val_split=0)
    for share in (0.1, 0.25, 0.5):
        parts = split.assign(source, everything(source), validate_on="cut", val_split=share)
        np.testing.assert_array_equal(parts.test, without.test)
        np.testing.assert_array_equal(np.union1d(parts.train, parts.val), without.train)
        assert len(parts.val) == np.ceil(share * len(without.train))
        assert_divided(parts, everything(source))


def test_every_class_has_its_share_in_every_part() -> None:
    source = open_source("digits")
    parts = split.assign(source, everything(source), validate_on="cut", val_split=0.2)
    whole = np.bincount(source.labels) / len(source)
    for indices in (parts.train, parts.val, parts.test):
        share = np.bincount(source.labels[indices], minlength=10) / len(indices)
        np.testing.assert_allclose(share, whole, atol=0.005)


def test_the_division_is_the_same_every_time() -> None:
    source = open_source("digits")
    one, other = (split.assign(source, everything(source), validate_on="cut", val_split=0.1) for _ in range(2))
    for name in ("train", "val", "test"):
        np.testing.assert_array_equal(one.part(name), other.part(name))


def test_validating_on_test_makes_them_the_same_pictures() -> None:
    source = open_source("digits")
    parts = split.assign(source, everything(source), validate_on="test", val_split=0.1)
    np.testing.assert_array_equal(parts.val, parts.test)
    assert sizes(parts) == (1437, 360, 360)
    assert len(np.intersect1d(parts.train, parts.test)) == 0
    assert {row["split"] for row in parts.rows(source)} == {"train", "val+test"}


def parted(source_of: MakeSource, *names: Part) -> Source:
    """Ten pictures of each of two classes, in every named part."""
    parts = [name for name in names for _ in range(20)]
    return source_of([0, 1] * (10 * len(names)), parts, why="its own")


def test_a_source_s_own_parts_are_kept(source_of: MakeSource) -> None:
    source = parted(source_of, "test", "train", "val")
    parts = split.assign(source, everything(source), validate_on="cut", val_split=0.3)
    assert parts.test.tolist() == list(range(20))
    assert parts.train.tolist() == list(range(20, 40))
    assert parts.val.tolist() == list(range(40, 60))
    assert parts.why == "its own"


def test_a_source_without_test_gets_none(source_of: MakeSource) -> None:
    source = parted(source_of, "train", "val")
    assert sizes(split.assign(source, everything(source), validate_on="cut", val_split=0.3)) == (20, 20, 0)


def test_own_validation_stands_in_where_there_is_no_test_to_validate_on(source_of: MakeSource) -> None:
    source = parted(source_of, "train", "val")
    parts = split.assign(source, everything(source), validate_on="test", val_split=0.3)
    assert parts.val.tolist() == parts.test.tolist() == list(range(20, 40))
    only = parted(source_of, "train")
    with pytest.raises(DataError, match="no test part"):
        split.assign(only, everything(only), validate_on="test", val_split=0.3)


def test_val_is_cut_from_a_source_s_own_training_part(source_of: MakeSource) -> None:
    source = parted(source_of, "train", "test")
    parts = split.assign(source, everything(source), validate_on="cut", val_split=0.2)
    assert sizes(parts) == (16, 4, 20)
    assert parts.test.tolist() == list(range(20, 40))
    assert np.bincount(source.labels[parts.val]).tolist() == [2, 2]
    assert "20%" in parts.why


def test_classes_with_a_single_picture_stay_in_training(source_of: MakeSource) -> None:
    source = source_of([0] * 20 + [1] + [2] * 20)
    parts = split.assign(source, everything(source), validate_on="cut", val_split=0.2)
    assert 20 in parts.train
    assert_divided(parts, everything(source))


def test_small_classes_have_at_least_one_picture_held_out(source_of: MakeSource) -> None:
    source = source_of(list(range(30)) * 3)
    parts = split.assign(source, everything(source), validate_on="cut", val_split=0)
    assert sorted(source.labels[parts.test].tolist()) == list(range(30))


def test_unreadable_pictures_are_in_no_part(source_of: MakeSource) -> None:
    source = source_of([0, 1] * 30)
    usable = np.setdiff1d(everything(source), [0, 7, 59])
    assert_divided(split.assign(source, usable, validate_on="cut", val_split=0.2), usable)


def test_too_few_pictures_to_set_some_aside_are_refused(source_of: MakeSource) -> None:
    for labels in ([0, 1], [0, 0, 1], [0, 1, 2, 3]):
        source = source_of(labels)
        with pytest.raises(DataError, match="too few pictures"):
            split.assign(source, everything(source), validate_on="cut", val_split=0.2)


def test_a_training_part_without_readable_pictures_is_refused(source_of: MakeSource) -> None:
    source = parted(source_of, "train", "test")
    with pytest.raises(DataError, match="no training pictures"):
        split.assign(source, np.arange(20, 40), validate_on="cut", val_split=0.2)


def test_asking_for_a_part_that_is_not_there_says_which_are(source_of: MakeSource) -> None:
    source = parted(source_of, "train", "val")
    parts = split.assign(source, everything(source), validate_on="cut", val_split=0)
    with pytest.raises(UsageError, match="no test part; there are: train, val"):
        parts.part("test")
    with pytest.raises(UsageError, match="use train, val or test"):
        parts.part("tset")


def test_rows_say_of_every_picture_where_it_is(folder_of_colours: Callable[..., Path]) -> None:
    source = open_source(folder_of_colours(count=10))
    parts = split.assign(source, everything(source), validate_on="cut", val_split=0.25)
    rows = parts.rows(source)
    assert [row["path"] for row in rows] == list(source.names)
    assert [row["label"] for row in rows] == [source.classes[label] for label in source.labels]
    for name in ("train", "val", "test"):
        assert [index for index, row in enumerate(rows) if row["split"] == name] == parts.part(name).tolist()
