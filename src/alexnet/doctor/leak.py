"""The same picture in training and validation: the verdict flatters."""

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding

SHARE = 0.01  # of the validation part; data sets of renown have single ones


def look(chart: Chart) -> Finding | None:
    """One in a hundred validation pictures, or more, is a training picture too."""
    twins = chart.vitals.twins if chart.vitals is not None else None
    if twins is None or not twins.count or twins.count < SHARE * twins.of:
        return None
    share = twins.count / twins.of
    return Finding(
        name="same picture in training and validation",
        evidence=(
            f"{twins.count:,} of {twins.of:,} validation pictures are in training too, pixel by pixel (vitals)",
            *(f"{left} = {right}" for left, right in twins.pairs[:3]),
        ),
        cause="What was learnt by heart counts as understood: the accuracy on new pictures is lower than it says.",
        remedy="",
        sure=1.0,
        severity=min(0.9, 0.4 + share),
        advice="remove the copies and train again; all pairs, twenty at most, are in vitals.json or doctor --json",
    )
