"""`insidellms verify`: every digest of a run directory, and its signatures."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import LOCAL, RUN_TO_CHECK
from insideLLMs.core.errors import ExitCode, RunDirectoryError
from insideLLMs.core.types import expand
from insideLLMs.store.integrity.signatures import signature_problems, stated_problems
from insideLLMs.store.integrity.verification import Verification, verify
from insideLLMs.store.sealed_run import SIGNATURES, SealedRun

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

_CHANGED_FIX = "restore the original, or run the experiment again"
_SIGNED_FIX = "ask who signed it for their public key, or for a signature of the run as it is now"


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
    trusted = _read_keys(keys)
    found = verify(run)
    against, fix = ("manifest", _CHANGED_FIX) if found.problems else ("signatures", _SIGNED_FIX)
    sealed = SealedRun.open(run)
    found.problems += signature_problems(sealed, trusted) if keys else stated_problems(sealed)
    if as_json:
        console.out_json(
            {
                "valid": found.ok,
                "run_id": found.run_id,
                "records": found.records,
                "files": found.files,
                "problems": found.problems,
                "changes": [expand(change) for change in found.changes],
                "note": "; ".join(found.notes) or None,
                "signed_by": [str(key) for key in keys] if found.ok else [],
            }
        )
    elif found.ok:
        console.out(
            f"{run}: {found.records} records and {found.files} files match the manifest{_more(run, keys, found)}"
        )
    if not found.ok:
        raise RunDirectoryError(
            f"{run} does not match its {against}:\n"
            + "\n".join(f"  {problem}" for problem in (*found.problems, *found.notes)),
            fix=fix,
        )
    return ExitCode.OK


def _read_keys(keys: tuple[Path, ...]) -> list[tuple[str, "SSlibKey"]]:
    if not keys:
        return []
    from insideLLMs.store.integrity.signing_keys import read_public_keys  # noqa: PLC0415 - an extra

    return read_public_keys(keys)


def _more(run: Path, keys: tuple[Path, ...], found: Verification) -> str:
    signed = f"signed by {', '.join(map(str, keys))}" if keys else ""
    if not keys and (run / SIGNATURES).exists():
        signed = "its signatures were not checked: give --key"
    return "".join(f"; {note}" for note in (*found.notes, signed) if note)
