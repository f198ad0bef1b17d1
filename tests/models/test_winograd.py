"""Convolution by tiles: answers and gradients against PyTorch's own, in float64 and in float32."""

import random

import pytest
import torch
from torch import Tensor

from alexnet.models import at_points, winograd
from alexnet.models.at_points import AtPoints
from alexnet.models.tiling import Tiling, best_tiling
from tests.models.convolutions import Case


class Tiled(Case):
    @property
    def tiling(self) -> Tiling:
        found = best_tiling(self.kernel, self.stride, self.padding, self.maps, 64)
        assert found is not None
        return found

    def tensors(self, count: int, dtype: torch.dtype) -> list[Tensor]:
        """The same, of which gradients are asked for."""
        return [each.requires_grad_() for each in super().tensors(count, dtype)]

    def by_tiles(self, given: list[Tensor]) -> Tensor:
        return winograd.convolve(given[0], given[1], given[2], self.tiling, self.groups)


CASES = {
    "tiles fit": Tiled(6, 8, 3, (12, 12)),
    "tiles stand out": Tiled(6, 8, 3, (13, 10), padding=(1, 1)),
    "5 × 5": Tiled(4, 6, 5, (26, 23), padding=(2, 2)),
    "2 × 2": Tiled(4, 6, 2, (9, 9)),
    "4 × 4": Tiled(4, 6, 4, (9, 11)),
    "padded unequally": Tiled(4, 6, 3, (8, 9), padding=(1, 0)),
    "grouped": Tiled(8, 6, 5, (27, 27), padding=(2, 2), groups=2),
    "strided": Tiled(3, 8, 11, (63, 67), stride=4),
    "strided, pixels left over": Tiled(3, 8, 11, (66, 64), stride=4, padding=(2, 2)),
    "strided, stride divides the kernel": Tiled(3, 4, 6, (20, 21), stride=3),
    "one window": Tiled(4, 6, 5, (5, 5)),
}


def differences(found: list[Tensor], expected: list[Tensor]) -> list[float]:
    """By norm, relative."""
    pairs = [(ours.detach().double(), theirs.detach()) for ours, theirs in zip(found, expected, strict=True)]
    return [float((ours - theirs).norm() / theirs.norm()) for ours, theirs in pairs]


def with_gradients(output: Tensor, given: list[Tensor]) -> list[Tensor]:
    torch.manual_seed(1)
    weighting = torch.randn(output.shape, dtype=torch.float64).to(output.dtype)
    return [output, *torch.autograd.grad((output * weighting).sum(), given)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kept", [0, 1 << 30])
@pytest.mark.parametrize("at_once", [1, 30, 10_000])
def test_answers_and_gradients_are_pytorchs(
    name: str, kept: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is kept for the gradients, and in whatever slices the batch is worked on."""
    monkeypatch.setattr(winograd, "MOST_KEPT", kept)
    monkeypatch.setattr(at_points, "TILES_AT_ONCE", at_once)
    case = CASES[name]
    given = case.tensors(7, torch.float64)
    expected = with_gradients(case.by_pytorch(given), given)
    assert max(differences(with_gradients(case.by_tiles(given), given), expected)) < 1e-13


@pytest.mark.parametrize("name", CASES)
def test_float32_loses_two_digits_at_most(name: str) -> None:
    """Of its seven. PyTorch's own is at 2e-7 to 2e-6."""
    case = CASES[name]
    exact = case.tensors(16, torch.float64)
    given = [each.detach().float().requires_grad_() for each in exact]
    expected = with_gradients(case.by_pytorch(exact), exact)
    assert max(differences(with_gradients(case.by_tiles(given), given), expected)) < 1e-5


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layouts(layout: torch.memory_format) -> None:
    """The answer, and the gradient of the weights, lie channels last whatever the input and the gradient do."""
    case = CASES["tiles stand out"]
    input, weights, biases = case.tensors(3, torch.float64)
    given = [input.detach().contiguous(memory_format=layout).requires_grad_(), weights, biases]
    output = case.by_tiles(given)
    assert output.is_contiguous(memory_format=torch.channels_last)
    slope = torch.randn(output.shape, dtype=torch.float64).contiguous(memory_format=layout)
    found = torch.autograd.grad(output, given, slope)
    expected = torch.autograd.grad(case.by_pytorch(given), given, slope)
    assert max(differences(list(found), list(expected))) < 1e-13
    assert found[1].is_contiguous(memory_format=torch.channels_last)


def test_a_part_of_larger_maps_is_taken_as_it_lies() -> None:
    case = CASES["tiles fit"]
    whole, *rest = Tiled(6, 8, 3, (15, 14)).tensors(3, torch.float64)
    given = [whole[:, :, :12, :12], *rest]
    assert max(differences([case.by_tiles(given)], [case.by_pytorch(given)])) < 1e-13


def test_gradients_can_be_asked_for_twice() -> None:
    case = CASES["tiles fit"]
    given = case.tensors(3, torch.float64)
    total = case.by_tiles(given).square().sum()
    first = torch.autograd.grad(total, given, retain_graph=True)
    assert all(torch.equal(*pair) for pair in zip(first, torch.autograd.grad(total, given), strict=True))


def test_no_gradient_of_the_pictures_is_computed_where_none_is_asked_for() -> None:
    case = CASES["strided"]
    pictures, weights, biases = case.tensors(3, torch.float64)
    given = [pictures.detach(), weights, biases]
    found = torch.autograd.grad(case.by_tiles(given).square().sum(), [weights, biases])
    expected = torch.autograd.grad(case.by_pytorch(given).square().sum(), [weights, biases])
    assert max(differences(list(found), list(expected))) < 1e-13


def test_frozen_weights_are_not_learned_and_keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AtPoints, "kernels_at_points_transposed", None)
    case = CASES["tiles fit"]
    pictures, weights, biases = case.tensors(3, torch.float64)
    given = [pictures, weights.detach(), biases]
    found = torch.autograd.grad(case.by_tiles(given).square().sum(), [pictures, biases])
    expected = torch.autograd.grad(case.by_pytorch(given).square().sum(), [pictures, biases])
    assert max(differences(list(found), list(expected))) < 1e-13


def test_whatever_the_shape() -> None:
    """Kernels, strides, paddings and maps at random, among them all ways in which they fail to divide each other."""
    draw = random.Random(0).choice
    seen = set()
    for _ in range(300):
        stride, kernel, pad = draw([1, 1, 2, 3, 4]), draw(range(2, 14)), (draw(range(4)), draw(range(4)))
        maps = draw(range(4, 40)), draw(range(4, 40))
        if best_tiling(kernel, stride, pad, maps, 64) is None:
            continue
        case = Tiled(2, 3, kernel, maps, stride, pad)
        given = case.tensors(2, torch.float64)
        expected = with_gradients(case.by_pytorch(given), given)
        assert max(differences(with_gradients(case.by_tiles(given), given), expected)) < 1e-12, case
        seen.add((stride, case.tiling.size, case.tiling.side))
    assert len(seen) > 40


def test_training_goes_on_after_answers_without_gradients() -> None:
    """What is remembered between calls may be used by both."""
    case = CASES["tiles fit"]
    given = case.tensors(3, torch.float64)
    with torch.inference_mode():
        answer = winograd.Tiles(given[1], given[2], 1, rectified=True)(given[0], case.tiling)
    expected = case.by_pytorch(given)
    assert max(differences([answer], [expected.relu()])) < 1e-13
    found = torch.autograd.grad(case.by_tiles(given).square().sum(), given)
    assert max(differences(list(found), list(torch.autograd.grad(expected.square().sum(), given)))) < 1e-13
