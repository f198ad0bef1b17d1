"""THE loop: one function, read from top to bottom."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from alexnet.data.batches import Batches
from alexnet.device import Precision, sum_type
from alexnet.errors import StoppedError
from alexnet.judging.evaluate import evaluate
from alexnet.judging.metrics import Tally
from alexnet.models.network import AlexNet
from alexnet.preprocess import Preprocess
from alexnet.progress import Bar, Display
from alexnet.run import Row, shown
from alexnet.training import optimizers
from alexnet.training.average import Average
from alexnet.training.checkpoint import Checkpoint, Progress
from alexnet.training.divergence import (
    culprit,
    diverged,
    gradients_are_finite,
    refuse_broken_loss,
    refuse_broken_weights,
)
from alexnet.training.parallel import Spread, Way
from alexnet.training.plan import Plan
from alexnet.training.recipe import Recipe
from alexnet.training.saving import Saver
from alexnet.training.step import answer
from alexnet.training.stop import Stop
from alexnet.training.world import World


@dataclass(frozen=True)
class Setting:
    """Where a training takes place: what belongs to the machine and not to the recipe."""

    device: torch.device
    precision: Precision
    world: World
    display: Display
    frozen: tuple[str, ...] = ()
    """Names of the network's children whose statistics stand still (their weights ask for no gradient)."""
    seconds: float | None = None
    """What training and verdict may take; None: as long as the recipe's epochs take."""
    pictures_afterwards: int = 0
    """How many pictures the verdict will look at."""
    saver: Saver = field(default_factory=lambda: Saver(None, {}))
    """Writes checkpoints."""
    stop: Stop = field(default_factory=Stop)
    """Knows when to leave."""
    parallel: Way = "data"
    """How the network is spread over the world's processes."""


def fit(  # noqa: PLR0915 (the loop is read from top to bottom)
    network: AlexNet,
    train: Batches,
    val: Batches | None,
    preprocess: Preprocess,
    recipe: Recipe,
    setting: Setting,
    *,
    class_weights: Tensor | None,
    save: Callable[[Row, dict[str, Tensor], bool], None],
    resumed: Checkpoint | None = None,
) -> list[Row]:
    """Train for the recipe's epochs, or for the given time, and return one row an epoch (see `run.RESULTS_COLUMNS`).

    `save(row, kept, is_best)` is called after every epoch, with rows that hold finite numbers only; `kept` is the state
    of the network that was judged, which is `network` unless the recipe wants an average. A `resumed` training goes on
    where its checkpoint was written, as if it had never stopped.

    Errors: DivergedError when a gradient is no longer a number, before it reaches a weight; nothing of that epoch is
    saved. StoppedError after a signal, once the step is done and saved.
    """
    world, display, saver, stop = setting.world, setting.display, setting.saver, setting.stop
    spread, optimizer, average, progress = _ready(network, recipe, setting, resumed)
    centre = replace(preprocess, views=1)  # epochs are compared by it; the verdict takes all views
    plan = Plan(progress.planned or recipe.epochs, setting.seconds, setting.pictures_afterwards)
    started = time.perf_counter() - progress.elapsed
    fresh = resumed is not None  # the checkpoint is of this moment

    def rates_at(step: int) -> dict[optimizers.Kind, float]:
        at = (progress.epoch - 1) * len(train) + step
        return recipe.rates(at, plan.epochs * len(train), len(train), progress.val_errors)

    def leave_if_asked() -> None:
        if world.any(stop.asked is not None):
            saver.save(progress, spread, optimizer, average)
            raise StoppedError(_farewell(progress, len(train), stop, saver))

    while progress.epoch <= plan.epochs:
        epoch = progress.epoch
        if recipe.patience is not None and epoch - 1 - progress.best_epoch >= recipe.patience:
            display.say(f"stopped early: validation has not become better for {recipe.patience} epochs")
            break

        # -- train: every picture once ---------------------------------------------------------------------
        network.train()
        for name in setting.frozen:
            network.get_submodule(name).eval()
        epoch_started = time.perf_counter() - progress.train_seconds
        # pictures, loss, right answers
        sums = torch.tensor(progress.sums, dtype=sum_type(setting.device), device=setting.device)
        batches = train.epoch(epoch, progress.step)
        with display.bar(f"epoch {epoch}/{plan.epochs}", len(train), "steps") as bar, closing(batches):
            bar.advance(progress.step)
            for step in range(progress.step, len(train)):
                asked = time.perf_counter()
                batch = next(batches)
                progress.waited += time.perf_counter() - asked

                rates = rates_at(step)
                for group in optimizer.param_groups:
                    group["lr"] = rates[group["of"]]
                seed = train.step_seed(epoch, step)
                answered = answer(spread.model, batch, seed, preprocess, recipe, setting.precision, class_weights)
                optimizer.zero_grad(set_to_none=True)
                (answered.loss * batch.weight).backward()  # type: ignore[no-untyped-call]
                if world.any(not gradients_are_finite(spread.parameters)):
                    again = partial(answer, network, batch, seed, preprocess, recipe, setting.precision, class_weights)
                    found = dict.fromkeys(world.gather(culprit(network, again)))
                    raise diverged(f"epoch {epoch}, step {step + 1}", "; ".join(found), recipe)
                optimizer.step()
                average.update()

                count, loss = answered.count, answered.loss.detach()
                sums += torch.stack((torch.tensor(count, device=sums.device), loss * count, answered.right))
                _show(bar, sums, rates["weights"], time.perf_counter() - epoch_started)
                progress.step = step + 1
                if saver.due_in_epoch(progress.step) or world.any(stop.asked is not None):
                    progress.sums = world.total(sums.tolist())
                    progress.elapsed = time.perf_counter() - started
                    progress.train_seconds = time.perf_counter() - epoch_started
                    leave_if_asked()
                    saver.save(progress, spread, optimizer, average)
        progress.sums = pictures_seen, loss_sum, hits = world.total(sums.tolist())
        progress.train_seconds = time.perf_counter() - epoch_started
        progress.elapsed = time.perf_counter() - started
        world.level(average.network)
        state = spread.whole(average.network.state_dict())
        refuse_broken_weights(state, epoch, recipe)

        # -- evaluate --------------------------------------------------------------------------------------
        row: Row = {
            "epoch": epoch,
            "train/loss": loss_sum / pictures_seen,
            "train/acc": hits / pictures_seen,
            "lr": rates_at(len(train) - 1)["weights"],
            "images_per_second": pictures_seen / progress.train_seconds,
            "data_wait": progress.waited,
        }
        if val is not None:
            between = leave_if_asked if world.size == 1 else None
            tally = evaluate(average.network, val, centre, setting.precision, world.total, between)
            refuse_broken_loss(tally.loss, epoch, recipe)
            row |= _validation_columns(tally, network.classes)
        row["time"] = time.perf_counter() - started

        # -- save, log, stop? ------------------------------------------------------------------------------
        score = (row.get("val/acc", 0.0), -row.get("val/loss", 0.0))
        improved = val is None or score > progress.best
        save(row, state, improved or recipe.keep == "last")
        display.say(epoch_line(row, plan.epochs))
        plan = plan.after(epoch, row["time"], row["images_per_second"])
        if setting.seconds is not None:
            plan = replace(plan, epochs=int(world.share(str(plan.epochs))))  # the leader's clock counts
        progress = Progress(
            epoch=epoch + 1,
            elapsed=row["time"],
            planned=plan.epochs if setting.seconds is not None else None,
            best=score if improved else progress.best,
            best_epoch=epoch if improved else progress.best_epoch,
            rows=[*progress.rows, row],
        )
        leave_if_asked()
        fresh = world.any(world.leads and saver.due_after_epoch())  # the leader's clock counts
        if fresh:
            saver.save(progress, spread, optimizer, average)
    if not fresh:
        saver.save(progress, spread, optimizer, average)
    return progress.rows


