"""`insidellms blame`: which of the changes between two runs did it?"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.commands.diff import parse_pairs
from insideLLMs.cli.options.report_files import Writer, write_files
from insideLLMs.cli.places import LOCAL, OUTPUT, RUN
from insideLLMs.cli.trust import trusted_sides
from insideLLMs.core.errors import ExitCode

if TYPE_CHECKING:
    from insideLLMs.api.blame import BlameOptions
    from insideLLMs.compare.blame.report import BlameReport
    from insideLLMs.store.sealed_run import SealedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arguments:
    """What the command line says beside the two runs."""

    experiment: tuple[Path, ...]
    trust_run: bool
    folder: Path | None
    max_calls: int
    alpha: float
    exact: bool | None
    pairs: tuple[str, ...]
    to: Path | None
    dry_run: bool
    as_json: bool
    markdown: Path | None
    html: Path | None

    def options(self, candidate: Path) -> "BlameOptions":
        """Return how far to go. Raises OptionError for pairs that are none."""
        from insideLLMs.api.blame import BlameOptions  # noqa: PLC0415 - slow

        return BlameOptions(
            into=self.to or _beside(candidate),
            max_calls=self.max_calls,
            alpha=self.alpha,
            exact=self.exact,
            pairs=parse_pairs(self.pairs),
        )


def _beside(run: Path) -> Path:
    """Return the folder for the answers, also of a run that is named as `.` or `..`."""
    named = run if run.name not in {"", ".."} else run.resolve()
    return named.with_name(f"{named.name}.blame")


@click.command("blame")
@click.argument("baseline", type=RUN)
@click.argument("candidate", type=RUN)
@click.option(
    "--experiment",
    multiple=True,
    type=LOCAL,
    help="Your experiment file: only the models and code that it names are used. Give two files if the sides differ.",
)
@click.option(
    "--trust-run", is_flag=True, help="Call the models and run the code that both runs name; what that is, is printed."
)
@click.option("--folder", type=LOCAL, help="Folder of the experiment's own plug-ins.  [default: beside the experiment]")
@click.option(
    "--max-calls",
    type=click.IntRange(min=1),
    default=400,
    show_default=True,
    help="The most calls, those of judges included.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(min=0, max=0.5, min_open=True),
    default=0.05,
    show_default=True,
    help="The chance that an innocent change is blamed.",
)
@click.option(
    "--exact/--varying",
    default=None,
    help="Whether equal questions always get equal answers.  [default: as the models say]",
)
@click.option("--pair", "pairs", multiple=True, metavar="BASE=CAND", help="Compare these two models or prompts, by id.")
@click.option("--to", type=LOCAL, help="Where to store the new answers.  [default: CANDIDATE.blame]")
@click.option("--dry-run", is_flag=True, help="Show the differences of the runs and the number of calls; ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--markdown", type=OUTPUT, help="Also write a pull-request comment, for `insidellms comment`.")
@click.option("--html", type=OUTPUT, help="Also write the page of `diff`, with the cause beside the changes.")
@console.common_options
def command(baseline: Path, candidate: Path, **options: Any) -> int:  # click passes them as each is declared
    """Find the change between BASELINE and CANDIDATE that made examples worse.

    Every difference between the two experiments is a suspect: sentences of prompts, parameters, the model, tools,
    probes, judges, examples, and the provider itself. Examples that got worse are asked again, with some of the
    changes. An interrupted search continues where it stopped: nothing is asked twice. Exit code 0: decided, also if it
    was noise or nothing got worse; 4: not decided.
    """
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415 - slow

    arguments = _Arguments(**options)
    how = arguments.options(candidate)
    runs = SealedRun.open(baseline), SealedRun.open(candidate)
    if arguments.dry_run:
        return _tell_plan(runs, how, as_json=arguments.as_json)
    report = _blame(runs, how, arguments)
    _write(runs, report, arguments)
    return _print(report, as_json=arguments.as_json)


def _tell_plan(runs: "tuple[SealedRun, SealedRun]", how: "BlameOptions", *, as_json: bool) -> int:
    from insideLLMs.api.blame import open_case  # noqa: PLC0415 - slow
    from insideLLMs.core import canonical  # noqa: PLC0415
    from insideLLMs.report.blame import render_plan  # noqa: PLC0415

    plan = open_case(*runs, how).plan(how.max_calls)
    if as_json:
        console.out_document(canonical.pretty(plan).decode().rstrip())
    else:
        console.out(render_plan(plan, width=console.width()))
    return ExitCode.OK


def _blame(runs: "tuple[SealedRun, SealedRun]", how: "BlameOptions", arguments: _Arguments) -> "BlameReport":
    from insideLLMs.api.blame import blame, open_case, report_nothing  # noqa: PLC0415 - slow

    case = open_case(*runs, how)
    if not case.chosen.fallen:
        return report_nothing(case, how)
    trusted = trusted_sides(
        runs, "blame asks models again", arguments.experiment, arguments.folder, trust_run=arguments.trust_run
    )
    return blame(trusted, how, console.note)


def _write(runs: "tuple[SealedRun, SealedRun]", report: "BlameReport", arguments: _Arguments) -> None:
    from insideLLMs.report.blame import blame_lines, blame_markdown  # noqa: PLC0415 - slow
    from insideLLMs.report.ci.pull_request import CommentFrame  # noqa: PLC0415

    frame = CommentFrame(name=f"{runs[1].experiment.name}-blame")
    writers: list[tuple[Path | None, Writer]] = [
        (arguments.markdown, lambda out: out.write(frame.around(blame_markdown(report)).encode()))
    ]
    if arguments.html is not None:
        writers.append(
            (arguments.html, partial(_write_page, runs=runs, arguments=arguments, blamed=blame_lines(report)))
        )
    write_files(writers)


def _write_page(
    out: BinaryIO, *, runs: "tuple[SealedRun, SealedRun]", arguments: _Arguments, blamed: tuple[str, ...]
) -> None:
    from insideLLMs.api.compare import ComparisonSetup, compare_runs  # noqa: PLC0415 - slow
    from insideLLMs.compare.comparing import CompareOptions  # noqa: PLC0415
    from insideLLMs.compare.sides import views_of  # noqa: PLC0415
    from insideLLMs.report.viewer.diff_page import write_diff_page  # noqa: PLC0415

    setup = ComparisonSetup(options=CompareOptions(pairs=parse_pairs(arguments.pairs)))
    decided = compare_runs(runs[:1], runs[1:], setup)
    changes = (*(decided.comparison.experiment_changes or ()), *blamed)
    before, after = views_of(runs)
    write_diff_page(
        out,
        comparison=msgspec.structs.replace(decided.comparison, experiment_changes=changes),
        verdict=decided.verdict,
        baseline=before,
        candidate=after,
        options=decided.setup.options,
    )


def _print(report: "BlameReport", *, as_json: bool) -> int:
    from insideLLMs.report.blame import blame_document, render_blame  # noqa: PLC0415 - slow

    if as_json:
        console.out_document(blame_document(report).decode().rstrip())
    else:
        console.out(render_blame(report, width=console.width()))
    return int(report.exit_code)
