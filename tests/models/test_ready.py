"""A network made ready answers as it did before."""

import gc
import weakref

import pytest
import torch

from alexnet.device import Precision, choose_precision
from alexnet.models import ready as ready_module
from alexnet.models.at_points import AtPoints
from alexnet.models.dense import Numbers, SettledDense, has_fbgemm
from alexnet.models.modules import batch_norms
from alexnet.models.network import AlexNet, create_model, list_models
from alexnet.models.ready import Ready, answering, ready
from alexnet.models.settled import SettledConvolution
from alexnet.models.strips import Strips

CPU = torch.device("cpu")


def trained(name: str, classes: int = 7) -> AlexNet:
    """A network whose batch norms have something to say."""
    torch.manual_seed(0)
    network = create_model(name, num_classes=classes).on(CPU).eval()
    for norm in batch_norms(network).values():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.normal_(0, 0.3)
        norm.running_var.uniform_(0.5, 2)
        if norm.affine:
            norm.weight.data.uniform_(0.5, 1.5)
            norm.bias.data.normal_(0, 0.3)
    return network


def largest_difference(network: AlexNet, precision: Precision, count: int = 3) -> float:
    """Of the logits, as a share of the largest one."""
    pictures = torch.rand(count, *network.input_shape).contiguous(memory_format=torch.channels_last)
    made, _ = ready(network, precision)
    with torch.inference_mode():
        expected, found = network(pictures), made(pictures)
    assert found.dtype == torch.float32
    return float((expected - found).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", list_models())
def test_every_variant_answers_the_same(name: str) -> None:
    network = trained(name)
    for count in (1, 4):
        assert largest_difference(network, "float32", count) < 1e-5


@pytest.mark.skipif(choose_precision(CPU) != "bf16", reason="this processor does not multiply bf16")
@pytest.mark.parametrize("name", ["torchvision", "notebook-flowers", "paper"])
def test_in_bf16_logits_differ_by_its_eight_bits(name: str) -> None:
    assert 0 < largest_difference(trained(name), "bf16") < 0.03


@pytest.mark.skipif(not has_fbgemm(), reason="PyTorch has no FBGEMM here")
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("name", ["torchvision", "notebook-flowers", "paper", "notebook-mnist"])
def test_without_bf16_dense_layers_have_weights_in_fp16(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_module, "choose_precision", lambda _: "float32")
    assert 1e-6 < largest_difference(trained(name), "bf16", count) < 1e-3


def test_dense_layers_are_laid_out_for_few_pictures_where_these_come_and_inputs_are_zero() -> None:
    def in_rows(name: str, *, few: bool) -> list[bool]:
        dense = [step for step in Ready(trained(name), "float32", few=few).steps if isinstance(step, SettledDense)]
        return [step._rows is not None for step in dense]

    assert in_rows("torchvision", few=True) == [True, True, False]  # the last one is small
    assert in_rows("torchvision", few=False) == [False, False, False]
    assert in_rows("tflearn-flowers", few=True) == [True, False, False]  # tanh before fc7
    assert in_rows("illustrated", few=True) == [True, False, False]  # its batch norm before fc6 is folded into it


@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_itself_again_afterwards(training: bool) -> None:
    network = trained("notebook-mnist").train(training)

    def fail() -> None:
        with answering(network) as (made, called_in):
            assert (isinstance(made, Ready), called_in) == (True, "float32")
            assert not network.training
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    assert network.training == training


def test_other_modules_answer_for_themselves() -> None:
    module = torch.nn.Linear(2, 2)
    with answering(module, "bf16") as found:
        assert found == (module, "bf16")


@pytest.mark.parametrize("count", [1, 2, 65])
def test_any_number_of_pictures_may_come(count: int) -> None:
    assert largest_difference(trained("notebook-mnist"), "float32", count) < 1e-5


@pytest.mark.parametrize("count", [1, 8])
def test_kernels_are_led_to_the_points_once_however_often_it_answers(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    led: list[tuple[str, tuple[int, ...]]] = []
    by_tiles, by_strips = AtPoints.kernels_at_points, Strips.__init__

    def tiles(work: AtPoints, weight: torch.Tensor) -> torch.Tensor:
        led.append(("tiles", tuple(weight.shape[:2])))
        return by_tiles(work, weight)

    def strips(made: Strips, weight: torch.Tensor, *others: object, rectified: bool) -> None:
        led.append(("strips", tuple(weight.shape[:2])))
        by_strips(made, weight, *others, rectified=rectified)  # type: ignore[arg-type]

    monkeypatch.setattr(AtPoints, "kernels_at_points", tiles)
    monkeypatch.setattr(Strips, "__init__", strips)
    network = trained("torchvision")
    made = Ready(network, "float32")
    pictures = torch.rand(count, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        found, expected = made(pictures), network(pictures)
        assert torch.equal(made(pictures), found)
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5
    small = "tiles" if count > 1 else "strips"
    assert led == [("tiles", (192, 64)), (small, (384, 192)), (small, (256, 384)), (small, (256, 256))]


@pytest.mark.parametrize("side", [160, 300])
def test_pictures_of_another_size_are_averaged_over_areas(side: int) -> None:
    network = trained("torchvision")
    pictures = torch.rand(2, 3, side, side).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected, found = network(pictures), Ready(network, "float32")(pictures)
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5


@pytest.mark.parametrize("numbers", ["float32", "fp16"])
def test_a_network_made_ready_goes_when_nobody_needs_it_any_more(numbers: Numbers) -> None:
    """Without the collector of cycles: a training makes one for every verdict."""
    if numbers == "fp16" and not has_fbgemm():
        pytest.skip("no FBGEMM here")
    made = Ready(trained("torchvision"), numbers)
    for count in (1, 4):
        with torch.inference_mode():
            made(torch.rand(count, 3, 224, 224))
    watched = [weakref.ref(step) for step in made.steps if isinstance(step, SettledConvolution | SettledDense)]
    gc.disable()
    try:
        del made
        assert [each() for each in watched] == [None] * 8
    finally:
        gc.enable()


def test_batch_norm_and_relu_are_no_calls_of_their_own() -> None:
    kinds = [type(step) for step in Ready(trained("owt-bn"), "float32").steps]
    assert torch.nn.ReLU not in kinds
    assert not any(issubclass(kind, torch.nn.modules.batchnorm._BatchNorm) for kind in kinds)


def test_a_batch_norm_before_padding_stays_where_it_is() -> None:
    network = trained("notebook-flowers")  # conv2 alone is padded, behind bn1
    kept = [step for step in Ready(network, "float32").steps if step in set(batch_norms(network).values())]
    assert kept == [network.get_submodule("bn1")]


def test_weights_are_those_of_the_moment() -> None:
    network = trained("notebook-mnist")
    made, _ = ready(network, "float32")
    pictures = torch.rand(1, *network.input_shape)
    with torch.inference_mode():
        before = made(pictures)
        for parameter in network.parameters():
            parameter.zero_()
        assert torch.equal(made(pictures), before)
