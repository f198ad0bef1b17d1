"""Saturated units: tanh at its ends, where no gradient passes."""

from alexnet.doctor import useless
from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding


def look(chart: Chart) -> Finding | None:
    """Layers of which half or more say -1 or 1 and hardly anything between."""
    return useless.layers(
        chart,
        name="saturated units",
        cause="A tanh near its ends passes a fiftieth of the gradient or less: the layers before it learn no more.",
        share_of=lambda layer: layer.saturated,
        sign="are beyond ±0.99 nearly always",
    )
