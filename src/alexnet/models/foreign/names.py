"""What PyTorch checkpoints call AlexNet's layers: the conventions in use, and which one a table of tensors follows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from alexnet.models.foreign.pieces import Found, Kind, Piece

ROLES = ("weight", "bias", "running_mean", "running_var")
IGNORED = ("num_batches_tracked",)


@dataclass(frozen=True)
class Convention:
    """Module names in the order of the network, and the variants that are saved under them."""

    name: str
    modules: tuple[str, ...]
    variants: tuple[str, ...]


TORCHVISION = Convention(
    "torchvision's",
    (*(f"features.{index}" for index in (0, 3, 6, 8, 10)), *(f"classifier.{index}" for index in (1, 4, 6))),
    ("torchvision",),
)
"""pytorch/vision, torchvision/models/alexnet.py"""

CONVENTIONS = (
    TORCHVISION,
    Convention(
        "dansuh17's",  # dansuh17/alexnet-pytorch, model.py
        (*(f"net.{index}" for index in (0, 4, 8, 10, 12)), *(f"classifier.{index}" for index in (1, 4, 6))),
        ("ungrouped",),
    ),
    Convention(
        "pytorchcv's",  # osmr/imgclsmob, pytorch/pytorchcv/models/alexnet.py: alexnet and alexnetb
        (
            *(f"features.stage{stage}.unit{unit}.conv" for stage, unit in ((1, 1), (2, 1), (3, 1), (3, 2), (3, 3))),
            *("output.fc1.fc", "output.fc2.fc", "output.fc3"),
        ),
        ("ungrouped", "torchvision"),
    ),
)

MOST = 4  # places in one table where a network may begin
OURS = "conv1"
"""A table that has this module may be one of ours."""
PUBLISHED = ("torchvision", "bvlc", "ungrouped", "owt-bn", "cvgj")
"""Of variants with equal shapes, the one whose weights people have comes first."""


def readings(tables: Mapping[str, Mapping[str, Tensor]], all_variants: tuple[str, ...]) -> list[Found]:
    """Every way to read the tables of a checkpoint, the likeliest first; the last takes modules as they come."""
    found: list[Found] = []
    for table in tables.values():
        for convention in CONVENTIONS:
            for prefix in _prefixes(table, convention.modules[0]):
                pieces = _in_order(_below(table, prefix), convention.modules)
                found.append(Found(_form(convention.name, prefix), pieces, convention.variants))
        for prefix in _prefixes(table, OURS):
            order = (*PUBLISHED, *(name for name in all_variants if name not in PUBLISHED))
            pieces = tuple(_pieces(_below(table, prefix)))
            found.append(Found(_form("this program's", prefix), pieces, order, named=True))
    for table in tables.values():
        some = ", ".join(list(table)[:3])
        reason = f"its tensors are called {some}, ...: none of the names known here"
        found.append(Found("PyTorch checkpoint", tuple(_pieces(table)), reason=reason))
    found.sort(key=_completeness, reverse=True)
    return found


def _completeness(found: Found) -> tuple[bool, int]:
    """A known convention before none, and the fuller table before one of which only a layer's name agrees."""
    return bool(found.candidates), min(len(found.pieces), 8)


def _form(names: str, prefix: str) -> str:
    behind = f" behind {prefix!r}" if prefix else ""
    return f"PyTorch checkpoint with {names} names{behind}"


def _prefixes(table: Mapping[str, Tensor], module: str) -> list[str]:
    """What stands before `module`.weight in the table: nothing, `module.`, `model.`, `net.backbone.`, ..."""
    key = f"{module}.weight"
    return [name.removesuffix(key) for name in table if name == key or name.endswith(f".{key}")][:MOST]


def _below(table: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in table.items() if name.startswith(prefix)}


def _in_order(table: Mapping[str, Tensor], modules: tuple[str, ...]) -> tuple[Piece, ...]:
    """The pieces of the convention in its order, and whatever else there is behind them."""
    pieces = {piece.name: piece for piece in _pieces(table)}
    known = [pieces.pop(module) for module in modules if module in pieces]
    return (*known, *pieces.values())


def _pieces(table: Mapping[str, Tensor]) -> Iterator[Piece]:
    """The tensors gathered by module, in the order of the table."""
    modules: dict[str, dict[str, Tensor]] = {}
    for name, tensor in table.items():
        module, _, role = name.rpartition(".")
        if role not in IGNORED:
            modules.setdefault(module, {})[role] = tensor
    for module, tensors in modules.items():
        names = {role: f"{module}.{role}".lstrip(".") for role in tensors}
        yield Piece(module, _kind(tensors), tensors, names)


def _kind(tensors: Mapping[str, Tensor]) -> Kind:
    weight = tensors.get("weight")
    if "running_mean" in tensors or weight is None or weight.ndim < 2:
        return "bn"
    return "conv" if weight.ndim > 2 else "fc"
