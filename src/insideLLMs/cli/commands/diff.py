"""`insidellms diff`: what changed between two runs, is it real, and may it merge?"""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import insideLLMs
from insideLLMs.cli import console
from insideLLMs.cli.options.gate import GateWords, gate_options, today
from insideLLMs.cli.options.report_files import ReportFiles, Writer, report_options, tell_github, write_files
from insideLLMs.cli.places import FILE, LOCAL, OUTPUT, POOL, RUN
from insideLLMs.cli.trust import trusted_sides
from insideLLMs.core.errors import ExitCode, OptionError
from insideLLMs.core.shell_words import as_typed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from insideLLMs.api.compare import DecidedComparison
    from insideLLMs.api.trusted_runs import TrustedExperiment
    from insideLLMs.compare.meaning import Meaning
    from insideLLMs.compare.observations import Waived
    from insideLLMs.store.sealed_run import SealedRun

GROUPS = {
    "Options": ("candidate", "pool", "fail_on", "limit", "as_json", "html", "junit", "markdown"),
    "More reports": ("quiet", "comment_name", "sarif", "experiment", "github"),
    "What fails the gate": ("tolerance", "alpha", "min_effect", "margin", "max_growth", "level", "drift"),
    "What the candidate must reach by itself": ("min_pass_rate", "min_score", "max", "severity", "certain"),
    "When the gate is inconclusive": (
        "max_missing",
        "accept_missing",
        "errors_as",
        "wanted_drop",
        "require_power",
        "accept_judge_change",
    ),
    "What varies between runs": ("run_level", "independent_repeats", "cluster", "noise"),
    "New answers of both models": ("confirm", "retest", "folder", "trust_run"),
    "What is compared": ("pairs", "ignore", "semantic", "trust_semantic", "labelled", "labels"),
}
"""The options in the order of `--help`: the eight that most people need, then the others by what they are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arguments:
    """What the command line says beside the gate's settings."""

    runs: tuple[Path, ...]
    candidate: Path | None
    pool: Path | None
    noise: Path | None
    labelled: Path | None
    labels: tuple[Path, ...]
    confirm: bool
    retest: bool
    folder: Path | None
    trust_run: bool
    semantic: str | None
    pairs: tuple[str, ...]
    html: Path | None
    experiment: tuple[Path, ...]


def parse_pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    """Parse ``BASELINE=CANDIDATE`` ids. Raises OptionError."""
    parsed: dict[str, str] = {}
    for pair in pairs:
        ours, separator, theirs = pair.partition("=")
        if not separator or not ours or not theirs:
            raise OptionError(
                f"--pair {pair!r} is not BASELINE=CANDIDATE", fix="give the ids of two models or two prompts"
            )
        parsed[ours] = theirs
    return parsed


@click.command("diff", cls=console.GroupedCommand, groups=GROUPS)
@click.argument("runs", metavar="BASELINE... CANDIDATE", nargs=-1, type=RUN)
@click.option("--candidate", type=RUN, help="The candidate; then all other runs are baselines.")
@click.option("--pool", type=POOL, help="A folder of accepted baseline runs.")
@click.option("--noise", type=FILE, help="A noise floor, as `insidellms noise --save` writes it.")
@click.option(
    "--labelled",
    type=RUN,
    help="A run whose judges scored answers that people labelled, in its dataset or in the browser.",
)
@click.option(
    "--labels",
    multiple=True,
    type=FILE,
    help="People's verdicts on answers of both runs: a run, a labels.jsonl, or a table with columns run, id, label.",
)
@gate_options()
@click.option("--confirm", is_flag=True, help="Re-run the items that got worse, on both sides; needs both endpoints.")
@click.option(
    "--retest", is_flag=True, help="If the result is close, run each side three more times and decide by that."
)
@click.option(
    "--folder",
    type=LOCAL,
    help="Folder of the experiment's own plug-ins, for --confirm and --retest.  [default: beside the experiment]",
)
@click.option(
    "--trust-run",
    is_flag=True,
    help="Let --confirm and --retest call the models and run the code that both runs name; what that is, is printed.",
)
@click.option(
    "--semantic",
    metavar="COSINE|auto",
    help="Find rewordings with a local embedding model; auto takes the threshold from the baseline's own answers.",
)
@click.option("--pair", "pairs", multiple=True, metavar="BASE=CAND", help="Compare these two models or prompts, by id.")
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, help="How many changes to show.")
@click.option("--quiet", is_flag=True, help="Print the verdict only.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole comparison as JSON.")
@click.option("--html", type=OUTPUT, help="Also write a page with every trial side by side.")
@report_options
@click.option(
    "--experiment",
    multiple=True,
    type=LOCAL,
    help="Your experiment file: --confirm and --retest ask only what it names (give both where the sides differ); "
    "SARIF points to its datasets.",
)
@console.common_options
def command(
    runs: tuple[Path, ...],
    *,
    gate: GateWords,
    as_json: bool,
    quiet: bool,
    limit: int,
    files: ReportFiles,
    **options: Any,  # click passes them by name, each as its declaration types it
) -> int:
    """Compare BASELINE with CANDIDATE, trial by trial, and pass or fail.

    Several baselines separate noise from change better than one (oldest first; the last is shown trial by trial):
    diff BASE1 BASE2 BASE3 --candidate CAND. Trials are aligned by content, never by position. The gate's settings are
    those of the candidate's experiment, unless an option overrides them. Exit code 0: the gate passed, 3: it failed,
    4: inconclusive.
    """
    arguments = _Arguments(runs=runs, **options)
    with ExitStack() as opened:
        decided = _decide(arguments, gate, opened)
        _write_reports(decided, arguments, files)
    if as_json:
        from insideLLMs.report.json_documents import diff_document  # noqa: PLC0415 - slow

        console.out_document(diff_document(decided.comparison, decided.verdict).decode().rstrip())
    else:
        from insideLLMs.report.terminal import render_comparison, render_verdict  # noqa: PLC0415 - slow

        width, color = console.width(), console.colours()
        if quiet:
            console.out(render_verdict(decided.verdict, width=width, color=color))
        else:
            console.out(render_comparison(decided.comparison, decided.verdict, width=width, color=color, limit=limit))
    if decided.verdict.exit_code == ExitCode.GATE_FAILED and decided.comparison.experiment_changes is not None:
        both = f"{as_typed(decided.baseline.path)} {as_typed(decided.candidate.path)}"
        console.note(f"who did it: insidellms blame {both} --experiment FILE")
    return int(decided.verdict.exit_code)


