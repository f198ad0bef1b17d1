"""alexnet models: the networks by name, and the proof of their counts."""

import click

from alexnet.commands import options


@click.command("models")
@click.option("--check", is_flag=True, help="Recompute every count and hold it against reference tables.")
@click.option("--sources", is_flag=True, help="Say where each network was published.")
@options.as_json
def command(check: bool, sources: bool, as_json: bool) -> None:
    """List the networks: input, parameters, multiply-adds, published accuracy, what sets each apart.

    With --check every count is recomputed and held against reference tables: printed by the source where it prints
    one, added up by hand from its layers where not. The exit code is 4 where one differs.
    """
    from alexnet.commands import tables

    if check:
        from alexnet.errors import ModelFileError
        from alexnet.models.proof import prove_all

        proofs = prove_all()
        if as_json:
            options.print_json([proof.to_dict() for proof in proofs])
        else:
            tables.proofs(proofs)
        if faulty := [proof.name for proof in proofs if proof.faults]:
            raise ModelFileError(f"counts differ from the reference tables: {', '.join(faulty)}")
        return

    from alexnet.models.summary import overview

    rows = overview()
    if as_json:
        options.print_json(rows)
    else:
        tables.models(rows, sources)
