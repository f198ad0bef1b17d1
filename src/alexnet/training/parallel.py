"""How one network is trained by many processes: each has a part of every batch, and all have the same weights.

`data`: gradients are averaged over the processes (torch's DistributedDataParallel).
`hybrid`: only those of convolutions are. Each dense layer is divided: a process keeps some of its outputs' weights,
sees the whole batch, and gives each process the outputs of its own pictures. Nine tenths of an AlexNet's weights are in
dense layers and are never sent; what is sent instead are their inputs and outputs, which are smaller.

Source: A. Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014 (scheme a), with PyTorch's
DTensor. Both ways take the same steps as one process, but for the order of sums.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from alexnet.models.network import AlexNet
from alexnet.training.world import World

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor  # importing it takes a second: only who divides does

Way = Literal["data", "hybrid"]


class Spread:
    """A network as this process has it, and how to put it together again; alone, the network itself."""

    def __init__(self, network: AlexNet, world: World, way: Way) -> None:
        """`network` shares its weights with what is spread; afterwards it gives answers in all processes at once."""
        self.network = network
        self.model: nn.Module = network
        """What the steps call."""
        self.parameters: list[Tensor] = list(network.parameters())
        """What the optimizer changes: the network's, or this process's part of them."""
        self.divided: dict[int, DTensor] = {}
        """By their place in `parameters`: those of which this process has a part."""
        if world.size == 1:
            return
        if way == "data":
            self.model = DistributedDataParallel(network)
        else:
            self._divide(world)

    def _divide(self, world: World) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import DTensor, Shard
        from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module

        # says once that gloo has no all-to-all and gathers instead
        logging.getLogger("torch.distributed.tensor._collective_utils").setLevel(logging.ERROR)
        for parameter in self.parameters:
            distributed.broadcast(parameter.data, 0)
        mesh = init_device_mesh(self.parameters[0].device.type, (world.size,))
        plan = ColwiseParallel(input_layouts=Shard(0), output_layouts=Shard(0))
        parallelize_module(self.network, mesh, dict.fromkeys(dense_layers(self.network), plan))
        self.parameters = []
        for place, parameter in enumerate(self.network.parameters()):
            own: Tensor = parameter
            if isinstance(parameter, DTensor):
                own = nn.Parameter(parameter.to_local().detach(), requires_grad=parameter.requires_grad)
                self.divided[place] = parameter
            self.parameters.append(own)
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(_averaged(own, world))  # type: ignore[no-untyped-call]

    def whole(self, state: dict[str, Any]) -> dict[str, Any]:
        """The state of a network with divided tensors put together; all processes must ask."""
        return {name: _whole(value) for name, value in state.items()} if self.divided else state

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """The optimizer's state, its averages whole; all processes must ask."""
        state = optimizer.state_dict()
        if self.divided:
            numbered = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            for number, averages in state["state"].items():
                divided = self._divided(numbered[number])
                if divided is not None:
                    state["state"][number] = {key: _like(value, divided) for key, value in averages.items()}
        return state

    def load_optimizer(self, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        """Back from `optimizer_state`; of whole averages this process takes its part."""
        optimizer.load_state_dict(state)
        if not self.divided:
            return
        from torch.distributed.tensor import distribute_tensor

        for parameter, averages in optimizer.state.items():
            divided = self._divided(parameter)
            for key, value in averages.items():
                if divided is not None and isinstance(value, Tensor) and value.shape == divided.shape:
                    averages[key] = distribute_tensor(value, divided.device_mesh, divided.placements).to_local()

    def _divided(self, own: Tensor) -> "DTensor | None":
        return next((whole for place, whole in self.divided.items() if self.parameters[place] is own), None)


def _averaged(own: Tensor, world: World) -> Any:  # noqa: ANN401 (torch's hook)
    """After a backward pass: the mean over processes. A divided layer has seen all pictures and has their sum."""

    def average(parameter: Tensor) -> None:
        assert parameter.grad is not None
        if own is not parameter:
            own.grad = cast("DTensor", parameter.grad).to_local()
            parameter.grad = None
        else:
            distributed.all_reduce(parameter.grad)
        assert own.grad is not None
        own.grad.div_(world.size)

    return average


def _whole(value: Any) -> Any:  # noqa: ANN401 (what a state dict holds)
    from torch.distributed.tensor import DTensor

    return value.full_tensor() if isinstance(value, DTensor) else value


def _like(value: Any, divided: "DTensor") -> Any:  # noqa: ANN401 (what an optimizer keeps)
    """An average put together as its parameter is; a step counter as it is."""
    from torch.distributed.tensor import DTensor

    if not isinstance(value, Tensor) or value.shape != divided.to_local().shape:
        return value
    shape, stride = divided.shape, divided.stride()
    place = divided.device_mesh, divided.placements
    return DTensor.from_local(value, *place, run_check=False, shape=shape, stride=stride).full_tensor()


def dense_layers(network: AlexNet) -> list[str]:
    """The names of the children that are divided."""
    return [name for name, module in network.named_children() if isinstance(module, nn.Linear)]


@dataclass(frozen=True)
class Traffic:
    """Bytes that each process sends in a step."""

    data: int
    hybrid: int


def traffic(network: AlexNet, batch: int, processes: int, *, all_to_all: bool = True) -> Traffic:
    """What both ways send, for batches of `batch` pictures in all and numbers of four bytes.

    A sum over processes goes round a ring: a tensor of B bytes costs each of n processes 2 B (n - 1) / n. A dense layer
    that is divided gathers its inputs and sums up their gradients, B (n - 1) / n each; it exchanges its outputs and
    their gradients, of which each process has the n-th part: B (n - 1) / n² each, and n times as much where the
    processes have no all-to-all (gloo, on CPUs) and gather instead.
    """
    others, apart = (processes - 1) / processes, processes if all_to_all else 1
    counts = {name: sum(p.numel() for p in module.parameters()) for name, module in network.named_children()}
    layers = [module for module in network.children() if isinstance(module, nn.Linear)]
    weights = sum(counts.values())
    convolutions = weights - sum(counts[name] for name in dense_layers(network))
    exchanged = batch * sum(layer.in_features + layer.out_features / apart for layer in layers)
    return Traffic(round(2 * 4 * weights * others), round(2 * 4 * (convolutions + exchanged) * others))
