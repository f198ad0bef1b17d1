"""Pickles of any Python, read without running them."""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet.models.foreign import inert
from alexnet.models.foreign.inert import InertError


def pickled(content: object, protocol: int) -> bytes:
    return pickle.dumps(content, protocol)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_dictionaries_of_arrays_come_out_of_every_protocol(protocol: int) -> None:
    random = np.random.default_rng(0)
    content: dict[str, Any] = {
        "conv1": [random.random((2, 3, 4), np.float32), random.random(5)],
        "fc": {"weights": np.asfortranarray(random.random((4, 6), np.float32)), "biases": np.arange(3, dtype=">i4")},
        "text": ("a", 1, 2.5, None, True),
    }
    read = inert.load(pickled(content, protocol))
    assert np.array_equal(read["conv1"][0], content["conv1"][0])
    assert np.array_equal(read["conv1"][1], content["conv1"][1])
    assert np.array_equal(read["fc"]["weights"], content["fc"]["weights"])
    assert read["fc"]["biases"].tolist() == [0, 1, 2]
    assert read["text"] == ["a", 1, 2.5, None, True]


def test_numpys_own_file_of_a_dictionary_is_read(tmp_path: Path) -> None:
    content: Any = {"conv1": [np.ones((2, 2), np.float32), np.zeros(2, np.float32)]}
    np.save(tmp_path / "weights.npy", content, allow_pickle=True)
    with (tmp_path / "weights.npy").open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        read = inert.load(file.read())
    assert len(read) == 1
    assert np.array_equal(read[0]["conv1"][0], content["conv1"][0])


def test_a_pickle_as_python_2_wrote_it_is_read() -> None:
    """cPickle.dumps({'conv1': [numpy.array([1, 2], 'f4')]}, 2) of Python 2.7: bytes are its text."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01bq\x05\x87q\x06Rq\x07"
        b"(K\x01K\x02\x85q\x08cnumpy\ndtype\nq\tU\x02f4q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01<q\rNNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tq\x0eb\x89U\x08" + np.array([1, 2], "<f4").tobytes() + b"q\x0ftq\x10b"
    )
    read = inert.load(b"\x80\x02}q\x00U\x05conv1q\x01]q\x02" + array + b"as.")
    assert read["conv1"][0].tolist() == [1, 2]


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        import os

        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_what_could_run_is_named_and_not_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "ran"
    data = pickled({"conv1": Touch(target)}, protocol)
    with pytest.raises(InertError, match=r"names (posix|nt)\.system, which could be made to run; nothing was run"):
        inert.load(data)
    assert not target.exists()
    pickle.loads(data)  # the payload does work where pickles are trusted
    assert target.exists()


@pytest.mark.parametrize(
    "names",
    [
        b"cbuiltins\neval\n",
        b"cbuiltins\ngetattr\n",
        b"cnumpy\nload\n",
        b"cnumpy.core.multiarray\nscalar\n",
        b"ccopy_reg\n_reconstructor\n",
        b"cnumpy\ndtype.__class__\n",
    ],
)
def test_no_other_name_is_known(names: bytes) -> None:
    with pytest.raises(InertError, match="could be made to run"):
        inert.load(names + b".")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04",
        b"\x80\x04N",
        b"\x80\x04\x96" + (1 << 62).to_bytes(8, "little") + b".",  # bytearray8 of any size
        b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"abc.",  # bytes that are not there
        b"\x80\x02P1\n.",  # something outside the file
        b"\x80\x02\x82\x01.",  # an extension
        b"(i__main__\nx\n.",
        b"cnumpy\nndarray\n.",  # a name is no data
        b"cnumpy\nndarray\n}b.",  # nor can it be given a state
        b"cnumpy\ndtype\n(S'O'\nI0\nI1\ntR.",
        b"(" * 40 + b"l" * 40 + b".",  # lists in lists
    ],
)
def test_damage_is_told_in_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(InertError):
        inert.load(data)


def test_a_memo_of_any_size_takes_no_memory() -> None:
    """Python's own fast reader makes room for as many entries as the number says: 2³² would be 32 GB."""
    assert inert.load(b"\x80\x02Nr\xff\xff\xff\xff.") is None
    assert inert.load(b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little") + b"N.") is None


def test_lists_that_hold_the_same_list_over_and_over_end_in_an_error() -> None:
    data = b"\x80\x02]q\x00"
    for level in range(1, 8):  # each list holds the one before it a hundred times
        data += b"](" + (b"h" + bytes([level - 1])) * 100 + b"eq" + bytes([level])
    with pytest.raises(InertError, match="without end"):
        inert.load(data + b".")


def test_arrays_whose_numbers_are_missing_are_refused() -> None:
    good = pickled({"a": np.arange(6, dtype=np.float32).reshape(2, 3)}, 2)
    pickletools.dis(good, io.StringIO())
    for wrong in (good.replace(b"K\x02K\x03\x86", b"K\x02K\x04\x86"), good.replace(b"f4", b"f8")):
        assert wrong != good
        with pytest.raises(InertError, match="without its numbers"):
            inert.load(wrong)
    with pytest.raises(InertError, match="numbers are expected"):
        inert.load(good.replace(b"f4", b"V4"))


def test_cut_anywhere_it_is_refused() -> None:
    whole = pickled({"conv1": [np.ones((2, 2), np.float32)]}, 4)
    for end in range(len(whole)):
        with pytest.raises(InertError):
            inert.load(whole[:end])
