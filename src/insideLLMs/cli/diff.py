"""`insidellms diff`: what changed between two runs, and may it merge?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ConfigError, InsideLLMsError, Problem


def parse_pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    """Parse ``BASELINE=CANDIDATE`` model ids. Raises ConfigError."""
    parsed: dict[str, str] = {}
    for pair in pairs:
        ours, separator, theirs = pair.partition("=")
        if not separator or not ours or not theirs:
            raise ConfigError([Problem(f"--pair {pair!r} is not BASELINE=CANDIDATE")], fix="give two model ids")
        parsed[ours] = theirs
    return parsed


@click.command("diff")
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("candidate", type=click.Path(path_type=Path))
@click.option(
    "--fail-on",
    type=click.Choice(["never", "changes", "regressions"]),
    help="What fails the gate.  [default: the candidate's experiment says]",
)
@click.option("--tolerance", type=click.IntRange(min=0), help="How many of those are tolerated.")
@click.option("--pair", "pairs", multiple=True, metavar="BASE=CAND", help="Compare these two models, by id.")
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, help="How many changes to show.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole comparison as JSON.")
@click.option("--junit", type=click.Path(path_type=Path), help="Also write a JUnit report here.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write a pull-request comment here.")
@console.common_options
def command(baseline: Path, candidate: Path, *, as_json: bool, limit: int, **options: Any) -> int:
    """Compare BASELINE with CANDIDATE, trial by trial, and judge the difference.

    Trials are aligned by content, never by position. Exit code 0: the gate passed, 3: it failed, 4: inconclusive.
    """
    from insideLLMs.api.compare import GateOverrides, compare_runs  # noqa: PLC0415 - slow
    from insideLLMs.compare import CompareOptions  # noqa: PLC0415

    judged = compare_runs(
        baseline,
        candidate,
        options=CompareOptions(pairs=parse_pairs(options["pairs"])),
        gate=GateOverrides(fail_on=options["fail_on"], tolerance=options["tolerance"]),
    )
    _write_reports(judged, options)
    if as_json:
        from insideLLMs.report.json_document import diff_document  # noqa: PLC0415

        console.out(diff_document(judged.comparison, judged.verdict).decode().rstrip())
    else:
        from insideLLMs.report.terminal import render_comparison  # noqa: PLC0415

        shown = render_comparison(
            judged.comparison, judged.verdict, width=console.width(), color=console.colours(), limit=limit
        )
        console.out(shown)
    return judged.verdict.exit_code


def _write_reports(judged: Any, options: dict[str, Any]) -> None:
    from insideLLMs.report.junit import diff_junit  # noqa: PLC0415 - slow
    from insideLLMs.report.markdown import diff_markdown  # noqa: PLC0415

    reports: dict[Path | None, Callable[[], str]] = {
        options["junit"]: lambda: diff_junit(judged.comparison, judged.verdict, judged.policy),
        options["markdown"]: lambda: diff_markdown(judged.comparison, judged.verdict),
    }
    for path, make in reports.items():
        if path is not None:
            try:
                path.write_text(make(), encoding="utf-8")
            except OSError as error:
                raise InsideLLMsError(f"cannot write {path}: {error.strerror}", fix="choose another file") from error
