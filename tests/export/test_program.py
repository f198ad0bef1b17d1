import numpy as np
import pytest

from alexnet.export import program
from alexnet.predict import Classifier
from alexnet.preprocess import Preprocess
from tests.export.conftest import Make, noise
from tests.export.test_onnx_model import SHAPES, WAYS, batch_of


def exported(classifier: Classifier) -> program.Session:
    traced = program.traced(classifier.network, classifier.card.preprocess)
    return program.Session(program.as_bytes(traced, {}))


@pytest.mark.parametrize("way", ["squashed", "ten views", "grey, ten views"])
def test_a_program_answers_as_ours(make: Make, way: str) -> None:
    classifier = make(WAYS[way])
    session = exported(classifier)
    pictures = [noise(*shape, seed=place) for place, shape in enumerate(SHAPES)]
    theirs = np.concatenate([session.answer(pixels[None]) for pixels in pictures])
    np.testing.assert_allclose(theirs, classifier.scores(pictures), rtol=0, atol=1e-5)
    for count in (1, 7, 64):
        batch = batch_of(count)
        np.testing.assert_allclose(session.answer(batch), classifier.scores(list(batch)), rtol=0, atol=1e-5)


def test_the_network_that_was_exported_is_left_as_it_was(make: Make) -> None:
    classifier = make(Preprocess(size=28, resize_to=28))
    before = classifier.scores([noise(30, 30)])
    exported(classifier)
    np.testing.assert_array_equal(classifier.scores([noise(30, 30)]), before)
    assert not classifier.network.training
