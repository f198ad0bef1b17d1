"""Dead units: ReLUs that no picture wakes."""

from alexnet.doctor import useless
from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding

FEWEST = 200  # pictures: a unit of a wide layer may wait for one in a hundred


def look(chart: Chart) -> Finding | None:
    """Layers of which half or more never answer, whichever of 200 pictures or more they see."""
    return useless.layers(
        chart,
        name="dead units",
        cause="A unit that is 0 for every picture gets no gradient and stays so; too large steps push it there.",
        share_of=lambda layer: layer.dead,
        sign="are always 0",
        fewest=FEWEST,
    )
