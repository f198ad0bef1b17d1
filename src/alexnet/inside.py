"""What happens inside a network on one picture: the maps of its convolutions, and where it looked.

A picture arrives as `Classifier.fit` leaves it, uint8 (S, S, C); what is shown is the network's centre view of it.
"""

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from alexnet.models.layers import MaxPool, ReLU, Tanh
from alexnet.models.network import AlexNet
from alexnet.models.placing import Placed
from alexnet.preprocess import Preprocess


@dataclass(frozen=True)
class Maps:
    """What one convolution makes of a picture, behind its activation and before its pooling."""

    name: str
    """The convolution's: conv1, conv2, ..."""
    values: NDArray[np.float32]
    """(maps, height, width)."""


@dataclass(frozen=True)
class Box:
    """A part of a picture, as shares of its width and height."""

    left: float
    top: float
    width: float
    height: float


class Inside:
    """Looks into a network. It has layers of its own around the same weights, so that what it hangs on them is not met
    by those who use the network at the same time."""

    def __init__(self, network: AlexNet, preprocess: Preprocess) -> None:
        self.preprocess = replace(preprocess, views=1)
        shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
        self._network = _Written(copy.deepcopy(network, shared))
        self._network.eval()
        self._device = next(network.parameters()).device

    def answer(self, fitted: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The logits of the centre view, float32 (classes,)."""
        with torch.inference_mode():
            logits: NDArray[np.float32] = self._network(self._view(fitted))[0].cpu().numpy()
        return logits

    def maps(self, fitted: NDArray[np.uint8]) -> list[Maps]:
        """The maps of every convolution, in their order."""
        kept: dict[str, Tensor] = {}
        with torch.inference_mode():
            self._network(self._view(fitted), kept)
        return [Maps(name, kept[layer][0].float().cpu().numpy()) for name, layer in self._network.seen.items()]

    def heat(self, fitted: NDArray[np.uint8], index: int) -> NDArray[np.float32]:
        """Where the network saw what speaks for the class `index`: 0 to 1 at the places of its last convolution,
        float32 (height, width); all 0 where nothing does.

        Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2.
        """
        name = list(self._network.seen.values())[-1]
        gradcam = LayerGradCam(self._network, self._network.get_submodule(f"layers.{name}"))
        found = gradcam.attribute(self._view(fitted), target=index, relu_attributions=True)
        heat: NDArray[np.float32] = found[0, 0].detach().float().cpu().numpy()
        highest = heat.max()
        return heat / highest if highest > 0 else heat

    def view(self, fitted: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels that the network sees, uint8 (size, size, C)."""
        margin = (self.preprocess.resize_to - self.preprocess.size) // 2
        end = margin + self.preprocess.size
        return fitted[margin:end, margin:end]

    def place(self, width: int, height: int) -> Box:
        """Which part of a picture of so many pixels the view shows."""
        share = self.preprocess.size / self.preprocess.resize_to
        across = down = share
        if self.preprocess.resize == "crop":
            across, down = share * min(1, height / width), share * min(1, width / height)
        return Box((1 - across) / 2, (1 - down) / 2, across, down)

    def _view(self, fitted: NDArray[np.uint8]) -> Tensor:
        stored = torch.from_numpy(fitted[None]).permute(0, 3, 1, 2).to(self._device)
        return self.preprocess.test_views(stored)[0]


class _Written(nn.Module):
    """A network that rectifies before it pools, so that whole rectified maps can be seen.

    The network itself pools first, which is cheaper; the two commute exactly (see `models.network`).
    """

    def __init__(self, network: AlexNet) -> None:
        super().__init__()
        order = _rectified_first(network.layers)
        self.layers = nn.ModuleDict({each.name: network.get_submodule(each.name) for each in order})
        self.seen = _seen(order)
        """The layer at which each convolution's maps are taken."""

    def forward(self, pictures: Tensor, kept: dict[str, Tensor] | None = None) -> Tensor:
        """Logits (N, classes) of views (N, C, size, size); what the layers gave is put into `kept`."""
        values = pictures
        for name, layer in self.layers.items():
            values = layer(values)
            if kept is not None:
                kept[name] = values
        return values


def _rectified_first(layers: list[Placed]) -> list[Placed]:
    order = list(layers)
    for index in range(len(order) - 1):
        if isinstance(order[index].layer, MaxPool) and isinstance(order[index + 1].layer, ReLU):
            order[index], order[index + 1] = order[index + 1], order[index]
    return order


def _seen(order: list[Placed]) -> dict[str, str]:
    """By convolution: its activation, or itself where it has none."""
    seen: dict[str, str] = {}
    for each in order:
        active = isinstance(each.layer, ReLU | Tanh)
        if each.stage.startswith("conv") and (each.name == each.stage or (active and seen[each.stage] == each.stage)):
            seen[each.stage] = each.name
    return seen
