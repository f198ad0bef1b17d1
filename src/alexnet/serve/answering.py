"""What all protocols share: a body read whole, pictures answered while the client waits."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import TypeVar

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from alexnet.errors import DataError
from alexnet.predict import Classifier, Outputs
from alexnet.serve.batcher import Batcher
from alexnet.serve.bodies import Bodies, unless_gone
from alexnet.serve.limits import Limits
from alexnet.serve.refusal import RefusalError, bad

T = TypeVar("T")


class Answering:
    """One classifier behind all protocols."""

    def __init__(self, name: str, classifier: Classifier, batcher: Batcher, limits: Limits) -> None:
        self.name, self.classifier, self.limits = name, classifier, limits
        self.batcher = batcher
        self.bodies = Bodies(limits)

    def body(self, request: Request) -> AbstractAsyncContextManager[bytes]:
        """The request's body, held while the block lasts. Errors: as `Bodies.read`."""
        return self.bodies.read(request)

    async def in_thread(self, request: Request, work: Callable[[], T]) -> T:
        """Parsing that may take a while, unless the client leaves. Errors: RefusalError when late; those of `work`."""
        async with self.batcher.until(self._deadline(request)):
            return await unless_gone(request, self.batcher.in_thread(work))

    async def of_pictures(self, request: Request, pictures: Sequence[bytes | NDArray[np.uint8]]) -> Outputs:
        """Errors: RefusalError for a picture that cannot be read, too; the message names it if there are several."""
        for number, picture in enumerate(pictures):
            if len(picture) == 0:
                raise bad("no picture: the body is empty" if len(pictures) == 1 else f"picture {number} is empty")
        try:
            return await unless_gone(request, self.batcher.answer(pictures, self._deadline(request)))
        except DataError as error:
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error

    async def of_prepared(self, request: Request, batch: NDArray[np.float32]) -> Outputs:
        """The network's own input, float32 (N, C, size, size). Errors: RefusalError."""
        return await unless_gone(request, self.batcher.answer_prepared(batch, self._deadline(request)))

    def _deadline(self, request: Request) -> float:
        """The same for all that is done for a request, from the first of it."""
        at: float = request.scope.setdefault("alexnet.deadline", self.batcher.deadline())
        return at
