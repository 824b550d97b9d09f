"""The home page of `insidellms view`: the runs of a folder by experiment, to be filtered, opened and compared."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import quote, urlencode

from insideLLMs.core.prices import dollars
from insideLLMs.core.run_summary import MemberSummary
from insideLLMs.report import wording
from insideLLMs.report.viewer.label_page import label_path
from insideLLMs.report.viewer.page import escape, served_page

HOME_PROGRAM = "home.js"
REFRESH_S = 2
_MOST_RESULTS = 3
_SPARK_RUNS = 40
_SPARK_WIDTH, _SPARK_HEIGHT = 120, 24


class RunState(StrEnum):
    """A run as the home page shows it."""

    FINISHED = "finished"
    UNFINISHED = "unfinished"
    EMPTY = "empty"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """A run of the folder. `results` are those of its summary; one that is not finished has none.

    `changed_s` is in seconds since 1970, `verdict` what the last comparison with it as the candidate came to, and
    `labellers` are the people who labelled answers of it. While it `is_pending` its cost is not read yet.
    """

    name: str
    state: RunState
    changed_s: float
    trials: int
    statuses: Mapping[str, int]
    experiment: str = ""
    run_id: str = ""
    models: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    results: tuple[MemberSummary, ...] = ()
    cost_usd: float | None = None
    is_pending: bool = False
    labellers: tuple[str, ...] = ()
    verdict: str = ""
    problem: str = ""
    part: str = ""

    @property
    def passed(self) -> int:
        """How many Trials passed."""
        return sum(result.passed for result in self.results)

    @property
    def scored(self) -> int:
        """How many Trials have a verdict."""
        return sum(result.scored for result in self.results)

    @property
    def is_finished(self) -> bool:
        """Whether it can be opened and compared."""
        return self.state is RunState.FINISHED


def home_page(folder: str, runs: Sequence[ListedRun], *, baseline: str | None = None) -> bytes:
    """Return the page; with a `baseline` every other finished run offers to be compared with it.

    While a run is unfinished, or a cost is not read yet, the page reloads itself every REFRESH_S seconds.
    """
    groups = _groups(runs)
    live = any(run.state is RunState.UNFINISHED or run.is_pending for run in runs)
    ordered = [run for group in groups.values() for run in group]
    data = {"live": live, "runs": [_sought(run) for run in ordered]}
    return served_page(
        title=f"Runs in {folder}",
        body=_body(groups, ordered, baseline),
        program=HOME_PROGRAM,
        data=data,
        refresh_s=REFRESH_S if live else None,
    )


def _groups(runs: Iterable[ListedRun]) -> dict[str, list[ListedRun]]:
    """Return the runs by experiment, newest first, and first the experiment that ran last."""
    groups: dict[str, list[ListedRun]] = {}
    for run in sorted(runs, key=lambda run: (-run.changed_s, run.name)):
        groups.setdefault(run.experiment, []).append(run)
    return {name: groups[name] for name in sorted(groups, key=lambda name: not name)}  # those of none come last


def _sought(run: ListedRun) -> dict[str, object]:
    """Return what the filters look at."""
    words = (run.name, run.experiment, run.run_id, *run.models, *run.prompts, *run.probes, *run.datasets)
    return {
        "text": "\n".join(words).lower(),
        "experiment": run.experiment,
        "model": run.models,
        "prompt": run.prompts,
        "state": [run.state.value],
    }


def _body(groups: Mapping[str, Sequence[ListedRun]], runs: Sequence[ListedRun], baseline: str | None) -> Iterator[str]:
    if not runs:
        yield '<p class="nothing">No runs here yet.</p><p>Make one, then reload this page:</p><pre class="text">'
        yield "insidellms init\ninsidellms run experiment.yaml</pre>"
        yield "<p>Runs of another folder: <code>insidellms view FOLDER</code>.</p>"
        return
    yield from _filters(runs)
    if baseline is not None:
        yield f'<p class="chosen" role="status">Baseline <strong>{escape(baseline)}</strong>: choose a candidate. '
        yield '<a href="/" id="leave">Cancel</a></p>'
    yield f'<p class="said" id="count" role="status">{escape(wording.many(len(runs), "run"))}</p>'
    yield '<div class="wide" id="runs"><table class="results runs"><thead><tr>'
    titles = ("Run", "State", "Models", "When (UTC)", "Answered", "Passed", "Cost", "Compared", "Actions")
    yield from (f'<th scope="col">{title}</th>' for title in titles)
    yield "</tr></thead>"
    for name, group in groups.items():
        yield f'<tbody><tr class="group"><th scope="rowgroup" colspan="5">{escape(name or "(no experiment)")}'
        yield f' <span class="said">{escape(wording.many(len(group), "run"))}</span></th>'
        yield f'<td colspan="4">{_sparkline(name, group)}</td></tr>'
        yield from (_row(run, baseline) for run in group)
        yield "</tbody>"
    yield '</table></div><p class="nothing" id="none" hidden>No run fits these filters.</p>'


def _filters(runs: Sequence[ListedRun]) -> Iterator[str]:
    yield '<form class="filters" role="search" aria-label="Runs"><label class="field searching">Search '
    yield '<input type="search" name="q" placeholder="name, model, probe, dataset …"></label>'
    choices = {
        "experiment": {run.experiment for run in runs},
        "model": {model for run in runs for model in run.models},
        "prompt": {prompt for run in runs for prompt in run.prompts},
        "state": {run.state.value for run in runs},
    }
    for name, values in choices.items():
        if len(values) > 1:
            yield f'<label class="field">{name.capitalize()} <select name="{name}"><option value="">all</option>'
            yield from (f"<option>{escape(value)}</option>" for value in sorted(values) if value)
            yield "</select></label>"
    yield "</form>"


def _row(run: ListedRun, baseline: str | None) -> str:
    shown = (
        f'<a href="/runs/{quote(run.name, safe="")}/">{escape(run.name)}</a>' if run.is_finished else escape(run.name)
    )
    part = f"<br>{escape(run.part)}" if run.part else ""
    cells = {
        "state": f'<span class="badge {_TONES[run.state]}">{run.state.value}</span>',
        "models": escape(" · ".join(filter(None, (", ".join(run.models), ", ".join(run.prompts))))),
        "when": f'<time datetime="{_time(run):%Y-%m-%dT%H:%M:%SZ}">{_time(run):%Y-%m-%d %H:%M}</time>',
        "answered": _answered(run),
        "passed": _passed(run),
        "cost": _cost(run),
        "compared": escape(run.verdict),
        "actions": _actions(run, baseline),
    }
    name = f'<th scope="row">{shown}<br><span class="said">{escape(run.run_id[:12])}{part}</span></th>'
    mark = " baseline" if run.is_finished and run.name == baseline else ""
    return f'<tr class="run{mark}">{name}{"".join(_cell(kind, cell) for kind, cell in cells.items())}</tr>\n'


def _cost(run: ListedRun) -> str:
    if run.is_pending:
        return "…"
    return "" if run.cost_usd is None else dollars(run.cost_usd) if run.cost_usd else "free"


def _cell(kind: str, cell: str) -> str:
    return f'<td class="{kind}">{cell}</td>' if cell else f'<td class="{kind} nil">–</td>'


def _time(run: ListedRun) -> datetime:
    try:
        return datetime.fromtimestamp(run.changed_s, UTC)
    except (OverflowError, ValueError, OSError):  # a file's time may be anything
        return datetime.fromtimestamp(0, UTC)


_TONES = {RunState.FINISHED: "good", RunState.UNFINISHED: "warn", RunState.EMPTY: "none", RunState.DAMAGED: "bad"}


def _answered(run: ListedRun) -> str:
    if not run.trials:
        return ""
    if run.state is not RunState.UNFINISHED:
        missing = wording.unanswered(run.statuses)
        told = f"{run.statuses.get('success', 0):,} of {run.trials:,}"
        return escape(told if missing == "–" else f"{told}; {missing}")
    done = sum(run.statuses.values())
    told = ", ".join(f"{count:,} {wording.words(status)}" for status, count in run.statuses.items()) or "no trial yet"
    return (
        f'<progress max="{max(run.trials, 1)}" value="{done}" aria-label="{escape(f"Progress of {run.name}")}">'
        f'</progress> {done:,} of {run.trials:,} trials<br><span class="said">{escape(told)}</span>'
    )


def _passed(run: ListedRun) -> str:
    """Write each result with its interval; of many the first few, and all of them together."""
    scored = [result for result in run.results if result.scored]
    several = len({result.subject for result in run.results}) > 1
    lines = [_result(result, several=several) for result in scored[:_MOST_RESULTS]]
    if len(scored) > _MOST_RESULTS:
        lines.append(f"… {len(scored):,} results together: {wording.rate(run.passed, run.scored)}")
    problem = [f'<span class="said">{escape(run.problem)}</span>'] if run.problem else []
    return "<br>".join([*map(escape, lines), *problem])


def _result(result: MemberSummary, *, several: bool) -> str:
    name = f"{result.probe} · {result.subject.label}" if several else result.probe
    rate = result.pass_rate
    spread = "" if rate is None or rate.low is None or rate.high is None else f", {100 * rate.low:.0f}–{rate.high:.0%}"
    return f"{name}: {wording.rate(result.passed, result.scored)}{spread}"


def _actions(run: ListedRun, baseline: str | None) -> str:
    if run.state is RunState.UNFINISHED:
        return '<span class="said">stopped? continue it with <code>--resume</code></span>'
    if not run.is_finished:
        return ""
    if run.name == baseline:
        return "baseline"
    people = f" ({len(run.labellers):,})" if run.labellers else ""
    label = f'<a class="label" href="{label_path(run.name)}">label{people}</a>'
    if baseline is None:
        query = urlencode({"baseline": run.name})
        return f'<a class="compare" href="/?{escape(query)}">compare …</a> {label}'
    query = urlencode({"baseline": baseline, "candidate": run.name})
    return f'<a class="compare" href="/diff?{escape(query)}">with {escape(baseline)}</a>'


def _sparkline(name: str, group: Sequence[ListedRun]) -> str:
    """Draw the pass rates of an experiment's finished runs, the newest on the right; nothing for fewer than two."""
    rates = [run.passed / run.scored for run in reversed(group) if run.scored][-_SPARK_RUNS:]
    if len(rates) < 2:
        return ""
    step = (_SPARK_WIDTH - 4) / (len(rates) - 1)
    places = [(2 + step * place, 2 + (_SPARK_HEIGHT - 4) * (1 - rate)) for place, rate in enumerate(rates)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    label = f"Pass rate of {name} over {len(rates)} runs: {rates[0]:.1%} to {rates[-1]:.1%}"
    return (
        f'<svg class="spark" viewBox="0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'<title>{escape(label)}</title><polyline class="path" points="{path}"/>'
        f'<circle class="dot" cx="{places[-1][0]:.1f}" cy="{places[-1][1]:.1f}" r="2"/></svg>'
        f'<span class="said">{rates[-1]:.1%}</span>'
    )
