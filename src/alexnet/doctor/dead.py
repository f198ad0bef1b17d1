"""Dead units: ReLUs that no picture wakes."""

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding, smaller_rate

MANY = 0.5  # of a layer; trained AlexNets live with a few
FEWEST = 200  # pictures: a unit of a wide layer may wait for one in a hundred


def look(chart: Chart) -> Finding | None:
    """Layers of which half or more never answer, whichever of 200 pictures or more they see."""
    layers = [layer for layer in chart.vitals.get("activations", ()) if layer["dead"] >= MANY]
    if not layers or chart.vitals["pictures"] < FEWEST:
        return None
    worst = max(layer["dead"] for layer in layers)
    remedy, mend = smaller_rate(chart)
    return Finding(
        name="dead units",
        evidence=tuple(
            f"{layer['name']}: {layer['dead']:.0%} of {layer['units']} units are 0 on all "
            f"{chart.vitals['pictures']} pictures (vitals)"
            for layer in layers
        ),
        cause="A unit that is 0 for every picture gets no gradient and stays so; too large steps push it there.",
        remedy=remedy,
        sure=0.4 + 0.4 * worst,
        severity=0.6,
        mend=mend,
    )
