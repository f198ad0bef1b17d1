"""Over-fitting: the training part is learnt by heart while validation gets worse."""

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding
from alexnet.run import Row

FEWEST = 3  # epochs after the best one, and at least a quarter of the run
RISE = 0.1  # of the smallest validation loss
LEAST = 0.05  # of the loss of chance: below it, a loss moves by single pictures
GAINED = 0.01  # accuracy; with more, a rising loss is only growing confidence
GONE_ON = 0.9  # of the training loss at that epoch: it has fallen on
BY_HEART = 0.5  # of validation's errors: where training pictures were mixed, errors on whole ones tell instead
DIGITS = ("digits", "mnist")  # no digit is its own mirror image


def look(chart: Chart) -> Finding | None:
    """The validation loss was smallest epochs before the end, and the training loss has gone on falling since."""
    rows = chart.history
    chance = chart.chance_loss
    if chance is None or not rows or any("val/loss" not in row for row in rows) or chart.lags:
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
    learnt = _by_heart(chart, low, end)
    if learnt is None:
        return None
    kept = chart.asked.keep == "best"
    return Finding(
        name="over-fitting",
        evidence=(
            f"validation loss: {low['val/loss']:.3f} in epoch {low['epoch']:.0f}, {end['val/loss']:.3f} in epoch "
            f"{end['epoch']:.0f} (results.csv)",
            learnt,
        ),
        cause=f"After epoch {low['epoch']:.0f} the network learnt its training pictures by heart and nothing that "
        "holds for others" + (" (the epoch that is best on validation was kept)." if kept else "."),
        remedy=chart.retrain(_change(chart)),
        sure=0.85,
        severity=0.4 if kept else 0.6,
        advice=_advice(chart),
    )


def _by_heart(chart: Chart, low: Row, end: Row) -> str | None:
    """What shows that training pictures are known better and better, if anything does."""
    if not chart.mixed:
        if end["train/loss"] > GONE_ON * low["train/loss"]:
            return None
        return f"training loss meanwhile: {low['train/loss']:.3f}, then {end['train/loss']:.3f} (results.csv)"
    if chart.vitals is None or 1 - chart.vitals.evaluation.accuracy > BY_HEART * (1 - end["val/acc"]):
        return None
    return (
        f"right answers: {chart.vitals.evaluation.accuracy:.3f} on whole training pictures (vitals), "
        f"{end['val/acc']:.3f} in validation (results.csv)"
    )


def _change(chart: Chart) -> str:
    """The first that the run has not tried: pictures moved a little, as all kinds bear; mixed; an earlier end."""
    if not chart.asked.augment.moves:
        return "--set augment.rotate=10 --set augment.translate=0.07 --set augment.zoom=0.1"
    if not chart.mixed:
        return "--set mixing.mixup=0.2"
    return f"--patience {max(FEWEST, len(chart.history) // 5)}"


def _advice(chart: Chart) -> str:
    ways = ["more pictures"]
    if chart.asked.weights is None:
        ways.append("fine-tuning, with --weights")
    if not chart.asked.augment.flip and chart.asked.data not in DIGITS:
        ways.append("--set augment.flip=true, if a mirrored picture keeps its class")
    return "what helps too: " + "; ".join(ways)
