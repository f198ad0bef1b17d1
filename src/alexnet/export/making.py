"""A classifier as the bytes of an exported file, compared with the classifier and certified."""

import importlib.metadata
from dataclasses import dataclass
from typing import Any

import numpy as np

import alexnet
from alexnet.dataset import Dataset
from alexnet.errors import ModelFileError
from alexnet.export import certificate, seal
from alexnet.export.certificate import Answer, Certificate, Pixels, Scores
from alexnet.export.compared import Compared
from alexnet.export.names import CERTIFICATE, SAMPLES
from alexnet.predict import Classifier
from alexnet.progress import Display

INT8_TOLERANCE = 0.02  # of a probability, between machines: what is left in float32 may be rounded to the next step


@dataclass(frozen=True)
class Order:
    """What is to be made of a classifier."""

    classifier: Classifier
    pictures: Compared
    """On which its answers are compared."""
    small: list[Pixels]
    """Pictures that go into the file."""
    licence: str
    """Of the weights; empty: nobody said."""
    display: Display

    def metadata(self) -> dict[str, str]:
        """What the card of the weights says, and the licence."""
        card = self.classifier.card
        return {
            **card.to_metadata(),
            "format": "alexnet-export-1",
            "preprocess_in_words": card.preprocess.in_words,
            "license": self.licence or "not stated",
        }


Made = tuple[bytes, Certificate]


def onnx(order: Order) -> Made:
    """An ONNX model in float32. Errors: ModelFileError when it answers otherwise than the classifier."""
    from alexnet.export import onnx_model, runtime

    classifier = order.classifier
    model = onnx_model.with_pictures(onnx_model.of_network(classifier.network), classifier.card).SerializeToString()
    proof = _compared(order, runtime.Session(model).answer)
    entries = _entries(order, proof, classifier.scores(order.small))
    return seal.sealed(model + onnx_model.as_bytes(entries)), proof


def onnx_int8(order: Order, data: Dataset) -> Made:
    """An ONNX model in 8 bits. Its samples hold its own answers. Errors: ModelFileError when it loses too much."""
    from alexnet.export import onnx_model, quantised, runtime

    classifier = order.classifier
    network = quantised.quantise(onnx_model.of_network(classifier.network), data)
    model = onnx_model.with_pictures(network, classifier.card).SerializeToString()
    answer = runtime.Session(model).answer
    judged = quantised.judge(lambda pictures: classifier.scores(list(pictures)), answer, data, order.display)
    judged.refuse_loss()
    proof = _compared(order, answer, judged.figures())
    entries = _entries(order, proof, certificate.one_by_one(answer, order.small))
    return seal.sealed(model + onnx_model.as_bytes(entries)), proof


def torch_program(order: Order) -> Made:
    """A .pt2 file. Errors: ModelFileError when it answers otherwise than the classifier."""
    from alexnet.export import program

    classifier = order.classifier
    traced = program.traced(classifier.network, classifier.card.preprocess)
    session = program.Session(program.as_bytes(traced, {}))
    proof = _compared(order, session.answer)
    entries = _entries(order, proof, classifier.scores(order.small))
    return seal.sealed(program.as_bytes(traced, entries)), proof


def _compared(order: Order, answer: Answer, accuracy: dict[str, Any] | None = None) -> Certificate:
    """The certificate; `accuracy` is given where the answers need not be equal."""
    pictures = order.pictures.pictures
    both = []
    with order.display.bar("comparing", len(pictures)) as bar:
        for pixels in pictures:
            both.append((order.classifier.scores([pixels]), answer(pixels[None])))
            bar.advance()
    ours, theirs = (np.concatenate(side) for side in zip(*both, strict=True))
    difference = certificate.compare(ours, theirs)
    if accuracy is None and not difference.largest <= certificate.TOLERANCE:
        raise ModelFileError(
            f"not kept: the exported model's probabilities differ from ours by up to {difference.largest:.2g}, "
            f"{certificate.TOLERANCE:g} is allowed. Please report this, with what 'pip list' says"
        )
    return Certificate(
        compared=len(pictures),
        pictures=order.pictures.origin,
        largest_difference=difference.largest,
        top1_agreement=difference.top1,
        tolerance=certificate.TOLERANCE if accuracy is None else INT8_TOLERANCE,
        made_with={"alexnet": alexnet.__version__, **_versions("torch", "onnx", "onnxruntime")},
        accuracy=accuracy or {},
    )


def _entries(order: Order, proof: Certificate, answers: Scores) -> dict[str, str]:
    """All metadata of a file; `answers` are those to the small pictures."""
    kept = [certificate.sample(pixels, row) for pixels, row in zip(order.small, answers, strict=True)]
    return {**order.metadata(), CERTIFICATE: proof.to_json(), SAMPLES: certificate.samples_to_json(kept)}


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a program for torch needs no onnx
    return found
