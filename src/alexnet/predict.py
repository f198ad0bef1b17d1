"""Classifier: weights + preprocess + class names; the one way to an answer."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alexnet import device as machine
from alexnet.data import images
from alexnet.errors import DataError, ModelFileError, UsageError
from alexnet.models import foreign
from alexnet.models.network import AlexNet, create_model, logits_of_views, mean_over_views
from alexnet.models.ready import ready
from alexnet.progress import Display
from alexnet.weights import Card

Picture = str | Path | bytes | NDArray[np.uint8]
"""A file, a file's bytes, or RGB pixels, uint8 (H, W, 3)."""


CHUNK = 32  # pictures that go through the network together


class Prediction(TypedDict):
    """One class and its probability."""

    label: str
    score: float


class Outputs(NamedTuple):
    """What a network says of some pictures, a row each."""

    scores: NDArray[np.float32]
    """Probabilities, (N, classes): softmax of each test view, then their mean."""
    logits: NDArray[np.float32]
    """Before the softmax, (N, classes): the mean over the test views."""


class Classifier:
    """A trained network with all it needs to answer. Float32 unless `amp` is asked for."""

    def __init__(self, network: AlexNet, card: Card, *, device: str | torch.device = "auto", amp: bool = False) -> None:
        self.device = machine.choose(device) if isinstance(device, str) else device
        self.precision = machine.choose_precision(self.device, amp)
        self.network = network.on(self.device)
        self.network.eval()
        self.card = card

    @property
    def answering(self) -> nn.Module:
        """What gives the logits: the network, made ready where there is a way (see `models.ready`)."""
        return self._ready[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the outputs."""
        return self.card.classes

    def predict(self, picture: Picture | Sequence[Picture], topk: int = 5) -> Any:  # noqa: ANN401 (by the input)
        """The `topk` most probable classes of a picture (or of each in a list), best first.

        >>> load("last").predict("a.jpg", topk=2)                                      # doctest: +SKIP
        [{'label': 'daisy', 'score': 0.91}, {'label': 'sunflower', 'score': 0.06}]

        Errors: DataError naming a picture that cannot be read.
        """
        if isinstance(picture, str | Path | bytes | np.ndarray):
            return self.top(self.scores([picture]), topk)[0]
        return self.top(self.scores(list(picture)), topk)

    def scores(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Class probabilities, float32 (len(pictures), classes)."""
        chunks = [
            self.answer([self.fit(picture) for picture in pictures[at : at + CHUNK]]).scores
            for at in range(0, len(pictures), CHUNK)
        ]
        return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *chunks])

    def fit(
        self, picture: Picture, *, name: str | None = None, max_pixels: int = images.MAX_PIXELS
    ) -> NDArray[np.uint8]:
        """A picture as the network's evaluation view takes it, uint8 (S, S, C).

        Errors: DataError for one that cannot be read; it calls bytes by `name`.
        """
        return self.card.preprocess.fit(_pixels(picture, name, max_pixels))

    def answer(self, fitted: Sequence[NDArray[np.uint8]]) -> Outputs:
        """What the network says of pictures that `fit` has prepared, all in one batch."""
        if not fitted:
            nothing = np.zeros((0, len(self.classes)), np.float32)
            return Outputs(nothing, nothing)
        batch = torch.from_numpy(np.stack(fitted)).permute(0, 3, 1, 2).to(self.device)
        with self._at_its_precision():
            return _outputs(logits_of_views(self.answering, self.card.preprocess, batch))

    def answer_prepared(self, batch: NDArray[np.float32]) -> Outputs:
        """What the network says of its own input: one view, scale and mean taken out, float32 (N, C, size, size)."""
        with self._at_its_precision():
            return _outputs([self.answering(torch.from_numpy(batch).to(self.device)).float()])

    @contextmanager
    def _at_its_precision(self) -> Iterator[None]:
        with torch.inference_mode(), machine.autocast(self.device, self._ready[1]):
            yield

    @cached_property
    def _ready(self) -> tuple[nn.Module, machine.Precision]:
        return ready(self.network, self.precision)

    def top(self, scores: NDArray[np.float32], topk: int = 5) -> list[list[Prediction]]:
        """Scores (N, classes) as names and probabilities; equal ones keep the order of the classes."""
        if topk < 1:
            raise UsageError(f"--topk must be at least 1, not {topk}")
        order = np.argsort(-scores, axis=1, kind="stable")[:, :topk]
        return [
            [{"label": self.classes[index], "score": float(row[index])} for index in best]
            for row, best in zip(scores, order, strict=True)
        ]

    def stream(
        self, paths: Iterable[Path], topk: int = 5, batch_size: int = CHUNK
    ) -> Iterator[tuple[Path, list[Prediction] | DataError]]:
        """Answers for any number of files, in their order; an unreadable one gives its error instead.

        While the network answers one batch, threads decode the next.
        """
        remaining = iter(paths)
        with images.without_warnings(), ThreadPoolExecutor() as threads:

            def decoding() -> list[tuple[Path, Future[NDArray[np.uint8] | DataError]]]:
                return [(path, threads.submit(self._fitted, path)) for path in itertools.islice(remaining, batch_size)]

            following = decoding()
            while following:
                waiting, following = following, decoding()
                yield from self._answered([(path, decoded.result()) for path, decoded in waiting], topk)

    def _fitted(self, path: Path) -> NDArray[np.uint8] | DataError:
        try:
            return self.fit(path)
        except DataError as error:
            return error

    def _answered(
        self, waiting: list[tuple[Path, NDArray[np.uint8] | DataError]], topk: int
    ) -> Iterator[tuple[Path, list[Prediction] | DataError]]:
        good = [stored for _, stored in waiting if not isinstance(stored, DataError)]
        answered = iter(self.top(self.answer(good).scores, topk))
        for path, stored in waiting:
            yield path, stored if isinstance(stored, DataError) else next(answered)


def load(
    path: str | Path,
    *,
    device: str | torch.device = "auto",
    amp: bool = False,
    display: Display | None = None,
) -> Classifier:
    """The classifier of a run (its best weights), of the newest run ('last'), of a file of weights, other programs'
    included (see `models.foreign`), or of published ones by name ('torchvision').

    Errors: UsageError when there is no such run; ModelFileError when the file is damaged or does not fit.
    """
    file = foreign.locate(path, display)
    matched = foreign.read(file)
    state, card = matched.state, matched.card
    if display is not None:
        for line in matched.lines(file):
            display.say(line)
    try:
        network = create_model(
            card.variant,
            num_classes=len(card.classes),
            in_channels=card.preprocess.channels,
            image_size=card.preprocess.size,
        )
    except UsageError as error:
        raise ModelFileError(f"{file} cannot be used by this version: {error}") from error
    network.load_weights(state, file)
    return Classifier(network, card, device=device, amp=amp)


def _outputs(logits: list[Tensor]) -> Outputs:
    mean = logits[0] if len(logits) == 1 else torch.stack(logits).mean(dim=0)
    return Outputs(mean_over_views(logits).cpu().numpy(), mean.cpu().numpy())


def _pixels(picture: Picture, name: str | None, max_pixels: int) -> NDArray[np.uint8]:
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise DataError(f"pixels must be uint8 of shape (H, W, 3), not {picture.dtype} {picture.shape}")
        return picture
    return images.read(Path(picture) if isinstance(picture, str) else picture, name, max_pixels=max_pixels)
