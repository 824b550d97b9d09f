"""The files and CI messages that `diff`, `run` and `report` write beside what they print."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
import msgspec

import insideLLMs
from insideLLMs.cli import console
from insideLLMs.cli.options.group import Command, Given, option_group
from insideLLMs.cli.places import OUTPUT, check_output
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.shell_words import as_typed

if TYPE_CHECKING:
    from insideLLMs.compare.one_run.verdict import DecidedRun
    from insideLLMs.report.ci.pull_request import CommentFrame
    from insideLLMs.store.sealed_run import SealedRun

Writer = Callable[[BinaryIO], object]


class ReportFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where each report goes, and whether GitHub Actions gets annotations and a summary."""

    junit: Path | None
    markdown: Path | None
    comment_name: str | None
    sarif: Path | None
    github: bool

    def frame(self, run: "SealedRun") -> "CommentFrame":
        """Return what stands around the comment on a run, or on a comparison of it."""
        from insideLLMs.report.ci.pull_request import CommentFrame  # noqa: PLC0415 - slow

        if self.markdown is None:
            return CommentFrame(name="")
        return CommentFrame(name=self.comment_name or run.experiment.name, details_url=_job_url(os.environ))

    @property
    def any_of_run(self) -> bool:
        """Whether there is anything to write."""
        return self.github or any((self.junit, self.markdown, self.sarif))


def report_options(function: Command) -> Command:
    """Add an option for each report; the function gets them as one argument, `files`."""
    options = (
        click.option("--junit", type=OUTPUT, help="Also write a JUnit report."),
        click.option(
            "--markdown",
            type=OUTPUT,
            help="Also write a pull-request comment, for `insidellms comment`.",
        ),
        click.option(
            "--comment-name",
            metavar="NAME",
            help="The comment's name: a comment with the same name is replaced.  [default: the experiment's name]",
        ),
        click.option("--sarif", type=OUTPUT, help="Also write SARIF for code scanning."),
        click.option("--github", is_flag=True, help="In GitHub Actions: also add annotations and a step summary."),
    )
    return option_group(function, "files", options, _files)


def _job_url(environ: Mapping[str, str]) -> str:
    """Return where the artefacts of this CI job are; nothing outside CI."""
    if environ.get("GITHUB_RUN_ID"):
        server, repository = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
        return f"{server}/{repository}/actions/runs/{environ['GITHUB_RUN_ID']}"
    return f"{environ['CI_JOB_URL']}/artifacts/browse" if environ.get("CI_JOB_URL") else ""


def _files(given: Given) -> ReportFiles:
    return ReportFiles(**{name: given.pop(name) for name in ReportFiles.__struct_fields__})  # type: ignore[arg-type] # click's


def write_files(writers: Iterable[tuple[Path | None, Writer]]) -> None:
    """Write each report that was asked for. Raises InsideLLMsError for a file that cannot be, or is of a run.

    A report that cannot be written leaves the earlier one as it was.
    """
    from insideLLMs.store.whole_file import output_file  # noqa: PLC0415 - slow

    for path, write in writers:
        if path is None:
            continue
        check_output(path)  # the run may be new
        try:
            with output_file(path) as out:
                write(out)
        except OSError as error:
            raise InsideLLMsError(
                f"cannot write {path}: {error.strerror}", fix="make room, or choose another file"
            ) from error


def tell_github(commands: Iterable[str], markdown: Callable[[], str]) -> None:
    """Add annotations and, where a runner says where, a step summary. Raises InsideLLMsError."""
    for line in commands:
        console.ci_command(line)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return
    try:
        with Path(summary).open("a", encoding="utf-8") as out:
            out.write(markdown())
    except OSError as error:
        raise InsideLLMsError(
            f"cannot write GITHUB_STEP_SUMMARY, {summary}: {error.strerror}", fix="leave --github out"
        ) from error


def write_run_reports(run: "SealedRun", decided: "DecidedRun", files: ReportFiles, *, experiment: Path | None) -> None:
    """Write the reports on one run. Raises InsideLLMsError."""
    if not files.any_of_run:
        return
    from insideLLMs.core.record_views import GatedRecord  # noqa: PLC0415 - slow, and only where they are asked for
    from insideLLMs.report.ci.junit import run_junit  # noqa: PLC0415
    from insideLLMs.report.ci.pull_request import run_annotations, run_markdown  # noqa: PLC0415

    sarif = b"" if files.sarif is None else _sarif(run, decided, experiment)
    frame = files.frame(run)
    writers: tuple[tuple[Path | None, Writer], ...] = (
        (files.junit, lambda out: out.write(run_junit(decided, run.records(GatedRecord)).encode())),
        (files.markdown, lambda out: out.write(frame.around(run_markdown(decided)).encode())),
        (files.sarif, lambda out: out.write(sarif)),
    )
    write_files(writers)
    if files.github:
        tell_github(run_annotations(decided), lambda: run_markdown(decided))


def _sarif(run: "SealedRun", decided: "DecidedRun", experiment: Path | None) -> bytes:
    from insideLLMs.api.compare import find_places  # noqa: PLC0415 - slow
    from insideLLMs.report.ci.sarif import run_sarif  # noqa: PLC0415

    places = find_places((failed.trial for failed in decided.worst), candidate=run.path, experiment=experiment)
    return run_sarif(decided, places, version=insideLLMs.__version__)


def show_verdict(run: Path, decided: "DecidedRun", *, say: Callable[[str], None]) -> None:
    """Say what the gate's conditions came to; without any, how what failed could have been made red."""
    from insideLLMs.report.terminal import render_run_verdict  # noqa: PLC0415 - slow

    if decided.is_gated:
        say(render_run_verdict(decided, width=console.width(), color=console.colours()))
    elif decided.failing:
        console.note(f"{decided.failing:,} of {decided.summary.trials:,} trials did not pass, and nothing was gated")
        console.note("  to fail: --min-pass-rate 0.9, or in the experiment gate: {min_pass_rate: 0.9}")
        if not decided.summary.part and decided.failing < decided.summary.trials:
            accept = f"insidellms baseline accept {as_typed(run)} --pool baselines --why TEXT"
            console.note(f"  to accept the run as the baseline: {accept}")
