"""A set that lies on the device whole serves the batches that the store serves."""

import numpy as np
import pytest
import torch

from alexnet.data import on_device
from alexnet.data.batches import Batches
from alexnet.data.on_device import OnDevice

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
PIXELS = np.random.default_rng(0).integers(0, 256, (600, 5, 5, 3), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 7, 600)
SERVED = np.random.default_rng(2).permutation(600)[:500]  # more than are moved at a time


def test_batches_are_those_of_the_store() -> None:
    whole = OnDevice(PIXELS, LABELS, SERVED, CPU)
    count = 0
    for batch in Batches(PIXELS, LABELS, SERVED, batch_size=32, seed=3, device=CPU).epoch(1):
        pixels, labels = whole.gather(batch.indices)
        assert torch.equal(pixels, batch.pixels)
        assert torch.equal(labels, batch.labels)
        assert pixels.stride() == batch.pixels.stride()
        count += len(labels)
    assert count == len(SERVED)


def test_nothing_is_moved_to_a_cpu() -> None:
    assert on_device.moved(PIXELS, LABELS, SERVED, CPU) is None


@pytest.mark.parametrize(("free", "does"), [(4 * 37_500, True), (4 * 37_500 - 1, False)])
def test_a_quarter_of_the_free_memory_is_enough(monkeypatch: pytest.MonkeyPatch, free: int, does: bool) -> None:
    assert SERVED.size * PIXELS[0].nbytes == 37_500
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10 * free))
    assert on_device.fits(37_500, CUDA) is does


def test_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU is here")
    whole = on_device.moved(PIXELS, LABELS, SERVED, CUDA)
    assert whole is not None
    pixels, labels = whole.gather(SERVED[:9])
    assert pixels.device.type == "cuda"
    assert np.array_equal(pixels.permute(0, 2, 3, 1).cpu().numpy(), PIXELS[SERVED[:9]])
    assert np.array_equal(labels.cpu().numpy(), LABELS[SERVED[:9]])
