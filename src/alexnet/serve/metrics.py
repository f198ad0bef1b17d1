"""What Prometheus may read: few names, labels from fixed lists only."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
OTHER = "other"


class Metrics:
    """The counters of one server, in a registry of its own."""

    def __init__(self, pending: Callable[[], int], live: Callable[[], bool]) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "alexnet_requests", "Requests, by route and status.", ("route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "alexnet_request_seconds",
            "From a request's headers to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )
        self._refused = Counter(
            "alexnet_refused", "Requests without an answer: busy, late, not live.", ("reason",), registry=registry
        )
        self.batch_size = Histogram(
            "alexnet_batch_pictures",
            "Pictures that went through the network together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=registry,
        )
        self.network_seconds = Histogram(
            "alexnet_network_seconds", "Of one batch in the network.", buckets=SECONDS, registry=registry
        )
        self.queue_seconds = Histogram(
            "alexnet_queue_seconds", "Of one picture between decoding and network.", buckets=SECONDS, registry=registry
        )
        self.deaths = Counter("alexnet_network_deaths", "Times that the network's thread died.", registry=registry)
        Gauge(
            "alexnet_pending_pictures", "Pictures that are admitted and not yet answered.", registry=registry
        ).set_function(pending)
        Gauge("alexnet_live", "1 if the network answers.", registry=registry).set_function(live)

    def request(self, route: str, status: int, seconds: float) -> None:
        """One request is over; `route` is a route's pattern, never a path that a client made up."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, reason: str) -> None:
        """One request was not answered."""
        self._refused.labels(reason).inc()

    def batch(self, pictures: int, seconds: float, queued: Sequence[float]) -> None:
        """One batch went through the network; what each of its pictures waited before."""
        self.batch_size.observe(pictures)
        self.network_seconds.observe(seconds)
        for waited in queued:
            self.queue_seconds.observe(max(0.0, waited))

    def text(self) -> bytes:
        """Prometheus's text format."""
        return generate_latest(self.registry)
