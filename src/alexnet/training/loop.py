"""THE loop: one function, read from top to bottom."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from alexnet.data.batches import Batches
from alexnet.device import Precision, sum_type
from alexnet.errors import DivergedError
from alexnet.judging.evaluate import evaluate
from alexnet.judging.metrics import Tally
from alexnet.models.network import AlexNet
from alexnet.preprocess import Preprocess
from alexnet.progress import Bar, Display
from alexnet.run import Row
from alexnet.training import optimizers
from alexnet.training.average import Average
from alexnet.training.plan import Plan
from alexnet.training.recipe import Recipe
from alexnet.training.step import answer
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


def fit(  # noqa: PLR0915 (the loop is read from top to bottom)
    network: AlexNet,
    train: Batches,
    val: Batches | None,
    preprocess: Preprocess,
    recipe: Recipe,
    setting: Setting,
    *,
    class_weights: Tensor | None,
    save: Callable[[Row, AlexNet, bool], None],
) -> list[Row]:
    """Train for the recipe's epochs, or for the given time, and return one row an epoch (see `run.RESULTS_COLUMNS`).

    `save(row, kept, is_best)` is called after every epoch, with rows that hold finite numbers only; `kept` is the
    network that was judged, which is `network` unless the recipe wants an average.

    Errors: DivergedError when the loss is no longer a number; nothing of that epoch is saved.
    """
    world, display = setting.world, setting.display
    model = world.wrap(network)
    optimizer = optimizers.build(recipe.optimizer, network)
    average = Average(network, recipe.average)
    centre = replace(preprocess, views=1)  # epochs are compared by it; the verdict takes all views
    plan = Plan(recipe.epochs, setting.seconds, setting.pictures_afterwards)
    rows: list[Row] = []
    val_errors: list[float] = []
    best = (-math.inf, -math.inf)
    best_epoch = 0
    started = time.perf_counter()

    epoch = 0
    while epoch < plan.epochs:
        epoch += 1
        # -- train: every picture once ---------------------------------------------------------------------
        network.train()
        for name in setting.frozen:
            network.get_submodule(name).eval()
        epoch_started = time.perf_counter()
        sums = torch.zeros(3, dtype=sum_type(setting.device), device=setting.device)  # pictures, loss, right answers
        waited = 0.0
        with display.bar(f"epoch {epoch}/{plan.epochs}", len(train), "steps") as bar:
            batches = train.epoch(epoch)
            for step in range(len(train)):
                asked = time.perf_counter()
                batch = next(batches)
                waited += time.perf_counter() - asked

                rates = recipe.rates((epoch - 1) * len(train) + step, plan.epochs * len(train), len(train), val_errors)
                for group in optimizer.param_groups:
                    group["lr"] = rates[group["of"]]
                seed = train.step_seed(epoch, step)
                answered = answer(model, batch, seed, preprocess, recipe, setting.precision, class_weights)
                optimizer.zero_grad(set_to_none=True)
                answered.loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                average.update()

                count, loss = answered.count, answered.loss.detach()
                sums += torch.stack((torch.tensor(count, device=sums.device), loss * count, answered.right))
                _show(bar, sums, rates["weights"], time.perf_counter() - epoch_started)
        pictures_seen, loss_sum, hits = world.total(sums.tolist())
        train_seconds = time.perf_counter() - epoch_started
        _refuse_divergence(network, epoch, loss_sum, recipe)

        # -- evaluate --------------------------------------------------------------------------------------
        row: Row = {
            "epoch": epoch,
            "train/loss": loss_sum / pictures_seen,
            "train/acc": hits / pictures_seen,
            "lr": rates["weights"],
            "images_per_second": pictures_seen / train_seconds,
            "data_wait": waited,
        }
        if val is not None:
            tally = evaluate(average.network, val, centre, setting.precision, world.total)
            _refuse_divergence(network, epoch, tally.loss, recipe)
            row |= _validation_columns(tally, network.classes)
            val_errors.append(1 - row["val/acc"])
        row["time"] = time.perf_counter() - started

        # -- save, log, stop? ------------------------------------------------------------------------------
        score = (row.get("val/acc", 0.0), -row.get("val/loss", 0.0))
        improved = val is None or score > best
        if improved:
            best, best_epoch = score, epoch
        rows.append(row)
        save(row, average.network, improved or recipe.keep == "last")
        display.say(epoch_line(row, plan.epochs))
        if recipe.patience is not None and epoch - best_epoch >= recipe.patience:
            display.say(f"stopped early: validation has not become better for {recipe.patience} epochs")
            break
        plan = plan.after(epoch, row["time"], row["images_per_second"])
        if setting.seconds is not None:
            plan = replace(plan, epochs=int(world.share(str(plan.epochs))))  # the leader's clock counts
    return rows


def epoch_line(row: Row, epochs: int) -> str:
    """The permanent line of one epoch."""
    text = f"epoch {row['epoch']:>3.0f}/{epochs}  loss {row['train/loss']:.4f}  acc {row['train/acc']:.4f}"
    if "val/loss" in row:
        text += f"  val_loss {row['val/loss']:.4f}  val_acc {row['val/acc']:.4f}"
    return text + f"  lr {row['lr']:.2g}  {row['images_per_second']:,.0f} images/s  {row['time']:.0f} s"


def _refuse_divergence(network: AlexNet, epoch: int, loss: float, recipe: Recipe) -> None:
    """Errors: DivergedError when the loss, or a weight after the epoch's last step, is no finite number."""
    broken = next((name for name, tensor in network.state_dict().items() if not tensor.isfinite().all()), None)
    if broken is None and math.isfinite(loss):
        return
    what = f"{broken} holds numbers that are not finite" if broken else f"the loss is {loss}"
    raise DivergedError(
        f"training diverged in epoch {epoch}: {what}. Try a smaller --lr (it was {recipe.optimizer.lr:g})"
    )


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
