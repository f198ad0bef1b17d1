"""Divergence: the loss or a weight became infinite, or no number at all, or was on its way there."""

import re

from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding, smaller_rate

SAID = re.compile(r"training diverged in (?P<where>epoch \d+(, step \d+)?): (?P<what>.*?)(?:\. Try .*)?$")
EXPLODED = 3  # times the loss of chance; weights that have just started may be above it in the first epoch


def look(chart: Chart) -> Finding | None:
    """train.log says so, or the loss at the end is far beyond that of guessing."""
    said = next((match for line in reversed(chart.log) if (match := SAID.search(line))), None)
    losses, chance = chart.train_loss, chart.chance_loss
    if said is not None:
        evidence = [f"{said['where']}: {said['what']} (train.log)"]
        if losses:
            evidence.append(f"training loss before: {losses[-1]:.3g} in epoch {len(losses)} (results.csv)")
        name, sure = "diverged", 1.0
    elif chance is not None and len(losses) > 1 and losses[-1] > EXPLODED * chance:
        evidence = [
            f"training loss {max(losses):.3g} at its highest and {losses[-1]:.3g} in the last epoch; guessing gives "
            f"{chance:.3g} (results.csv)"
        ]
        name, sure = "learning rate too high", 0.9
    else:
        return None
    evidence.append(
        f"learning rate {chart.rate:g}; {chart.rule} is usually started at {chart.usual_rate:g} (args.yaml)"
    )
    remedy, mend = smaller_rate(chart)
    cause = "Each step overshot further than the one before: the learning rate is too high for this network."
    return Finding(name, tuple(evidence), cause, remedy, sure, 1.0, mend)
