"""`insidellms diff`: what changed between two runs, is it real, and may it merge?"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click

import insideLLMs
from insideLLMs.cli import console
from insideLLMs.cli.baseline import today
from insideLLMs.core.errors import ConfigError, InsideLLMsError, Problem

POLICIES = ("auto", "never", "changes", "regressions", "significant", "confirmed", "churn", "drift", "non-inferior")
_SETTINGS = (
    "alpha", "min_effect", "wanted_drop", "margin", "max_missing", "require_power", "errors_as", "run_level",
    "independent_repeats", "level", "drift", "cluster", "trust_semantic",
    "accept_judge_change",
)  # fmt: skip
_Share = click.FloatRange(0, 1, min_open=True, max_open=True)


def parse_pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    """Parse ``BASELINE=CANDIDATE`` model ids. Raises ConfigError."""
    parsed: dict[str, str] = {}
    for pair in pairs:
        ours, separator, theirs = pair.partition("=")
        if not separator or not ours or not theirs:
            raise ConfigError([Problem(f"--pair {pair!r} is not BASELINE=CANDIDATE")], fix="give two model ids")
        parsed[ours] = theirs
    return parsed


def parse_growth(pairs: tuple[str, ...]) -> dict[str, float]:
    """Parse ``QUANTITY=SHARE``. Raises ConfigError."""
    parsed: dict[str, float] = {}
    for pair in pairs:
        name, _, share = pair.partition("=")
        try:
            parsed[name] = float(share)
        except ValueError as error:
            raise ConfigError(
                [Problem(f"--max-growth {pair!r} is not QUANTITY=SHARE")], fix="e.g. --max-growth latency_ms=0.2"
            ) from error
    return parsed


def gate_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that override the experiment's gate."""
    options = (
        click.option(
            "--fail-on",
            type=click.Choice(POLICIES),
            help="What fails the gate.  [default: the candidate's experiment says, else auto]",
        ),
        click.option(
            "--tolerance", type=click.IntRange(min=0), help="How many changes or regressions are let through."
        ),
        click.option("--alpha", type=_Share, help="Chance that an unchanged system fails.  [default: 0.05]"),
        click.option("--min-effect", type=click.FloatRange(0, 1), help="A drop below this passes; 0.02 is 2 points."),
        click.option("--wanted-drop", type=_Share, help="The drop to plan for.  [default: 0.05]"),
        click.option("--margin", type=_Share, help="For non-inferior: the drop to rule out.  [default: 0.05]"),
        click.option("--max-missing", type=click.FloatRange(0, 1), help="Share of trials without a score allowed."),
        click.option("--require-power", is_flag=True, default=None, help="Inconclusive if it could not see the drop."),
        click.option("--errors-as", type=click.Choice(["missing", "fail"]), help="What an unanswered trial counts as."),
        click.option("--run-level", is_flag=True, default=None, help="Hold the candidate against whole runs too."),
        click.option(
            "--independent-repeats", is_flag=True, default=None, help="Count repeats as runs; needs a noise floor."
        ),
        click.option(
            "--level",
            type=click.Choice(["verdict", "structured", "normalised", "exact"]),
            help="How deep churn looks.  [default: normalised]",
        ),
        click.option(
            "--drift",
            type=click.Choice(["3-gram", "hamming"]),
            help="Measure text drift, by this kernel; only the policy drift gates by it.",
        ),
        click.option(
            "--max-growth",
            multiple=True,
            metavar="QUANTITY=SHARE",
            help="Fail if it grew by more: latency_ms, input_tokens, output_tokens, characters, cost_usd; 0.1 is 10%.",
        ),
        click.option(
            "--trust-semantic",
            is_flag=True,
            default=None,
            help="Let what --semantic finds equivalent pass as unchanged.",
        ),
        click.option(
            "--accept-judge-change", is_flag=True, default=None, help="Compare runs that different judges judged."
        ),
        click.option("--cluster", metavar="FIELD", help="Example field of items that share noise.  [default: cluster]"),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command("diff")
@click.argument("runs", metavar="BASELINE... CANDIDATE", nargs=-1, type=click.Path(path_type=Path))
@click.option("--candidate", type=click.Path(path_type=Path), help="The candidate; all RUNS are then baselines.")
@click.option("--pool", type=click.Path(path_type=Path), help="A folder of accepted baseline runs.")
@click.option("--noise", type=click.Path(path_type=Path), help="A noise floor, as `insidellms noise --save` writes it.")
@click.option(
    "--labelled", type=click.Path(path_type=Path), help="A run whose judges judged answers that people labelled."
)
@gate_options
@click.option("--confirm", is_flag=True, help="Ask the items that fell again, of both sides; needs both endpoints.")
@click.option("--retest", is_flag=True, help="In doubt, decide by three fresh runs of each side.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where the experiment's own plug-ins lie, for --confirm and --retest.  [default: this folder]",
)
@click.option(
    "--semantic",
    metavar="COSINE|auto",
    help="Let a local embedding model tell which texts say the same; auto: the baseline's own answers set the bar.",
)
@click.option("--pair", "pairs", multiple=True, metavar="BASE=CAND", help="Compare these two models, by id.")
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, help="How many changes to show.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole comparison as JSON.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page with every trial side by side here.")
@click.option("--junit", type=click.Path(path_type=Path), help="Also write a JUnit report here.")
@click.option("--sarif", type=click.Path(path_type=Path), help="Also write SARIF for code scanning here.")
@click.option(
    "--experiment",
    type=click.Path(path_type=Path),
    help="The experiment file, so that SARIF points to the lines of its datasets.",
)
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write a pull-request comment here.")
@click.option("--github", is_flag=True, help="In GitHub Actions: also add annotations and a step summary.")
@console.common_options
def command(runs: tuple[Path, ...], *, as_json: bool, limit: int, **options: Any) -> int:
    """Compare BASELINE with CANDIDATE, trial by trial, and judge the difference.

    Several baselines (oldest first, the last is shown trial by trial) tell noise from change better than one:
    diff BASE1 BASE2 BASE3 --candidate CAND. Trials are aligned by content, never by position. Exit code 0: the
    gate passed, 3: it failed, 4: inconclusive.
    """
    judged, candidate = _judge(runs, options)
    _write_reports(judged, candidate, options)
    if options["github"]:
        _tell_github(judged)
    if as_json:
        from insideLLMs.report.json_document import diff_document  # noqa: PLC0415 - slow

        console.out(diff_document(judged.comparison, judged.verdict).decode().rstrip())
    else:
        from insideLLMs.report.terminal import render_comparison  # noqa: PLC0415 - slow

        shown = render_comparison(
            judged.comparison, judged.verdict, width=console.width(), color=console.colours(), limit=limit
        )
        console.out(shown)
    return int(judged.verdict.exit_code)


