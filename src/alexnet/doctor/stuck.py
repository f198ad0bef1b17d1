"""Stuck at chance: the loss stands where guessing would have it; four causes, told apart."""

from alexnet.doctor.chart import BLOWN_UP, DEAD, Chart
from alexnet.doctor.finding import Finding, Mend, smaller_rate

NAME = "stuck at chance"
SAME_ANSWER = 0.05  # probabilities that differ by less over all pictures
SLOW = 0.02  # of the usual rate: then it is too low, see `slow`


def look(chart: Chart) -> Finding | None:
    """Nothing learnt in three epochs or more: is the rate too high, are units dead, biases at 1, labels wrong?"""
    chance = chart.chance_loss
    if chance is None or not chart.learnt_nothing or chart.rate <= SLOW * chart.usual_rate:
        return None
    losses = chart.train_loss
    evidence = [
        f"training loss {losses[0]:.3f} in the first epoch, {min(losses):.3f} at best, {losses[-1]:.3f} in the last; "
        f"guessing gives {chance:.3f} (results.csv, split.csv)",
        f"training accuracy {chart.history[-1]['train/acc']:.3f}, guessing gives {chart.chance_accuracy:.3f}",
    ]
    sign, cause, remedy, mend, sure = _cause(chart, chance)
    return Finding(NAME, (*evidence, *sign), cause, remedy, sure, 1.0, mend)


def _cause(chart: Chart, chance: float) -> tuple[tuple[str, ...], str, str, Mend, float]:
    """Sign, cause, remedy and how sure; the surest signs first."""
    rate, rule, peak = chart.rate, chart.rule, max(chart.train_loss)
    lower = smaller_rate(chart)
    if peak > BLOWN_UP * chance or rate > 10 * chart.usual_rate:
        sign = f"the loss was {peak:.3g} at its highest, at a rate of {rate:g} ({rule} starts at {chart.usual_rate:g})"
        return (sign,), "The learning rate is too high: its first steps threw the weights out.", *lower, 0.95
    deadest = chart.deadest
    if deadest is not None and deadest["dead"] >= DEAD:
        sign = f"{deadest['name']}: {deadest['dead']:.0%} of {deadest['units']} units are never above 0 (vitals)"
        cause = "Dead ReLUs: no picture wakes them, so neither values nor gradients pass that layer."
        return (sign,), cause, *lower, 0.9
    started = chart.vitals.get("biases_at_one", [])
    if started and chart.vitals["output_spread"] < SAME_ANSWER:
        model = chart.args["model"]
        signs = (
            f"{model} starts {', '.join(started)} with biases of 1 (vitals)",
            f"over all pictures no probability moves by more than {chart.vitals['output_spread']:.2g} (vitals)",
        )
        cause = "Biases that start at 1 drown what small weights see: every picture gets the same answer."
        return signs, cause, f"train another variant, such as --model notebook-flowers, not {model}", None, 0.85
    if chart.labels_by_lot:
        neighbours = chart.vitals["neighbours"]
        sign = (
            f"{neighbours['accuracy']:.3f} of the pictures have the label of the picture most like them; "
            f"labels drawn by lot would give {neighbours['chance']:.3f} (vitals)"
        )
        cause = "The labels seem wrong: pictures that look alike do not share one."
        return (sign,), cause, "look at samples.png and split.csv, and mend the labels", None, 0.75
    return (), "No sign tells why; a learning rate that is too high is the most frequent reason.", *lower, 0.5
