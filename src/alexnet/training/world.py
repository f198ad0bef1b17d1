"""This process among its peers (torchrun sets them up); a world of one behaves alike."""

import os
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from alexnet.errors import UsageError


@dataclass(frozen=True)
class World:
    """Rank and number of processes; what they do together."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def join(cls) -> "World":
        """The world that torchrun's variables describe; one process without them.

        Errors: UsageError when the variables contradict one another.
        """
        if "WORLD_SIZE" not in os.environ:
            return cls()
        try:
            world = cls(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
        except (KeyError, ValueError) as error:
            raise UsageError(f"torchrun's variables are not whole ({error}): start with torchrun -m alexnet") from error
        if world.size > 1 and not distributed.is_initialized():
            try:
                distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
            except ValueError as error:
                raise UsageError(f"the other processes cannot be found ({error}): start with torchrun") from error
        return world

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def total(self, numbers: list[float]) -> list[float]:
        """Sums over all processes, the same everywhere."""
        if self.size == 1:
            return numbers
        device = torch.device("cuda", self.local_rank) if distributed.get_backend() == "nccl" else "cpu"
        sums = torch.tensor(numbers, dtype=torch.float64, device=device)
        distributed.all_reduce(sums)
        return [float(number) for number in sums]

    def any(self, here: bool) -> bool:
        """Whether it is so in one process at least; the same everywhere."""
        return here if self.size == 1 else self.total([float(here)])[0] > 0

    def share(self, text: str) -> str:
        """What the leader says, everywhere."""
        if self.size == 1:
            return text
        said = [text]
        distributed.broadcast_object_list(said)
        return said[0]

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network whose gradients are averaged over all processes (torch's DistributedDataParallel)."""
        return DistributedDataParallel(network) if self.size > 1 else network

    def leave(self) -> None:
        """Part from the others."""
        if self.size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()