def _judge(runs: tuple[Path, ...], options: dict[str, Any]) -> tuple[Any, Path]:
    from insideLLMs.api.baselines import open_pool, read_noise  # noqa: PLC0415 - slow
    from insideLLMs.api.compare import GateOverrides, compare_runs  # noqa: PLC0415
    from insideLLMs.compare import CompareOptions  # noqa: PLC0415

    baselines, candidate = _sides(runs, options["candidate"], pooled=options["pool"] is not None)
    noise = read_noise(options["noise"]) if options["noise"] is not None else None
    waived: frozenset[Any] = frozenset()
    if options["pool"] is not None:
        pool = open_pool(options["pool"], today=today())
        baselines, noise, waived = (*pool.runs, *baselines), noise or pool.noise, pool.waived
    judged = compare_runs(
        baselines,
        candidate,
        options=CompareOptions(
            pairs=parse_pairs(options["pairs"]), waived=waived, meaning=_meaning(options["semantic"], baselines)
        ),
        gate=GateOverrides(
            fail_on=options["fail_on"],
            tolerance=options["tolerance"],
            settings={
                **{name: options[name] for name in _SETTINGS},
                "max_growth": parse_growth(options["max_growth"]) or None,
            },
        ),
        noise=noise,
        flips=options["confirm"],
        labelled=options["labelled"],
    )
    if options["confirm"] or options["retest"]:
        judged = _ask_again(judged, baselines[-1], candidate, options)
    return judged, candidate


def _meaning(asked: str | None, baselines: tuple[Path, ...]) -> Any:
    if asked is None:
        return None
    from insideLLMs.api.semantic import load_meaning  # noqa: PLC0415 - numpy, which nobody else needs

    try:
        threshold = None if asked == "auto" else float(asked)
    except ValueError as error:
        raise ConfigError(
            [Problem(f"--semantic {asked!r} is neither a cosine nor auto")], fix="e.g. --semantic 0.9"
        ) from error
    return load_meaning(threshold, baselines)


