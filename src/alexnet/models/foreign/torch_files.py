"""PyTorch checkpoints in and out: zip archives and the older plain pickles, read with weights alone allowed."""

import io
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from alexnet import durable
from alexnet.errors import ModelFileError
from alexnet.models.foreign import archives, names
from alexnet.models.foreign.pieces import Found
from alexnet.models.variants import VARIANTS

WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net", "weights", "params")
"""What checkpoints keep their weights under, the likeliest first; an optimizer's state stays where it is."""
DEEPEST, MOST_TABLES, LONGEST_NAME = 3, 100, 200
CODECS = (b"punycode", b"idna")
"""Encodings that need the square of a text's length; PyTorch's reader would apply any."""
MAKERS = (b"bytearray", b"ctorch\nTensor\n", b"torch\x94\x8c\x06Tensor")
"""What PyTorch's reader would call with any size that a file names; no state dict needs it."""


def read(path: Path) -> list[Found]:
    """What a checkpoint holds. Errors: ModelFileError when it is damaged, or asks for more than tensors."""
    return names.readings(_tables(path, _loaded(path)), tuple(VARIANTS))


def read_safetensors(path: Path) -> list[Found]:
    """The same of a safetensors file that is not ours. Errors: ModelFileError when it is damaged."""
    try:
        table = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: {error}") from error
    return names.readings(_tables(path, table), tuple(VARIANTS))


def write(path: Path, state: Mapping[str, Tensor], variant: str) -> str:
    """Write a state dict as a .pth; returns in words whose names it has.

    torchvision's network gets torchvision's names, in its order, so that torchvision loads it; others keep ours.
    """
    ours = variant != "torchvision"
    renamed = dict(state) if ours else torchvision_names(state)
    table = OrderedDict((name, tensor.detach().cpu().contiguous()) for name, tensor in renamed.items())
    whole = io.BytesIO()  # torch's own writer cannot say that a disk is full
    torch.save(table, whole)
    durable.write(path, lambda file: file.write(whole.getbuffer()))
    return "this program's names: torchvision has no such network" if ours else "torchvision's names"


def torchvision_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the variant `torchvision` under torchvision's names, in its order."""
    stages = list(dict.fromkeys(name.partition(".")[0] for name in state))
    modules = dict(zip(stages, names.TORCHVISION.modules, strict=True))
    return {f"{modules[name.partition('.')[0]]}.{name.partition('.')[2]}": tensor for name, tensor in state.items()}


def _loaded(path: Path) -> Any:  # noqa: ANN401 (whatever was saved)
    archive = archives.is_archive(path)
    program = _checked_archive(path) if archive else path.read_bytes()
    if maker := next((name for name in MAKERS if name in program), None):
        raise ModelFileError(
            f"{path} asks for {maker.decode().split()[-1]}, which reserves any memory it likes: nothing was run. "
            "Save the network's state_dict() alone and give that"
        )
    if b"_codecs" in program and (codec := next((name for name in CODECS if name in program), None)):
        raise ModelFileError(f"{path} asks for text as {codec.decode()}, which may take for ever: nothing was run")
    try:
        # what matters of warnings is said in one line below; a path that is no UTF-8 is none for PyTorch's reader
        with warnings.catch_warnings(action="ignore"), path.open("rb") as file:
            mapped = archive and str(path).isprintable()
            return torch.load(path if mapped else file, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a damaged or hostile file may end in any error of the language
        text = str(error)
        named = re.search(r"GLOBAL (\S+)", text)
        if named:
            raise ModelFileError(
                f"{path} asks for {named[1]}, which could be made to run: nothing was run. "
                "Save the network's state_dict() alone and give that"
            ) from error
        if "TorchScript" in text:
            raise ModelFileError(f"{path} is a TorchScript program: give the state_dict() it was made from") from error
        raise ModelFileError(f"{path} is damaged or no PyTorch checkpoint ({type(error).__name__})") from error


def _checked_archive(path: Path) -> bytes:
    """The pickle in an archive. PyTorch reads its members in place, so they must be stored as they are, and whole.

    Errors: ModelFileError when they are packed, damaged, or claim more bytes than the file has.
    """
    with archives.opened(path) as archive:
        members = archive.infolist()
        claimed = sum(member.file_size for member in members)
        if claimed > 2 * path.stat().st_size:
            raise ModelFileError(f"{path} claims to hold {claimed:,} bytes and has {path.stat().st_size:,}: not opened")
        numbers = (member for member in members if "/data/" in member.filename)
        if packed := next((member for member in numbers if member.compress_type != zipfile.ZIP_STORED), None):
            raise ModelFileError(
                f"{path} was compressed ({packed.filename}), which PyTorch cannot read: store it as it is"
            )
        if (damaged := archive.testzip()) is not None:
            raise ModelFileError(f"{path} is damaged: the checksum of {damaged} is wrong")
        pickles = [member for member in members if member.filename.endswith("data.pkl")]
        return b"".join(archive.read(member) for member in pickles)


def _tables(path: Path, content: object) -> dict[str, Mapping[str, Tensor]]:
    """Every mapping of names to tensors in a checkpoint, the likeliest first.

    Errors: ModelFileError when there is none.
    """
    tables: dict[str, Mapping[str, Tensor]] = {}
    _search(content, "", DEEPEST, tables, set())
    if not tables:
        raise ModelFileError(f"{path} holds no table of named tensors ({type(content).__name__}): give a state_dict()")
    room = path.stat().st_size
    for where, table in tables.items():
        claimed = sum(tensor.numel() * tensor.element_size() for tensor in table.values())
        if claimed > 2 * room:  # a few tied tensors are no harm
            named = f" under {where.rstrip('.')!r}" if where else ""
            raise ModelFileError(
                f"{path} shows {claimed:,} bytes of numbers{named} and has {room:,}: its tensors share what they hold"
            )
    return tables


def _search(content: object, where: str, depth: int, tables: dict[str, Mapping[str, Tensor]], seen: set[int]) -> None:
    if not isinstance(content, Mapping) or depth == 0 or id(content) in seen or len(tables) == MOST_TABLES:
        return
    seen.add(id(content))
    named = {key: value for key, value in content.items() if isinstance(key, str) and len(key) <= LONGEST_NAME}
    table = {key: value for key, value in named.items() if isinstance(value, Tensor) and _is_plain(value)}
    if table:
        tables[where] = table
    for key in sorted(named, key=lambda key: WRAPPERS.index(key) if key in WRAPPERS else len(WRAPPERS)):
        if key != "optimizer":
            _search(named[key], f"{where}{key}.", depth - 1, tables, seen)


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor's numbers are all there: not sparse, quantised, without data, or one number over and over."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_nested:
        return False
    return tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()
