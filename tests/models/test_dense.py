"""Dense layers by rows and by products, against numpy in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from alexnet.device import choose_precision
from alexnet.models import dense
from alexnet.models.dense import FEWEST_WEIGHTS, Numbers, SettledDense, has_fbgemm

CPU = torch.device("cpu")
INPUTS, OUTPUTS = 2048, 640  # more weights than FEWEST_WEIGHTS
NUMBERS: tuple[Numbers, ...] = ("float32", "bf16", "fp16")
MULTIPLIED = [
    pytest.param("bf16", marks=pytest.mark.skipif(choose_precision(CPU) != "bf16", reason="no bf16 products here"))
    if numbers == "bf16"
    else numbers
    for numbers in NUMBERS
]
WITHIN: dict[Numbers, float] = {"float32": 3e-6, "bf16": 2e-2, "fp16": 2e-3}
pytestmark = pytest.mark.skipif(not has_fbgemm(), reason="PyTorch has no FBGEMM here")


def layer() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(OUTPUTS, INPUTS, generator=generator) / 50, torch.randn(OUTPUTS, generator=generator)


def inputs(count: int, share: float, scale: float = 1.0) -> Tensor:
    """As they come out of a ReLU, so many of them above zero."""
    generator = torch.Generator().manual_seed(2)
    values = torch.rand(count, INPUTS, generator=generator) * scale
    return values * (torch.rand(count, INPUTS, generator=generator) < share)


def made_of(weight: Tensor, bias: Tensor, numbers: Numbers, *, rectified: bool = False) -> SettledDense:
    return SettledDense(weight, bias, numbers, rectified=rectified, sparse=True)


def difference(made: SettledDense, values: Tensor, weight: Tensor, bias: Tensor, *, rectified: bool = False) -> float:
    """From numpy's answer, as a share of its largest number."""
    expected = values.double().numpy() @ weight.double().numpy().T + bias.double().numpy()
    if rectified:
        expected = np.maximum(expected, 0)
    with torch.inference_mode():
        found = made(values).double().numpy()
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.fixture
def by_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows are read, picture by picture."""
    read: list[int] = []
    real = torch.nn.functional.embedding_bag

    def noted(places: Tensor, *given: Any, **named: Any) -> Tensor:
        read.append(len(places))
        return real(places, *given, **named)

    monkeypatch.setattr(torch.nn.functional, "embedding_bag", noted)
    return read


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("numbers", NUMBERS)
def test_rows_give_the_answer(numbers: Numbers, count: int, rectified: bool, by_rows: list[int]) -> None:
    weight, bias = layer()
    values = inputs(count, 0.2)
    made = made_of(weight, bias, numbers, rectified=rectified)
    assert difference(made, values, weight, bias, rectified=rectified) < WITHIN[numbers]
    assert by_rows == values.count_nonzero(dim=1).tolist()


@pytest.mark.parametrize(("count", "share"), [(1, 0.95), (2, 0.6), (4, 0.01), (64, 0.3)])
@pytest.mark.parametrize("numbers", MULTIPLIED)
def test_a_product_gives_the_answer_where_there_is_little_to_leave_out(
    numbers: Numbers, count: int, share: float, by_rows: list[int]
) -> None:
    weight, bias = layer()
    made = made_of(weight, bias, numbers)
    assert difference(made, inputs(count, share), weight, bias) < WITHIN[numbers]
    assert by_rows == []


def test_small_layers_are_products(by_rows: list[int]) -> None:
    weight, bias = (each[:10] for each in layer())
    assert weight.numel() < FEWEST_WEIGHTS
    assert difference(made_of(weight, bias, "float32"), inputs(1, 0.1), weight, bias) < 1e-6
    assert by_rows == []


@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_picture_without_any_input_has_the_bias(numbers: Numbers) -> None:
    weight, bias = layer()
    with torch.inference_mode():
        assert torch.equal(made_of(weight, bias, numbers)(torch.zeros(1, INPUTS))[0], bias)
        assert torch.equal(made_of(weight, bias, numbers, rectified=True)(torch.zeros(1, INPUTS))[0], bias.relu())


@pytest.mark.parametrize("heavier", [1e-8, 1e-4, 1.0, 1e5, 1e8])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e7])
@pytest.mark.parametrize("numbers", ["bf16", "fp16"])
def test_rows_in_fp16_hold_numbers_of_any_size(numbers: Numbers, scale: float, heavier: float) -> None:
    """Its largest is 65,504, and below 6e-5 it has fewer digits."""
    weight, bias = layer()
    weight, bias = weight * heavier, bias * 0
    assert difference(made_of(weight, bias, numbers), inputs(1, 0.5, scale), weight, bias) < WITHIN["fp16"]


@pytest.mark.parametrize("heavier", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("numbers", MULTIPLIED)
def test_products_hold_weights_of_any_size(numbers: Numbers, heavier: float) -> None:
    weight, bias = layer()
    weight, made = weight * heavier, made_of(weight * heavier, bias, numbers, rectified=True)
    assert difference(made, inputs(8, 0.5), weight, bias, rectified=True) < WITHIN[numbers]


@pytest.mark.parametrize("numbers", ["float32", "fp16"])
def test_no_picture_has_no_answer(numbers: Numbers) -> None:
    assert made_of(*layer(), numbers)(torch.zeros(0, INPUTS)).shape == (0, OUTPUTS)


@pytest.mark.parametrize("sparse", [False, True])
def test_without_fbgemm_or_zeros_one_product_answers(
    sparse: bool, by_rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    weight, bias = layer()
    monkeypatch.setattr(dense, "has_fbgemm", lambda: not sparse)
    made = SettledDense(weight, bias, "float32", rectified=False, sparse=sparse)
    assert difference(made, inputs(1, 0.2), weight, bias) < WITHIN["float32"]
    assert by_rows == []


def test_inputs_below_zero_count_too() -> None:
    weight, bias = layer()
    values = inputs(1, 0.3) - inputs(1, 0.3).flip(1)
    assert difference(made_of(weight, bias, "float32"), values, weight, bias) < 3e-6


@pytest.mark.parametrize("numbers", MULTIPLIED)
def test_rows_and_product_agree(numbers: Numbers) -> None:
    made = made_of(*layer(), numbers)
    values = inputs(4, 0.3)
    with torch.inference_mode():
        together, alone = made(values), torch.cat([made(value[None]) for value in values])
    assert float((together - alone).abs().max() / together.abs().max()) < WITHIN[numbers]


@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize("outputs", [10, OUTPUTS])
def test_weights_are_copies(outputs: int, count: int) -> None:
    weight, bias = (each[:outputs].clone() for each in layer())
    made = made_of(weight, bias, "float32")
    values = inputs(count, 0.3)
    kept = weight.clone(), bias.clone()
    weight.zero_()
    bias.zero_()
    assert difference(made, values, *kept) < 3e-6
