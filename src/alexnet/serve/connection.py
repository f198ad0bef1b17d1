"""A connection as uvicorn has it, with what it lacks against slow and long-winded clients."""

import asyncio
import json

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from alexnet.serve.limits import Limits


def _last_words(status: str, message: str) -> bytes:
    """An answer to what is no request; the form is that of all errors."""
    body = json.dumps({"error": message})
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close"
    return f"{head}\r\n\r\n{body}".encode()


TOO_LONG = _last_words("431 Request Header Fields Too Large", "the request's head is too long")
NO_HTTP = _last_words("400 Bad Request", "not a valid HTTP request")


class Connection(HttpToolsProtocol):
    """uvicorn's own has no bound on the number of connections, on the bytes and seconds of a request's head, and on how
    long a client may not read."""

    limits = Limits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close it at once if there are too many."""
        self._in_head, self._turned, self._head_bytes = True, False, 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        for cycle in (self._running, *(each for each, _ in self.pipeline)):
            if cycle is not None:  # uvicorn tells only the request that came last
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, or of a body, or of both."""
        if self._in_head and self._head_timer is None:  # the first bytes after an answer
            self._expect_head()
        self._turned = False
        super().data_received(data)
        if self._in_head and not self._turned:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.max_head and not self.transport.is_closing():
                self.transport.write(TOO_LONG)
                self.transport.close()

    def shutdown(self) -> None:
        """The server ends: a request that has already been sent to it is still answered."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(self.limits.last_seconds, super().shutdown)
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """As all errors here are told."""
        self.transport.write(NO_HTTP)
        self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is over; its body has a time limit of its own."""
        self._in_head, self._turned = False, True
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes next is a head again."""
        super().on_message_complete()
        self._in_head, self._turned, self._head_bytes = True, True, 0

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_seconds, self._late)

    def _late(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
        else:  # a request sent ahead, behind one that is still being answered: reading may be paused
            self._expect_head()


def bounded_by(limits: Limits) -> type[Connection]:
    """The class of connections that keep to `limits`: uvicorn makes them without arguments of ours."""
    return type("Connection", (Connection,), {"limits": limits})
