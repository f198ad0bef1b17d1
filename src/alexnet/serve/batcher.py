"""Pictures of many requests become batches: decoded by threads, answered by the one thread that has the network.

    answer(...) -> decoding threads -> queue -> network's thread -> the future of each picture

A picture has a future of its own and nothing else is shared, so an answer can only reach the request it was made
for. The deadline is a timer of the request's task; it does not wait for a batch to end.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.models.dense import FEW
from alexnet.predict import Classifier, Outputs
from alexnet.serve.limits import Limits
from alexnet.serve.metrics import Metrics
from alexnet.serve.refusal import RefusalError

T = TypeVar("T")
Fitted = NDArray[np.uint8]
"""A picture as `Classifier.fit` leaves it, uint8 (S, S, C)."""
Prepared = NDArray[np.float32]
"""The network's own input, float32 (C, size, size)."""

SHARE_OF_DEADLINE = 0.7  # a request is not admitted if waiting alone would take more
MAX_DEATHS = 3  # of the network's thread without a single answer in between

log = logging.getLogger("alexnet.serve")


@dataclass(eq=False)
class Job:
    """One picture on its way through the network."""

    content: Fitted | Prepared
    future: asyncio.Future[Outputs]
    since: float = field(default_factory=time.monotonic)


class Pace:
    """Seconds a picture costs, as it was seen lately."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def saw(self, seconds: float, pictures: int = 1) -> None:
        """Some pictures took so long."""
        new = seconds / pictures
        self.seconds = new if not self.seconds else 0.8 * self.seconds + 0.2 * new


class Batcher:
    """The queue, and the thread that has the network."""

    def __init__(self, classifier: Classifier, limits: Limits, metrics: Metrics, threads: int | None = None) -> None:
        self.classifier = classifier
        self.limits = limits
        self.metrics = metrics
        self.threads = threads or torch.get_num_threads()
        self.pending = 0
        """Pictures that are admitted and not yet answered."""
        self.broken = asyncio.Event()
        """Set when the network's thread died too often: the process should leave."""
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._running: list[Job] = []
        self._busy_since: float | None = None
        self._answered = asyncio.Event()
        self._deaths = 0
        self._thread: threading.Thread | None = None
        self._pool = ThreadPoolExecutor(limits.decoders, "decode", _one_thread)
        self._decoders = asyncio.Semaphore(2 * limits.decoders)
        self._decoding = 0
        self._decode_pace, self._network_pace = Pace(), Pace()

    async def start(self) -> None:
        """Start the thread; returns when it has answered a black picture."""
        self._loop = asyncio.get_running_loop()
        self._start_thread()
        waits = [asyncio.ensure_future(event.wait()) for event in (self._answered, self.broken)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def stop(self) -> None:
        """Let the thread end after what is queued."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, self.limits.stuck_seconds)
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def live(self) -> bool:
        """Whether the network's thread has proven itself and is not stuck in a batch."""
        since = self._busy_since
        stuck = since is not None and time.monotonic() - since > self.limits.stuck_seconds
        return self._answered.is_set() and not stuck

    def deadline(self) -> float:
        """By when a request that is whole now must be answered, in the loop's time."""
        return self._loop.time() + self.limits.deadline

    @asynccontextmanager
    async def until(self, deadline: float) -> AsyncIterator[None]:
        """Work that ends by `deadline`. Errors: RefusalError when it does not."""
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except TimeoutError:
            self.metrics.refused("late")
            raise RefusalError(HTTPStatus.GATEWAY_TIMEOUT, f"no answer within {self.limits.deadline:g} s") from None

    async def answer(self, pictures: Sequence[bytes | NDArray[np.uint8]], deadline: float | None = None) -> Outputs:
        """Encoded pictures, or RGB pixels (H, W, 3), in their order; by `deadline`, or what the limits say from now on.

        Errors: RefusalError when it is too busy or too late; DataError for a picture that cannot be read.
        """
        names = [f"picture {number}" for number in range(len(pictures))] if len(pictures) > 1 else [None]
        return await self._admitted(list(map(self._fit_and_ask, pictures, names)), deadline)

    async def answer_prepared(self, batch: NDArray[np.float32], deadline: float | None = None) -> Outputs:
        """The network's own input, float32 (N, C, size, size). Errors: RefusalError."""
        return await self._admitted([self._ask(prepared) for prepared in batch], deadline)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Something that takes a processor's time, by one of the decoding threads.

        The place is given back when the thread is done, not when the client has left: what clients leave behind does
        not pile up.
        """
        await self._decoders.acquire()
        future: Future[T] = self._pool.submit(work)
        future.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._decoders.release))
        return await asyncio.wrap_future(future)

    # ---- a request's task ------------------------------------------------------------------------------------

    async def _admitted(self, answers: Sequence[Coroutine[Any, Any, Outputs]], deadline: float | None) -> Outputs:
        count = len(answers)
        try:
            self._admit(count)
        except RefusalError:
            for answer in answers:
                answer.close()
            raise
        self.pending += count
        try:
            async with self.until(self.deadline() if deadline is None else deadline):
                if count == 1:
                    return await answers[0]
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(answer) for answer in answers]
            rows = [task.result() for task in tasks]
            return Outputs(np.concatenate([row.scores for row in rows]), np.concatenate([row.logits for row in rows]))
        except BaseExceptionGroup as group_of_errors:
            raise group_of_errors.exceptions[0] from None
        finally:
            self.pending -= count

    def _admit(self, count: int) -> None:
        if count > self.limits.max_queue:
            raise RefusalError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{count} pictures; at most {self.limits.max_queue} in one request"
            )
        if not self.live:
            self.metrics.refused("not live")
            raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "the network is being started anew", retry_after=1)
        wait = (self.pending + count) * (self._network_pace.seconds + self._decode_pace.seconds / self.limits.decoders)
        full = self.pending + count > self.limits.max_queue or wait > SHARE_OF_DEADLINE * self.limits.deadline
        if full and self.pending:
            self.metrics.refused("busy")
            raise RefusalError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"too busy: {self.pending} pictures are waiting",
                retry_after=max(1, ceil(wait)),
            )

    async def _fit_and_ask(self, picture: bytes | NDArray[np.uint8], name: str | None) -> Outputs:
        self._decoding += 1
        try:
            fitted = await self.in_thread(lambda: self._fit(picture, name))
        finally:
            self._decoding -= 1
        return await self._ask(fitted)

    def _fit(self, picture: bytes | NDArray[np.uint8], name: str | None) -> Fitted:
        started = time.perf_counter()
        fitted = self.classifier.fit(picture, name=name, max_pixels=self.limits.max_pixels)
        self._decode_pace.saw(time.perf_counter() - started)
        return fitted

    async def _ask(self, content: Fitted | Prepared) -> Outputs:
        job = Job(content, self._loop.create_future())
        with self._changed:
            self._queue.append(job)
            self._changed.notify()
        try:
            return await job.future
        finally:
            if job.future.cancelled():  # too late, or the client has left
                with self._changed:
                    if job in self._queue:
                        self._queue.remove(job)

    # ---- the network's thread --------------------------------------------------------------------------------

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._live_and_die, name="network", daemon=True)
        self._thread.start()

    def _live_and_die(self) -> None:
        cause: BaseException | None = None
        try:
            torch.set_num_threads(self.threads)
            preprocess = self.classifier.card.preprocess
            side = preprocess.resize_to
            for count in (1, min(FEW + 1, self.limits.max_batch)):  # weights are packed for either
                self.classifier.answer([np.zeros((side, side, preprocess.channels), np.uint8)] * count)
            self._loop.call_soon_threadsafe(self._answered.set)
            while jobs := self._next_batch():
                self._running = jobs
                self._busy_since = time.monotonic()
                self._answer(jobs)
                self._busy_since, self._running = None, []
        except BaseException as error:
            cause = error
        finally:
            self._loop.call_soon_threadsafe(self._died, cause)

    def _next_batch(self) -> list[Job]:
        """The next pictures; waits for them, and a little for company if more are on their way. Empty: the end."""
        with self._changed:
            while not self._queue:
                if self._stopping:
                    return []
                self._changed.wait()
            until = self._queue[0].since + self.limits.max_wait
            while len(self._queue) < self.limits.max_batch and self._decoding and not self._stopping:
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            count = min(len(self._queue), self.limits.max_batch)
            return [self._queue.popleft() for _ in range(count)] or self._next_batch()

    def _answer(self, jobs: list[Job]) -> None:
        for kind in (np.uint8, np.float32):
            if alike := [job for job in jobs if job.content.dtype == kind and not job.future.cancelled()]:
                self._answer_alike(alike)

    def _answer_alike(self, jobs: list[Job]) -> None:
        started = time.perf_counter()
        contents = [job.content for job in jobs]
        try:
            if contents[0].dtype == np.uint8:
                outputs = self.classifier.answer(contents)  # type: ignore[arg-type]
            else:
                outputs = self.classifier.answer_prepared(np.stack(contents))
        except Exception as error:
            if len(jobs) == 1:
                self._loop.call_soon_threadsafe(_fail, jobs, error)
                return
            log.warning("a batch of %d failed (%s): its pictures are tried one by one", len(jobs), error)
            for job in jobs:
                self._answer_alike([job])
            return
        seconds = time.perf_counter() - started
        self._network_pace.saw(seconds, len(jobs))
        self.metrics.batch(len(jobs), seconds, [started - job.since for job in jobs])
        self._loop.call_soon_threadsafe(_deliver, jobs, outputs)

    def _died(self, cause: BaseException | None) -> None:
        """In the loop, after the thread has ended: what it had is failed, and another takes its place."""
        running, self._running, self._busy_since = self._running, [], None
        if cause is None:
            return
        log.error("the network's thread died: %s", repr(cause), exc_info=cause)
        self.metrics.deaths.inc()
        self._deaths = 1 if self._answered.is_set() else self._deaths + 1
        self._answered.clear()
        _fail(running, RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "the network died on the way", retry_after=1))
        if self._deaths >= MAX_DEATHS:
            self.broken.set()
        elif not self._stopping:
            self._start_thread()


def _deliver(jobs: list[Job], outputs: Outputs) -> None:
    for row, job in enumerate(jobs):
        if not job.future.done():
            job.future.set_result(Outputs(outputs.scores[row : row + 1], outputs.logits[row : row + 1]))


def _fail(jobs: list[Job], error: Exception) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error)


def _one_thread() -> None:
    """Decoding is divided among the pool's threads, not within one."""
    torch.set_num_threads(1)
