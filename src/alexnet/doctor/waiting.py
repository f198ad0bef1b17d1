"""Waiting for data: the processor stands still until pictures come."""

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding

SHARE = 0.2
LEAST = 10.0  # seconds; nobody minds less


def look(chart: Chart) -> Finding | None:
    """More than a fifth of the training time."""
    pictures = sum(chart.counts["train"].values())
    rows = [row for row in chart.history if row.get("images_per_second", 0) > 0 and "data_wait" in row]
    spent = sum(pictures / row["images_per_second"] for row in rows)
    waited = sum(row["data_wait"] for row in rows)
    if not pictures or waited < LEAST or waited <= SHARE * spent:
        return None
    return Finding(
        name="waiting for data",
        evidence=(f"{waited:,.0f} of {spent:,.0f} seconds of training went by waiting (results.csv)",),
        cause="Decoded pictures are read more slowly than used: the disk of the cache is slow, or memory short.",
        remedy="",
        sure=0.9,
        severity=0.3,
        advice="put the cache on a fast disk: XDG_CACHE_HOME names its folder; or train smaller pictures (--imgsz), if "
        "the network takes them",
    )
