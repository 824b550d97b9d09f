"""`insidellms verify-proof`: check records of a run that is not here."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, InsideLLMsError


@click.command("verify-proof")
@click.argument("proof", metavar="PROOF", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), help="The public key that must have signed the run.")
@click.option("--root", metavar="HEX", help="The Merkle root of the run, from where you trust it.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, with the records.")
@console.common_options
def command(proof: Path, *, key: Path | None, root: str | None, as_json: bool) -> int:
    """Check that the records in PROOF are of a run that was signed with --key, or that has the Merkle root --root."""
    from insideLLMs.store.proofs import read_proof, signer_problems  # noqa: PLC0415 - slow

    if key is None and root is None:
        raise click.UsageError("Give --key or --root: a proof alone says nothing of who made the run.")
    found = read_proof(proof)
    problems = list(found.problems())
    if root is not None and root.lower() != found.records_root:
        problems.append(f"the run has the root {found.records_root}, not {root[:80]}")
    if key is not None:
        from insideLLMs.store.signing_keys import read_public_key  # noqa: PLC0415 - an extra

        problems += signer_problems(found, read_public_key(key), str(key))
    if as_json:
        records = [] if problems else [one.record for one in found.records]
        console.out_json({"valid": not problems, "run_id": found.run_id, "problems": problems, "records": records})
    if problems:
        raise InsideLLMsError(
            f"{proof} proves nothing:\n" + "\n".join(f"  {problem}" for problem in problems),
            fix="ask whoever made it for another one",
        )
    if not as_json:
        console.out(f"{proof}: {len(found.records)} of {found.trials} records of run {found.run_id[:12]}:")
        for one in found.records:
            console.out(f"  {one}")
    return ExitCode.OK
