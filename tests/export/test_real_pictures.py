"""Real photographs in all the forms that people have, from their bytes to the probabilities: ours, exported, served."""

import io
import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from huggingface_hub import InferenceClient
from PIL import Image

from alexnet import predict
from alexnet.data import images
from alexnet.data.sources import open_source
from alexnet.experiment import train
from alexnet.export import certificate, exporting, verification
from alexnet.progress import Display
from alexnet.run import Run
from tests.serve.conftest import Process

QUIET = Display(quiet=True)
WRITTEN: dict[exporting.Form, int] = {"onnx": 200, "torch": 40}  # and how many pictures are put to it
INPUTS = ["pictures", "pixels", "tensor"]
FORMS = ("as it is", "grey", "CMYK", "turned", "palette", "RGBA", "one pixel wide", "panorama", "tiny", "large")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def in_form(image: Image.Image, form: str, number: int) -> bytes:  # noqa: PLR0911
    """A photograph in one of `FORMS`, cut to a size that comes from its number."""
    width, height = image.size
    image = image.crop((0, 0, width - 7 * number % 97, height - 11 * number % 89))
    match form:
        case "grey":
            return saved(image.convert("L"), "JPEG")
        case "CMYK":
            return saved(image.convert("CMYK"), "JPEG")
        case "turned":
            exif = Image.Exif()
            exif[0x0112] = 1 + number % 8
            return saved(image, "JPEG", exif=exif)
        case "palette":
            return saved(image.convert("P", palette=Image.Palette.ADAPTIVE), "PNG")
        case "RGBA":
            image.putalpha(image.convert("L"))
            return saved(image, "PNG", compress_level=1)
        case "one pixel wide":
            return saved(image.crop((9, 0, 10, image.height) if number % 2 else (0, 9, image.width, 10)), "PNG")
        case "panorama":
            return saved(image.resize((1800 + number, 120)), "JPEG")
        case "tiny":
            return saved(image.resize((2 + number % 17, 3 + number % 13)), "PNG")
        case "large":
            return saved(image.resize((1500 + 3 * number, 1100 + number)), "JPEG")
    return saved(image, "JPEG")


def odd_pictures(data: Path, count: int) -> Iterator[bytes]:
    """Of the flowers, evenly chosen, each form as often as the others."""
    source = open_source("flowers17", data_dir=data)
    chosen = itertools.islice(source.contents(), 0, None, len(source) // count)
    for number, content in enumerate(itertools.islice(chosen, count)):
        assert not isinstance(content, np.ndarray)
        image = Image.fromarray(images.read(content))
        yield in_form(image, FORMS[number % len(FORMS)], number)


@pytest.fixture(scope="module")
def flowers_run(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small network that has seen the flowers for three epochs."""
    return train(
        "flowers17",
        model="notebook-mnist",
        imgsz=48,
        epochs=3,
        data_dir=real_data,
        project=tmp_path_factory.mktemp("flowers"),
        name="flowers",
        device="cpu",
        amp=False,
        display=QUIET,
    )


@pytest.mark.real
@pytest.mark.fault("E18")
def test_two_hundred_real_pictures_are_answered_as_ours(real_data: Path, flowers_run: Run) -> None:
    pictures = [images.read(content) for content in odd_pictures(real_data, 200)]
    assert len(pictures) == 200
    assert len({picture.shape for picture in pictures}) > 150
    ours = predict.load(flowers_run.best, device="cpu").scores(pictures)
    for form, count in WRITTEN.items():
        made = exporting.export(str(flowers_run.path), form=form, data_dir=real_data, display=QUIET)
        assert made.certificate.pictures == "validation pictures of flowers17"
        session = verification.opened(made.written.read_bytes())
        theirs = certificate.one_by_one(session.answer, pictures[:count])
        difference = certificate.compare(ours[:count], theirs)
        assert difference.largest <= 1e-4
        assert difference.top1 == 1


@pytest.mark.real
@pytest.mark.fault("E19")
def test_other_peoples_clients_get_our_answers_to_real_pictures(
    real_data: Path, flowers_run: Run, tmp_path: Path
) -> None:
    """curl, Hugging Face's client and Triton's, unchanged, against `alexnet serve`."""
    classifier = predict.load(flowers_run.best, device="cpu")
    server = Process(flowers_run.path)
    try:
        hub = InferenceClient(model=f"{server.url}/huggingface")
        client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
        assert client.is_server_ready()
        assert client.is_model_ready("flowers")
        assert [each["name"] for each in client.get_model_metadata("flowers")["inputs"]] == INPUTS
        contents = list(odd_pictures(real_data, 20))
        for content in contents:
            expected = classifier.predict(content)
            labels, scores = ([each[key] for each in expected] for key in ("label", "score"))
            asked = ["curl", "--silent", "--fail", "--data-binary", "@-", f"{server.url}/predict"]
            curl = json.loads(subprocess.run(asked, input=content, capture_output=True, check=True).stdout)
            assert [each["label"] for each in curl["predictions"]] == labels
            np.testing.assert_allclose([each["score"] for each in curl["predictions"]], scores, atol=1e-4)
            for answers in (hub.image_classification(content, top_k=5), hub.image_classification(content)[:5]):
                assert [each.label for each in answers] == labels
                np.testing.assert_allclose([each.score for each in answers], scores, atol=1e-4)
        tensor = triton.InferInput("pictures", [len(contents)], "BYTES")
        tensor.set_data_from_numpy(np.array(contents, dtype=object))
        best_three = triton.InferRequestedOutput("scores", class_count=3)
        told = client.infer("flowers", [tensor], outputs=[best_three]).as_numpy("scores")
        for line, content in zip(told, contents, strict=True):
            expected = classifier.predict(content, topk=3)
            parts = [each.decode().split(":") for each in line]
            assert [part[2] for part in parts] == [each["label"] for each in expected]
            scores = [each["score"] for each in expected]
            np.testing.assert_allclose([float(part[0]) for part in parts], scores, atol=1e-4)
    finally:
        server.end()
