"""Small sets lie on a GPU whole: they are moved once, and a step waits for nothing of the processor's."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexnet.data.compressed import Pixels
from alexnet.device import send

PART = 4  # one part in so many of the device's free memory is taken at most
CHUNK = 256  # pictures moved at a time


class OnDevice:
    """The pictures and labels that are served, on their device."""

    def __init__(
        self, pixels: Pixels, labels: NDArray[np.int64], indices: NDArray[np.int64], device: torch.device
    ) -> None:
        """`pixels`, uint8 (all, S, S, C), and `labels` cover the whole source; `indices` are those served."""
        self._rows = np.full(len(pixels), -1)
        self._rows[indices] = np.arange(len(indices))
        self._pixels = torch.empty((len(indices), *pixels.shape[1:]), dtype=torch.uint8, device=device)
        for start in range(0, len(indices), CHUNK):
            chunk = torch.from_numpy(pixels[indices[start : start + CHUNK]])
            self._pixels[start : start + CHUNK].copy_(chunk)
        self._labels = torch.from_numpy(labels[indices]).to(device)

    def gather(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Pictures by their indices in the source, uint8 (N, C, S, S), channels last in memory; labels, int64 (N,)."""
        rows = send(torch.from_numpy(self._rows[chosen]), self._pixels.device)
        return self._pixels.index_select(0, rows).permute(0, 3, 1, 2), self._labels.index_select(0, rows)


def moved(
    pixels: Pixels, labels: NDArray[np.int64], indices: NDArray[np.int64], device: torch.device
) -> OnDevice | None:
    """The served pictures on `device`, or None where they stay in a store: on a CPU, or for want of room."""
    if not fits(len(indices) * math.prod(pixels.shape[1:]), device):
        return None
    return OnDevice(pixels, labels, indices, device)


def fits(size: int, device: torch.device) -> bool:
    """Whether so many bytes are a small part of the device's free memory; a device without memory of its own: no."""
    return device.type == "cuda" and PART * size <= torch.cuda.mem_get_info(device)[0]
