"""Saturated units: tanh at its ends, where no gradient passes."""

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding, smaller_rate

MANY = 0.5  # of a layer


def look(chart: Chart) -> Finding | None:
    """Layers of which half or more say -1 or 1 and hardly anything between."""
    layers = [layer for layer in chart.vitals.get("activations", ()) if layer["saturated"] >= MANY]
    if not layers:
        return None
    worst = max(layer["saturated"] for layer in layers)
    remedy, mend = smaller_rate(chart)
    return Finding(
        name="saturated units",
        evidence=tuple(
            f"{layer['name']}: {layer['saturated']:.0%} of {layer['units']} units are beyond ±0.99 for nearly all of "
            f"{chart.vitals['pictures']} pictures (vitals)"
            for layer in layers
        ),
        cause="A tanh near its ends passes a fiftieth of the gradient or less: the layers before it learn no more.",
        remedy=remedy,
        sure=0.4 + 0.4 * worst,
        severity=0.6,
        mend=mend,
    )
