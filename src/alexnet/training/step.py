"""One step up to its loss: pictures augmented, mixed and answered. The loop and the rate search share it."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet.data.augment import augment
from alexnet.data.batches import Batch
from alexnet.data.mixing import Mixed, mix
from alexnet.device import Precision, autocast, seed_step
from alexnet.preprocess import Preprocess
from alexnet.training.recipe import Recipe


@dataclass(frozen=True)
class Answered:
    """The mean loss of the pictures that count in a batch, with its graph; how many they are, and how many of them
    were answered rightly."""

    loss: Tensor
    right: Tensor
    count: int


def answer(
    model: nn.Module,
    batch: Batch,
    seed: int,
    preprocess: Preprocess,
    recipe: Recipe,
    precision: Precision,
    class_weights: Tensor | None,
) -> Answered:
    """Everything random in it, dropout included, follows from `seed`."""
    seed_step(seed, batch.pixels.device)
    generator = torch.Generator().manual_seed(seed + 1)
    pictures = augment(batch.pixels, preprocess.size, recipe.augment, generator, preprocess.mean)
    mixed = mix(preprocess.normalise(pictures), batch.labels, recipe.mixing, generator, batch.own)
    with autocast(batch.pixels.device, precision):
        logits = model(mixed.pictures)
    logits = logits[: batch.own].float()
    mixed = replace(mixed, labels=mixed.labels[: batch.own], partners=mixed.partners[: batch.own])
    loss = _loss(logits, mixed, class_weights, recipe.label_smoothing)
    return Answered(loss, _right(logits.detach(), mixed), batch.own)


def _loss(logits: Tensor, mixed: Mixed, class_weights: Tensor | None, smoothing: float) -> Tensor:
    """Cross-entropy with both labels of each picture, weighted by their shares; of no picture, zero."""
    if not len(logits):
        return logits.sum()
    loss = F.cross_entropy(logits, mixed.labels, weight=class_weights, label_smoothing=smoothing)
    if mixed.share == 1:
        return loss
    return loss.lerp(F.cross_entropy(logits, mixed.partners, class_weights, label_smoothing=smoothing), 1 - mixed.share)


def _right(logits: Tensor, mixed: Mixed) -> Tensor:
    """Right answers of a batch; in mixed pictures each label counts as much as its share."""
    answers = logits.argmax(dim=1)
    right = (answers == mixed.labels).sum().float()
    return right if mixed.share == 1 else right.lerp((answers == mixed.partners).sum().float(), 1 - mixed.share)
