"""What is seen inside is what the network does."""

import threading

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alexnet import device as machine
from alexnet.inside import Box, Inside
from alexnet.models import variants
from alexnet.models.network import create_model, list_models
from alexnet.models.placing import smallest_side
from alexnet.predict import load
from alexnet.preprocess import Preprocess
from alexnet.run import Run


def _fitted(preprocess: Preprocess, seed: int = 0) -> NDArray[np.uint8]:
    side = preprocess.resize_to
    return np.random.default_rng(seed).integers(0, 256, (side, side, preprocess.channels), np.uint8)


@pytest.mark.parametrize("name", list_models())
def test_every_variant_can_be_looked_into_and_answers_as_it_does(name: str) -> None:
    """Small pictures and few classes, for speed; the towers and every order of layers are there."""
    machine.seed_everything(0)
    variant = variants.find(name)
    side = smallest_side(variant) + 8
    network = create_model(name, num_classes=5, image_size=side).eval()
    preprocess = Preprocess(size=side, resize_to=side + 4, channels=variant.input[0], views=2)
    inside, fitted = Inside(network, preprocess), _fitted(preprocess)

    view = torch.from_numpy(inside.view(fitted)[None]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = network(preprocess.normalise(view))[0].numpy()
    np.testing.assert_allclose(inside.answer(fitted), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())

    maps = inside.maps(fitted)
    assert [each.name for each in maps] == [stage for stage in variant.stages if stage.startswith("conv")]
    shapes = {each.name: each.output for each in network.layers}
    assert [each.values.shape for each in maps] == [shapes[each.name] for each in maps]
    assert all(np.isfinite(each.values).all() and each.values.min() >= 0 for each in maps)

    heat = inside.heat(fitted, 3)
    assert heat.shape == maps[-1].values.shape[1:]
    assert heat.max() in (0, 1)
    assert heat.min() >= 0


def test_heat_is_gradcam_as_its_equations_say() -> None:
    machine.seed_everything(1)
    network = create_model("torch7-towers", num_classes=4, image_size=127).eval()
    preprocess = Preprocess(size=127, resize_to=127)
    inside, fitted = Inside(network, preprocess), _fitted(preprocess)

    values = preprocess.normalise(torch.from_numpy(fitted[None]).permute(0, 3, 1, 2))
    for each in network.layers:  # as written: in this variant the ReLU stands before the pooling
        values = network.get_submodule(each.name)(values)
        if each.name == "relu5":
            maps = values
    index = int(values[0].argmax())
    (slopes,) = torch.autograd.grad(values[0, index], maps)
    expected = (maps * slopes.mean(dim=(2, 3), keepdim=True)).sum(dim=1).relu()[0].detach()
    assert expected.max() > 0
    np.testing.assert_allclose(inside.heat(fitted, index), (expected / expected.max()).numpy(), atol=1e-5)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_heat_lies_where_what_it_answers_to_is() -> None:
    """A network of positive weights, to which only what is bright speaks; a picture that is bright in one quarter."""
    network = create_model("notebook-mnist", image_size=28).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(parameter.abs() if name.endswith("weight") else torch.zeros_like(parameter))
    inside = Inside(network, Preprocess(size=28, resize_to=28, channels=1))
    picture = np.zeros((28, 28, 1), np.uint8)
    picture[:14, 14:] = 255
    heat = inside.heat(picture, 4)
    half = heat.shape[0] // 2
    assert heat.max() == 1
    assert heat[:half, half:].sum() > 0.6 * heat.sum()
    assert heat[half + 1 :, : half - 1].max() == 0


def test_who_answers_at_the_same_time_is_not_disturbed(digits_run: Run) -> None:
    classifier = load(digits_run.path)
    inside = Inside(classifier.network, classifier.card.preprocess)
    fitted = [_fitted(classifier.card.preprocess, seed) for seed in range(4)]
    alone_answer, alone_heat = classifier.answer(fitted).scores, inside.heat(fitted[0], 1)
    done = threading.Event()
    seen: list[bool] = []

    def answer_on_and_on() -> None:
        while not done.is_set():
            seen.append(bool((classifier.answer(fitted).scores == alone_answer).all()))

    other = threading.Thread(target=answer_on_and_on)
    other.start()
    heats = [inside.heat(fitted[0], 1) for _ in range(20)]
    done.set()
    other.join()
    assert all((heat == alone_heat).all() for heat in heats)
    assert len(seen) > 0
    assert all(seen)


def test_the_place_of_the_view_in_the_picture() -> None:
    network = create_model("notebook-mnist", image_size=28)
    squashed = Inside(network, Preprocess(size=28, resize_to=28, channels=1))
    assert squashed.place(300, 100) == Box(0, 0, 1, 1)
    cropped = Inside(network, Preprocess(size=28, resize_to=56, channels=1, resize="crop"))
    assert cropped.place(200, 100) == Box(0.375, 0.25, 0.25, 0.5)
    assert cropped.place(100, 200) == Box(0.25, 0.375, 0.5, 0.25)
