"""Layers of which most units are of no use, whatever they see: what dead ReLUs and saturated tanhs have in common."""

from collections.abc import Callable

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding, smaller_rate
from alexnet.doctor.records import Activation

MANY = 0.5  # of a layer; trained AlexNets live with a few


def layers(
    chart: Chart, name: str, cause: str, share_of: Callable[[Activation], float], sign: str, fewest: int = 1
) -> Finding | None:
    """The finding called `name` where `share_of` a layer's units is half or more, seen on `fewest` pictures at least.

    `sign` says what these units do.
    """
    ill = [layer for layer in chart.activations if share_of(layer) >= MANY]
    if chart.vitals is None or not ill or chart.vitals.pictures < fewest:
        return None
    seen = f"{sign}, on {chart.vitals.pictures} pictures (vitals)"
    remedy, mend = smaller_rate(chart)
    return Finding(
        name=name,
        evidence=tuple(f"{layer.name}: {share_of(layer):.0%} of {layer.units} units {seen}" for layer in ill),
        cause=cause,
        remedy=remedy,
        sure=0.4 + 0.4 * max(share_of(layer) for layer in ill),
        severity=0.6,
        mend=mend,
    )
