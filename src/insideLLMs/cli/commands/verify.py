"""`insidellms verify`: every digest of a run directory, and its signatures."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import LOCAL, RUN_TO_CHECK
from insideLLMs.core.errors import ExitCode, RunDirectoryError
from insideLLMs.core.types import expand
from insideLLMs.store.integrity.verification import Verification, verify
from insideLLMs.store.sealed_run import SIGNATURES, SealedRun


@click.command("verify")
@click.argument("run", metavar="RUN", type=RUN_TO_CHECK)
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=LOCAL,
    help="A public key (PEM or OpenSSH) that must have signed the run. If given several times, all must have signed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.quiet_option
@console.common_options
def command(run: Path, *, keys: tuple[Path, ...], as_json: bool) -> int:
    """Check RUN's files against its manifest: digests, schema, order, counts and Merkle root.

    A record that was altered, added, removed or moved is named. Without --key this finds accidents only. Somebody who
    changes all files consistently is found only by a signature: use --key.
    """
    return check_run(run, as_json=as_json, keys=keys)


def check_run(run: Path, *, as_json: bool, keys: tuple[Path, ...] = ()) -> int:
    """Verify a run directory and say what was found. Raises RunDirectoryError if something is wrong."""
    found = verify(run)
    if keys:
        _check_signatures(run, keys, found)
    if as_json:
        console.out_json(
            {
                "valid": found.ok,
                "run_id": found.run_id,
                "records": found.records,
                "files": found.files,
                "problems": found.problems,
                "changes": [expand(change) for change in found.changes],
                "note": found.note,
                "signed_by": [str(key) for key in keys] if found.ok else [],
            }
        )
    elif found.ok:
        console.out(
            f"{run}: {found.records} records and {found.files} files match the manifest{_more(run, keys, found)}"
        )
    if not found.ok:
        raise RunDirectoryError(
            f"{run} does not match its manifest{' and its signatures' if keys else ''}:\n"
            + "\n".join(f"  {problem}" for problem in (*found.problems, *([found.note] if found.note else ()))),
            fix="restore the original, or run the experiment again",
        )
    return ExitCode.OK


def _check_signatures(run: Path, keys: tuple[Path, ...], found: Verification) -> None:
    from insideLLMs.store.integrity.signatures import signature_problems  # noqa: PLC0415 - an extra
    from insideLLMs.store.integrity.signing_keys import read_public_key  # noqa: PLC0415

    for problem in signature_problems(SealedRun.open(run), [(str(key), read_public_key(key)) for key in keys]):
        found.problems.append(problem)


def _more(run: Path, keys: tuple[Path, ...], found: Verification) -> str:
    note = f"; {found.note}" if found.note else ""
    if keys:
        return f"{note}; signed by {', '.join(map(str, keys))}"
    return f"{note}; its signatures were not checked: give --key" if (run / SIGNATURES).exists() else note
