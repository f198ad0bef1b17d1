"""Not finished: stopped or killed before there was a verdict."""

from alexnet.doctor.chart import Chart
from alexnet.doctor.divergence import SAID
from alexnet.doctor.finding import Finding


def look(chart: Chart) -> Finding | None:
    """No metrics.json, and no word of a divergence."""
    if chart.verdict is not None or any(SAID.search(line) for line in chart.log):
        return None
    epochs = chart.asked.epochs if chart.asked.epochs is not None else "?"
    return Finding(
        name="not finished",
        evidence=(f"{len(chart.history)} of {epochs} epochs (results.csv), no verdict (metrics.json)",),
        cause="The training was stopped, or the machine was, before its end; or it still runs.",
        remedy=chart.retrain("").rstrip(),
        sure=0.9,
        severity=0.5,
    )
