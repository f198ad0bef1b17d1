"""Lagging statistics: the network has learnt, but batch norm answers with averages from before it had."""

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding
from alexnet.doctor.records import Norm

FEWEST = 4  # pictures that the gap must amount to


def look(chart: Chart) -> Finding | None:
    """Evaluation far below batch statistics, on the same training pictures; not where they were measured anew."""
    vitals, gap = chart.vitals, chart.statistics_lag
    if vitals is None or vitals.batch is None or not chart.lags or gap * vitals.pictures < FEWEST:
        return None
    if chart.verdict is not None and chart.verdict.statistics_over is not None:
        return None
    return Finding(
        name="lagging statistics",
        evidence=(
            f"{vitals.pictures} training pictures: {vitals.evaluation.accuracy:.3f} right with the running statistics, "
            f"{vitals.batch.accuracy:.3f} with each batch's own (vitals)",
            *_held(vitals.batch_norms),
        ),
        cause="The weights are better than they look: batch norm's running averages are not yet those of the "
        "trained network, and the error grows from layer to layer.",
        remedy=f"alexnet recalibrate {chart.where}",
        sure=min(0.99, 0.7 + gap),
        severity=min(1.0, 0.8 + gap),
        mend="recalibrate",
    )


def _held(norms: tuple[Norm, ...]) -> tuple[str, ...]:
    """What is left of the start in the batch norm that holds most of it, where that is known."""
    shares = [(norm.held, norm) for norm in norms if norm.held is not None]
    if not shares:
        return ()
    held, norm = max(shares, key=lambda pair: pair[0])
    return (
        f"{norm.name}: momentum {norm.momentum or 0:g}, {norm.steps} steps: it still holds {held:.0%} of mean 0 and "
        "variance 1, which it started from (vitals)",
    )
