"""Caffe's messages for protobuf's own library, as far as weights need them.

Field numbers from BVLC/caffe, src/caffe/proto/caffe.proto.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as F
from numpy.typing import NDArray

Layer = tuple[str, str, list[NDArray[np.float32]]]
"""Name, type and blobs."""

MESSAGES: dict[str, list[tuple[str, int, Any, bool]]] = {
    "BlobShape": [("dim", 1, F.TYPE_INT64, True)],
    "BlobProto": [
        *((name, index + 1, F.TYPE_INT32, False) for index, name in enumerate(("num", "channels", "height", "width"))),
        ("data", 5, F.TYPE_FLOAT, True),
        ("diff", 6, F.TYPE_FLOAT, True),
        ("shape", 7, "BlobShape", False),
        ("double_data", 8, F.TYPE_DOUBLE, True),
    ],
    "LayerParameter": [
        *(("name", 1, F.TYPE_STRING, False), ("type", 2, F.TYPE_STRING, False)),
        *(("bottom", 3, F.TYPE_STRING, True), ("top", 4, F.TYPE_STRING, True), ("blobs", 7, "BlobProto", True)),
    ],
    "V1LayerParameter": [
        *(("bottom", 2, F.TYPE_STRING, True), ("top", 3, F.TYPE_STRING, True), ("name", 4, F.TYPE_STRING, False)),
        *(("type", 5, F.TYPE_INT32, False), ("blobs", 6, "BlobProto", True), ("blobs_lr", 7, F.TYPE_FLOAT, True)),
        ("layer", 1, "LayerParameter", False),  # stands for V0LayerParameter
    ],
    "NetParameter": [
        *(("name", 1, F.TYPE_STRING, False), ("layers", 2, "V1LayerParameter", True)),
        *(("input", 3, F.TYPE_STRING, True), ("layer", 100, "LayerParameter", True)),
    ],
}
OLD_TYPES = {"Data": 5, "Convolution": 4, "Dropout": 6, "InnerProduct": 14, "LRN": 15, "Pooling": 17, "ReLU": 18}


def messages(packed: bool = True) -> dict[str, Any]:
    """The message classes; with `packed=False` numbers are written one by one, as very old writers did."""
    file = descriptor_pb2.FileDescriptorProto(name=f"caffe_{packed}.proto", package="caffe", syntax="proto2")
    for name, content in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, repeated in content:
            label = F.LABEL_REPEATED if repeated else F.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = F.TYPE_MESSAGE, f".caffe.{kind}"
            else:
                field.type = kind
                if repeated and kind != F.TYPE_STRING:
                    field.options.packed = packed
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"caffe.{name}")) for name in MESSAGES}


def _fill(blob: Any, values: NDArray[np.float32], double: bool) -> None:
    """Give numbers to a blob; protobuf takes millions only as bytes in a reasonable time."""
    if values.size < 10_000:
        (blob.double_data if double else blob.data).extend(values.ravel())
        return
    length, size = values.nbytes, bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    blob.MergeFromString(bytes((5 << 3 | 2, *size, length)) + values.tobytes())
    assert len(blob.data) == values.size
    assert blob.data[-1] == values.ravel()[-1]


def net(layers: Sequence[Layer], *, legacy: bool = False, packed: bool = True, double: bool = False) -> bytes:
    """A .caffemodel in today's form or in that of 2014, whose blobs have four sides with ones on the left."""
    made = messages(packed)["NetParameter"](name="AlexNet")
    if not legacy:
        made.input.append("data")
    for name, kind, blobs in layers:
        if legacy:
            layer = made.layers.add(name=name, type=OLD_TYPES[kind], blobs_lr=[1, 2], bottom=["below"], top=[name])
        else:
            layer = made.layer.add(name=name, type=kind, bottom=["below"], top=[name])
        for values in blobs:
            blob = layer.blobs.add()
            if legacy:
                sides = (1,) * (4 - values.ndim) + values.shape
                blob.num, blob.channels, blob.height, blob.width = sides
            else:
                blob.shape.dim.extend(values.shape)
            _fill(blob, values, double)
    content: bytes = made.SerializeToString()
    return content
