"""The evidence of a verdict in words and figures, for every report that shows it."""

from collections.abc import Iterator

from insideLLMs.compare.gate.decide import Verdict
from insideLLMs.compare.gate.policies import tell_drift
from insideLLMs.compare.statistics.assess import Assessment
from insideLLMs.compare.statistics.evidence import Evidence, p_value
from insideLLMs.report import wording

COLUMNS = ("probe", "items", "down/up", "change", "95% interval", "p", "adjusted", "MDE")
_TESTS = {
    "none": "nothing varied, so there is nothing to test",
    "exact": "exact",
    "enumerated": "exact",
    "normal": "normal approximation",
    "monte_carlo": "19,999 random relabellings",
}


def evidence_rows(found: Assessment) -> Iterator[tuple[str, ...]]:
    """Yield a row per probe, in `COLUMNS`, and one over all where there are several.

    A single probe is asked with the whole error rate, so its row is the overall one.
    """
    if len(found.probes) == 1:
        yield _row(found.probes[0].probe or "", found.overall, failed=found.verdict == "failed")
        return
    for evidence in found.probes:
        yield _row(evidence.probe or "", evidence, failed=found.verdict == "failed")
    yield _row("all", found.overall, failed=found.verdict == "failed")


def _row(name: str, evidence: Evidence, *, failed: bool) -> tuple[str, ...]:
    if evidence.delta is None or evidence.low is None or evidence.high is None:
        return (name, "0", "–", "–", "–", "–", "–", "–")
    corrected = "–" if evidence.p_holm is None else p_value(evidence.p_holm)
    seen = "–" if failed or evidence.detectable is None else f"−{evidence.detectable * 100:.1f}"
    return (
        name,
        f"{evidence.n_paired:,}",
        f"{evidence.n_worse:,}/{evidence.n_better:,}",
        signed(evidence.delta),
        f"{signed(evidence.low)} to {signed(evidence.high)}",
        p_value(evidence.p_used),
        corrected,
        seen,
    )


def evidence_lines(verdict: Verdict) -> Iterator[str]:
    """Yield what a reviewer needs beside the table: test, sensitivity, noise, confirmation."""
    found = verdict.assessment
    if found is not None:
        yield f"test: {tell_test(found)}"
        said = (found.overall.message, "" if found.verdict == "failed" else found.overall.sensitivity)
        yield from (text for text in said if text and found.overall.n_paired and text not in verdict.reasons)
        yield from (f"note: {_where(note.probe)}{note.text}" for note in found.notes)
    yield from () if verdict.suite is None else [verdict.suite.message]
    yield from _noise(verdict)
    yield from _states(verdict)
    yield from _confirmed(verdict)
    if verdict.drift is not None and verdict.drift.n and not any(rule.drift for rule in verdict.rules):
        yield f"{tell_drift(verdict.drift)}; information only, it does not gate"
    yield from (f"{_where(judge.probe)}{judge.message}" for judge in verdict.judges if judge.message)
    yield from (found.message for found in verdict.labelled if found.message not in verdict.reasons)
    yield from (
        f"note: {judge.probe}: another judge, accepted: {'; '.join(judge.differs)}"
        for judge in verdict.judges
        if judge.differs and judge.accepted
    )
    yield from (f"note: {remark}" for remark in verdict.remarks)


def tell_test(found: Assessment) -> str:
    """Name the test, its direction and the number of runs."""
    overall = found.overall
    if not overall.n_paired:
        return "not made: no example has a score on both sides"
    runs = f"{overall.baseline_runs:.3g} baseline to {overall.candidate_runs:.3g} candidate runs"
    repeats = f" of {overall.repeats:.3g} repeats" if overall.repeats > 1 else ""
    clusters = f", by {overall.n_clusters:,} clusters" if overall.n_clusters is not None else ""
    stable = "" if overall.stable is None else " with stable items"
    return f"run-label permutation{stable}, one-sided for a drop, {_TESTS[overall.method]}; {runs}{repeats}{clusters}"


def _where(probe: str | None) -> str:
    return "" if probe is None else f"{probe}: "


def _noise(verdict: Verdict) -> Iterator[str]:
    floor = verdict.noise
    if floor is None:
        return
    shares = ", ".join(
        f"{name} {found.across:.1%}" for name, found in floor.levels.items() if found.n and name != "structured"
    )
    yield f"noise between {len(floor.runs)} unchanged runs, share of trial pairs that differ: {shares}"


def _states(verdict: Verdict) -> Iterator[str]:
    states = verdict.states
    if states is None or states.repeats < 2:
        return
    moves = states.moves
    flaky = sum(moves["flaky"].values())
    yield (
        f"items: {states.hard_regressions:,} of {states.items:,} passed every time and now fail every time; "
        f"{flaky:,} were flaky before, {sum(row['flaky'] for row in moves.values()):,} are now"
    )


def _confirmed(verdict: Verdict) -> Iterator[str]:
    found = verdict.confirmed
    if found is None:
        return
    if found.unavailable:
        yield f"confirmation: not done: {found.unavailable}"
        return
    names = ", ".join(f"{item.probe} / {item.example_id}" for item in found.items[:5]) or "none"
    more = f" and {len(found.items) - 5} more" if len(found.items) > 5 else ""
    asked = wording.many(found.calls, "fresh answer")
    told = f"confirmation: {wording.many(found.selected, 'item')} went from pass to fail; {asked} confirm {names}{more}"
    yield told + ("; this holds if every answer is a new draw (no cache)" if found.items else "")


def signed(rate: float) -> str:
    """Write a difference of rates in points, with its sign."""
    return f"{rate * 100:+.1f}".replace("-", "−")
