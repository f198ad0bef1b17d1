"""Learning rate too low: the loss falls in a straight line, or not at all, and is far from done at the end."""

from typing import Any

from alexnet.doctor.chart import DEAD, Chart
from alexnet.doctor.finding import Finding, Mend, with_rate
from alexnet.doctor.stuck import SLOW

FEWEST = 6  # epochs in which a straight line can be told from a curve
FAR = 0.4  # of the loss of chance
STRAIGHT = 0.8  # the last third's fall an epoch, over the whole run's
STILL = 0.02  # of the loss of chance: how far it may move in all and still stand
LOW = 0.1  # of the usual rate
LARGER = 3  # times the rate, where it is not low


def look(chart: Chart) -> Finding | None:
    """Still falling as fast as ever at the end (or standing still, with hardly a rate at all).

    Where training pictures were mixed, it is validation's loss that tells, unless its statistics lag.
    """
    chance, losses, rate, usual = chart.chance_loss, chart.whole_loss, chart.rate, chart.usual_rate
    if chance is None or not losses or not rate or losses[-1] < FAR * chance or (chart.mixed and chart.lags):
        return None
    part = "validation" if chart.mixed else "training"
    deadest = chart.deadest
    awake = deadest is None or deadest.dead < DEAD
    still = len(losses) > 2 and rate <= SLOW * usual and awake and max(losses) - min(losses) < STILL * chance
    if still:
        sign = f"{part} loss {losses[0]:.4f}, {losses[-1]:.4f} after {len(losses)} epochs; guessing: {chance:.4f}"
    else:
        if len(losses) < FEWEST:
            return None
        third = len(losses) // 3
        whole = (losses[0] - losses[-1]) / (len(losses) - 1)
        late = (losses[-1 - third] - losses[-1]) / third
        if whole <= 0 or losses[0] - losses[-1] < STILL * chance or late < STRAIGHT * whole:
            return None
        sign = (
            f"{part} loss {losses[0]:.3f} to {losses[-1]:.3f} of {chance:.3f} at chance; it falls by {late:.3f} an "
            f"epoch in the last {third} epochs, by {whole:.3f} over the whole run (results.csv)"
        )
    low = rate <= LOW * usual
    if low:
        cause = "Steps are so small that the training ended long before it was done; nothing else need be wrong."
        remedy, mend = with_rate(chart, usual)
    elif rate < usual:
        cause = "The training ended in the middle of its descent: larger steps, or more of them, would go further."
        remedy, mend = with_rate(chart, min(LARGER * rate, usual))
    else:
        cause = "The training ended in the middle of its descent: more steps would go further."
        remedy, mend = _longer(chart)
    return Finding(
        name="learning rate too low" if rate < usual else "training too short",
        evidence=(sign, f"learning rate {rate:g}; {chart.rule} is usually started at {usual:g} (args.yaml)"),
        cause=cause,
        remedy=remedy,
        sure=0.9 if low else 0.6,
        severity=0.8,
        mend=mend,
    )


def _longer(chart: Chart) -> tuple[str, Mend]:
    """The remedy that trains twice as long: twice the time where that was given, else twice the epochs."""
    if chart.asked.time is not None:
        twice: dict[str, Any] = {"time": 2 * chart.asked.time}
        return chart.retrain(f"--time {twice['time']:g}s"), twice
    epochs = 2 * len(chart.history)
    return chart.retrain(f"--epochs {epochs}"), {"epochs": epochs}
