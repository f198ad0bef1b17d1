"""Convolution of a picture alone by strips against PyTorch's in float64."""

import random

import pytest
import torch
from torch import Tensor

from alexnet.models.settled import LEAST_GAIN_BY_STRIPS
from alexnet.models.strips import FEWEST, Strips, best_side, gain, strips_a_line
from tests.models.convolutions import Case

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="oneDNN is not there")  # type: ignore[no-untyped-call]


class Striped(Case):
    def strips(self, weights: Tensor, biases: Tensor, *, rectified: bool) -> Strips:
        return Strips(weights, biases, self.padding, self.maps, self.groups, rectified=rectified)

    def difference(self, *, rectified: bool = False) -> float:
        """The norm of what PyTorch in float64 says otherwise, as a share of the answer's."""
        given = self.tensors(1, torch.float32)
        with torch.inference_mode():
            found = self.strips(given[1], given[2], rectified=rectified)(given[0])
        expected = self.by_pytorch([each.double() for each in given])
        expected = expected.relu() if rectified else expected
        assert found.shape == expected.shape
        assert found.is_contiguous(memory_format=torch.channels_last)
        return float((found - expected).norm() / expected.norm())


CASES = {
    "torchvision's conv3": Striped(192, 384, 3, (13, 13), padding=(1, 1)),
    "two groups": Striped(64, 96, 3, (13, 13), padding=(1, 1), groups=2),
    "5 × 5": Striped(32, 48, 5, (27, 27), padding=(2, 2)),
    "not padded": Striped(16, 24, 3, (15, 15)),
    "higher than wide": Striped(8, 8, 3, (20, 11), padding=(1, 0)),
    "wider than high": Striped(8, 8, 2, (5, 40), padding=(0, 2)),
    "few strips": Striped(8, 8, 3, (3, 3)),
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
        case = Striped(groups * draw(1, 9), groups * draw(1, 9), kernel, maps, 1, (draw(0, 3), draw(0, 3)), groups)
        assert case.difference() < 1e-5, case
        sides.add((kernel, best_side(kernel, maps[1] + 2 * case.padding[1] - kernel + 1)))
    assert len(sides) > 12


def test_a_map_in_pytorchs_first_order_is_taken_too() -> None:
    case = CASES["not padded"]
    input, weights, biases = case.tensors(1, torch.float32)
    with torch.inference_mode():
        strips = case.strips(weights, biases, rectified=False)
        assert torch.equal(strips(input), strips(input.contiguous()))


def test_weights_are_copies() -> None:
    case = CASES["not padded"]
    input, weights, biases = case.tensors(1, torch.float32)
    with torch.inference_mode():
        strips = case.strips(weights, biases, rectified=True)
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