def _decide(arguments: _Arguments, gate: GateWords, opened: ExitStack) -> "DecidedComparison":
    from insideLLMs.api.baselines import open_pool, read_noise  # noqa: PLC0415 - slow
    from insideLLMs.api.compare import ComparisonSetup, GateOverrides, compare_runs  # noqa: PLC0415
    from insideLLMs.api.imports.importing import opened_run  # noqa: PLC0415
    from insideLLMs.api.imports.labelling import labels_for  # noqa: PLC0415
    from insideLLMs.compare.comparing import CompareOptions  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    ours, theirs = _sides(arguments)
    pairs = parse_pairs(arguments.pairs)
    baselines = tuple(opened.enter_context(opened_run(path, console.note)) for path in ours)
    noise = read_noise(arguments.noise) if arguments.noise is not None else None
    waived: frozenset[Waived] = frozenset()
    left_out: tuple[str, ...] = ()
    if arguments.pool is not None:
        pool = open_pool(arguments.pool, today=today())
        baselines, noise = (*pool.runs, *baselines), noise or pool.noise
        waived, left_out = pool.waived, pool.left_out
    candidate = opened.enter_context(opened_run(theirs, console.note))
    asked = _asked((baselines[-1:], candidate), arguments) if arguments.confirm or arguments.retest else None
    labelled = None if arguments.labelled is None else SealedRun.open(arguments.labelled)
    labels, unused = labels_for(arguments.labels, (*baselines[-1:], candidate), labelled)
    if labels is None:
        _name_labels((*baselines[-1:], candidate))
    options = CompareOptions(pairs=pairs, waived=waived, meaning=_meaning(arguments.semantic, baselines))
    setup = ComparisonSetup(
        options=options,
        gate=GateOverrides(settings=gate),
        noise=noise,
        labelled=labelled,
        labels=labels,
        flips=arguments.confirm,
        warnings=(*left_out, *unused),
    )
    decided = compare_runs(baselines, [candidate], setup)
    return decided if asked is None else _ask_again(decided, asked, arguments)


def _name_labels(runs: "Iterable[SealedRun]") -> None:
    """Say where people's labels are that nobody pointed to: a run of somebody else may bring its own."""
    from insideLLMs.store.labels import LABELS  # noqa: PLC0415 - slow
    from insideLLMs.store.sealed_run import is_regular  # noqa: PLC0415

    found = [run.path for run in runs if is_regular(run.path / LABELS)]
    if found:
        console.note(f"people labelled answers; to use their labels: {' '.join(f'--labels {path}' for path in found)}")


def _asked(
    runs: "tuple[tuple[SealedRun, ...], SealedRun]", arguments: _Arguments
) -> "tuple[TrustedExperiment, TrustedExperiment]":
    """Return what may be asked of the newest baseline and the candidate. Raises OptionError."""
    if any(path.is_file() for path in (*arguments.runs, arguments.candidate or Path())):
        raise OptionError(
            "--confirm and --retest ask models again, and the log of another tool does not say how",
            fix="compare runs of an experiment, or run the other tool again",
        )
    why = "--confirm and --retest ask models again"
    sides = (runs[0][-1], runs[1])
    return trusted_sides(sides, why, arguments.experiment, arguments.folder, trust_run=arguments.trust_run)


