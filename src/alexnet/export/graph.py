"""An ONNX graph in the making: nodes and constants, each under a name that people find again in a viewer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

Constant = NDArray[Any] | np.generic
Value = str
"""The name of what a node gives, to be passed on to the next."""


class Graph:
    """Nodes in the order in which they run, and the constants they read."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}

    def add(self, operator: str, *inputs: Value | Constant, name: str, **attributes: Any) -> Value:  # noqa: ANN401
        """A node; it and what it gives are called `name`. Constants among the inputs are named after it."""
        values = [
            given if isinstance(given, str) else self.constant(f"{name}.{place}", given)
            for place, given in enumerate(inputs)
        ]
        self.nodes.append(helper.make_node(operator, values, [name], name, **attributes))
        return name

    def constant(self, name: str, value: Constant) -> Value:
        """A constant under its name."""
        assert name not in self.constants, f"two constants called {name}"
        self.constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name


def integers(*numbers: int) -> NDArray[np.int64]:
    """A vector of whole numbers, as ONNX wants shapes, axes and limits."""
    return np.array(numbers, dtype=np.int64)


def floats(*numbers: float) -> NDArray[np.float32]:
    """A vector of float32."""
    return np.array(numbers, dtype=np.float32)


def doubles(*numbers: float) -> NDArray[np.float64]:
    """A vector of float64."""
    return np.array(numbers, dtype=np.float64)
