"""The certificate of an exported file, checked again: only the file is needed, and what runs it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from alexnet.errors import ModelFileError
from alexnet.export import packages, seal
from alexnet.export.certificate import Certificate, Pixels, Sample, Scores, compare, samples_from_json
from alexnet.export.names import CERTIFICATE, SAMPLES


class Session(Protocol):
    """An exported model, ready to answer."""

    metadata: dict[str, str]

    def answer(self, pictures: Pixels) -> Scores:
        """Probabilities, float32 (N, classes), of pictures of one size, uint8 (N, H, W, 3)."""


@dataclass(frozen=True)
class Verified:
    """A file that answers as it says."""

    file: Path
    samples: int
    largest_difference: float
    """Between the answers and those in the file."""
    certificate: Certificate

    @property
    def line(self) -> str:
        """For people."""
        made = self.certificate
        return (
            f"{self.file} holds what it says: its {self.samples} pictures are answered within "
            f"{self.largest_difference:.1e} ({made.tolerance:g} is allowed); when it was made, {made.compared} were, "
            f"within {made.largest_difference:.1e}"
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": str(self.file),
            "samples": self.samples,
            "largest_difference": self.largest_difference,
            "tolerance": self.certificate.tolerance,
            "compared_when_made": self.certificate.compared,
            "largest_difference_when_made": self.certificate.largest_difference,
            "top1_agreement_when_made": self.certificate.top1_agreement,
        }


def verify(file: Path) -> Verified:
    """Whether nothing in the file has changed, and whether it still answers to its own pictures as it should.

    Errors: ModelFileError when the file is damaged, was changed or answers otherwise; UsageError when what runs it is
    not installed.
    """
    if not file.is_file():
        raise ModelFileError(f"no file at {file}: give a model.onnx or model.pt2 that 'alexnet export' has written")
    data = file.read_bytes()
    if not seal.is_intact(data):
        raise ModelFileError(
            f"{file} is damaged, was changed after its export, or comes from another program: the digest at its end is "
            "not that of the rest. Export it anew"
        )
    if not seal.is_zip(data):
        packages.require("onnxruntime")
    try:
        session = opened(data)
        certificate = Certificate.from_json(session.metadata[CERTIFICATE])
        samples = samples_from_json(session.metadata[SAMPLES])
        difference = compare(_expected(samples), _answers(session, samples))
    except MemoryError:
        raise
    except Exception as error:  # onnxruntime's errors have no base of their own
        what = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelFileError(f"{file} cannot be run or has no certificate: {what}. Export it anew") from error
    if not difference.largest <= certificate.tolerance:
        raise ModelFileError(
            f"{file} does not answer as its certificate says: probabilities differ by up to {difference.largest:.2g}, "
            f"{certificate.tolerance:g} is allowed. Its weights were changed, or what runs it computes otherwise"
        )
    return Verified(file, len(samples), difference.largest, certificate)


def opened(data: bytes) -> Session:
    """A model from its file's bytes. Errors: whatever onnxruntime or torch raise."""
    if seal.is_zip(data):
        from alexnet.export import program

        return program.Session(data)
    from alexnet.export import runtime

    return runtime.Session(data)


def _expected(samples: list[Sample]) -> Scores:
    return np.array([sample.probabilities for sample in samples], dtype=np.float32)


def _answers(session: Session, samples: list[Sample]) -> Scores:
    return np.concatenate([session.answer(sample.pixels[None]) for sample in samples])