def _meaning(asked: str | None, baselines: "tuple[SealedRun, ...]") -> "Meaning | None":
    if asked is None:
        return None
    from insideLLMs.api.baselines import load_meaning  # noqa: PLC0415 - slow

    try:
        threshold = None if asked == "auto" else float(asked)
    except ValueError as error:
        raise OptionError(f"--semantic {asked!r} is neither a cosine nor auto", fix="e.g. --semantic 0.9") from error
    return load_meaning(threshold, baselines)


def _ask_again(
    decided: "DecidedComparison", asked: "tuple[TrustedExperiment, TrustedExperiment]", arguments: _Arguments
) -> "DecidedComparison":
    """Confirm the items that fell, and retest where that leaves a doubt."""
    from insideLLMs.api.compare import decide_again  # noqa: PLC0415 - slow
    from insideLLMs.api.fresh_answers import Sides, confirm_items, retest  # noqa: PLC0415

    candidate = decided.candidate.path
    if arguments.confirm:
        into = candidate.with_name(f"{candidate.resolve().name}.confirm")
        sides = Sides(baseline=asked[0], candidate=asked[1], into=into)
        decided = decide_again(decided, confirm_items(decided.evidence.observed, sides, console.note))
    found, confirmed = decided.verdict.assessment, decided.verdict.confirmed
    labelled = any(drop.finding == "dropped" for drop in decided.verdict.labelled)
    is_settled = labelled or (confirmed is not None and bool(confirmed.items))  # by people, or by fresh answers
    if arguments.retest and found is not None and found.wants_retest and not is_settled:
        into = candidate.with_name(f"{candidate.resolve().name}.retest")
        console.note(f"gate p = {found.p_gate:.2g}: fresh runs of both sides decide, in {into}")
        decided = retest(decided, Sides(baseline=asked[0], candidate=asked[1], into=into), console.note)
    return decided


def _sides(arguments: _Arguments) -> tuple[tuple[Path, ...], Path]:
    runs, candidate, pooled = arguments.runs, arguments.candidate, arguments.pool is not None
    if candidate is not None and (runs or pooled):
        return runs, candidate
    if candidate is None and (len(runs) == 2 or (pooled and len(runs) == 1)):
        return runs[:-1], runs[-1]
    if len(runs) > 2:
        raise click.UsageError("Which of these is the candidate? Add --candidate RUN; all others are baselines.")
    raise click.UsageError("Give a baseline and a candidate: insidellms diff BASELINE CANDIDATE")


def _write_reports(decided: "DecidedComparison", arguments: _Arguments, files: ReportFiles) -> None:
    from insideLLMs.compare.answers.ignored import Ignored  # noqa: PLC0415 - slow
    from insideLLMs.compare.sides import views_of  # noqa: PLC0415
    from insideLLMs.report.ci.junit import diff_junit  # noqa: PLC0415
    from insideLLMs.report.ci.pull_request import annotations, diff_markdown  # noqa: PLC0415
    from insideLLMs.report.viewer.diff_page import write_diff_page  # noqa: PLC0415

    found, verdict = decided.comparison, decided.verdict
    frame = files.frame(decided.candidate)
    sarif = b"" if files.sarif is None else _sarif(decided, arguments)
    before, after = views_of((decided.baseline, decided.candidate), Ignored(decided.policy))
    page = partial(write_diff_page, comparison=found, verdict=verdict, baseline=before)
    writers: tuple[tuple[Path | None, Writer], ...] = (
        (arguments.html, partial(page, candidate=after, options=decided.setup.options)),
        (files.junit, lambda out: out.write(diff_junit(found, verdict).encode())),
        (files.sarif, lambda out: out.write(sarif)),
        (files.markdown, lambda out: out.write(frame.around(diff_markdown(found, verdict)).encode())),
    )
    write_files(writers)
    if files.github:
        tell_github(annotations(found, verdict), lambda: diff_markdown(found, verdict))


def _sarif(decided: "DecidedComparison", arguments: _Arguments) -> bytes:
    from insideLLMs.api.compare import find_places  # noqa: PLC0415 - slow
    from insideLLMs.report.ci.sarif import diff_sarif  # noqa: PLC0415

    experiment = arguments.experiment[-1] if arguments.experiment else None
    listed = (*decided.comparison.changes.listed, *decided.comparison.edited.listed)
    places = find_places((change.trial for change in listed), candidate=_sides(arguments)[1], experiment=experiment)
    return diff_sarif(decided.comparison, decided.verdict, places, version=insideLLMs.__version__)
