"""Weights of others, in and out: PyTorch, Caffe, caffe-tensorflow, Keras. The one door to weights of any kind.

Nothing that a file says is ever run: pickles are read by readers that know tensors and numbers only, Keras's
configurations are compared as text.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from alexnet import weights
from alexnet.errors import ModelFileError, UsageError
from alexnet.models import variants
from alexnet.models.foreign import caffe, keras_read, known, memory, npy, sniff, torch_files
from alexnet.models.foreign.match import Matched, match
from alexnet.models.foreign.pieces import Found
from alexnet.models.network import AlexNet
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.weights import Card

__all__ = ["Matched", "is_weights", "load_card", "locate", "read"]

_READERS: dict[sniff.Kind, Callable[[Path], list[Found]]] = {
    "torch": torch_files.read,
    "safetensors": torch_files.read_safetensors,
    "caffe": caffe.read,
    "npy": npy.read,
    "hdf5": keras_read.read_h5,
    "keras": keras_read.read_keras,
}


def locate(given: str | Path, display: Display | None = None) -> Path:
    """The file of weights that a person means: published ones by name ('torchvision', downloaded when first used), a
    file, the best weights of a run, or 'last'.

    Errors: UsageError when there is no such run; ModelFileError when there is no such file, or it is damaged.
    """
    if str(given) in known.KNOWN:
        return known.locate(str(given), display or Display(sys.stderr))
    return Path(given) if is_weights(given) else Run.find(given).best


def is_weights(given: str | Path) -> bool:
    """Whether a file of weights is meant, by name or path, and not a run."""
    path = Path(given)
    if str(given) == "last":
        return False
    named = path.suffix.lower() in sniff.SUFFIXES and not path.is_dir()  # if only to say that there is none
    return str(given) in known.KNOWN or path.is_file() or named


def read(file: Path, model: str | None = None) -> Matched:
    """Weights of any kind under our names, with their card, and what was decided on the way.

    `model` says which variant they are where several have equal shapes; weights of this program know it themselves.

    Errors: ModelFileError when the file is damaged, of no known kind, or does not fit; UsageError for an unknown model.
    """
    kind = sniff.kind(file)
    if kind != "ours":
        return match(file, _readings(file, kind), model)
    state, card = weights.load(file)
    if model not in (None, card.variant):
        raise ModelFileError(f"{file} holds {card.variant}, not {model}: use --model {card.variant}")
    _refuse_lies(file, state, card)
    return Matched(state, card, "weights of this program", own=True)


def load_card(file: Path, model: str | None = None) -> Card:
    """The card alone. Errors: as `read`."""
    return weights.load_card(file) if sniff.kind(file) == "ours" else read(file, model).card


def _readings(file: Path, kind: sniff.Kind) -> list[Found]:
    try:
        with memory.bounded(file):
            return _READERS[kind](file)
    except MemoryError as error:
        size = file.stat().st_size
        raise ModelFileError(
            f"{file} takes far more memory than its {size:,} bytes explain, or there is: not read"
        ) from error


def _refuse_lies(file: Path, state: dict[str, Tensor], card: Card) -> None:
    """Errors: ModelFileError when the tensors are not those of the card's network, or no finite numbers."""
    prepare = card.preprocess
    try:
        with torch.device("meta"):
            shape = (prepare.channels, prepare.size, prepare.size)
            network = AlexNet(variants.find(card.variant), len(card.classes), shape)
    except UsageError as error:
        raise ModelFileError(f"{file} cannot be used by this version: {error}") from error
    network.refuse_misfits(state, file)
    for name, tensor in state.items():
        if tensor.dtype not in (torch.float32, torch.int64):
            raise ModelFileError(f"{file}: {name} holds {tensor.dtype}, float32 is expected")
        if not bool(tensor.isfinite().all()):
            raise ModelFileError(f"{file}: {name} holds NaN or infinity: the file is damaged or diverged")
