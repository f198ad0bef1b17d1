"""Class imbalance: some classes have many times the training pictures of others."""

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding

RATIO = 10
NEGLECTED = 0.5  # recall


def look(chart: Chart) -> Finding | None:
    """More than ten to one, every class counting by its pictures."""
    counts = chart.counts["train"]
    if len(counts) < 2 or chart.asked.class_weights == "auto":
        return None
    most, fewest = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    if counts[most] <= RATIO * counts[fewest]:
        return None
    judged = chart.verdict.per_class if chart.verdict is not None else ()
    recall = next((each.recall for each in judged if each.label == fewest), None)
    evidence = [
        f"{counts[most]:,} training pictures of {most}, {counts[fewest]:,} of {fewest} (split.csv)",
        *([f"{recall:.3f} of {fewest} is found (metrics.json)"] if recall is not None else []),
    ]
    suffers = recall is not None and recall < NEGLECTED
    return Finding(
        name="class imbalance",
        evidence=tuple(evidence),
        cause="The loss counts pictures, so the rare classes hardly weigh in it.",
        remedy=chart.retrain("--class-weights auto"),
        sure=0.9 if suffers else 0.6,
        severity=0.7 if suffers else 0.3,
        mend={"class_weights": "auto"},
    )