def _ready(
    network: AlexNet, recipe: Recipe, setting: Setting, resumed: Checkpoint | None
) -> tuple[Spread, torch.optim.Optimizer, Average, Progress]:
    """What a training works with, as it is at the start or as a checkpoint has it."""
    average = Average(network, recipe.average)
    if resumed is not None:
        network.load_state_dict(resumed.network)
        average.load_state_dict(resumed.average)
    spread = Spread(network, setting.world, setting.parallel)
    optimizer = optimizers.build(recipe.optimizer, spread.parameters)
    if resumed is None:
        return spread, optimizer, average, Progress()
    spread.load_optimizer(optimizer, resumed.optimizer)
    progress = resumed.progress
    if not setting.world.leads:  # the sums of an epoch at work go on with the leader
        progress = replace(progress, sums=[0.0, 0.0, 0.0])
    return spread, optimizer, average, progress


def _farewell(progress: Progress, steps: int, stop: Stop, saver: Saver) -> str:
    """What to say when a training is left, and how to go on."""
    within = f"in epoch {progress.epoch} after {progress.step} of {steps} steps"
    where = within if progress.step else f"after epoch {progress.epoch - 1}"
    by = f"stopped by {stop.asked}" if stop.asked else "stopped, as another process was"
    again = f". Go on: alexnet train --resume {shown(saver.path.parent)}" if saver.path else ""
    return f"{by} {where}; saved{again}"


def epoch_line(row: Row, epochs: int) -> str:
    """The permanent line of one epoch."""
    text = f"epoch {row['epoch']:>3.0f}/{epochs}  loss {row['train/loss']:.4f}  acc {row['train/acc']:.4f}"
    if "val/loss" in row:
        text += f"  val_loss {row['val/loss']:.4f}  val_acc {row['val/acc']:.4f}"
    return text + f"  lr {row['lr']:.2g}  {row['images_per_second']:,.0f} images/s  {row['time']:.0f} s"


def _show(bar: Bar, sums: Tensor, rate: float, seconds: float) -> None:
    """Advance the bar; the sums are fetched from the device only when they will be seen."""
    text = ""
    if bar.due:
        count, loss, right = sums.tolist()
        text = f"loss {loss / count:.4f}  acc {right / count:.4f}  lr {rate:.2g}  {count / seconds:,.0f} images/s"
    bar.advance(1, text)


def _validation_columns(tally: Tally, classes: int) -> Row:
    figures = tally.figures(classes)
    columns = {
        "val/loss": figures["loss"],
        "val/acc": figures["accuracy_top1"],
        "metrics/accuracy_top1": figures["accuracy_top1"],
    }
    if "accuracy_top5" in figures:
        columns["metrics/accuracy_top5"] = figures["accuracy_top5"]
    return columns
