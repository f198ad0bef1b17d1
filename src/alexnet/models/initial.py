"""How weights and biases start: the rules, and which stage takes which.

What the sources print is kept as a value beside the layers (`Init`); `init_weights` is the one place that fills.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import nn

from alexnet.models.modules import batch_norms

Rule = Literal["normal", "truncated-normal", "fan-in", "uniform-scaling", "he-normal", "glorot-uniform"]


@dataclass(frozen=True)
class Fill:
    """A rule for one tensor and its number, where it has one (the standard deviation)."""

    rule: Rule
    std: float | None = None

    def __str__(self) -> str:
        return {
            "normal": f"N(0, {self.std})",
            "truncated-normal": f"N(0, {self.std}) cut at 2 σ",
            "fan-in": "U(±1/√fan-in)",
            "uniform-scaling": "U(±√(3/fan-in))",
            "he-normal": "N(0, √(2/fan-in))",
            "glorot-uniform": "U(±√(6/(fan-in + fan-out)))",
        }[self.rule]


@dataclass(frozen=True)
class Init:
    """How a network starts: `weights` and `biases` of every stage, but those named in `weights_of` and `biases_of`,
    whose keys hold stages divided by spaces ("conv3 conv4").
    """

    weights: Fill
    biases: float | Literal["fan-in"] = 0.0
    """A constant, or drawn as the weights of rule "fan-in" are."""
    weights_of: Mapping[str, Fill] = field(default_factory=dict)
    biases_of: Mapping[str, float] = field(default_factory=dict)
    norm_scale: Literal["one", "uniform"] = "one"
    """Batch norm's scale: 1, or U(0, 1) as in Torch7."""

    def __str__(self) -> str:
        weights = [f"W {self.weights}", *(f"{stages}: {fill}" for stages, fill in self.weights_of.items())]
        start = "U(±1/√fan-in)" if self.biases == "fan-in" else f"{self.biases:g}"
        biases = [f"b {start}", *(f"{stages}: {value:g}" for stages, value in self.biases_of.items())]
        scale = ["batch norm's scale U(0, 1)"] if self.norm_scale == "uniform" else []
        return "; ".join((*weights, *biases, *scale))

    @property
    def stages(self) -> set[str]:
        """All stages that are named."""
        return {stage for stages in (*self.weights_of, *self.biases_of) for stage in stages.split()}

    def weight_of(self, stage: str) -> Fill:
        """The rule for the weights of `stage`."""
        return next((fill for stages, fill in self.weights_of.items() if stage in stages.split()), self.weights)

    def bias_of(self, stage: str) -> float | Literal["fan-in"]:
        """The start of the biases of `stage`."""
        return next((value for stages, value in self.biases_of.items() if stage in stages.split()), self.biases)


def init_weights(network: nn.Module, init: Init) -> None:
    """Fill every weight and bias of `network`'s children as `init` says.

    | rule             | values                                               | who uses it                        |
    |------------------|------------------------------------------------------|------------------------------------|
    | normal           | N(0, std)                                            | the 2012 code, Caffe, CNTK         |
    | truncated-normal | N(0, std), drawn again beyond two std                | TF-slim and tflearn, dense layers  |
    | fan-in           | U(-a, a), a = 1 / sqrt(fan_in)                       | Torch7, PyTorch                    |
    | uniform-scaling  | U(-a, a), a = sqrt(3 / fan_in)                       | tflearn, convolutions              |
    | he-normal        | N(0, sqrt(2 / fan_in))                               | cvgj (Caffe's "msra")              |
    | glorot-uniform   | U(-a, a), a = sqrt(6 / (fan_in + fan_out))           | Keras, TF-slim, d2l                |

    fan_in counts the inputs of one output: of its own group alone. Batch norm starts with scale 1 (or as `init`
    says), shift 0, mean 0, variance 1.
    """
    norms = batch_norms(network)
    for name, module in network.named_children():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = math.prod(module.weight.shape[1:])
            fill = init.weight_of(name)
            if fill.rule == "normal":
                assert fill.std is not None
                nn.init.normal_(module.weight, std=fill.std)
            elif fill.rule == "truncated-normal":
                assert fill.std is not None
                nn.init.trunc_normal_(module.weight, std=fill.std, a=-2 * fill.std, b=2 * fill.std)
            elif fill.rule == "he-normal":
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
            elif fill.rule == "glorot-uniform":
                nn.init.xavier_uniform_(module.weight)
            else:
                bound = math.sqrt((3 if fill.rule == "uniform-scaling" else 1) / fan_in)
                nn.init.uniform_(module.weight, -bound, bound)
            assert module.bias is not None, "all convolutions and dense layers have biases"
            start = init.bias_of(name)
            if start == "fan-in":
                nn.init.uniform_(module.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
            else:
                nn.init.constant_(module.bias, start)
        elif name in norms and init.norm_scale == "uniform":
            nn.init.uniform_(norms[name].weight)
