"""What a sample covers of the traffic that it was drawn from, and what it does not."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from insideLLMs.api.traffic.drawing import Requests, number_of
from insideLLMs.api.traffic.questions import METHOD, SIMILAR, Questions, question_of
from insideLLMs.compare.statistics.distributions import wilson
from insideLLMs.importers.foreign import ForeignTrial

JUDGED = 1_000
"""Requests that are drawn from all, to judge whether examples cover them."""
_MOST_GROUPS, _MOST_SHOWN, _LONGEST_SHOWN = 5, 3, 100


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that no example is like: what they share, their share of the traffic, and some of what they ask."""

    stratum: dict[str, str]
    share: float
    questions: tuple[str, ...]


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Which share of the traffic asks a question that is similar to that of an example.

    `similar` was judged on `judged` requests drawn from all, by `method`; `interval` is what it may be in all at 95%.
    `same` is the share, counted over all, whose question differs in case, spaces, marks and long numbers at most.
    """

    similar: float
    interval: tuple[float, float]
    judged: int
    method: str
    same: float
    gaps: tuple[Gap, ...]


def judged_places(requests: Requests) -> list[int]:
    """Return the places of the requests on which coverage is judged: drawn from all, apart from the sample."""
    if len(requests) <= JUDGED:
        return list(range(len(requests)))
    return sorted(range(len(requests)), key=lambda at: number_of(1, str(requests.numbers[at])))[:JUDGED]


def coverage_of(
    requests: Requests, chosen: Iterable[int], texts: Sequence[str], judged: Sequence[tuple[int, ForeignTrial]],
    values: Callable[[int], dict[str, str]],
) -> Coverage:  # fmt: skip
    """Judge requests, each with its place, against the `texts` of examples, which stand for the questions `chosen`."""
    known = set(chosen)
    questions = Questions()
    for text in texts:
        questions.add(text)
    missed = [
        (at, question_of(trial.example))
        for at, trial in judged
        if requests.questions[at] not in known and questions.closest(question_of(trial.example))[1] < SIMILAR
    ]
    covered = len(judged) - len(missed)
    whole = len(judged) == len(requests)
    share = covered / len(judged)
    return Coverage(
        similar=share,
        interval=(share, share) if whole else wilson(covered, len(judged)),
        judged=len(judged),
        method=METHOD,
        same=sum(question in known for question in requests.questions) / len(requests),
        gaps=_gaps(requests, missed, len(judged), values),
    )


def _gaps(
    requests: Requests, missed: Sequence[tuple[int, str]], judged: int, values: Callable[[int], dict[str, str]]
) -> tuple[Gap, ...]:
    counts = Counter(requests.strata[at] for at, _ in missed)
    return tuple(
        Gap(
            stratum=values(stratum),
            share=count / judged,
            questions=tuple(
                " ".join(text.split())[:_LONGEST_SHOWN] for at, text in missed if requests.strata[at] == stratum
            )[:_MOST_SHOWN],
        )
        for stratum, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:_MOST_GROUPS]
    )
