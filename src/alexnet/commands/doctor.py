"""alexnet doctor RUN: what is wrong with a run, and what to do."""

from pathlib import Path

import click

from alexnet.commands import options


@click.command("doctor")
@click.argument("run")
@click.option("--fix", is_flag=True, help="Carry out the first remedy, as a new run beside RUN.")
@options.data_dir
@options.device
@options.as_json
@options.quiet
def command(run: str, fix: bool, data_dir: Path | None, device: str, as_json: bool, quiet: bool) -> None:
    """Say what is wrong with RUN (a run directory, or 'last'): what shows it, why it is so, what to type.

    RUN stays as it is. With --fix, the new run's path is printed last. Findings are no errors: the exit code is 0.
    """
    from alexnet import checkup, doctor, mending
    from alexnet.commands import tables
    from alexnet.run import Run

    display = options.display(quiet, as_json=as_json)
    patient = Run.find(run)
    vitals = checkup.of_run(patient, data_dir=data_dir, device=device, display=display)
    found = doctor.examine(patient, vitals)
    report = {"run": str(patient.path), "findings": [finding.to_dict() for finding in found], "vitals": vitals}
    if not as_json and not quiet:
        tables.findings(found)
    if fix and found and found[0].mend is not None:
        mended = mending.mend(patient, found[0], data_dir=data_dir, device=device, display=display)
        report["fixed"] = {"run": str(mended.run.path), "before": mended.before, "after": mended.after}
        display.say(str(mended.run.path))
    elif fix:
        display.say(f"{found[0].name} cannot be mended automatically" if found else "nothing to mend")
    if as_json:
        options.print_json(report)
