"""A finding's remedy carried out: always as a new run beside the old one, which stays as it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet import experiment, verdict
from alexnet.doctor import Finding
from alexnet.errors import UsageError
from alexnet.progress import Display
from alexnet.recalibration import recalibrate
from alexnet.run import Run, free_name


@dataclass(frozen=True)
class Mended:
    """The new run, and the figures (as in metrics.json) before and after; empty before where there were none."""

    run: Run
    before: dict[str, Any]
    after: dict[str, Any]


def mend(
    run: Run, finding: Finding, *, data_dir: Path | None = None, device: str = "auto", display: Display | None = None
) -> Mended:
    """Measure the statistics anew, or train again as the run did but for what the finding wants changed.

    The new run is NAME-recalibrated or NAME-mended, beside the old one; both verdicts are said.

    Errors: UsageError for a finding that needs a person; else as for `recalibrate` and `train`.
    """
    display = display or Display()
    if finding.mend is None:
        raise UsageError(f"{finding.name} cannot be mended automatically: {finding.remedy}")
    if finding.mend == "recalibrate":
        made = recalibrate(run.path, data_dir=data_dir, device=device, display=display)
        return Mended(made.run, made.before, made.after)
    asked: dict[str, Any] = dict(finding.mend)
    if data_dir is not None:
        asked["data_dir"] = data_dir
    if device != "auto":
        asked["device"] = device
    parent = run.path.absolute().parent
    new = experiment.train(
        config=run.args_file,
        project=run.path.parent,
        name=free_name(parent, f"{run.path.absolute().name}-mended"),
        display=display,
        **asked,
    )
    display.say(f"before: {verdict.line(run.metrics) if run.metrics else 'no verdict'}")
    display.say(f"after:  {verdict.line(new.metrics)}")
    return Mended(new, run.metrics, new.metrics)
