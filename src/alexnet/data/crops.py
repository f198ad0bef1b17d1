"""Crops at whole pixels and mirror images: pixels are copied, none is computed."""

import torch
from torch import Generator, Tensor

from alexnet.device import send

SMALL = 1 << 12
"""Bytes of a cut picture up to which a CPU, too, cuts all at once."""


def cut(stored: Tensor, size: int, generator: Generator, *, random: bool, flip: bool) -> Tensor:
    """Cut (N, C, S, S) to (N, C, size, size) of the same type: from the centre or, `random`, from anywhere; `flip`
    mirrors each left and right with probability 1/2."""
    count, margin = len(stored), stored.shape[-1] - size
    if not random and not flip:
        return stored[:, :, margin // 2 : margin // 2 + size, margin // 2 : margin // 2 + size]
    corners = draw_corners(count, margin, generator) if random else torch.full((2, count), margin // 2)
    mirrored = torch.rand(count, generator=generator) < 0.5 if flip else torch.zeros(count, dtype=torch.bool)
    if stored.device.type == "cpu" and size**2 * stored.shape[1] > SMALL:
        return one_by_one(stored, corners, mirrored, size)
    return at_once(stored, send(corners, stored.device), send(mirrored, stored.device), size)


def draw_corners(count: int, margin: int, generator: Generator) -> Tensor:
    """Top and left of random crops, int64 (2, count): each of the (margin + 1)² places is as likely."""
    return torch.randint(0, margin + 1, (2, count), generator=generator)


def at_once(stored: Tensor, corners: Tensor, mirrored: Tensor, size: int) -> Tensor:
    """Cut at `corners`, int64 (2, N), and mirror those `mirrored`, bool (N,), in as few operations as a GPU likes.
    Channels lie last in memory."""
    pictures = torch.arange(len(stored), device=stored.device)
    top, left = corners
    # all places as a view, (N, S - size + 1, S - size + 1, C, size, size)
    places = stored.permute(0, 2, 3, 1).unfold(1, size, 1).unfold(2, size, 1)
    batch = places[pictures, top, left]
    return torch.where(mirrored.view(-1, 1, 1, 1), batch.flip(-1), batch)


def one_by_one(stored: Tensor, corners: Tensor, mirrored: Tensor, size: int) -> Tensor:
    """The same. Pictures of 224 pixels take a CPU a tenth of the time: of one rows are copied, of many single bytes."""
    count, channels = stored.shape[:2]
    batch = stored.new_empty(count, size, size, channels).permute(0, 3, 1, 2)
    for picture, top, left, turned, place in zip(stored, *corners.tolist(), mirrored.tolist(), batch, strict=True):
        part = picture[:, top : top + size, left : left + size]
        place.copy_(part.flip(-1) if turned else part)
    return batch
