"""A network and its preprocessing as one ONNX model, with all that is known of it in the metadata.

    pictures, uint8 (N, H, W, 3) --fit, views--> float (V·N, C, size, size) --+
                                                                              +--> network --> probabilities
    tensors, float (M, C, size, size), prepared elsewhere -------------------+

`pictures` is the one input that must be given. `tensors` is a graph input with an initializer of no rows, which is how
ONNX says that an input is optional; the answers to both stand in one output, those to pictures first. Whoever has
tensors only gives pictures without rows, (0, 1, 1, 3). There is no branch: a batch without rows costs nothing.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import ModelProto, StringStringEntryProto, TensorProto, ValueInfoProto, helper

import alexnet
from alexnet.export import layers, pictures
from alexnet.export.graph import Graph, Value, integers
from alexnet.export.names import PICTURES, PROBABILITIES, TENSORS
from alexnet.models.network import AlexNet
from alexnet.preprocess import Preprocess
from alexnet.weights import Card

OPSET = 21  # nothing newer changes an operation used here; onnxruntime 1.18 and Triton 24.06 read it already
IR_VERSION = 10  # goes with it
_BATCH = "batch"


def of_network(network: AlexNet) -> ModelProto:
    """The network alone: prepared pictures `batch`, float (N, C, size, size), to logits. What quantisation works on."""
    graph = Graph()
    logits = layers.logits(graph, network, _BATCH)
    batch = helper.make_tensor_value_info(_BATCH, TensorProto.FLOAT, ["rows", *network.input_shape])
    return _model(graph, [batch], helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["rows", network.classes]))


def with_pictures(network: ModelProto, card: Card) -> ModelProto:
    """The whole model around a network as `of_network` gives it, or quantised; checked by ONNX's own checker."""
    graph, prepare = Graph(), card.preprocess
    views = pictures.views(graph, prepare, pictures.fit(graph, prepare, PICTURES))
    graph.add("Concat", views, TENSORS, name=_BATCH, axis=0)
    graph.nodes.extend(network.graph.node)
    graph.constants.update({tensor.name: tensor for tensor in network.graph.initializer})
    answers = "answers" if prepare.views > 1 else PROBABILITIES
    graph.add("Softmax", network.graph.output[0].name, name=answers, axis=1)
    if prepare.views > 1:
        _mean_over_views(graph, answers, views, prepare, len(card.classes))
    size = [prepare.channels, prepare.size, prepare.size]
    graph.constant(TENSORS, np.zeros((0, *size), np.float32))
    model = _model(
        graph,
        [
            helper.make_tensor_value_info(PICTURES, TensorProto.UINT8, ["pictures", "height", "width", 3]),
            helper.make_tensor_value_info(TENSORS, TensorProto.FLOAT, ["tensors", *size]),
        ],
        helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["answers", len(card.classes)]),
    )
    model.opset_import.extend(each for each in network.opset_import if each.domain)  # what quantisation added
    model.doc_string = (
        f"{card.variant}, {len(card.classes)} classes. pictures: RGB, uint8 (N, H, W, 3), any size "
        f"({prepare.in_words}). tensors, optional: prepared pictures, float. probabilities: first of pictures, then of "
        "tensors."
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def as_bytes(entries: Mapping[str, str]) -> bytes:
    """Metadata as the end of a model's file: a message may be written in pieces, and read as one."""
    return ModelProto(
        metadata_props=[StringStringEntryProto(key=key, value=value) for key, value in entries.items()]
    ).SerializeToString()


def _mean_over_views(graph: Graph, answers: Value, views: Value, prepare: Preprocess, classes: int) -> None:
    """Average the rows that are views of pictures; those of tensors follow as they are."""
    rows = graph.add("Shape", views, name="answers.rows", start=0, end=1)
    of_views = graph.add("Slice", answers, integers(0), rows, integers(0), name="answers.of_views")
    to_end = integers(np.iinfo(np.int64).max)
    of_tensors = graph.add("Slice", answers, rows, to_end, integers(0), name="answers.of_tensors")
    by_view = graph.add("Reshape", of_views, integers(prepare.views, -1, classes), name="answers.by_view")
    means = graph.add("ReduceMean", by_view, integers(0), name="answers.means", keepdims=0)
    graph.add("Concat", means, of_tensors, name=PROBABILITIES, axis=0)


def _model(graph: Graph, inputs: list[ValueInfoProto], output: ValueInfoProto) -> ModelProto:
    made = helper.make_graph(graph.nodes, "alexnet", inputs, [output], list(graph.constants.values()))
    return helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="alexnet",
        producer_version=alexnet.__version__,
    )
