"""`insidellms verify-proof`: check records of a run that is not here."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import FILE, LOCAL
from insideLLMs.core.errors import ExitCode, InsideLLMsError

if TYPE_CHECKING:
    from insideLLMs.store.integrity.proofs import Proof, RedactedTable


@click.command("verify-proof")
@click.argument("proof", metavar="PROOF", type=FILE)
@click.option("--key", type=LOCAL, help="The public key that must have signed the run.")
@click.option("--root", metavar="HEX", help="The Merkle root of the run, from a source that you trust.")
@click.option(
    "--redacted",
    type=FILE,
    help="Also check that this redacted JSONL export was made from the run's records.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, with the records.")
@console.common_options
def command(proof: Path, *, key: Path | None, root: str | None, redacted: Path | None, as_json: bool) -> int:
    """Check that the records in PROOF belong to a run that --key signed, or that has the Merkle root --root."""
    from insideLLMs.store.integrity.proofs import RedactedTable, read_proof  # noqa: PLC0415 - slow

    if key is None and root is None:
        raise click.UsageError("Give --key or --root: a proof does not say who made the run.")
    found = read_proof(proof)
    table = None if redacted is None else RedactedTable.read(redacted)
    problems = [*found.problems(), *_problems(found, table, key, root)]
    if as_json:
        records = [] if problems else [one.record for one in found.records]
        run_id = None if key is None else found.run_id  # a root does not say which run it is of
        console.out_json({"valid": not problems, "run_id": run_id, "problems": problems, "records": records})
    if problems:
        raise InsideLLMsError(
            f"{proof} proves nothing:\n" + "\n".join(f"  {problem}" for problem in problems),
            fix="ask the person who made it for another one",
        )
    if not as_json:
        _show(proof, found, table, is_signed=key is not None)
    return ExitCode.OK


def _problems(proof: "Proof", table: "RedactedTable | None", key: Path | None, root: str | None) -> Iterator[str]:
    if root is not None and root.lower() != proof.records_root:
        yield f"the run has the root {proof.records_root}, not {root[:80]}"
    if key is not None:
        from insideLLMs.store.integrity.proofs import signer_problems  # noqa: PLC0415 - slow
        from insideLLMs.store.integrity.signing_keys import read_public_key  # noqa: PLC0415 - an extra

        yield from signer_problems(proof, read_public_key(key), str(key))
    if table is None and not proof.records:
        yield "it has no record: give --redacted, or another proof"
    if table is not None and (table.root, table.lines) != (proof.records_root, proof.trials):
        yield "the redacted export was not made of the run's records, or a line of it was changed"


def _show(path: Path, proof: "Proof", table: "RedactedTable | None", *, is_signed: bool) -> None:
    """Say what was proven: which run it is, and how many records it has, are known from a signature only."""
    count = len(proof.records)
    of_signed = f"{count} of {proof.trials} records of run {proof.run_id[:12]}"
    of_root = f"{count} record{'s'[: count != 1]} of the run with root {proof.records_root}"
    console.out(f"{path}: {of_signed if is_signed else of_root}")
    for one in proof.records:
        console.out(f"  {one}")
    if table is not None:
        console.out(f"{table.lines - table.redacted} records as they are in the run, {table.redacted} redacted")
