"""Response normalisation in all readings, one-sided padding and dropout of 2012, against plain loops."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alexnet.models.layers import LRN, Conv, Dropout, MapNorm, MaxPool
from alexnet.models.modules import OriginalDropout, PaddedConv2d, PaddedMaxPool2d

Array = NDArray[np.float64]

VECTORS = [
    (LRN(5, 1e-4, 0.75, k=2, divided=False), ".594292 1.187871 1.780140 2.370419 2.958055 3.550857 4.145138"),
    (LRN(5, 1e-4, 0.75, k=2), ".594541 1.188940 1.783075 2.376810 2.970011 3.564254 4.158794"),
    (LRN(5, 1e-4, 0.75, k=1), ".999790 1.999100 2.997527 3.994608 4.989899 5.988685 6.988472"),
    (LRN(5, 1.0, 0.75, k=1), ".367420 .464736 .465302 .439536 .410773 .518114 .666503"),
]


@pytest.mark.parametrize(("layer", "expected"), VECTORS, ids=[str(layer) for layer, _ in VECTORS])
def test_lrn_of_one_to_seven(layer: LRN, expected: str) -> None:
    maps = torch.arange(1.0, 8.0, dtype=torch.float64).view(1, 7, 1, 1)
    values = layer.module((7, 1, 1))(maps).flatten().tolist()
    assert values == pytest.approx([float(value) for value in expected.split()], abs=1e-6)


def loop_across(maps: Array, size: int, scale: float, beta: float, k: float, columns: int) -> Array:
    """(C, H, W), one value after the other."""
    result, block = np.empty_like(maps), len(maps) // columns
    for index in range(len(maps)):
        first, last = index // block * block, (index // block + 1) * block
        total = np.zeros(maps.shape[1:])
        for neighbour in range(max(first, index - size // 2), min(last, index + (size - 1) // 2 + 1)):
            total += maps[neighbour] ** 2
        result[index] = maps[index] * (k + scale * total) ** -beta
    return result


def loop_within(maps: Array, size: int, scale: float, beta: float, k: float) -> Array:
    result = np.empty_like(maps)
    _, height, width = maps.shape
    for row in range(height):
        for column in range(width):
            rows = slice(max(0, row - size // 2), row + (size - 1) // 2 + 1)
            columns = slice(max(0, column - size // 2), column + (size - 1) // 2 + 1)
            total = (maps[:, rows, columns] ** 2).sum(axis=(1, 2))
            result[:, row, column] = maps[:, row, column] * (k + scale * total) ** -beta
    return result


READINGS = [
    LRN(5, 1e-4, 0.75, k=2, divided=False),
    LRN(5, 1e-4, 0.75, k=2),
    LRN(5, 1e-4, 0.75, k=1),
    LRN(5, 1e-4, 0.75, k=2, columns=2),
    LRN(11, 1e-4, 0.75, k=1, divided=False),
    LRN(5, 0.3, 0.75, k=1),
    LRN(3, 0.7, 0.5, k=1.5, columns=3),
    LRN(4, 0.7, 0.75, k=1),
]


@pytest.mark.parametrize("layer", READINGS, ids=str)
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_lrn_is_the_plain_loop(layer: LRN, memory: torch.memory_format) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 12, 5, 6)) * 3
    scale = layer.alpha / layer.size if layer.divided else layer.alpha
    expected = [loop_across(one, layer.size, scale, layer.beta, layer.k, layer.columns) for one in maps]
    given = torch.from_numpy(maps).float().to(memory_format=memory)
    values = layer.module((12, 5, 6))(given)
    assert values.dtype == torch.float32
    np.testing.assert_allclose(values.numpy(), np.stack(expected), atol=1e-6, rtol=1e-6)


def test_within_map_norm_is_the_plain_loop() -> None:
    maps = np.random.default_rng(1).normal(size=(2, 3, 7, 6)) * 3
    for layer in (MapNorm(5, 1e-3, 0.75, k=1), MapNorm(3, 2.0, 0.5, k=2), MapNorm(4, 1.0, 0.75, k=1)):
        expected = [loop_within(one, layer.size, layer.alpha / layer.size**2, layer.beta, layer.k) for one in maps]
        values = layer.module((3, 7, 6))(torch.from_numpy(maps).float())
        np.testing.assert_allclose(values.numpy(), np.stack(expected), atol=1e-6, rtol=1e-6)


def test_lrn_is_torchs_own_where_torch_has_it() -> None:
    maps = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    theirs = torch.nn.LocalResponseNorm(5, alpha=1e-2, beta=0.75, k=2.0)(maps)
    assert torch.allclose(LRN(5, 1e-2, 0.75, k=2).module((16, 4, 4))(maps), theirs, atol=1e-6)


def test_columns_do_not_see_each_other() -> None:
    maps = torch.randn(1, 8, 3, 3, generator=torch.Generator().manual_seed(0)) * 50
    apart = LRN(5, 0.1, 0.75, k=2, columns=2).module((8, 3, 3))
    alone = LRN(5, 0.1, 0.75, k=2).module((4, 3, 3))
    assert torch.equal(apart(maps), torch.cat([alone(maps[:, :4]), alone(maps[:, 4:])], dim=1))
    together = LRN(5, 0.1, 0.75, k=2).module((8, 3, 3))(maps)
    differing = (apart(maps) - together).abs().amax(dim=(0, 2, 3)) > 1e-4
    assert differing.tolist() == [False, False, True, True, True, True, False, False]


@pytest.mark.parametrize("layer", [LRN(5, 1e-2, 0.75, k=2, columns=2), MapNorm(5, 1e-1, 0.75, k=1)], ids=str)
def test_gradients_of_norms(layer: LRN | MapNorm) -> None:
    maps = torch.randn(2, 6, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer.module((6, 4, 4)), (maps,))


def test_norms_work_in_bf16_without_its_rounding_of_sums() -> None:
    maps = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(0)).bfloat16()
    module = LRN(5, 1.0, 0.75, k=1).module((8, 5, 5))
    assert module(maps).dtype == torch.bfloat16
    assert torch.equal(module(maps), module(maps.float()).bfloat16())


def test_ceil_convolution_is_a_convolution_of_zeros_at_right_and_bottom() -> None:
    convolution = Conv(8, 11, stride=4, padding="ceil").module((3, 224, 224))
    assert isinstance(convolution, PaddedConv2d)
    pictures = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    larger = torch.zeros(2, 3, 227, 227)
    larger[:, :, :224, :224] = pictures
    plain = torch.nn.functional.conv2d(larger, convolution.weight, convolution.bias, stride=4)
    assert convolution(pictures).shape == (2, 8, 55, 55)
    assert torch.equal(convolution(pictures), plain)


def test_padded_pooling_takes_no_padding_for_an_answer() -> None:
    pool = MaxPool(3, 2, "same").module((1, 4, 4))
    assert isinstance(pool, PaddedMaxPool2d)
    values = -torch.arange(1.0, 17.0).view(1, 1, 4, 4)  # all below zero
    assert pool(values).flatten().tolist() == [-1, -3, -9, -11]


def test_dropout_of_2012_scales_at_test() -> None:
    layer = Dropout(0.25, scaled="test").module((1000,))
    assert isinstance(layer, OriginalDropout)
    values = torch.ones(200, 1000)
    torch.manual_seed(0)
    kept = layer.train()(values)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert float(kept.mean()) == pytest.approx(0.75, abs=0.005)
    assert torch.equal(layer.eval()(values), 0.75 * values)
    assert torch.equal(Dropout(0.25).module((1000,)).eval()(values), values)
