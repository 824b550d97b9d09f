"""`insidellms verify`: every digest of a run directory."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import RUN
from insideLLMs.core.errors import ExitCode, RunDirectoryError
from insideLLMs.core.types import expand
from insideLLMs.store.verification import verify


@click.command("verify")
@click.argument("run", metavar="RUN", type=RUN)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(run: Path, *, as_json: bool) -> int:
    """Check RUN's files against its manifest: digests, schema, order, counts, Merkle root.

    A record that was altered, added, removed or moved is named.
    """
    return check_run(run, as_json=as_json)


def check_run(run: Path, *, as_json: bool) -> int:
    """Verify a run directory and say what was found. Raises RunDirectoryError if something is wrong."""
    found = verify(run)
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
            }
        )
    elif found.ok:
        note = f"; {found.note}" if found.note else ""
        console.out(f"{run}: {found.records} records and {found.files} files match the manifest{note}")
    if not found.ok:
        raise RunDirectoryError(
            f"{run} does not match its manifest:\n"
            + "\n".join(f"  {problem}" for problem in (*found.problems, *([found.note] if found.note else ()))),
            fix="restore the original, or run the experiment again",
        )
    return ExitCode.OK
