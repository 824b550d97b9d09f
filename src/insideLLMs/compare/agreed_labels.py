"""What people agree on: one verdict an answer out of the labels of several people, and how far they agree."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import msgspec

from insideLLMs.compare.statistics.distributions import wilson
from insideLLMs.compare.statistics.judges import Verdicts, kappa_interval
from insideLLMs.compare.statistics.krippendorff import Ratings, alpha_interval, krippendorff_alpha
from insideLLMs.core.run_summary import Interval
from insideLLMs.store.labels import PersonLabel, latest

LEVEL = 0.95


class AgreedLabel(msgspec.Struct, frozen=True, kw_only=True):
    """What people said of one answer: of each the last label that takes no other one back.

    `is_random` says whether the answer was drawn at random, as it must be to tell anything of all answers.
    """

    said: tuple[PersonLabel, ...]
    is_random: bool

    @property
    def passed(self) -> bool | None:
        """The verdict of who decided, where one did, or else of most people; None where there is no majority."""
        decided = [label.passed for label in self.said if label.decides and label.passed is not None]
        if decided:
            return decided[-1]
        votes = Counter(self.verdicts.values())
        return None if votes[True] == votes[False] else votes[True] > votes[False]

    @property
    def verdicts(self) -> dict[str, bool]:
        """Each person's own verdict, by name."""
        return {label.by: label.passed for label in self.said if label.passed is not None and not label.decides}

    @property
    def differs(self) -> bool:
        """Whether people gave both verdicts."""
        return len(set(self.verdicts.values())) > 1

    @property
    def is_disputed(self) -> bool:
        """Whether people differ, and nobody has decided."""
        return self.differs and not any(label.decides and label.passed is not None for label in self.said)


def agreed_labels(labels: Iterable[PersonLabel]) -> dict[str, AgreedLabel]:
    """Return what people agree on by the digest of the answer; an answer of which all was taken back is left out."""
    given = [*labels]
    drawn = {label.answer for label in given if label.drawn == "random" and label.verdict != "open"}
    said: dict[str, list[PersonLabel]] = {}
    for label in latest(given).values():
        if label.verdict != "open":
            said.setdefault(label.answer, []).append(label)
    return {answer: AgreedLabel(said=tuple(said[answer]), is_random=answer in drawn) for answer in sorted(said)}


def random_verdicts(agreed: Mapping[str, AgreedLabel]) -> dict[str, bool]:
    """Return the verdicts that may stand for all answers: of those drawn at random, where people came to one."""
    return {answer: one.passed for answer, one in agreed.items() if one.is_random and one.passed is not None}


class PairAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Two people over the answers that both labelled; `same` is how often they agree, None without such answers."""

    one: str
    other: str
    same: Interval | None
    kappa: Interval | None


class PeopleAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far people agree over the answers that two or more of them labelled.

    `same` is how often all agree, `alpha` Krippendorff's; each None where it cannot be told. `disputed` are the
    answers that wait for somebody to decide.
    """

    people: dict[str, int]
    same: Interval | None
    alpha: Interval | None
    pairs: tuple[PairAgreement, ...]
    disputed: tuple[str, ...]


def people_agreement(agreed: Mapping[str, AgreedLabel]) -> PeopleAgreement:
    """Measure how far people agree; a verdict that decides a dispute is not counted."""
    verdicts = [one.verdicts for one in agreed.values()]
    people = Counter(name for each in verdicts for name in each)
    several = [each for each in verdicts if len(each) > 1]
    return PeopleAgreement(
        people=dict(sorted(people.items())),
        same=_share(sum(len(set(each.values())) == 1 for each in several), len(several)),
        alpha=_alpha(several),
        pairs=tuple(_pair(verdicts, one, other) for one, other in combinations(sorted(people), 2)),
        disputed=tuple(answer for answer, one in agreed.items() if one.is_disputed),
    )


def _share(hits: int, n: int) -> Interval | None:
    if not n:
        return None
    low, high = wilson(hits, n, level=LEVEL)
    return Interval(value=hits / n, low=low, high=high, n=n)


def _alpha(several: Sequence[Mapping[str, bool]]) -> Interval | None:
    units: Counter[Ratings] = Counter((sum(each.values()), len(each) - sum(each.values())) for each in several)
    return _interval(krippendorff_alpha(units), alpha_interval(units, level=LEVEL), len(several))


def _pair(verdicts: Sequence[Mapping[str, bool]], one: str, other: str) -> PairAgreement:
    both = [(each[one], each[other]) for each in verdicts if one in each and other in each]
    table = Counter(Verdicts.of(label=first, passed=second) for first, second in both)
    kappa = Verdicts.total(table.elements()).kappa if table else None
    return PairAgreement(
        one=one,
        other=other,
        same=_share(sum(first == second for first, second in both), len(both)),
        kappa=_interval(kappa, kappa_interval(table, level=LEVEL) if table else None, len(both)),
    )


def _interval(value: float | None, limits: tuple[float, float] | None, n: int) -> Interval | None:
    if value is None:
        return None
    low, high = limits or (None, None)
    return Interval(value=value, low=low, high=high, n=n)
