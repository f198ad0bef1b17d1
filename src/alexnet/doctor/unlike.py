"""Validation unlike training: other classes, or other pictures or labels, than what was learnt."""

import math

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding

NAME = "validation unlike training"
MOST_SURE, LEAST_SURE = 0.85, 0.5  # there may be other reasons; with less it is not said
LEARNT = 0.6  # accuracy on training pictures that is no chance; and twice chance's


def look(chart: Chart) -> Finding | None:
    """Classes that one part lacks; else a network that knows its training pictures and guesses the others."""
    return _classes(chart) or _mixed_up(chart)


def _classes(chart: Chart) -> Finding | None:
    train, val = set(chart.counts["train"]), set(chart.counts["val"])
    if not train or not val or train == val:
        return None
    unknown, unjudged = sorted(val - train), sorted(train - val)
    evidence = []
    if unknown:
        evidence.append(f"in validation only: {_listed(unknown)} (split.csv)")
    if unjudged:
        evidence.append(f"in training only: {_listed(unjudged)} (split.csv)")
    cause = (
        "A class without training pictures cannot be learnt: check the folders' names."
        if unknown
        else "A class without validation pictures is never judged, and has no say in which epoch is best."
    )
    wrong = len(unknown) + len(unjudged)
    return Finding(
        name=NAME,
        evidence=tuple(evidence),
        cause=cause,
        remedy="",
        sure=1.0,
        severity=0.9 if unknown else min(0.9, 0.3 + wrong / len(train | val)),
        advice="give both parts pictures of the same classes, or leave out the val folder: one is cut then",
    )


def _mixed_up(chart: Chart) -> Finding | None:
    vitals, verdict = chart.vitals, chart.verdict
    if vitals is None or verdict is None or verdict.split != "val" or chart.lags:
        return None
    learnt, judged = vitals.evaluation.accuracy, verdict.accuracy_top1
    if learnt < max(LEARNT, 2 * chart.chance_accuracy) or not chart.is_chance(judged, verdict.n):
        return None
    sure = MOST_SURE * _guesses(judged, verdict.n, chart.chance_accuracy, learnt)
    if sure < LEAST_SURE:
        return None
    evidence = [
        f"{learnt:.3f} of {vitals.pictures} training pictures right (vitals), {judged:.3f} of "
        f"{verdict.n} in validation (metrics.json); guessing gives {chart.chance_accuracy:.3f}"
    ]
    if vitals.batch is not None:
        evidence.append(f"batch norm is not the reason: {vitals.batch.accuracy:.3f} with batch statistics")
    cause = "The validation part shows other things than the training part, or its labels are mixed up."
    if chart.random_labels and vitals.neighbours is not None:
        evidence.append(
            f"{vitals.neighbours.accuracy:.3f} of the training pictures have the label of the one most like them; "
            f"random labels would give {vitals.neighbours.chance:.3f} (vitals)"
        )
        cause = "The labels seem wrong: they were learnt by heart and say nothing of other pictures."
    return Finding(
        name=NAME,
        evidence=tuple(evidence),
        cause=cause,
        remedy="",
        sure=sure,
        severity=0.9,
        advice="lay samples.png beside worst.png and the rows of predictions.csv, and mend folders or labels",
    )


def _guesses(judged: float, pictures: float, chance: float, learnt: float) -> float:
    """How likely an accuracy is that of guessing, and not of a network that has learnt half as much as it seems to:
    of few pictures either may be seen."""
    half = (chance + learnt) / 2
    right, wrong = judged * pictures, (1 - judged) * pictures
    odds = right * math.log(half / max(chance, 1e-9)) + wrong * math.log((1 - half) / (1 - chance))
    return 1 / (1 + math.exp(min(odds, 700)))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
