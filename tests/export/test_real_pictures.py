"""Real photographs in all the forms that people have, from their bytes to the probabilities, ours and exported."""

import io
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet import predict
from alexnet.data import images
from alexnet.data.sources import open_source
from alexnet.experiment import train
from alexnet.export import certificate, exporting, verification
from alexnet.progress import Display
from tests.export.conftest import Pixels

QUIET = Display(quiet=True)
WRITTEN: tuple[exporting.Form, ...] = ("onnx", "torch")
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


def odd_pictures(data: Path, count: int) -> Iterator[Pixels]:
    """Of the flowers, evenly chosen, each form as often as the others."""
    source = open_source("flowers17", data_dir=data)
    chosen = itertools.islice(source.contents(), 0, None, len(source) // count)
    for number, content in enumerate(itertools.islice(chosen, count)):
        assert not isinstance(content, np.ndarray)
        image = Image.fromarray(images.read(content))
        yield images.read(in_form(image, FORMS[number % len(FORMS)], number))


@pytest.mark.real
@pytest.mark.fault("E18")
def test_two_hundred_real_pictures_are_answered_as_ours(real_data: Path, tmp_path: Path) -> None:
    run = train(
        "flowers17",
        model="notebook-mnist",
        imgsz=48,
        epochs=3,
        data_dir=real_data,
        project=tmp_path,
        device="cpu",
        amp=False,
        display=QUIET,
    )
    pictures = list(odd_pictures(real_data, 200))
    assert len(pictures) == 200
    assert len({picture.shape for picture in pictures}) > 150
    ours = predict.load(run.best, device="cpu").scores(pictures)
    for form in WRITTEN:
        made = exporting.export(str(run.path), form=form, data_dir=real_data, display=QUIET)
        assert made.certificate.pictures == "validation pictures of flowers17"
        session = verification.opened(made.written.read_bytes())
        theirs = certificate.one_by_one(session.answer, pictures)
        difference = certificate.compare(ours, theirs)
        assert difference.largest <= 1e-4
        assert difference.top1 == 1
