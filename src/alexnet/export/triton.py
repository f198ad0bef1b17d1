"""A model repository for NVIDIA's Triton Inference Server: NAME/config.pbtxt, NAME/labels.txt, NAME/1/model.onnx."""

import json
from pathlib import Path

from alexnet import durable
from alexnet.export.names import PICTURES, PROBABILITIES
from alexnet.plain_files import in_one_line
from alexnet.weights import Card

MOST_TOGETHER = 32  # pictures in one batch
_WAIT = 2000  # microseconds that a picture may wait for others of its size


def configuration(name: str, card: Card) -> str:
    """The text of config.pbtxt, a ModelConfig of Triton's model_config.proto.

    `tensors` is not named: Triton takes optional inputs only where it does not make batches.
    """
    return (
        f"name: {json.dumps(name)}\n"
        'backend: "onnxruntime"\n'
        f"max_batch_size: {MOST_TOGETHER}\n"
        "input [\n"
        "  {\n"
        f'    name: "{PICTURES}"  # RGB; pictures of one request have one size\n'
        "    data_type: TYPE_UINT8\n"
        "    dims: [ -1, -1, 3 ]\n"
        "  }\n"
        "]\n"
        "output [\n"
        "  {\n"
        f'    name: "{PROBABILITIES}"\n'
        "    data_type: TYPE_FP32\n"
        f"    dims: [ {len(card.classes)} ]\n"
        '    label_filename: "labels.txt"\n'
        "  }\n"
        "]\n"
        f"dynamic_batching {{ max_queue_delay_microseconds: {_WAIT} }}\n"
    )


def labels(card: Card) -> str:
    """The text of labels.txt: a class a line, line ends inside a name as escapes."""
    return "".join(f"{in_one_line(name)}\n" for name in card.classes)


def write_around(model: Path, card: Card) -> None:
    """What Triton wants to know of NAME/1/model.onnx, into the folder NAME;"""
    folder = model.parents[1]
    durable.write_text(folder / "labels.txt", labels(card))
    durable.write_text(folder / "config.pbtxt", configuration(folder.name, card))
