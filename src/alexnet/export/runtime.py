"""An exported ONNX model as onnxruntime runs it, on the processor alone."""

from typing import Any, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from alexnet.export.certificate import Pixels, Scores
from alexnet.export.names import PICTURES, PROBABILITIES, TENSORS

_ERRORS_ONLY = 3  # onnxruntime warns of every optional input


class Session:
    """A model from its bytes; files beside it are never read."""

    def __init__(self, model: bytes) -> None:
        """Errors: what onnxruntime raises for what is no model, or one that it cannot run."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def answer(self, pictures: Pixels) -> Scores:
        """Probabilities, float32 (N, classes), of pictures of one size, uint8 (N, H, W, 3)."""
        return cast(Scores, self._session.run([PROBABILITIES], {PICTURES: pictures})[0])

    def answer_tensors(self, tensors: NDArray[np.float32]) -> Scores:
        """The same of prepared pictures, float32 (N, C, size, size)."""
        nothing = np.zeros((0, 1, 1, 3), np.uint8)
        return cast(Scores, self._session.run([PROBABILITIES], {PICTURES: nothing, TENSORS: tensors})[0])
