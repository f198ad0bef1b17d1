"""A request's body, whole: counted while it arrives, inflated within the same bound; and whether its client waits."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from alexnet.serve.limits import Limits
from alexnet.serve.refusal import RefusalError, bad

T = TypeVar("T")

WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # of zlib: 16 more for gzip's header


class Bodies:
    """Reads bodies; knows how many bytes of them are held at the same time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held = 0

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body, inflated if it is gzip or deflate. Its bytes count as held until the block is left.

        Errors: RefusalError when it is too long, too slow, damaged, or too much is held already; ClientDisconnect.
        """
        held = 0
        try:
            inflater = _inflater(request)
            announced = int(request.headers.get("content-length", 0))  # the parser lets digits through only
            if announced > self.limits.max_bytes:
                raise too_long(self.limits.max_bytes)
            chunks = []
            async for chunk in request.stream():
                piece = inflater.add(chunk, self.limits.max_bytes - held) if inflater else chunk
                held += len(piece)
                self.held += len(piece)
                if held > self.limits.max_bytes:
                    raise too_long(self.limits.max_bytes)
                if self.held > self.limits.max_held:
                    raise RefusalError(
                        HTTPStatus.TOO_MANY_REQUESTS, "too busy: other requests fill the memory", retry_after=1
                    )
                chunks.append(piece)
            if inflater:
                inflater.end()
            yield b"".join(chunks) if len(chunks) != 1 else chunks[0]
        finally:
            self.held -= held


class _Inflater:
    """gzip or zlib, a piece at a time."""

    def __init__(self, bits: int) -> None:
        self._stream = zlib.decompressobj(bits)

    def add(self, chunk: bytes, room: int) -> bytes:
        """What `chunk` inflates to; at most one byte more than `room`, so that the caller notices."""
        if not chunk:
            return b""
        try:
            piece = self._stream.decompress(chunk, room + 1)
        except zlib.error as error:
            raise bad(f"the body is not what its Content-Encoding says: {error}") from error
        if self._stream.unused_data:
            raise bad("the compressed body has something behind its end")
        return piece

    def end(self) -> None:
        """Errors: RefusalError if the stream was cut."""
        if not self._stream.eof:
            raise bad("the compressed body ends before its stream does")


def _inflater(request: Request) -> _Inflater | None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return None
    if encoding not in WINDOW_BITS:
        raise RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding may be gzip, deflate or identity")
    return _Inflater(WINDOW_BITS[encoding])


def too_long(limit: int) -> RefusalError:
    """For a body of too many bytes."""
    return RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than the {limit:,} bytes allowed")


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, unless the client leaves before: then it is cancelled.

    Call it after the body was read. Errors: ClientDisconnect; those of `work`.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
