import json

import numpy as np
import onnx
import pytest
import torch

from alexnet.export import certificate, onnx_model, runtime
from alexnet.predict import Classifier
from alexnet.preprocess import Preprocess
from tests.export.conftest import Make, Pixels, noise

MEAN, STD = (0.4, 0.45, 0.5), (0.2, 0.25, 0.3)
WAYS = {
    "squashed": Preprocess(size=32, resize_to=32, mean=MEAN, std=STD),
    "squashed, margin": Preprocess(size=32, resize_to=37, mean=(0.5,), std=(0.1,)),
    "cropped": Preprocess(size=32, resize_to=32, resize="crop", mean=MEAN, std=STD),
    "mirrored": Preprocess(size=32, resize_to=36, resize="crop", views=2, mean=MEAN, std=STD),
    "ten views": Preprocess(size=32, resize_to=41, views=10, mean=MEAN, std=STD),
    "ten equal views": Preprocess(size=32, resize_to=32, views=10, mean=(0.1,)),
    "grey": Preprocess(size=28, resize_to=28, channels=1),
    "grey, ten views": Preprocess(size=28, resize_to=32, channels=1, resize="crop", views=10, mean=(0.3,), std=(0.2,)),
}
SHAPES = [(32, 32), (28, 28), (100, 75), (33, 64), (64, 33), (1, 1), (1, 300), (300, 1), (7, 9), (12, 600), (401, 399)]


def exported(classifier: Classifier) -> runtime.Session:
    model = onnx_model.with_pictures(onnx_model.of_network(classifier.network), classifier.card)
    return runtime.Session(model.SerializeToString())


def batch_of(count: int, height: int = 40, width: int = 60) -> Pixels:
    return np.stack([noise(height, width, seed) for seed in range(count)])


@pytest.mark.parametrize("way", WAYS)
def test_raw_pictures_of_any_size_are_answered_as_ours(make: Make, way: str) -> None:
    classifier = make(WAYS[way])
    session = exported(classifier)
    pictures = [noise(*shape, seed=place) for place, shape in enumerate(SHAPES)]
    ours = classifier.scores(pictures)
    theirs = np.concatenate([session.answer(pixels[None]) for pixels in pictures])
    assert ours.max(axis=1).max() - ours.max(axis=1).min() > 0.1  # the answers tell pictures apart
    np.testing.assert_allclose(
        theirs, ours, rtol=0, atol=certificate.TOLERANCE
    )  # a grey level may be rounded otherwise


@pytest.mark.parametrize("way", WAYS)
def test_pictures_that_need_no_resizing_are_answered_to_the_last_digits(make: Make, way: str) -> None:
    classifier = make(WAYS[way])
    pictures = batch_of(20, WAYS[way].resize_to, WAYS[way].resize_to)
    theirs = exported(classifier).answer(pictures)
    np.testing.assert_allclose(theirs, classifier.scores(list(pictures)), rtol=0, atol=2e-6)


@pytest.mark.fault("E18")
@pytest.mark.parametrize("count", [1, 7, 64])
@pytest.mark.parametrize("way", ["squashed, margin", "ten views"])
def test_batches_are_answered_as_one_by_one(make: Make, way: str, count: int) -> None:
    classifier = make(WAYS[way])
    pictures = batch_of(count)
    theirs = exported(classifier).answer(pictures)
    assert theirs.shape == (count, 5)
    np.testing.assert_allclose(theirs, classifier.scores(list(pictures)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("way", ["squashed", "mirrored", "ten views", "grey"])
def test_ready_tensors_are_the_other_way_in(make: Make, way: str) -> None:
    classifier = make(WAYS[way])
    session, prepare = exported(classifier), WAYS[way]
    pictures = batch_of(3)
    stored = torch.from_numpy(prepare.fit_all(pictures)).permute(0, 3, 1, 2)
    tensors = prepare.test_views(stored)[0].contiguous()
    with torch.inference_mode():
        ours = classifier.network(tensors).softmax(dim=1).numpy()
    np.testing.assert_allclose(session.answer_tensors(tensors.numpy()), ours, rtol=0, atol=1e-5)
    both = session._session.run(None, {"pictures": pictures[:2], "tensors": tensors.numpy()})[0]
    np.testing.assert_allclose(both, np.concatenate([classifier.scores(list(pictures[:2])), ours]), rtol=0, atol=1e-5)


def test_nothing_is_answered_with_nothing(make: Make) -> None:
    for way in ("squashed", "ten views"):
        assert exported(make(WAYS[way])).answer(np.zeros((0, 5, 5, 3), np.uint8)).shape == (0, 5)


def test_what_the_file_tells_other_programs(make: Make) -> None:
    classifier = make(WAYS["ten views"])
    model = onnx_model.with_pictures(onnx_model.of_network(classifier.network), classifier.card)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == onnx_model.OPSET
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    session = runtime.Session(model.SerializeToString())._session
    assert [(each.name, each.shape[-1], each.type) for each in session.get_inputs()] == [
        ("pictures", 3, "tensor(uint8)")
    ]
    assert [each.name for each in session.get_overridable_initializers()] == ["tensors"]
    assert [(each.name, each.shape) for each in session.get_outputs()] == [("probabilities", ["answers", 5])]
    names = [node.name for node in model.graph.node]
    assert all(names)
    assert len(names) == len(set(names))


def test_metadata_may_be_written_behind_a_model(make: Make) -> None:
    classifier = make(WAYS["grey"])
    model = onnx_model.with_pictures(onnx_model.of_network(classifier.network), classifier.card).SerializeToString()
    said = {**classifier.card.to_metadata(), "license": "CC0"}
    session = runtime.Session(model + onnx_model.as_bytes(said))
    assert session.metadata == said
    assert json.loads(session.metadata["classes"]) == list("abcde")
    np.testing.assert_array_equal(session.answer(batch_of(2)), runtime.Session(model).answer(batch_of(2)))