def _ask_again(judged: Any, baseline: Path, candidate: Path, options: dict[str, Any]) -> Any:
    """Confirm the items that fell, and retest where that leaves a doubt."""
    from insideLLMs.api.compare import rejudge  # noqa: PLC0415 - slow
    from insideLLMs.api.confirming import Sides, confirm_items  # noqa: PLC0415
    from insideLLMs.api.retesting import retest  # noqa: PLC0415

    if options["confirm"]:
        into = candidate.with_name(f"{candidate.resolve().name}.confirm")
        sides = Sides(baseline=baseline, candidate=candidate, folder=options["folder"].resolve(), into=into)
        seen = judged.basis.observed
        judged = rejudge(judged, confirm_items(seen.flips, seen.probes, sides, console.note))
    found, confirmed = judged.verdict.assessment, judged.verdict.confirmed
    is_settled = confirmed is not None and bool(confirmed.items)  # by fresh answers already
    if options["retest"] and found is not None and found.wants_retest and not is_settled:
        into = candidate.with_name(f"{candidate.resolve().name}.retest")
        console.note(f"gate p = {found.p_gate:.2g}: fresh runs of both sides decide, in {into}")
        folder = options["folder"].resolve()
        judged = retest(judged, baseline, candidate, folder=folder, into=into, say=console.note)
    return judged


def _sides(runs: tuple[Path, ...], candidate: Path | None, *, pooled: bool) -> tuple[tuple[Path, ...], Path]:
    if candidate is not None and (runs or pooled):
        return runs, candidate
    if candidate is None and (len(runs) == 2 or (pooled and len(runs) == 1)):
        return runs[:-1], runs[-1]
    if len(runs) > 2:
        raise click.UsageError("Which of these is the candidate? Say --candidate RUN; all others are baselines.")
    raise click.UsageError("Give a baseline and a candidate: insidellms diff BASELINE CANDIDATE")


def _write_reports(judged: Any, candidate: Path, options: dict[str, Any]) -> None:
    from insideLLMs.report.junit import diff_junit  # noqa: PLC0415 - slow
    from insideLLMs.report.markdown import diff_markdown  # noqa: PLC0415
    from insideLLMs.report.viewer.diff_page import write_diff_page  # noqa: PLC0415

    found, verdict = judged.comparison, judged.verdict
    sarif = b"" if options["sarif"] is None else _sarif(judged, candidate, options["experiment"])
    writers: dict[str, Callable[[BinaryIO], object]] = {
        "html": lambda out: write_diff_page(
            out,
            comparison=found,
            verdict=verdict,
            baseline=judged.baseline,
            candidate=judged.candidate,
            options=judged.options,
        ),
        "junit": lambda out: out.write(diff_junit(found, verdict).encode()),
        "sarif": lambda out: out.write(sarif),
        "markdown": lambda out: out.write(diff_markdown(found, verdict).encode()),
    }
    for name, write in writers.items():
        path = options[name]
        if path is None:
            continue
        try:
            with path.open("wb") as out:
                write(out)
        except OSError as error:
            raise InsideLLMsError(f"cannot write {path}: {error.strerror}", fix="choose another file") from error


def _sarif(judged: Any, candidate: Path, experiment: Path | None) -> bytes:
    from insideLLMs.api.places import find_places  # noqa: PLC0415 - slow
    from insideLLMs.report.sarif import diff_sarif  # noqa: PLC0415

    listed = (*judged.comparison.changes.listed, *judged.comparison.edited.listed)
    places = find_places((change.trial for change in listed), candidate=candidate, experiment=experiment)
    return diff_sarif(judged.comparison, judged.verdict, places, version=insideLLMs.__version__)


def _tell_github(judged: Any) -> None:
    from insideLLMs.report.github import annotations  # noqa: PLC0415 - slow
    from insideLLMs.report.markdown import diff_markdown  # noqa: PLC0415

    for line in annotations(judged.comparison, judged.verdict):
        console.note(line)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return
    try:
        with Path(summary).open("a", encoding="utf-8") as out:
            out.write(diff_markdown(judged.comparison, judged.verdict))
    except OSError as error:
        raise InsideLLMsError(
            f"cannot write GITHUB_STEP_SUMMARY, {summary}: {error.strerror}", fix="leave --github out"
        ) from error
