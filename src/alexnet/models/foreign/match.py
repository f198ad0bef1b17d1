"""Which variant a file's layers are: the first mismatch named, or the tensors under our names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from alexnet import imagenet
from alexnet.errors import ModelFileError, UsageError
from alexnet.models import variants
from alexnet.models.foreign.pieces import Found, Kind, Piece
from alexnet.models.layers import BatchNorm, Conv, Dense, Flatten, Shape
from alexnet.models.placing import Placed, place
from alexnet.models.variants import VARIANTS, Variant
from alexnet.preprocess import Preprocess
from alexnet.weights import Card


@dataclass(frozen=True)
class Matched:
    """Weights under our names, what they are, and what was decided on the way."""

    state: dict[str, Tensor]
    card: Card
    form: str
    notes: tuple[str, ...] = ()
    own: bool = False
    """Whether this program wrote them, so that nothing had to be decided."""

    def lines(self, file: Path) -> list[str]:
        """What was decided, for people; nothing for our own."""
        decided = f"{file}: {self.form}, taken as {self.card.variant}"
        return [] if self.own else [decided, *(f"note: {note}" for note in self.notes)]


@dataclass(frozen=True)
class _Need:
    """A layer with weights that a variant has: the shapes by role, in the order of a state dict."""

    name: str
    kind: Kind
    shapes: dict[str, Shape]


def match(file: Path, readings: Sequence[Found], model: str | None = None) -> Matched:
    """The first of several `readings` of a file that is one of the variants; with `model`, that variant only.

    Errors: ModelFileError naming the first tensor that does not fit; UsageError for an unknown `model`.
    """
    asked = variants.find(model) if model is not None else None
    for found in readings:
        allowed = [asked] if asked else [VARIANTS[name] for name in found.candidates]
        fitting = [variant for variant in allowed if _fault(found, variant) is None]
        if asked is None and found.named and len(fitting) > 1:
            fits = ", ".join(variant.name for variant in fitting)
            raise ModelFileError(
                f"{file} has this program's names and fits {fits}: say which it is, "
                f"alexnet convert {file} OUT.safetensors --model NAME"
            )
        if fitting:
            return _matched(file, found, fitting[0], _note(found, fitting[0]) if asked is None else "")
    found = readings[0]
    others = [variant.name for variant in VARIANTS.values() if _fault(found, variant) is None]
    hint = f". Its shapes are those of {', '.join(others)}: take one of them with --model" if others else ""
    if asked is None and not found.candidates:
        raise ModelFileError(f"{file}: {found.reason}{hint}")
    wanted = asked or max((VARIANTS[name] for name in found.candidates), key=lambda each: _agreement(found, each))
    raise ModelFileError(f"{file} ({found.form}) does not fit {wanted.name}: {_fault(found, wanted)}{hint}")


def _note(found: Found, chosen: Variant) -> str:
    """What was decided where the shapes alone leave a choice."""
    alike = [variant.name for variant in VARIANTS.values() if _fault(found, variant) is None]
    if len(alike) < 2:
        return found.reason
    return f"{found.reason}{'; ' if found.reason else ''}the shapes are also those of " + (
        f"{', '.join(name for name in alike if name != chosen.name)}: --model chooses another"
    )


def _fault(found: Found, variant: Variant) -> str | None:
    """The first thing in which a file and a variant differ, in words; None if they are one."""
    classes, shape = _sizes(found, variant)
    too_small = None
    try:
        layers = place(variant, classes, shape)
    except UsageError:
        too_small = f"its pictures of {shape[1]}×{shape[2]} pixels are too small"
        layers = place(variant, classes, (shape[0], *variant.input[1:]))  # what else is wrong says more
    for need, piece in _pairs(found, _needs(layers)):
        fault = _misfit(need, piece, variant, found.named)
        if fault:
            return fault
    return too_small or found.difference(variant, layers)


def _agreement(found: Found, variant: Variant) -> int:
    """How many layers fit before the first that does not: a file is likeliest what it resembles longest."""
    try:
        needs = _needs(place(variant, *_sizes(found, variant)))
    except UsageError:
        return -1
    pairs = _pairs(found, needs)
    return next((index for index, pair in enumerate(pairs) if _misfit(*pair, variant, found.named)), len(pairs))


def _misfit(need: _Need | None, piece: Piece | None, variant: Variant, named: bool) -> str | None:
    if need is None:
        assert piece is not None
        role, tensor = next(iter(piece.tensors.items()))
        return f"{piece.names[role]} is {tuple(tensor.shape)}, nothing is expected there"
    for role, wanted in need.shapes.items():
        where = f"{wanted} is expected ({need.name}.{role})"
        if piece is None or role not in piece.tensors:
            owner = f" in {piece.name}" if piece else ""
            return f"{need.name}.{role} is missing{owner}, {where}"
        given = tuple(piece.tensors[role].shape)
        if named and piece.name != need.name:
            return f"{piece.names[role]} is not where {variant.name} has {need.name}.{role}"
        if given != wanted:
            return f"{piece.names[role]} is {given}, {where}"
    assert piece is not None
    extra = next((role for role in piece.tensors if role not in need.shapes), None)
    return extra and f"{piece.names[extra]} is {tuple(piece.tensors[extra].shape)}, nothing is expected there"


def _pairs(found: Found, needs: list[_Need]) -> list[tuple[_Need | None, Piece | None]]:
    """The first convolution with the first one, and so on by kind; what is left over on either side comes last."""
    queues = {kind: [piece for piece in found.pieces if piece.kind == kind] for kind in ("conv", "fc", "bn")}
    pairs: list[tuple[_Need | None, Piece | None]] = []
    for need in needs:
        queue = queues[need.kind]
        pairs.append((need, queue.pop(0) if queue else None))
    return pairs + [(None, piece) for queue in queues.values() for piece in queue]


def _needs(layers: list[Placed]) -> list[_Need]:
    needs: list[_Need] = []
    for each in layers:
        channels, layer = each.input[0], each.layer
        if isinstance(layer, Conv):
            kernel = (each.output[0], channels // layer.groups, layer.kernel, layer.kernel)
            needs.append(_Need(each.name, "conv", {"weight": kernel, "bias": kernel[:1]}))
        elif isinstance(layer, Dense):
            needs.append(_Need(each.name, "fc", {"weight": (each.output[0], channels), "bias": each.output}))
        elif isinstance(layer, BatchNorm):
            roles = ("weight", "bias") if layer.affine else ()
            needs.append(_Need(each.name, "bn", dict.fromkeys((*roles, "running_mean", "running_var"), (channels,))))
    return needs


def _sizes(found: Found, variant: Variant) -> tuple[int, Shape]:
    """Classes and picture shape (C, H, W) that the file itself shows; what it does not show is the variant's."""
    kernels = [piece.tensors["weight"].shape for piece in found.pieces if piece.kind == "conv"]
    heads = [piece.tensors["weight"].shape for piece in found.pieces if piece.kind in ("conv", "fc")]
    last = sum(isinstance(layer, Conv | Dense) for stage in variant.stages.values() for layer in stage) - 1
    channels, side, _ = variant.input
    if kernels and len(kernels[0]) == 4 and kernels[0][1] in (1, 3):
        channels = kernels[0][1]
    classes = heads[last][0] if last < len(heads) and heads[last] else variant.classes
    side = found.size or side
    return max(classes, 1), (channels, side, side)


