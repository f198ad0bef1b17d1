"""Convolution of a picture alone by strips against PyTorch's in float64."""

import random
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.models.settled import LEAST_GAIN_BY_STRIPS
from alexnet.models.strips import FEWEST, Strips, best_side, gain, strips_a_line

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="oneDNN is not there")  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Case:
    channels: int
    filters: int
    kernel: int
    maps: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    groups: int = 1

    def tensors(self) -> list[Tensor]:
        """Input, weights, biases."""
        torch.manual_seed(0)
        weights = torch.randn(self.filters, self.channels // self.groups, self.kernel, self.kernel)
        input = torch.randn(1, self.channels, *self.maps)
        return [input.contiguous(memory_format=torch.channels_last), weights, torch.randn(self.filters)]

    def difference(self, *, rectified: bool = False) -> float:
        """The norm of what PyTorch in float64 says otherwise, as a share of the answer's."""
        input, weights, biases = self.tensors()
        with torch.inference_mode():
            strips = Strips(weights, biases, self.padding, self.maps, self.groups, rectified=rectified)
            found = strips(input)
        expected = F.conv2d(input.double(), weights.double(), biases.double(), 1, self.padding, groups=self.groups)
        expected = expected.relu() if rectified else expected
        assert found.shape == expected.shape
        assert found.is_contiguous(memory_format=torch.channels_last)
        return float((found - expected).norm() / expected.norm())


CASES = {
    "torchvision's conv3": Case(192, 384, 3, (13, 13), (1, 1)),
    "two groups": Case(64, 96, 3, (13, 13), (1, 1), 2),
    "5 × 5": Case(32, 48, 5, (27, 27), (2, 2)),
    "not padded": Case(16, 24, 3, (15, 15)),
    "higher than wide": Case(8, 8, 3, (20, 11), (1, 0)),
    "wider than high": Case(8, 8, 2, (5, 40), (0, 2)),
    "few strips": Case(8, 8, 3, (3, 3)),
}


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_pytorchs(name: str, rectified: bool) -> None:
    assert CASES[name].difference(rectified=rectified) < 2e-6


def test_whatever_the_shape() -> None:
    draw = random.Random(0).randint
    sides = set()
    for _ in range(150):
        groups = draw(1, 3)
        kernel, maps = draw(2, 5), (draw(5, 30), draw(5, 30))
        case = Case(groups * draw(1, 9), groups * draw(1, 9), kernel, maps, (draw(0, 3), draw(0, 3)), groups)
        assert case.difference() < 1e-5, case
        sides.add((kernel, best_side(kernel, maps[1] + 2 * case.padding[1] - kernel + 1)))
    assert len(sides) > 12


def test_a_map_in_pytorchs_first_order_is_taken_too() -> None:
    input, weights, biases = CASES["not padded"].tensors()
    with torch.inference_mode():
        strips = Strips(weights, biases, (0, 0), (15, 15), 1, rectified=False)
        assert torch.equal(strips(input), strips(input.contiguous()))


def test_weights_are_copies() -> None:
    input, weights, biases = CASES["not padded"].tensors()
    with torch.inference_mode():
        strips = Strips(weights, biases, (0, 0), (15, 15), 1, rectified=True)
        before = strips(input)
        weights.zero_()
        biases.zero_()
        assert torch.equal(strips(input), before)


@pytest.mark.parametrize(
    ("size", "width", "side", "strips"), [(3, 13, 5, 3), (3, 15, 6, 3), (5, 27, 4, 8), (3, 10, 4, 3)]
)
def test_the_best_side_has_the_fewest_products(size: int, width: int, side: int, strips: int) -> None:
    assert best_side(size, width) == side
    assert strips_a_line(size, width, side) == strips >= FEWEST


def test_it_gains_where_channels_are_many_and_lines_are_cut_without_loss() -> None:
    """A line of 13 and its zeros are three strips of 5 outputs: 21 products instead of 39."""
    assert gain(3, 13, 1 << 30, 1 << 30) == pytest.approx(39 / 21)
    assert gain(3, 12, 384, 384) < LEAST_GAIN_BY_STRIPS < gain(3, 13, 256, 256)
    assert gain(3, 13, 16, 16) < 1
    assert gain(1, 13, 256, 256) == gain(6, 13, 256, 256) == gain(3, 0, 256, 256) == 0
