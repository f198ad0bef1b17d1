"""A training among the processes that torchrun has started: they meet, agree, and leave together."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from alexnet import __version__, durable, settings
from alexnet import device as machine
from alexnet.dataset import Dataset
from alexnet.device import Precision
from alexnet.errors import DivergedError, ResourceError, StoppedError, UsageError
from alexnet.models.network import AlexNet
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.settings import Options
from alexnet.training import launch, start
from alexnet.training.recipe import Recipe
from alexnet.training.world import World

HERE = Path(__file__).parent
MAY_DIFFER = {"data", "data_dir", "device", "workers"}
"""Options that processes on different machines may be given differently."""


def together(work: Callable[[World, torch.device, Display], Run], device: str, display: Display) -> Run:
    """Do `work` among the processes that torchrun has started, if it has; the leader speaks for all.

    Errors: UsageError when `device` is not there or not for so many; ResourceError when the others do not come, or are
    lost; and those of `work`. Where all have the same to say the others leave with SystemExit.
    """
    world = World.described()
    chosen = machine.choose(device, world.local_rank, world.local_size)
    world.join(chosen)
    display = display if world.leads else Display(quiet=True)
    try:
        return work(world, chosen, display)
    except (UsageError, DivergedError, StoppedError) as error:
        if not world.leads:  # all have met with it, and the leader says so
            raise SystemExit(error.exit_code) from error
        display.note(str(error))  # the doctor reads train.log
        raise
    except RuntimeError as error:
        lost = world.lost(error)
        if lost is None:
            raise
        raise lost from error
    finally:
        world.leave()


def refuse_differences(
    options: Options, recipe: Recipe, data: Dataset, device: torch.device, precision: Precision, world: World
) -> None:
    """Before anything is written. Errors: UsageError when the processes differ in pictures, settings or program."""
    division = data.source.labels, data.split.train, data.split.val, data.split.test
    args = settings.as_args(options, recipe)
    world.refuse_differences(
        {
            "alexnet": __version__,
            "torch": torch.__version__,
            "the program's files": durable.digest(*(file.read_bytes() for file in sorted(HERE.rglob("*.py")))),
            **{name: str(value) for name, value in args.items() if name not in MAY_DIFFER},
            "the kind of device": device.type,
            "precision": precision,
            "the pictures": data.source.digest,
            "labels or split": durable.digest(*(part.tobytes() for part in division)),
        }
    )


def alone(network: AlexNet, recipe: Recipe, options: Options, device: torch.device, world: World) -> AlexNet:
    """The network as one process has it: one that was divided gives no answers without the others."""
    if world.size == 1 or options.parallel == "data":
        return network
    whole = AlexNet(network.variant, network.classes, network.input_shape).on(device)
    start.hold(whole, recipe, options.freeze, Display(quiet=True))
    return whole


@contextlib.contextmanager
def remembered(run: Run, world: World) -> Iterator[None]:
    """Where a training is left on purpose, write into the run why, and which torchrun was at work (stopped.json).

    torchrun takes any end for a failure, and starts the processes anew if it may: see `refuse_to_repeat`.
    """
    try:
        yield
    except (DivergedError, StoppedError) as error:
        if world.leads and launch.agent():
            ending = {"exit_code": error.exit_code, "message": str(error)}
            with contextlib.suppress(OSError, ResourceError):  # the error itself matters more
                run.write_json("stopped.json", {**ending, "agent": launch.agent(), "restarts": launch.restarts()})
        raise


def refuse_to_repeat(run: Run) -> None:
    """Errors: the one that the run was left with, where its torchrun has counted that for a failure since then.

    torchrun also stops processes in order to start them again with others that have come; that does not count.
    """
    ending = run.stopped
    if ending and ending["agent"] == launch.agent() and ending["restarts"] < launch.restarts():
        kind = StoppedError if ending["exit_code"] == StoppedError.exit_code else DivergedError
        raise kind(ending["message"])
