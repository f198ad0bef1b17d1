"""Stuck at chance: the loss stands where guessing would have it; four causes, told apart."""

from dataclasses import dataclass

from alexnet.doctor.chart import BLOWN_UP, DEAD, Chart
from alexnet.doctor.finding import Finding, Mend, smaller_rate

NAME = "stuck at chance"
SAME_ANSWER = 0.05  # probabilities that differ by less over all pictures
SLOW = 0.02  # of the usual rate: then it is too low, see `slow`
WILD = 10  # times the usual rate
INSTEAD = ((163, "notebook-flowers"), (63, "owt-bn"), (0, "notebook-mnist"))
"""Networks whose biases start at 0, and the smallest side of pictures that each takes."""


@dataclass(frozen=True)
class _Why:
    """What stands behind it: its signs, and the rest as in a Finding."""

    cause: str
    sure: float
    signs: tuple[str, ...] = ()
    remedy: str = ""
    mend: Mend = None
    advice: str = ""


def look(chart: Chart) -> Finding | None:
    """Nothing learnt in three epochs or more: is the rate too high, are units dead, biases at 1, labels wrong?"""
    chance = chart.chance_loss
    if chance is None or not chart.learnt_nothing or chart.rate <= SLOW * chart.usual_rate:
        return None
    losses = chart.train_loss
    part = "training loss on mixed pictures:" if chart.mixed else "training loss"
    evidence = [
        f"{part} {losses[0]:.3f} in the first epoch, {min(losses):.3f} at best, {losses[-1]:.3f} in the "
        f"last; guessing gives {chance:.3f} (results.csv, split.csv)",
        f"training accuracy {chart.history[-1]['train/acc']:.3f}, guessing gives {chart.chance_accuracy:.3f}",
    ]
    why = (
        _too_high(chart, chance)
        or _dead(chart)
        or _biases(chart)
        or _labels(chart)
        or _rated(chart, "No sign tells why; a learning rate that is too high is the most frequent reason.", 0.5)
    )
    return Finding(NAME, (*evidence, *why.signs), why.cause, why.remedy, why.sure, 1.0, why.mend, why.advice)


def _rated(chart: Chart, cause: str, sure: float, *signs: str) -> _Why:
    """A cause that a smaller rate mends."""
    remedy, mend = smaller_rate(chart)
    return _Why(cause, sure, signs, remedy, mend)


def _too_high(chart: Chart, chance: float) -> _Why | None:
    peak, rate, usual = max(chart.train_loss), chart.rate, chart.usual_rate
    if peak <= BLOWN_UP * chance and rate <= WILD * usual:
        return None
    sign = f"the loss was {peak:.3g} at its highest, at a rate of {rate:g} ({chart.rule} starts at {usual:g})"
    return _rated(chart, "The learning rate is too high: its first steps threw the weights out.", 0.95, sign)


def _dead(chart: Chart) -> _Why | None:
    deadest = chart.deadest
    if deadest is None or deadest.dead < DEAD:
        return None
    sign = f"{deadest.name}: {deadest.dead:.0%} of {deadest.units} units are never above 0 (vitals)"
    cause = "Dead ReLUs: no picture wakes them, so neither values nor gradients pass that layer."
    return _rated(chart, cause, 0.9, sign)


def _biases(chart: Chart) -> _Why | None:
    vitals, model, side = chart.vitals, chart.asked.model, chart.asked.imgsz
    fresh = chart.asked.weights is None
    if vitals is None or not vitals.biases_at_one or not fresh:
        return None
    warm = chart.verdict.temperature if chart.verdict is not None else 1.0  # it narrows small differences in proportion
    if vitals.output_spread * warm >= SAME_ANSWER:
        return None
    other = next(name for smallest, name in INSTEAD if side is None or side >= smallest)
    return _Why(
        cause="Biases that start at 1 drown what small weights see: every picture gets the same answer.",
        sure=0.85,
        signs=(
            f"{model} starts {', '.join(vitals.biases_at_one)} with biases of 1 (vitals)",
            f"over all pictures no probability moves by more than {vitals.output_spread:.2g} (vitals)",
        ),
        remedy=chart.retrain(f"--model {other}"),
        advice=f"{other} starts with biases of 0",
    )


def _labels(chart: Chart) -> _Why | None:
    neighbours = chart.vitals.neighbours if chart.vitals is not None else None
    if neighbours is None or not chart.random_labels:
        return None
    return _Why(
        cause="The labels seem wrong: pictures that look alike do not share one.",
        sure=0.75,
        signs=(
            f"{neighbours.accuracy:.3f} of the pictures have the label of the picture most like them; "
            f"random labels would give {neighbours.chance:.3f} (vitals)",
        ),
        advice="look at samples.png and split.csv, and mend the labels",
    )
