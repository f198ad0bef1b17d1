"""Weights on disk: safetensors with a card that says what they are, and config.json beside them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from alexnet import durable
from alexnet.errors import ModelFileError
from alexnet.preprocess import Preprocess

FORMAT = "alexnet-weights-1"


@dataclass(frozen=True)
class Card:
    """All that is needed to use weights: the variant, its classes, and how pictures are prepared for it."""

    variant: str
    classes: tuple[str, ...]
    preprocess: Preprocess
    recipe: str = ""
    measured: dict[str, Any] = field(default_factory=dict)
    """What was measured with these weights: epoch, split, accuracy_top1, loss, ..."""

    def to_metadata(self) -> dict[str, str]:
        """As safetensors wants it: strings to strings; structures as JSON."""
        return {
            "format": FORMAT,
            "variant": self.variant,
            "classes": json.dumps(self.classes),
            "preprocess": json.dumps({**self.preprocess.to_dict(), "channel_order": self.channel_order}),
            "recipe": self.recipe,
            "measured": json.dumps(self.measured),
        }

    @property
    def channel_order(self) -> str:
        """The order of colours that the network expects."""
        return "RGB" if self.preprocess.channels == 3 else "grey"

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "Card":
        """Back from a file. Errors: KeyError, ValueError or TypeError where something is missing or odd."""
        if metadata["format"] != FORMAT:
            raise ValueError(f"format {metadata['format']!r}, this version reads {FORMAT!r}")
        preprocess = json.loads(metadata["preprocess"])
        preprocess.pop("channel_order", None)
        classes = json.loads(metadata["classes"])
        named = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
        if not named or not classes or len(set(classes)) < len(classes):
            raise ValueError("the class names are no list of different names")
        return cls(
            variant=metadata["variant"],
            classes=tuple(classes),
            preprocess=Preprocess.from_dict(preprocess),
            recipe=metadata["recipe"],
            measured=json.loads(metadata["measured"], parse_constant=_refuse_constant),
        )

    def to_config(self) -> dict[str, Any]:
        """The content of config.json, with the class names as model hubs spell them."""
        return {
            "architecture": "alexnet",
            "variant": self.variant,
            "num_classes": len(self.classes),
            "id2label": {str(index): name for index, name in enumerate(self.classes)},
            "label2id": {name: index for index, name in enumerate(self.classes)},
            "preprocess": {**self.preprocess.to_dict(), "channel_order": self.channel_order},
            "recipe": self.recipe,
            "measured": self.measured,
        }


def _refuse_constant(name: str) -> None:
    """Errors: ValueError for NaN and infinities, which Python reads where JSON has none; nothing measured is one."""
    raise ValueError(f"something measured is {name}")


def save(path: Path, state: Mapping[str, Tensor], card: Card, *, config: bool = True) -> None:
    """Write weights in one step; beside a run's best ones, config.json says the same for other programs (unless
    `config` is False, since it stands there for other weights).

    Errors: ResourceError when the disk is full; what was there before stays.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    pieces = _in_one_order(safetensors.torch.save(tensors, metadata=card.to_metadata()))
    durable.write(path, lambda file: file.writelines(pieces))
    if config and path.stem != "last":
        durable.write_json(path.with_name("config.json"), card.to_config())


def _in_one_order(data: bytes) -> tuple[bytes | memoryview, ...]:
    """The same file with its header sorted: the library writes metadata in a new order each time, and equal weights
    should be equal files."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    text = header.encode("utf-8")
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little"), text, memoryview(data)[8 + length :]


def load(path: Path) -> tuple[dict[str, Tensor], Card]:
    """Read weights and their card; nothing in the file is ever run.

    Errors: ModelFileError when the file is missing, damaged or not ours.
    """
    with _opened(path) as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return state, _card(path, file.metadata())


def load_card(path: Path) -> Card:
    """The card alone. Errors: ModelFileError as for `load`."""
    with _opened(path) as file:
        return _card(path, file.metadata())


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise ModelFileError(f"no weights file at {path}: give a run directory, a .safetensors file or 'last'")
    try:
        path.open("rb").close()
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from error
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            yield file
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is damaged or no safetensors file ({error}). Train again or restore it"
        ) from error


def _card(path: Path, metadata: Mapping[str, str] | None) -> Card:
    try:
        return Card.from_metadata(metadata or {})
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(
            f"{path} holds tensors but not this program's description of them ({error}). "
            "Only weights written by 'alexnet train' can be used"
        ) from error
