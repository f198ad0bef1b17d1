"""What can be said while a training still runs, from its rows alone."""

from collections.abc import Sequence
from dataclasses import replace

from alexnet.doctor import divergence, stuck
from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding
from alexnet.run import Row

EARLIEST = 0.1  # of the epochs: some networks need a while before their loss leaves chance


def hopeless(begun: Chart, rows: Sequence[Row]) -> Finding | None:
    """What is plainly hopeless after the epochs in `rows`; None for all that may yet become something.

    That is a loss far above chance that still rises, or one that has stood at chance for three epochs, and a tenth of
    the run, after the rate's warm-up.
    """
    chart = replace(begun, history=tuple(rows))
    losses, epochs = chart.train_loss, chart.asked.epochs
    if epochs is None or len(rows) >= epochs:
        return None  # it is over: see `examine`
    if len(losses) > 1 and losses[-1] >= losses[-2] and (rising := divergence.look(chart)) is not None:
        return rising
    warm = min(chart.asked.schedule.warmup, epochs / 5)  # see `training.schedules.factor`
    return stuck.look(chart) if len(rows) >= max(warm + 3, EARLIEST * epochs) else None