def _matched(file: Path, found: Found, variant: Variant, note: str) -> Matched:
    classes, shape = _sizes(found, variant)
    layers = place(variant, classes, shape)
    state: dict[str, Tensor] = {}
    for need, piece in _pairs(found, _needs(layers)):
        assert need is not None
        assert piece is not None
        for role in need.shapes:
            state[f"{need.name}.{role}"] = _checked(file, piece, role)
        if need.kind == "bn":
            state[f"{need.name}.num_batches_tracked"] = torch.tensor(0)
    if found.rows == "hwc":
        _turn_rows(state, layers)
    card = Card(variant.name, class_names(classes), _prepared(variant.preprocess, shape))
    return Matched(state, card, found.form, (note,) if note else ())


def _checked(file: Path, piece: Piece, role: str) -> Tensor:
    """A tensor in float32. Errors: ModelFileError when it holds anything but finite numbers."""
    tensor = piece.tensors[role]
    if not tensor.is_floating_point():
        raise ModelFileError(f"{file}: {piece.names[role]} holds {tensor.dtype} values, floating point is expected")
    try:
        plain = tensor.detach().to(torch.float32).contiguous()
    except RuntimeError as error:  # packed kinds of four bits
        raise ModelFileError(f"{file}: {piece.names[role]} holds {tensor.dtype}, which cannot be read") from error
    if not bool(plain.isfinite().all()):
        raise ModelFileError(f"{file}: {piece.names[role]} holds NaN or infinity: the file is damaged or diverged")
    return plain


def _turn_rows(state: dict[str, Tensor], layers: list[Placed]) -> None:
    """The first dense layer's inputs from H, W, C order to C, H, W."""
    flat = next((index for index, each in enumerate(layers) if isinstance(each.layer, Flatten)), None)
    dense = next((each for each in layers[flat:] if isinstance(each.layer, Dense)), None) if flat is not None else None
    if flat is None or dense is None:
        return
    channels, height, width = layers[flat].input
    key = f"{dense.name}.weight"
    rows = state[key].reshape(-1, height, width, channels)
    state[key] = rows.permute(0, 3, 1, 2).flatten(1).contiguous()


def class_names(count: int) -> tuple[str, ...]:
    """Names for `count` classes of which nothing is known: a thousand are ImageNet's, by WNID."""
    return tuple(imagenet.names().values()) if count == 1000 else tuple(str(index) for index in range(count))


def _prepared(source: Preprocess, shape: Shape) -> Preprocess:
    """The variant's way of preparing pictures, at the size and with the channels that the file shows."""
    channels, side, _ = shape
    resize_to = max(round(source.resize_to * side / source.size), side)
    mean, std = (
        values if len(values) in (1, channels) else (sum(values) / len(values),) for values in (source.mean, source.std)
    )
    return replace(source, size=side, resize_to=resize_to, channels=channels, mean=mean, std=std)
