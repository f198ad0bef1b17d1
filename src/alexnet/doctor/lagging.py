"""Lagging statistics: the network has learnt, but batch norm answers with averages from before it had."""

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding

GAP = 0.15  # accuracy; a network whose statistics are up to date differs by a few points
FEWEST = 4  # pictures that the gap must amount to


def look(chart: Chart) -> Finding | None:
    """Evaluation far below batch statistics, on the same training pictures."""
    gap = chart.statistics_lag
    if gap < GAP or gap * chart.vitals["pictures"] < FEWEST:
        return None
    moving, batch = chart.vitals["evaluation"]["accuracy"], chart.vitals["batch"]["accuracy"]
    worst = max(chart.vitals["batch_norms"], key=lambda norm: norm["held"])
    return Finding(
        name="lagging statistics",
        evidence=(
            f"{chart.vitals['pictures']} training pictures: {moving:.3f} right with the moving statistics, "
            f"{batch:.3f} with each batch's own (vitals)",
            f"{worst['name']}: momentum {worst['momentum'] or 0:g}, {worst['steps']} steps: it still holds "
            f"{worst['held']:.0%} of mean 0 and variance 1, which it started from (vitals)",
        ),
        cause="The weights are better than they look: batch norm's moving averages are not yet those of the "
        "trained network, and the error grows from layer to layer.",
        remedy=f"alexnet recalibrate {chart.where}",
        sure=min(0.99, 0.7 + gap),
        severity=min(1.0, 0.8 + gap),
        mend="recalibrate",
    )
