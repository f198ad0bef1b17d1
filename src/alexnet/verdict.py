"""The verdict on a run: judged, written as files, drawn, and said in one line."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet import pictures
from alexnet.dataset import Dataset
from alexnet.device import Precision
from alexnet.judging.evaluate import PREDICTION_COLUMNS, Verdict, judge
from alexnet.models.network import AlexNet
from alexnet.pictures import grids
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import Run

THUMBNAIL = 128  # pixels


def judge_part(
    network: AlexNet,
    data: Dataset,
    part: str,
    device: torch.device,
    display: Display,
    *,
    batch_size: int = 128,
    precision: Precision = "float32",
) -> Verdict:
    """The full verdict on train, val or test; float32 unless told otherwise."""
    return judge(
        network,
        data.batches(data.split.part(part), device, batch_size),
        data.preprocess,
        split=part,
        classes=data.source.classes,
        names=data.source.names,
        display=display,
        precision=precision,
    )


def record(run: Run, data: Dataset, verdict: Verdict, **facts: Any) -> dict[str, Any]:  # noqa: ANN401 (plain values)
    """Write metrics.json (with `facts`), predictions.csv and the grids' pictures, and draw all that can be drawn.

    Returns the content of metrics.json.
    """
    figures = {**facts, **verdict.figures()}
    run.write_json("metrics.json", figures)
    run.write_table("predictions.csv", PREDICTION_COLUMNS, verdict.rows())
    chosen = np.random.default_rng(0).permutation(len(verdict.names))[: grids.COUNT]
    arrays: dict[str, NDArray[Any]] = {}
    for name, positions in (("predictions", chosen), ("worst", verdict.by_loss()[: grids.COUNT])):
        arrays[name] = thumbnails(data.store.pixels[verdict.indices[positions]])
        arrays[f"{name}_rows"] = positions
    run.write_thumbnails(**arrays)
    pictures.draw(run)
    return figures


def line(figures: dict[str, Any]) -> str:
    """One line: accuracy with its interval, top-5, loss and calibration error."""
    low, high = figures["interval95"]
    top5 = f", top-5 {figures['accuracy_top5']:.4f}" if figures["accuracy_top5"] is not None else ""
    ece = f", calibration error {figures['ece']:.3f}" if "ece" in figures else ""  # runs of 0.1.0 have none
    return (
        f"{figures['split']} accuracy {figures['accuracy_top1']:.4f} (95 % interval {low:.4f} to {high:.4f}, "
        f"{figures['n']:,} pictures){top5}, loss {figures['loss']:.4f}{ece}"
    )


def thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stored pictures, uint8 (N, S, S, C), with S at most THUMBNAIL."""
    if pixels.shape[1] <= THUMBNAIL:
        return np.array(pixels)
    small = Preprocess(size=THUMBNAIL, resize_to=THUMBNAIL, channels=pixels.shape[3])
    return small.fit_all(np.repeat(pixels, 3 // pixels.shape[3], axis=3))
