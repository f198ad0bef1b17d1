"""A finding's remedy carried out: always as a new run beside the old one, which stays as it is."""

from pathlib import Path
from typing import Any

from alexnet import experiment, verdict
from alexnet.doctor import Finding
from alexnet.errors import UsageError
from alexnet.progress import Display
from alexnet.recalibration import Remade, place_beside, recalibrate
from alexnet.run import Run


def mend(
    run: Run, finding: Finding, *, data_dir: Path | None = None, device: str = "auto", display: Display | None = None
) -> Remade:
    """Measure the statistics anew, or train again as the run did but for what the finding wants changed.

    The new run is NAME-recalibrated or NAME-mended, beside the old one; both verdicts are said.

    Errors: UsageError for a finding that needs a person; else as for `recalibrate` and `train`.
    """
    display = display or Display()
    if finding.mend is None:
        raise UsageError(f"{finding.name} cannot be mended automatically: {finding.remedy or finding.advice}")
    if finding.mend == "recalibrate":
        return recalibrate(run.path, data_dir=data_dir, device=device, display=display)
    asked: dict[str, Any] = dict(finding.mend)
    if data_dir is not None:
        asked["data_dir"] = data_dir
    if device != "auto":
        asked["device"] = device
    folder, name = place_beside(run, "mended")
    new = experiment.train(
        config=run.args_file,
        project=folder,
        name=name,
        display=display,
        **asked,
    )
    display.say(f"before: {verdict.line(run.metrics) if run.metrics else 'no verdict'}")
    display.say(f"after:  {verdict.line(new.metrics)}")
    return Remade(new, run.metrics, new.metrics)
