"""alexnet serve: a run's classifier, a socket, uvicorn around them, and an end in good order."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import cast

import uvicorn

from alexnet import device as machine
from alexnet.errors import ResourceError, UsageError
from alexnet.models import foreign
from alexnet.predict import load
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.serve.app import Application
from alexnet.serve.connection import Connection, bounded_by
from alexnet.serve.limits import Limits
from alexnet.serve.plain_json import readable

LOOPBACK_NAMES = frozenset(["localhost", "127.0.0.1", "[::1]"])


def serve(
    run: str,
    *,
    host: str,
    port: int,
    token: str | None,
    allowed_hosts: Sequence[str],
    name: str | None,
    limits: Limits,
    threads: int | None,
    device: str,
    amp: bool,
    verbose: bool,
    display: Display,
) -> None:
    """Serve RUN until a signal ends it.

    Errors: UsageError for an address that cannot be had; ModelFileError before anything listens; ResourceError when
    the network dies again and again.
    """
    if token is not None and not (token.isascii() and token.isprintable() and token.strip() == token and token):
        raise UsageError("--token must be printable ASCII without spaces around it")
    with bound(host, port) as listener:
        file = foreign.locate(run, display)
        machine.keep_memory()
        classifier = load(run, device=device, amp=amp, display=display)
        classifier.card = replace(classifier.card, classes=tuple(map(readable, classifier.classes)))
        trained = _run_of(file)
        address, port = listener.getsockname()[:2]
        local = ipaddress.ip_address(address).is_loopback
        hosts = {host.lower(), *(each.lower() for each in allowed_hosts)}
        application = Application(
            classifier,
            name=name or (file.with_suffix("") if trained is None else trained.path).name,
            run=trained,
            limits=limits,
            token=token,
            hosts=frozenset(LOOPBACK_NAMES | hosts) if local or allowed_hosts else None,
            threads=threads,
            verbose=verbose,
        )
        _log_to_stderr(verbose)
        base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        secret = "" if token is None else '-H "Authorization: Bearer $ALEXNET_TOKEN" '
        lines = [
            f"serving {run} ({classifier.card.variant}, {len(classifier.classes)} classes) on {base}",
            f"try: curl {secret}--data-binary @picture.jpg {base}/predict",
            f"what else it answers: {base}/docs",
        ]
        if not local and token is None:
            lines.append("anybody who reaches this address may ask: --token makes them prove themselves")
        server = _Server(application, config(application, limits), limits.drain_seconds, display, lines)
        try:
            server.run([listener])
        except SystemExit:  # uvicorn's way to say that the application could not start
            raise ResourceError("the server could not start: the log says why") from None
    if application.batcher.broken.is_set():
        raise ResourceError("the network died again and again: the log says why")


def _run_of(file: Path) -> Run | None:
    """The run whose weights these are; None for weights without one, such as those of others in a folder `weights`."""
    run = Run(file.resolve().parents[1]) if file.parent.name == "weights" else None
    return run if run is not None and run.args_file.is_file() else None


def config(application: Application, limits: Limits) -> uvicorn.Config:
    """How uvicorn serves it."""
    return uvicorn.Config(
        application.fastapi,
        http=bounded_by(limits),
        ws="none",
        loop="uvloop" if _has_uvloop() else "asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.keep_alive,
        timeout_graceful_shutdown=int(limits.deadline + limits.body_seconds) + 1,
    )


def _has_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401
    except ImportError:  # Windows
        return False
    return True


class _Server(uvicorn.Server):
    """uvicorn, which on SIGTERM first says that it is not ready, and leaves with exit code 0."""

    def __init__(
        self, application: Application, config: uvicorn.Config, drain: float, display: Display, lines: Sequence[str]
    ) -> None:
        super().__init__(config)
        self._application, self._drain, self._display, self._lines = application, drain, display, lines
        self._until: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where it listens when it does."""
        await super().startup(sockets)
        if not self.started or self._application.batcher.broken.is_set():
            self.should_exit = True
            return
        for line in self._lines:
            self._display.say(line)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which resets the connections that wait to be accepted."""
        waiting = [asyncio.create_task(self._taken(each)) for listener in sockets or [] for each in _accepted(listener)]
        await super().shutdown(sockets)
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _taken(self, connected: socket.socket) -> None:
        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        _, made = await asyncio.get_running_loop().connect_accepted_socket(protocol, connected)
        cast(Connection, made).shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, which afterwards raises the signal once more and so leaves with another exit code."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: not ready, and the end after a while; SIGINT: the end; a second one: without waiting."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self._application.state.draining = True
        if sig == signal.SIGINT:
            self.should_exit = True
        elif self._until is None:
            self._until = time.monotonic() + self._drain

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is it time to end?"""
        late = self._until is not None and time.monotonic() >= self._until
        self.should_exit = self.should_exit or late or self._application.batcher.broken.is_set()
        return await super().on_tick(counter)


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that has the address and does not listen yet."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(f"--host {host!r} is no address of this machine: {error}") from error
    family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    with socket.socket(family, kind, protocol) as listener:
        if sys.platform != "win32":  # there it would take an address that another program has
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise _taken(host, port, error) from error
        try:
            yield listener
        except OSError as error:  # another program began to listen on it in between
            if error.errno != errno.EADDRINUSE:
                raise
            raise _taken(host, port, error) from error


def _taken(host: str, port: int, error: OSError) -> UsageError:
    reason = (error.strerror or str(error)).lower()
    return UsageError(f"cannot listen on {host}:{port} ({reason}): name another --port or --host")


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    listener.setblocking(False)
    with contextlib.suppress(OSError):  # nobody else waits
        while True:
            yield listener.accept()[0]


def _log_to_stderr(verbose: bool) -> None:
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.ERROR)
    logging.getLogger("alexnet.serve").setLevel(logging.INFO if verbose else logging.WARNING)
