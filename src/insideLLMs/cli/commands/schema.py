"""`insidellms schema`: the JSON Schemas of what is read and written."""

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode

NAMES = ("experiment", "record", "manifest", "summary", "telemetry", "label", "comparison")


@click.command("schema")
@click.argument("name", type=click.Choice(NAMES))
@console.common_options
def command(name: str) -> int:
    """Print the JSON Schema of the experiment file, or of one of the files of a run."""
    from insideLLMs.report.json_documents import schema  # noqa: PLC0415 - slow

    console.out_json(schema(name))
    return ExitCode.OK
