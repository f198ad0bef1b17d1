"""What takes turns: the product's own ways on made-up pictures, each as one call."""

import copy
import io
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from alexnet import device as machine
from alexnet.data import images
from alexnet.data.augment import augment
from alexnet.data.batches import Batch, Batches
from alexnet.data.decode import CHUNK, Item, by_threads
from alexnet.device import Precision
from alexnet.models import variants
from alexnet.models.network import AlexNet, create_model, probabilities
from alexnet.models.ready import ready
from alexnet.preprocess import Preprocess
from alexnet.training import optimizers
from alexnet.training.divergence import gradients_are_finite
from alexnet.training.recipe import Recipe
from alexnet.training.step import answer

Call = Callable[[], object]

ROOM = 200_000_000  # bytes of made-up pictures at most: more than any cache, less than any memory
JPEG = 500, 375  # pixels, as ImageNet's pictures are on average


@dataclass(frozen=True)
class Stand:
    """A network and the pictures that it would meet, made up; weights stay as they are."""

    network: AlexNet
    recipe: Recipe
    preprocess: Preprocess
    device: torch.device
    pixels: NDArray[np.uint8]
    """uint8 (N, S, S, C), as a store has them."""
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, recipe: Recipe, device: torch.device, most: int = 1024, room: int = ROOM) -> "Stand":
        """For the recipe's variant, size and margin, with its source's classes; `most` pictures that take
        `room` bytes, or two batches.

        Errors: UsageError when the variant cannot take pictures of that size.
        """
        variant = variants.find(recipe.model)
        torch.manual_seed(0)
        network = create_model(recipe.model, image_size=recipe.imgsz).on(device)
        channels, size, _ = network.input_shape
        grey = (0.5,) * channels
        preprocess = Preprocess(
            size,
            round(size * recipe.margin),
            recipe.resize,
            channels,
            mean=grey,
            std=tuple(value / 2 for value in grey),
        )
        shape = (preprocess.resize_to, preprocess.resize_to, channels)
        count = max(2 * recipe.batch_size, min(most, room // int(np.prod(shape))))
        generator = np.random.default_rng(0)
        pixels = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
        return cls(network, recipe, preprocess, device, pixels, generator.integers(0, variant.classes, count))

    def batches(self) -> Iterator[Batch]:
        """Batches on the device, without end."""
        made = Batches(
            self.pixels,
            self.labels,
            np.arange(len(self.pixels)),
            batch_size=self.recipe.batch_size,
            seed=0,
            device=self.device,
        )
        full = len(self.pixels) // self.recipe.batch_size
        for epoch in itertools.count():
            yield from itertools.islice(made.epoch(epoch), full)

    def training(self, precision: Precision, batches: Iterator[Batch] | None = None) -> Call:
        """One step: augmented, forward, backward, looked through for what is no number, optimizer; rates are 0.

        Of `batches`, or again and again of one that lies on the device.
        """
        optimizer = optimizers.build(self.recipe.optimizer, self.network.parameters())
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        batches = batches or itertools.repeat(next(self.batches()))
        network = self.network.train()

        def step() -> None:
            answered = answer(network, next(batches), 0, self.preprocess, self.recipe, precision, None)
            optimizer.zero_grad(set_to_none=True)
            answered.loss.backward()  # type: ignore[no-untyped-call]
            gradients_are_finite(network.parameters())
            optimizer.step()

        return step

    def answering(self, precision: Precision, batches: Iterator[Batch] | None = None) -> Call:
        """One batch to probabilities, one view, as `predict` does it; of `batches`, or of one on the device."""
        network, called_in = ready(copy.deepcopy(self.network).eval(), precision)
        batches = batches or itertools.repeat(next(self.batches()))

        def batch() -> None:
            with torch.inference_mode(), machine.autocast(self.device, called_in):
                probabilities(network, self.preprocess, next(batches).pixels)

        return batch

    def gathering(self) -> Call:
        """One batch from the store's memory to the device."""
        batches = self.batches()
        return lambda: next(batches)

    def augmenting(self) -> Call:
        """One batch augmented as the recipe wants it, and normalised."""
        pixels = next(self.batches()).pixels
        generator = torch.Generator().manual_seed(0)
        settings, size, mean = self.recipe.augment, self.preprocess.size, self.preprocess.mean
        return lambda: self.preprocess.normalise(augment(pixels, size, settings, generator, mean))

    def decoding(self, workers: int) -> Call:
        """CHUNK JPEGs a thread, from bytes to stored squares."""
        jpeg = _jpeg()
        items: list[Item] = [(number, f"{number}", jpeg) for number in range(CHUNK * workers)]

        def decoded(chunk: list[Item]) -> int:
            return len([self.preprocess.fit(images.read(jpeg, name)) for _, name, _ in chunk])

        def decode() -> None:
            deque(by_threads(iter(items), decoded, workers), maxlen=0)

        return decode


def product(side: int, precision: Precision, device: torch.device) -> Call:
    """One product of square matrices: 2 · side³ operations."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    return lambda: left @ right


def _jpeg() -> bytes:
    """A picture of ordinary size and detail, quality 90."""
    width, height = JPEG
    rough = np.random.default_rng(0).integers(0, 256, (height // 5, width // 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(rough).resize(JPEG, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()
