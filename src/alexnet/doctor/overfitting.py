"""Over-fitting: the training part is learnt by heart while validation gets worse."""

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding
from alexnet.doctor.lagging import GAP

FEWEST = 3  # epochs after the best one, and at least a quarter of the run
RISE = 0.1  # of the smallest validation loss
LEAST = 0.05  # of the loss of chance: below it, a loss moves by single pictures
GAINED = 0.01  # accuracy; with more, a rising loss is only growing confidence


def look(chart: Chart) -> Finding | None:
    """The validation loss was smallest epochs before the end, and the training loss has gone on falling since."""
    rows = chart.history
    chance = chart.chance_loss
    if chance is None or not rows or any("val/loss" not in row for row in rows) or chart.statistics_lag >= GAP:
        return None
    best = min(range(len(rows)), key=lambda index: rows[index]["val/loss"])
    since = len(rows) - 1 - best
    if since < max(FEWEST, len(rows) / 4):
        return None
    low, end = rows[best], rows[-1]
    risen = min(row["val/loss"] for row in rows[-2:]) - low["val/loss"]
    better = end["val/acc"] - low["val/acc"]
    if risen < max(RISE * low["val/loss"], LEAST * chance) or better > GAINED:
        return None
    if end["train/loss"] > 0.9 * low["train/loss"]:
        return None
    kept = chart.args.get("keep") == "best"
    return Finding(
        name="over-fitting",
        evidence=(
            f"validation loss: {low['val/loss']:.3f} in epoch {low['epoch']:.0f}, {end['val/loss']:.3f} in epoch "
            f"{end['epoch']:.0f} (results.csv)",
            f"training loss meanwhile: {low['train/loss']:.3f}, then {end['train/loss']:.3f} (results.csv)",
        ),
        cause=f"After epoch {low['epoch']:.0f} the network learnt its training pictures by heart and nothing that "
        "holds for others" + (" (the epoch that is best on validation was kept)." if kept else "."),
        remedy=chart.retrain(f"--patience {max(FEWEST, len(rows) // 5)} --set augment.flip=true")
        + ", more pictures, or fine-tuning with --weights",
        sure=0.85,
        severity=0.4 if kept else 0.6,
    )
