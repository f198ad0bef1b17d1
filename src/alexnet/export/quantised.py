"""Weights and activations in 8 bits, calibrated on training pictures, judged on validation pictures."""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from alexnet.dataset import Dataset
from alexnet.errors import DataError, ModelFileError
from alexnet.export.certificate import Answer, Pixels
from alexnet.progress import Display

ALLOWED_LOSS = 0.005  # of top-1, a share of the validation pictures
CALIBRATED_ON = 256  # training pictures
_CHUNK = 32


@dataclass(frozen=True)
class Judged:
    """Top-1 on the same validation pictures, in float32 and in 8 bits."""

    pictures: int
    before: float
    after: float

    def figures(self) -> dict[str, Any]:
        """For the certificate."""
        return {"pictures": self.pictures, "float32": self.before, "int8": self.after}

    def refuse_loss(self) -> None:
        """Errors: ModelFileError with both figures where too much is lost."""
        if self.before - self.after > ALLOWED_LOSS:
            raise ModelFileError(
                f"--int8 is refused: top-1 falls from {self.before:.2%} to {self.after:.2%} of {self.pictures} "
                f"validation pictures, {ALLOWED_LOSS:.1%} is allowed. Export in float32: leave --int8 out"
            )


def quantise(network: ModelProto, data: Dataset) -> ModelProto:
    """The network alone (see `onnx_model.of_network`) in 8 bits: weights a channel, activations a tensor.

    Seven bits of the weights are used: sums of two products of eight bits overflow on processors without VNNI, and the
    answers would depend on the machine.

    Errors: DataError when there are no training pictures.
    """
    if not len(data.split.train):
        raise DataError("--int8 is calibrated on training pictures, of which this run has none")
    with tempfile.TemporaryDirectory() as folder, _silent():
        file = Path(folder) / "network.onnx"
        quantize_static(
            network,
            file,
            _Calibration(network.graph.input[0].name, data),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Gemm", "MaxPool", "Relu", "Flatten"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(file)


def judge(float32: Answer, int8: Answer, data: Dataset, display: Display) -> Judged:
    """Both on the run's validation pictures, of which none is in the test part.

    Errors: DataError when there are none.
    """
    chosen = np.setdiff1d(data.split.val, data.split.test)
    if not len(chosen):
        raise DataError(
            "--int8 is judged on validation pictures, of which this run has none beside its test part: export in "
            "float32, or train with a recipe that keeps some"
        )
    right = np.zeros(2)
    with display.bar("judging int8", len(chosen)) as bar:
        for at in range(0, len(chosen), _CHUNK):
            indices = chosen[at : at + _CHUNK]
            pictures = _as_pictures(data.store.pixels[indices])
            for place, answer in enumerate((float32, int8)):
                right[place] += (answer(pictures).argmax(axis=1) == data.source.labels[indices]).sum()
            bar.advance(len(indices))
    before, after = (float(value) for value in right / len(chosen))
    return Judged(len(chosen), before, after)


def _as_pictures(stored: NDArray[np.uint8]) -> Pixels:
    """Stored squares (N, S, S, C) as pictures (N, S, S, 3) that fit to the same: no resizing, grey stays grey."""
    return np.ascontiguousarray(np.broadcast_to(stored, (*stored.shape[:3], 3)))


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is not typed
    """Training pictures, evenly chosen, as the network sees them: each its centre view."""

    def __init__(self, name: str, data: Dataset) -> None:
        self._batches = self._read(name, data)

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, by the name of the input; None at the end."""
        return next(self._batches, None)

    @staticmethod
    def _read(name: str, data: Dataset) -> Iterator[dict[str, Any]]:
        train = np.sort(data.split.train)
        chosen = train[np.linspace(0, len(train) - 1, min(len(train), CALIBRATED_ON)).astype(int)]
        for at in range(0, len(chosen), _CHUNK):
            stored = torch.from_numpy(data.store.pixels[chosen[at : at + _CHUNK]]).permute(0, 3, 1, 2)
            yield {name: data.preprocess.test_views(stored)[0].contiguous().numpy()}


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """onnxruntime recommends its own preparation of a model in the root logger, and warns of numpy's ways."""
    logger = logging.getLogger()
    refuse: Callable[[logging.LogRecord], bool] = lambda record: record.levelno >= logging.ERROR  # noqa: E731
    logger.addFilter(refuse)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeFilter(refuse)
