"""This process among its peers (torchrun sets them up); a world of one behaves alike."""

import json
import os
import re
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast
from uuid import uuid4

import torch
from torch import distributed, nn
from torch._C._distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from alexnet.errors import AlexNetError, ResourceError, UsageError, exit_code

MEETING = timedelta(seconds=60)
"""How long processes wait for one another at the start."""
WORKING = timedelta(minutes=60)
"""How long one may keep the others waiting afterwards: it decodes, or the leader saves on a slow disk."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class World:
    """Rank and number of processes; what they do together."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    """How many of them run on this machine."""

    @classmethod
    def described(cls) -> "World":
        """The world that torchrun's variables describe; one process without them. Nobody is met yet.

        Errors: UsageError when the variables contradict one another.
        """
        if "WORLD_SIZE" not in os.environ:
            return cls()
        try:
            rank, size, local_rank = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
            local_size = int(os.environ.get("LOCAL_WORLD_SIZE", local_rank + 1))
        except (KeyError, ValueError) as error:
            raise UsageError(f"torchrun's variables are not whole ({error}): start with torchrun -m alexnet") from error
        if not 0 <= rank < size:
            raise UsageError(f"RANK is {rank} of WORLD_SIZE {size}: start with torchrun -m alexnet")
        return cls(rank, size, local_rank, local_size)

    def join(self, device: torch.device) -> None:
        """Meet the others. Gradients go over NCCL where `device` is a GPU, all else over gloo, from CPU to CPU.

        Errors: UsageError when torchrun's variables are not whole; ResourceError when the others do not come.
        """
        if device.type == "cuda":
            torch.cuda.set_device(device)  # else NCCL and pinned memory would take the first GPU of all processes
        if self.size == 1 or distributed.is_initialized():
            return
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        place = ":".join(os.environ.get(name, "") for name in ("MASTER_ADDR", "MASTER_PORT"))
        try:
            store, _, _ = next(rendezvous("env://", self.rank, self.size, timeout=MEETING))
            store = PrefixStore(self._password(store), store)
            store.set_timeout(WORKING)
            distributed.init_process_group(backend, store=store, rank=self.rank, world_size=self.size, timeout=WORKING)
        except ValueError as error:
            raise UsageError(f"torchrun's variables are not whole ({error}): start with torchrun -m alexnet") from error
        except RuntimeError as error:
            raise ResourceError(
                f"process {self.rank} of {self.size} does not meet the others at {place} ({_telling_line(error)}): "
                "is the port free, and do all of them run?"
            ) from error

    def _password(self, store: Store) -> str:
        """A word that those who meet now have in common, and nobody before them.

        torchrun keeps what earlier attempts have left in its store, and counts attempts on each machine by itself. So
        each process asks anew under a word of its own, and the leader answers whoever asks until all have come.
        """
        own = uuid4().hex
        if not self.leads:
            store.set(f"{self.rank} asks", own)
            answer = f"answer to {own}"
            store.wait([answer], MEETING)
            password = store.get(answer).decode()
            store.set(f"{password}: {self.rank} is here", "")
            store.wait([f"{password}: all are here"], MEETING)
            return password
        until = time.monotonic() + MEETING.total_seconds()
        missing = set(range(1, self.size))
        while missing:
            if time.monotonic() > until:
                raise RuntimeError(f"process {min(missing)} has not come")
            for rank in missing:
                if store.check([f"{rank} asks"]):
                    store.set(f"answer to {store.get(f'{rank} asks').decode()}", own)
            time.sleep(0.02)
            missing = {rank for rank in missing if not store.check([f"{own}: {rank} is here"])}
        store.set(f"{own}: all are here", "")
        return own

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def total(self, numbers: list[float]) -> list[float]:
        """Sums over all processes, the same everywhere."""
        if self.size == 1:
            return numbers
        sums = torch.tensor(numbers, dtype=torch.float64)
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
        distributed.broadcast_object_list(said, device=torch.device("cpu"))
        return said[0]

    def gather(self, here: Any) -> list[Any]:  # noqa: ANN401 (anything that can be pickled)
        """What each process says, by rank; the same everywhere."""
        if self.size == 1:
            return [here]
        said: list[Any] = [None] * self.size
        distributed.all_gather_object(said, here)
        return said

    def each(self, work: Callable[[], Result]) -> Result:
        """Do `work`, which must not ask the others for anything, in every process, and wait until all have done it.

        Errors: what it raises in one of them ends all: the leader raises the same, the others SystemExit with the same
        exit code and nothing to say.
        """
        if self.size == 1:
            return work()
        result, failed = None, None
        try:
            result = work()
        except Exception as error:
            failed = error
        failures = [failure for failure in self.gather(_sendable(failed, self.rank)) if failure is not None]
        if not failures:
            return cast(Result, result)
        if self.leads:
            raise failures[0] if failed is None else failed
        raise SystemExit(exit_code(failures[0])) from failed

    def led(self, work: Callable[[], str | None]) -> str:
        """Let the leader do `work` while the others wait; what it returns is known to all. Errors: as for `each`."""
        return self.share(self.each(lambda: work() if self.leads else None) or "")

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

    def leave(self) -> None:
        """Part from the others."""
        if self.size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()

    def lost(self, error: RuntimeError) -> ResourceError | None:
        """What to say of an error that comes of the way to the others; None for any other error."""
        said = str(error)
        if self.size == 1 or not any(sign in said for sign in (*OF_GLOO, "NCCL")):
            return None
        here, why = f"process {self.rank} of {self.size}", _telling_line(error)
        if "NCCL" in said and not any(sign in said for sign in OF_A_LOST_PEER):
            return ResourceError(f"{here} has no way to the others ({why}): NCCL_DEBUG=INFO tells more")
        return ResourceError(
            f"{here} has lost another one ({why}). "
            "Go on with alexnet train --resume; torchrun --max-restarts does so by itself"
        )


OF_A_LOST_PEER = ("remote process exit", "Connection closed by", "Connection reset by peer", "Broken pipe")
OF_GLOO = (*OF_A_LOST_PEER, "gloo", "recvBytes")


def _sendable(error: Exception | None, rank: int) -> Exception | None:
    """An error as the leader can raise it: one that nobody has foreseen brings its traceback as text."""
    if error is None or isinstance(error, AlexNetError | OSError | MemoryError):
        return error
    return RuntimeError(f"process {rank}: {''.join(traceback.format_exception(error))}")


def _telling_line(error: Exception) -> str:
    """NCCL's own line of an error, else the first, without the places in gloo's sources that it names."""
    lines = str(error).splitlines() or [type(error).__name__]
    line = next((line for line in lines if line.startswith("nccl")), lines[0])
    return re.sub(r"\[/[^\]]*\] ?", "", line)[:120]
