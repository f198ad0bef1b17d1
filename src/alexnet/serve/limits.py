"""Every number that bounds the server, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on work, on what a request may hold, and on how long a connection may take."""

    max_batch: int = 16
    """Pictures that go through the network together."""
    max_wait: float = 0.005
    """Seconds that a picture waits for others to share its batch."""
    max_queue: int = 128
    """Pictures that may be admitted and not yet answered; one request may hold as many."""
    deadline: float = 10.0
    """Seconds from a request's last byte to its answer."""
    decoders: int = 2
    """Threads that decode pictures."""
    max_bytes: int = 16 << 20
    """Bytes of a request's body, as sent and inflated."""
    max_pixels: int = 25_000_000
    """Pixels of one picture, by its header."""
    max_parts: int = 8
    """Parts of a multipart form."""
    max_held: int = 256 << 20
    """Bytes of the bodies that are held at the same time."""
    max_head: int = 64 << 10
    """Bytes of a request's line and headers."""
    connections: int = 800
    """Connections at the same time; further ones are closed."""
    head_seconds: float = 10.0
    """For a request's line and headers."""
    body_seconds: float = 30.0
    """For a request's body."""
    write_seconds: float = 30.0
    """While a client does not read its answer."""
    keep_alive: int = 30
    """Seconds between two requests of a connection."""
    stuck_seconds: float = 60.0
    """A batch that takes longer makes the server not live."""
    drain_seconds: float = 1.0
    """After SIGTERM: how long it says that it is not ready, and still answers."""
    last_seconds: float = 0.5
    """After the listening has ended: how long a connection without a request is still heard."""
