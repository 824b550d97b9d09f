"""`insidellms report`: look at a finished run."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, InsideLLMsError, RunDirectoryError
from insideLLMs.core.types import JsonValue
from insideLLMs.store.directory import RECORDS, REPORT, SUMMARY, TELEMETRY, read_lines, read_manifest
from insideLLMs.store.manifest import Manifest

if TYPE_CHECKING:
    from insideLLMs.report.viewer.run_page import Measured


@click.command("report")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print summary.json.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the page anew, here.")
@click.option("--telemetry", is_flag=True, help="Show latency, retries, tokens and cost; with --html, on the page.")
@click.option("--open", "open_page", is_flag=True, help="Open report.html in the browser.")
@console.common_options
def command(run: Path, *, as_json: bool, html: Path | None, telemetry: bool, open_page: bool) -> int:
    """Print RUN's results, and say where its page is."""
    from insideLLMs.report.terminal import render_summary  # noqa: PLC0415 - slow

    manifest = read_manifest(run)
    try:
        summary = msgspec.json.decode((run / SUMMARY).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise RunDirectoryError(
            f"{run / SUMMARY} cannot be read: {error}", fix=f"see what is wrong: insidellms verify {run}"
        ) from error
    page = html or run / REPORT
    if html is not None:
        _write_page(run, html, manifest, summary, telemetry=telemetry)
    if telemetry and html is None:
        _show_telemetry(run, as_json=as_json)
    elif as_json:
        console.out_json(summary)
    else:
        console.out(render_summary(summary, width=console.width(), color=console.colours()))
        console.out(f"run {manifest.run_id[:12]}: {page}")
    if open_page:
        click.launch(str(page))
    return ExitCode.OK


def _show_telemetry(run: Path, *, as_json: bool) -> None:
    from insideLLMs.api.telemetry import read_telemetry  # noqa: PLC0415 - slow
    from insideLLMs.report.telemetry import render  # noqa: PLC0415

    found = read_telemetry(run)
    if as_json:
        console.out_json(msgspec.to_builtins(found))
    else:
        console.out(render(found, detailed=True))


def _write_page(run: Path, html: Path, manifest: Manifest, summary: dict[str, JsonValue], *, telemetry: bool) -> None:
    from insideLLMs.report.viewer.run_page import write_run_page  # noqa: PLC0415 - slow

    if telemetry and not (run / TELEMETRY).is_file():
        raise RunDirectoryError(f"{run / TELEMETRY} is missing", fix="leave --telemetry out, or run with telemetry")
    try:
        with html.open("wb") as out:
            write_run_page(
                out,
                manifest=msgspec.to_builtins(manifest),
                summary=summary,
                records=read_lines(run / RECORDS),
                measured=_measured(run, manifest) if telemetry else None,
            )
    except OSError as error:
        raise InsideLLMsError(f"cannot write {html}: {error.strerror}", fix="choose another file") from error


def _measured(run: Path, manifest: Manifest) -> "Measured":
    from insideLLMs.api.telemetry import price_table, prices_of  # noqa: PLC0415 - slow
    from insideLLMs.report.viewer.run_page import Measured  # noqa: PLC0415

    return Measured(telemetry=read_lines(run / TELEMETRY), prices=prices_of(manifest), price_source=price_table())
