"""This process among its peers (torchrun sets them up); a world of one behaves alike."""

import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn
from torch._C._distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from alexnet.errors import ResourceError, UsageError

MEETING = timedelta(seconds=60)
"""How long processes wait for one another at the start."""
WORKING = timedelta(minutes=60)
"""How long one may keep the others waiting afterwards: the leader saves, judges, draws."""


@dataclass(frozen=True)
class World:
    """Rank and number of processes; what they do together."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def join(cls) -> "World":
        """The world that torchrun's variables describe; one process without them.

        Errors: UsageError when the variables contradict one another; ResourceError when the others do not come.
        """
        if "WORLD_SIZE" not in os.environ:
            return cls()
        try:
            world = cls(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
        except (KeyError, ValueError) as error:
            raise UsageError(f"torchrun's variables are not whole ({error}): start with torchrun -m alexnet") from error
        if not 0 <= world.rank < world.size:
            raise UsageError(f"RANK is {world.rank} of WORLD_SIZE {world.size}: start with torchrun -m alexnet")
        if world.size > 1 and not distributed.is_initialized():
            world._meet()
        return world

    def _meet(self) -> None:
        place = ":".join(os.environ.get(name, "") for name in ("MASTER_ADDR", "MASTER_PORT"))
        try:
            store, _, _ = next(rendezvous("env://", self.rank, self.size, timeout=MEETING))
            # what the processes of an earlier attempt have left in torchrun's store must not be found
            store = PrefixStore(f"attempt {restarts()}", store)
            store.set(f"here {self.rank}", "")
            store.wait([f"here {rank}" for rank in range(self.size)], MEETING)
            store.set_timeout(WORKING)
            backend = "nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(backend, store=store, rank=self.rank, world_size=self.size, timeout=WORKING)
        except ValueError as error:
            raise UsageError(f"torchrun's variables are not whole ({error}): start with torchrun -m alexnet") from error
        except RuntimeError as error:
            why = _first_line(error)
            raise ResourceError(
                f"process {self.rank} of {self.size} does not meet the others at {place} ({why}): "
                "is the port free, and do all of them run?"
            ) from error

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def total(self, numbers: list[float]) -> list[float]:
        """Sums over all processes, the same everywhere."""
        if self.size == 1:
            return numbers
        sums = torch.tensor(numbers, dtype=torch.float64, device=self._device)
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
        distributed.broadcast_object_list(said, device=self._device)
        return said[0]

    def gather(self, here: str) -> list[str]:
        """What each process says, by rank; the same everywhere."""
        if self.size == 1:
            return [here]
        said: list[Any] = [None] * self.size
        distributed.all_gather_object(said, here)
        return said

    def refuse_differences(self, facts: Mapping[str, str]) -> None:
        """Errors: UsageError, in all processes, when one of them knows another value under some name."""
        if self.size == 1:
            return
        said = [json.loads(there) for there in self.gather(json.dumps(dict(facts)))]
        for name in facts:
            other = next((rank for rank, there in enumerate(said) if there[name] != said[0][name]), None)
            if other is not None:
                raise UsageError(
                    f"the processes differ in {name}: {said[0][name]} in process 0, {said[other][name]} in process "
                    f"{other}. Give all of them the same"
                )

    def level(self, network: nn.Module) -> None:
        """Give every process the leader's running statistics: each has seen its own part of the last batch."""
        if self.size > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, 0)

    def origin(self) -> dict[str, str]:
        """Who started the processes, the same after torchrun has started them anew; empty for one alone."""
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            return {}
        job = os.environ["TORCHELASTIC_RUN_ID"]
        return {"torchrun": f"{platform.node()}:{os.getppid()}" if job == "none" else job}

    def leave(self) -> None:
        """Part from the others."""
        if self.size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()

    def lost(self, error: RuntimeError) -> ResourceError | None:
        """What to say of an error that comes of another process's end; None for any other error."""
        signs = ("Connection closed by peer", "Connection reset by peer", "gloo", "NCCL", "recvBytes", "Broken pipe")
        if self.size == 1 or not any(sign in str(error) for sign in signs):
            return None
        return ResourceError(
            f"process {self.rank} of {self.size} has lost another one ({_first_line(error)}). "
            "Go on with alexnet train --resume; torchrun --max-restarts does so by itself"
        )

    @property
    def _device(self) -> torch.device:
        """Where what is exchanged lies."""
        return torch.device("cuda", self.local_rank) if distributed.get_backend() == "nccl" else torch.device("cpu")


def restarts() -> int:
    """How often torchrun has started the processes anew, since one of them ended."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _first_line(error: Exception) -> str:
    """The error's first line, without the places in gloo's sources that it names."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return re.sub(r"\[/[^\]]*\] ?", "", line)[:120]
