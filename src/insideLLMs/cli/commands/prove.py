"""`insidellms prove`: show one example's records of a run without the rest."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.report_files import write_files
from insideLLMs.cli.places import OUTPUT, RUN_TO_CHECK
from insideLLMs.core import canonical
from insideLLMs.core.errors import ExitCode, RunDirectoryError


@click.command("prove")
@click.argument("run", metavar="RUN", type=RUN_TO_CHECK)
@click.argument("example", metavar="EXAMPLE", required=False)
@click.option("--output", "-o", type=OUTPUT, required=True, help="Write the proof to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(run: Path, example: str | None, *, output: Path, as_json: bool) -> int:
    """Write the records of the example with this id to a file, with a proof that they belong to RUN.

    It has only hashes of the other records. Anybody with your public key, or the run's Merkle root, can check it
    without the run: insidellms verify-proof FILE. Without EXAMPLE it has no record: then it serves to check a redacted
    export.
    """
    from insideLLMs.store.integrity.proofs import Proof  # noqa: PLC0415 - slow
    from insideLLMs.store.integrity.verification import open_intact  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    try:
        proof = Proof.of(SealedRun.open(run), example)
    except RunDirectoryError:
        open_intact(run)  # says which record it is
        raise
    write_files([(output, lambda out: out.write(canonical.pretty(proof)))])
    if as_json:
        told = {"trials": proof.trials, "signed": proof.signatures is not None, "records_root": proof.records_root}
        console.out_json({"proof": str(output), "records": len(proof.records), **told})
        return ExitCode.OK
    signed = "with the run's signatures" if proof.signatures else "of a run that is not signed"
    console.out(f"{output}: {len(proof.records)} of {proof.trials} records, {signed}; root {proof.records_root}")
    return ExitCode.OK
