"""What every request passes before it reaches a route, and every answer on its way out.

In: who may ask (Host, token), how much may be sent and for how long. Out: headers for browsers, the count for the
metrics, and the end of a connection whose request was answered before it was read.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import time
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alexnet.errors import printable
from alexnet.serve.bodies import too_long
from alexnet.serve.limits import Limits
from alexnet.serve.metrics import OTHER, Metrics
from alexnet.serve.page.files import ADDRESSES
from alexnet.serve.refusal import RefusalError, bad, error

PROBES = frozenset(["/health", "/ready", "/v2/health/live", "/v2/health/ready"])
OPEN = PROBES | ADDRESSES
"""What needs no token: what probes ask for, and the page's own files, which then ask their user for it."""
LINGER_SECONDS, LINGER_BYTES = 1.0, 1 << 20  # what is still read of a request that has its answer
GONE = 499  # nginx's number for a client that left; nobody receives it
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

log = logging.getLogger("alexnet.serve")


class State:
    """What changes while a server runs."""

    draining = False
    """Whether it was told to end: it is not ready any more, and connections are closed after their answer."""


class Gate:
    """An ASGI application around another."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        state: State,
        metrics: Metrics,
        limits: Limits,
        token: str | None = None,
        hosts: frozenset[str] | None = None,
        verbose: bool = False,
    ) -> None:
        """`hosts` are the names by which the server may be called, None for any; `token` is asked for if it is set."""
        self.app, self.state, self.metrics, self.limits = app, state, metrics, limits
        self.token = None if token is None else token.encode()
        self.hosts, self.verbose = hosts, verbose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the application's start and end."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        passage = _Passage(self, scope, receive, send)
        try:
            try:
                self._admit(scope)
                await self.app(scope, passage.receive, passage.send)
            except RefusalError as refusal:
                await refusal.response()(scope, passage.receive, passage.send)
        except ClientDisconnect:
            passage.status = GONE
        except Exception:
            log.exception("a request failed")
            if passage.status:
                raise
            await error(500, "internal error; the server's log says more")(scope, passage.receive, passage.send)
        finally:
            passage.account()

    def _admit(self, scope: Scope) -> None:
        """Errors: RefusalError for another host's name or a missing token."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) > 1 or (self.hosts is not None and (not hosts or _without_port(hosts[0]) not in self.hosts)):
            raise bad("this server is not called by that name: see --allowed-host")
        if self.token is not None and scope["path"] not in OPEN and not self._knows_token(scope):
            raise RefusalError(HTTPStatus.UNAUTHORIZED, "a token is needed: Authorization: Bearer TOKEN")

    def _knows_token(self, scope: Scope) -> bool:
        """`Bearer TOKEN`, or the password of `Basic`, which browsers ask for by themselves."""
        assert self.token is not None
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        kind, _, credentials = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        credentials = credentials.strip()
        if kind.lower() == b"basic":
            try:
                credentials = base64.b64decode(credentials, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif kind.lower() != b"bearer":
            return False
        return hmac.compare_digest(credentials, self.token)


class _Passage:
    """One request through the gate."""

    def __init__(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        self._gate, self._scope, self._receive, self._send = gate, scope, receive, send
        self._started = time.perf_counter()
        self._body_until = asyncio.get_running_loop().time() + gate.limits.body_seconds
        self._unread = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        self._bytes = 0
        self.status = 0

    async def receive(self) -> Message:
        """The next piece of the body, within the bounds of bytes and time."""
        if not self._unread:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._body_until):
                message = await self._receive()
        except TimeoutError:
            raise RefusalError(
                HTTPStatus.REQUEST_TIMEOUT, f"the body took longer than {self._gate.limits.body_seconds:g} s"
            ) from None
        self._bytes += len(message.get("body", b""))
        self._unread = message.get("more_body", False)
        if self._bytes > self._gate.limits.max_bytes:
            raise too_long(self._gate.limits.max_bytes)
        return message

    async def send(self, message: Message) -> None:
        """The answer, with the headers that all have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if self.status == HTTPStatus.UNAUTHORIZED:
                headers.append("WWW-Authenticate", "Bearer")
                headers.append("WWW-Authenticate", 'Basic realm="alexnet: any name, the token as password"')
            if self._unread or self._gate.state.draining:
                headers["Connection"] = "close"
        elif self._unread and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _linger(self) -> None:
        """Read on for a moment: closing on bytes that nobody has read would take the answer back from the client."""
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while self._unread and left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self._unread = message.get("more_body", False)
        except TimeoutError:
            pass

    def account(self) -> None:
        """Count the request."""
        seconds = time.perf_counter() - self._started
        route = getattr(self._scope.get("route"), "path", OTHER)
        self._gate.metrics.request(route, self.status, seconds)
        if self._gate.verbose:
            path = printable(self._scope["path"])  # without the query: a client may have put a token there
            log.info("%s %s %d %.1f ms", self._scope["method"], path, self.status, 1000 * seconds)


def _without_port(host: bytes) -> str:
    name = host.decode("latin-1").lower()
    return name if name.endswith("]") else name.rpartition(":")[0] or name
