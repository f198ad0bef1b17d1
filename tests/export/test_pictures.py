"""The filter in the graph against ours: the same grey levels, all of them."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from alexnet.export import pictures
from alexnet.export.graph import Graph
from alexnet.export.onnx_model import IR_VERSION, OPSET
from alexnet.preprocess import Preprocess
from tests.export.conftest import Pixels, noise


def fitted(preprocess: Preprocess, given: Pixels) -> Pixels:
    """By onnxruntime, as `Preprocess.fit_all` gives them: (N, S, S, C)."""
    graph = Graph()
    stored = pictures.fit(graph, preprocess, "pictures")
    raw = helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", "H", "W", 3])
    out = helper.make_tensor_value_info(stored, TensorProto.FLOAT, None)
    made = helper.make_graph(graph.nodes, "fit", [raw], [out], list(graph.constants.values()))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    answer = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"pictures": given})[0]
    assert (answer == answer.round()).all()
    return np.ascontiguousarray(answer.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize(
    "shape", [(500, 667), (333, 500), (640, 480), (97, 333), (33, 20), (8, 8), (1, 400), (400, 1), (60, 3000), (1, 1)]
)
def test_pictures_are_resized_as_ours(shape: tuple[int, int], resize: str) -> None:
    for channels, side in ((3, 65), (1, 28)):
        prepare = Preprocess(size=side, resize_to=side, resize=resize, channels=channels)  # type: ignore[arg-type]
        given = np.stack([noise(*shape, seed) for seed in range(2)])
        np.testing.assert_array_equal(fitted(prepare, given), prepare.fit_all(given))


def test_a_picture_of_the_right_size_is_kept_exactly() -> None:
    given = noise(40, 40)[None]
    np.testing.assert_array_equal(fitted(Preprocess(size=40, resize_to=40), given), given)


def test_large_pictures_are_resized_as_ours() -> None:
    prepare = Preprocess(size=32, resize_to=36)
    given = noise(2400, 3601)[None]
    np.testing.assert_array_equal(fitted(prepare, given), prepare.fit_all(given))
