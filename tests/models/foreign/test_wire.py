"""The wire reader against protobuf's own library, and on bytes that are no message."""

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as F

from alexnet.models.foreign.wire import WireError, fields


def message_class() -> type:
    """A message with a field of every kind."""
    file = descriptor_pb2.FileDescriptorProto(name="wire_test.proto", package="wire_test", syntax="proto2")
    message = file.message_type.add(name="Everything")
    kinds = [("text", F.TYPE_STRING, F.LABEL_OPTIONAL), ("number", F.TYPE_INT64, F.LABEL_OPTIONAL)]
    kinds += [("packed", F.TYPE_FLOAT, F.LABEL_REPEATED), ("single", F.TYPE_FLOAT, F.LABEL_REPEATED)]
    kinds += [("doubles", F.TYPE_DOUBLE, F.LABEL_REPEATED), ("dims", F.TYPE_INT64, F.LABEL_REPEATED)]
    for index, (name, kind, label) in enumerate(kinds):
        field = message.field.add(name=name, number=index + 1, type=kind, label=label)
        field.options.packed = name in ("packed", "dims")
        if label == F.LABEL_OPTIONAL:
            field.ClearField("options")
    far = message.field.add(name="far", number=1002, type=F.TYPE_FLOAT, label=F.LABEL_REPEATED)
    far.options.packed = False
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("wire_test.Everything"))


EVERYTHING = message_class()


def test_everything_protobuf_writes_is_read() -> None:
    floats = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    written = EVERYTHING(text="naïve", number=-5, packed=floats, single=floats[:700], far=floats[:5])
    written.doubles.extend([1e300, -0.5])
    written.dims.extend([1, -1, 2**62, 300])
    found = {field.number: field for field in fields(memoryview(written.SerializeToString()))}
    assert found[1].text() == "naïve"
    assert found[2].integers() == [-5]
    assert np.array_equal(found[3].numbers(4), floats)
    assert np.array_equal(found[4].numbers(4), floats[:700])
    assert found[5].numbers(8).tolist() == [1e300, -0.5]
    assert found[6].integers() == [1, -1, 2**62, 300]
    assert np.array_equal(found[1002].numbers(4), floats[:5])
    assert found[3].wire_type == 2
    assert found[4].wire_type == 5, "the run of single numbers was not packed, or this proves nothing"


def test_a_run_ends_where_another_field_begins() -> None:
    first, second = EVERYTHING(single=[1, 2, 3]), EVERYTHING(text="-between-")
    data = first.SerializeToString() + second.SerializeToString() + first.SerializeToString()
    found = list(fields(memoryview(data)))
    assert [field.number for field in found] == [4, 1, 4]
    assert found[0].numbers(4).tolist() == found[2].numbers(4).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0a", "cut off"),  # a key without a length
        (b"\x0a\x05abc", "should have 5 bytes, 3 are left"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "should have"),  # a length beyond all memory
        (b"\xff" * 11, "longer than 10 bytes"),
        (b"\x08", "cut off"),
        (b"\x25\x00\x00", "cut off"),  # a float of three bytes
        (b"\xa5\x00\x00\x00\x00\x00", "unusual"),  # the same key in two bytes
        (b"\x0b\x0c", "wire type 3"),
        (b"\x07", "field number 0|wire type 7"),
        (b"\x02\x00", "field number 0"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message):
        list(fields(memoryview(data)))


def test_fields_of_another_kind_are_refused() -> None:
    data = EVERYTHING(text="a\xff".encode("latin1").decode("latin1"), number=1, packed=[1.0]).SerializeToString()
    text, number, packed = fields(memoryview(data))
    with pytest.raises(WireError, match="no message"):
        number.message()
    with pytest.raises(WireError, match="no numbers of 4 bytes"):
        number.numbers(4)
    with pytest.raises(WireError, match="no whole number of 8"):
        packed.numbers(8)
    assert text.text() == "aÿ"
    with pytest.raises(WireError, match="UTF-8"):
        next(iter(fields(memoryview(b"\x0a\x01\xff")))).text()


def test_every_beginning_of_a_message_is_refused_or_read_and_nothing_else() -> None:
    written = EVERYTHING(text="text", number=300, packed=[1, 2], single=[3, 4], doubles=[5.0], dims=[6, 700])
    whole = written.SerializeToString()
    for end in range(len(whole)):
        try:
            numbers = [field.number for field in fields(memoryview(whole[:end]))]
        except WireError:
            continue
        assert numbers == sorted(numbers)


def test_random_bytes_end_in_an_error_of_its_own_kind() -> None:
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(2000):
        data = random.bytes(int(random.integers(1, 60)))
        try:
            for field in fields(memoryview(data)):
                field.integers() if field.wire_type in (0, 2) else field.numbers(4 if field.wire_type == 5 else 8)
        except WireError:
            refused += 1
    assert refused > 1500
