"""A trained network made ready to answer on a CPU: fewer passes over the maps, and weights packed once.

    conv → batch norm          one convolution, scaled                     equal but for rounding
    batch norm → conv or fc    one layer, where no padding lies between     equal but for rounding
    conv or fc → ReLU          ReLU inside the layer's own loop            equal
    conv, fc                   weights reordered once, not at each call    equal
    fc, for few pictures       no weights of inputs that are 0 (`dense`)   equal but for rounding
    fc                         weights in fp16, if asked for               within 1e-3 of the largest logit
    pixels no logit depends on left out (see `reach`)                      equal
    convolutions by tiles or strips (see `settled`)                        equal but for rounding

Most calls are oneDNN's as PyTorch's own compiler makes them when it freezes a network (torch/_inductor/fx_passes,
mkldnn_fusion.py); without a compiler at hand they are made here by themselves.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from alexnet.device import Precision, choose_precision
from alexnet.models import reach
from alexnet.models.dense import Numbers, SettledDense, has_fbgemm
from alexnet.models.modules import OriginalDropout, PaddedConv2d, PaddedMaxPool2d, ResponseNorm, WithinMapNorm
from alexnet.models.network import AlexNet
from alexnet.models.settled import SettledConvolution

KEEP_ZEROS = (
    nn.MaxPool2d,
    PaddedMaxPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Flatten,
    ResponseNorm,
    WithinMapNorm,
    OriginalDropout,
)
"""What leaves an input that is zero at zero, nearly everywhere."""
Step = Callable[[Tensor], Tensor]
Norm = nn.modules.batchnorm._BatchNorm


class Ready(nn.Module):
    """Pictures, float (N, C, H, W), to logits, float (N, classes), as `network` answers in evaluation mode.

    Its weights are copies as they were when it was made. Layers run in bf16, or dense ones with weights in fp16, if
    asked for, but for the last one, whose few bits would show in the probabilities. How many pictures are given
    together may show in the last digits of an answer, which are those of fp16 or bf16 if asked for. Where there are
    never a `few` pictures, weights are not laid out for them.
    """

    def __init__(self, network: AlexNet, numbers: Numbers, *, few: bool = True) -> None:
        super().__init__()
        self.dtype = torch.bfloat16 if numbers == "bf16" else torch.float32
        with torch.inference_mode():
            self.steps = _steps(network, numbers, few)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of a batch."""
        values = pictures.to(self.dtype)
        for step in self.steps:
            values = step(values)
        return values


def ready(network: nn.Module, precision: Precision, *, few: bool = True) -> tuple[nn.Module, Precision]:
    """What answers for `network`, which is in evaluation mode, and the precision to call it in: the network itself
    where there is no other way, on a GPU or without oneDNN; else what casts its pictures by itself, called in float32.
    `few`: see `Ready`.
    """
    numbers = numbers_for(network, precision)
    if numbers is None or not isinstance(network, AlexNet):
        return network, precision
    return Ready(network, numbers, few=few), "float32"


def numbers_for(network: nn.Module, precision: Precision) -> Numbers | None:
    """What weights will be kept in where a precision is asked for; None where `network` answers by itself.

    Where bf16 is asked for and the processor does not multiply it, dense layers have their weights in fp16 instead, if
    FBGEMM is there: they are most of all weights, and a picture alone waits for them. Emulated bf16 takes several times
    as long as float32.
    """
    on_cpu = all(parameter.device.type == "cpu" for parameter in network.parameters())
    onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not isinstance(network, AlexNet) or not on_cpu or not onednn:
        return None
    if precision == "float32" or choose_precision(torch.device("cpu")) == "bf16":
        return precision
    return "fp16" if has_fbgemm() else None


@contextmanager
def answering(network: nn.Module, precision: Precision = "float32") -> Iterator[tuple[nn.Module, Precision]]:
    """The same for many pictures; the network's mode is restored afterwards."""
    training = network.training
    network.eval()
    try:
        yield ready(network, precision, few=False)
    finally:
        network.train(training)


