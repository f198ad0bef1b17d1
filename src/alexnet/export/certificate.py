"""The certificate that travels in an exported file: how it was compared, and small pictures with their answers.

Whoever has the file can repeat the comparison; nothing else is needed.
"""

import base64
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexnet.data import images

Pixels = NDArray[np.uint8]
Scores = NDArray[np.float32]
Answer = Callable[[Pixels], Scores]
"""Pictures of one size, uint8 (N, H, W, 3), to probabilities, float32 (N, classes)."""

TOLERANCE = 1e-4  # of a probability, between ours and the exported model
SAMPLES = 8
_LARGE = 2  # of the samples; the others are small, so that the file stays so
_SMALL_SIDE = 96  # pixels


@dataclass(frozen=True)
class Difference:
    """Two ways to the same answers, compared."""

    largest: float
    """Of all probabilities of all pictures."""
    top1: float
    """The share of pictures for which both name the same class first."""


@dataclass(frozen=True)
class Certificate:
    """What was compared when the file was made."""

    compared: int
    """Pictures that both answered."""
    pictures: str
    """Where they came from."""
    largest_difference: float
    top1_agreement: float
    tolerance: float
    """How far the answers to the samples may be from those in the file."""
    made_with: dict[str, str]
    """Versions of what took part."""
    accuracy: dict[str, Any] = field(default_factory=dict)
    """Of a model in 8 bits: on how many validation pictures it was judged, top-1 in float32 and in int8."""

    def to_json(self) -> str:
        """For metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Certificate":
        """Back from metadata. Errors: ValueError, TypeError or KeyError where something is missing or odd."""
        read = cls(**json.loads(text))
        if not 0 < float(read.tolerance) < 1:
            raise ValueError(f"a tolerance of {read.tolerance}")
        return read


@dataclass(frozen=True)
class Sample:
    """A picture and the answer that the file must give to it."""

    png: bytes
    probabilities: tuple[float, ...]

    @property
    def pixels(self) -> Pixels:
        """uint8 (H, W, 3). Errors: DataError when it cannot be read."""
        return images.read(self.png, "a picture in the certificate")


def compare(ours: Scores, theirs: Scores) -> Difference:
    """Probabilities (N, classes) of the same pictures."""
    same = ours.argmax(axis=1) == theirs.argmax(axis=1)
    largest = np.abs(ours.astype(np.float64) - theirs).max(initial=0)
    return Difference(float(largest) if np.isfinite(theirs).all() else float("inf"), float(same.mean()))


def one_by_one(answer: Answer, pictures: Sequence[Pixels]) -> Scores:
    """Answers to pictures of different sizes, (N, classes)."""
    return np.concatenate([answer(pixels[None]) for pixels in pictures])


def samples(pictures: Sequence[Pixels], square: int) -> list[Pixels]:
    """Eight of the pictures, made small, two of them still larger than the stored `square`: shrinking is tried too."""
    chosen = np.linspace(0, len(pictures) - 1, SAMPLES).astype(int)
    sides = [square * 3 // 2] * _LARGE + [_SMALL_SIDE] * (SAMPLES - _LARGE)
    return [_at_most(pictures[index], side) for index, side in zip(chosen, sides, strict=True)]


def sample(pixels: Pixels, probabilities: Scores) -> Sample:
    """A picture as PNG, which loses nothing, with its answer (classes,)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return Sample(file.getvalue(), tuple(round(float(value), 8) for value in probabilities))


def samples_to_json(kept: Sequence[Sample]) -> str:
    """For metadata."""
    return json.dumps(
        [{"png": base64.b64encode(each.png).decode(), "probabilities": each.probabilities} for each in kept]
    )


def samples_from_json(text: str) -> list[Sample]:
    """Back from metadata. Errors: ValueError, TypeError or KeyError where something is missing or odd."""
    kept = [
        Sample(base64.b64decode(each["png"], validate=True), tuple(float(value) for value in each["probabilities"]))
        for each in json.loads(text)
    ]
    if not kept:
        raise ValueError("no samples")
    return kept


def _at_most(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    if max(height, width) <= side:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.BILINEAR)
    return np.array(image)
