"""A network and its preprocessing as a torch.export program, in a .pt2 file: the same answers, without this package."""

import copy
import io
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from alexnet.export.certificate import Pixels, Scores
from alexnet.export.names import CERTIFICATE, SAMPLES
from alexnet.models.network import AlexNet, probabilities
from alexnet.preprocess import GREY_OF_65536, Preprocess


class Program(nn.Module):
    """Pictures of one size, uint8 (N, H, W, 3), to probabilities, float32 (N, classes)."""

    def __init__(self, network: AlexNet, preprocess: Preprocess) -> None:
        super().__init__()
        self.network = network
        self.preprocess = preprocess

    def forward(self, pictures: Tensor) -> Tensor:
        """Fit, cut the views, answer."""
        return probabilities(self.network, self.preprocess, self.fit(pictures))

    def fit(self, pictures: Tensor) -> Tensor:
        """As `Preprocess.fit`, in operations that can be traced for any height and width: (N, C, S, S)."""
        prepare = self.preprocess
        batch = pictures.permute(0, 3, 1, 2).contiguous()
        if prepare.channels == 1:
            red, green, blue = (batch[:, [at]].int() * weight for at, weight in enumerate(GREY_OF_65536))
            batch = ((red + green + blue + (1 << 15)) >> 16).to(torch.uint8)
        if prepare.resize == "crop":  # by index: a view would be traced with its strides, which depend on the picture
            height, width = pictures.shape[1:3]
            side = torch.sym_min(height, width)  # type: ignore[no-untyped-call]
            inside = torch.arange(side, device=pictures.device)
            batch = batch.index_select(2, inside + (height - side) // 2).index_select(3, inside + (width - side) // 2)
        square = (prepare.resize_to, prepare.resize_to)
        return F.interpolate(batch, square, mode="bilinear", antialias=True)


def traced(network: AlexNet, preprocess: Preprocess) -> ExportedProgram:
    """The program for any number of pictures of any size."""
    plain = copy.deepcopy(network)
    for parameter in plain.parameters():  # in memory as other programs expect them
        parameter.data = parameter.data.contiguous()
    example = torch.zeros(2, 48, 80, 3, dtype=torch.uint8)
    any_size = {"pictures": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC, 2: Dim.DYNAMIC}}
    with torch.no_grad():
        return torch.export.export(Program(plain, preprocess).eval(), (example,), dynamic_shapes=any_size)


def as_bytes(program: ExportedProgram, metadata: Mapping[str, str]) -> bytes:
    """The content of a .pt2 file; each entry of the metadata is an extra file in it."""
    file = io.BytesIO()
    torch.export.save(program, file, extra_files=dict(metadata))
    return file.getvalue()


class Session:
    """A program from the bytes of its file."""

    def __init__(self, data: bytes) -> None:
        """Errors: what torch raises for what is no program."""
        self.metadata = {CERTIFICATE: "", SAMPLES: ""}  # filled in by what follows
        self._module = torch.export.load(io.BytesIO(data), extra_files=self.metadata).module()

    def answer(self, pictures: Pixels) -> Scores:
        """Probabilities, float32 (N, classes), of pictures of one size, uint8 (N, H, W, 3)."""
        with torch.inference_mode():
            scores: Tensor = self._module(torch.from_numpy(np.ascontiguousarray(pictures)))
        return scores.numpy()