@dataclass
class _Affine:
    """weight · x + bias, and what has been folded into it; computed in float64."""

    weight: Tensor
    bias: Tensor

    def after(self, norm: Norm) -> None:
        """`norm` is applied to what comes out."""
        scale, shift = _scale_and_shift(norm)
        self.weight = self.weight * _along(scale, 0, self.weight)
        self.bias = self.bias * scale + shift

    def before(self, norm: Norm) -> None:
        """`norm` is applied to what goes in; each of its features stands for as many inputs as a flattened map has."""
        scale, shift = _scale_and_shift(norm)
        repeats = self.weight.shape[1] // len(scale)
        scale, shift = (_along(each.repeat_interleave(repeats), 1, self.weight) for each in (scale, shift))
        self.bias = self.bias + (self.weight * shift).flatten(1).sum(dim=1)
        self.weight = self.weight * scale


def _steps(network: AlexNet, numbers: Numbers, few: bool) -> list[Step]:
    """The calls that do what the network's modules do one after another, where it reaches a logit."""
    names = [name for name, module in network.in_order().items() if not isinstance(module, nn.Dropout)]
    modules = [network.get_submodule(name) for name in names]
    narrowings = reach.narrowings(network.layers, training=False)
    last = max(at for at, module in enumerate(modules) if isinstance(module, nn.Conv2d | nn.Linear))
    steps: list[Step] = []
    done: set[int] = set()
    waiting: Norm | None = None
    channels: int | None = network.input_shape[0]  # of the maps that arrive
    sparse = False  # whether what arrives is zero in part
    for at, module in enumerate(modules):
        if at in done:
            continue
        if isinstance(module, Norm) and _can_go_into(modules[at + 1 :]):
            waiting = module
        elif isinstance(module, nn.Conv2d | nn.Linear):
            assert module.bias is not None
            affine = _Affine(module.weight, module.bias)
            if waiting is not None:
                affine.before(waiting)
                waiting = None
            follower = at + 1
            if follower < len(modules) and isinstance(modules[follower], Norm):
                affine.after(modules[follower])  # type: ignore[arg-type]
                done.add(follower)
                follower += 1
            if follower < len(modules) and isinstance(modules[follower], nn.MaxPool2d):
                follower += 1  # the maximum of rectified values is the rectified maximum
            rectified = follower < len(modules) and isinstance(modules[follower], nn.ReLU)
            if rectified:
                done.add(follower)
            if names[at] in narrowings:
                steps.append(partial(reach.narrowed, sides=narrowings[names[at]]))
            if isinstance(module, nn.Conv2d):
                channels = module.out_channels
            elif channels is not None:  # the first behind the maps
                affine.weight = torch.unflatten(affine.weight, 1, (channels, -1)).transpose(1, 2).flatten(1)
                channels = None
            steps.append(_layer(module, affine, "float32" if at == last else numbers, rectified, few and sparse))
            sparse = rectified
        else:
            steps.append(_without_copies(module.eval()))
            sparse = isinstance(module, nn.ReLU) or (sparse and isinstance(module, KEEP_ZEROS))
    return steps


def _without_copies(module: nn.Module) -> Step:
    """The module; maps are flattened as they lie in memory, pixel by pixel, and not averaged over areas of one."""
    if isinstance(module, nn.Flatten):
        return lambda maps: maps.permute(0, 2, 3, 1).flatten(1)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return lambda maps: maps if set(maps.shape[2:]) == {module.output_size} else module(maps)
    return module


def _can_go_into(following: list[nn.Module]) -> bool:
    """Whether a batch norm can be folded into the layer behind it: padding is zeros, which it would have moved."""
    if following and isinstance(following[0], nn.Flatten):
        following = following[1:]
    layer = following[0] if following else None
    unpadded = isinstance(layer, nn.Conv2d) and not isinstance(layer, PaddedConv2d) and layer.padding == (0, 0)
    return isinstance(layer, nn.Linear) or (unpadded and isinstance(layer, nn.Conv2d) and layer.groups == 1)


def _layer(module: nn.Conv2d | nn.Linear, affine: _Affine, numbers: Numbers, rectified: bool, sparse: bool) -> Step:
    """One step, with ReLU or without."""
    if isinstance(module, nn.Linear):
        return SettledDense(affine.weight, affine.bias, numbers, rectified=rectified, sparse=sparse)
    dtype = torch.bfloat16 if numbers == "bf16" else torch.float32
    return SettledConvolution(module, affine.weight, affine.bias, dtype, rectified=rectified)


def _scale_and_shift(norm: Norm) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    return scale, shift + norm.bias.double() if norm.affine else shift


def _along(values: Tensor, dimension: int, like: Tensor) -> Tensor:
    """A vector shaped to be multiplied along one dimension of `like`."""
    return values.view([-1 if at == dimension else 1 for at in range(like.dim())])
