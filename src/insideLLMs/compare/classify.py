"""File every Trial of two runs under exactly one class.

The first row that fits decides, so the counts of the classes add up to the Trials of the outer join::

    class          when                                                                          swapped
    new            only the candidate has the Trial (also: a repeat more)                        removed
    removed        only the baseline has it                                                      new
    edited         both have it, and the example's content differs under the same id             edited
    skipped        at least one side skipped it                                                  skipped
    errored        both failed (error, timeout, rate_limited)                                    errored
    newly_failing  the baseline answered, the candidate failed                                   recovered
    recovered      the baseline failed, the candidate answered (whatever its verdict)            newly_failing
    regressed      pass -> fail; or, where neither side has a verdict, scores got worse and    fixed, improved
                   none better
    fixed          fail -> pass                                                                  regressed
    improved       neither side has a verdict; scores got better by more than the tolerance,   regressed
                   none worse: towards the best of their range, see `score_ranges`
    changed        anything else of what the model did differs, see Level                        changed
    equivalent     the answers differ, but not after normalisation, not as JSON values, or, if    equivalent
                   that was asked for, not in what they mean to an embedding model
    unchanged      nothing of the above                                                          unchanged

What a model did: how it ended, verdict, label, scores, text, value, kept parts and tool calls. Which model or version
served it, tokens, fingerprint and reasoning text never make a change; they are counted as served facts. A
refusal, a filtered or a truncated answer is an answer: its verdict decides, its level is `status`. A verdict
always outranks scores and text, and a model is asked only about texts that no check holds apart: no similarity,
however high, hides a flip.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from insideLLMs.compare.answers.levels import NONE, Difference, Level, compare_outcomes, response_of, score_moves
from insideLLMs.compare.score_ranges import DEFAULT_RANGES, ScoreRanges
from insideLLMs.core.record_views import Facts

if TYPE_CHECKING:  # it reads texts, which nobody else does
    from insideLLMs.compare.meaning import Meaning


class ChangeClass(StrEnum):
    """What became of a Trial, worst first; see the module's table."""

    REGRESSED = "regressed"
    NEWLY_FAILING = "newly_failing"
    CHANGED = "changed"
    EDITED = "edited"
    REMOVED = "removed"
    NEW = "new"
    ERRORED = "errored"
    SKIPPED = "skipped"
    IMPROVED = "improved"
    FIXED = "fixed"
    RECOVERED = "recovered"
    EQUIVALENT = "equivalent"
    UNCHANGED = "unchanged"


class Finding(NamedTuple):
    """The class of a Trial and what it rests on."""

    kind: ChangeClass
    difference: Difference = NONE


UNCHANGED = Finding(ChangeClass.UNCHANGED)


def is_alike(finding: Finding) -> bool:
    """Whether a Trial is equivalent only to an embedding model."""
    return finding.kind is ChangeClass.EQUIVALENT and finding.difference.similarity is not None


def classify(
    baseline: Facts | None,
    candidate: Facts | None,
    tolerance: float = 1e-9,
    meaning: "Meaning | None" = None,
    ranges: ScoreRanges = DEFAULT_RANGES,
) -> Finding:
    """Class one Trial of the outer join; scores that move by at most `tolerance` are the same.

    `meaning` weighs texts that differ in nothing but their wording; `ranges` say which way a score is better.
    """
    if baseline is None:
        return Finding(ChangeClass.NEW)
    if candidate is None:
        return Finding(ChangeClass.REMOVED)
    if baseline.example_digest != candidate.example_digest:
        return Finding(ChangeClass.EDITED)
    if not (baseline.answered and candidate.answered):
        return _classify_failures(baseline, candidate)
    difference = compare_outcomes(baseline, candidate, tolerance)
    if difference.level is None:
        return UNCHANGED
    if meaning is not None and difference.level is Level.NORMALISED and not difference.same_meaning:
        difference = meaning.weigh(response_of(baseline).text, response_of(candidate).text)
    kind = _classify_verdicts(baseline, candidate)
    if kind is None and baseline.passed is None and candidate.passed is None:
        kind = _classify_scores(ranges.gains(baseline, candidate, score_moves(baseline, candidate, tolerance)))
    return Finding(kind or (ChangeClass.EQUIVALENT if difference.same_meaning else ChangeClass.CHANGED), difference)


def _classify_failures(baseline: Facts, candidate: Facts) -> Finding:
    moved = baseline.status != candidate.status
    difference = Difference(Level.STATUS, f"{baseline.status} -> {candidate.status}") if moved else NONE
    if "skipped" in {baseline.status, candidate.status}:
        return Finding(ChangeClass.SKIPPED, difference)
    if baseline.answered:
        return Finding(ChangeClass.NEWLY_FAILING, difference)
    return Finding(ChangeClass.RECOVERED if candidate.answered else ChangeClass.ERRORED, difference)


def _classify_verdicts(baseline: Facts, candidate: Facts) -> ChangeClass | None:
    before, after = baseline.passed, candidate.passed
    if before is None or after is None or before == after:
        return None
    return ChangeClass.FIXED if after else ChangeClass.REGRESSED


def _classify_scores(gains: Mapping[str, float]) -> ChangeClass | None:
    if gains and max(gains.values()) < 0:
        return ChangeClass.REGRESSED
    return ChangeClass.IMPROVED if gains and min(gains.values()) > 0 else None
