"""People's verdicts on answers of the two runs that are compared, found by the names of Trials or by the answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from insideLLMs.compare.statistics.labelled_drop import Label, LabelledItem
from insideLLMs.core.answer_digest import answer_digest
from insideLLMs.core.errors import CompareError
from insideLLMs.core.record_views import Facts

Side = Literal["baseline", "candidate"]


class LabelKey(NamedTuple):
    """The answer that a label is of; a probe or model of None is the only one that there is."""

    side: Side
    probe: str | None
    example_id: str
    model: str | None
    repeat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanLabels:
    """Labels, which `source` names to people; `probes` are those that they are of.

    `verdicts` are those of a table, `answers` those that people gave in the browser, by the digest of the answer.
    """

    source: str
    verdicts: Mapping[LabelKey, bool] = field(default_factory=dict)
    answers: Mapping[str, bool] = field(default_factory=dict)
    probes: frozenset[str] = frozenset()

    def of_probes(self, judged: Sequence[str], probes: Sequence[str]) -> "HumanLabels":
        """Return the labels with their probe: the judged one, or the only one. Raises CompareError if it is unclear."""
        choice = judged if len(judged) == 1 else probes
        if len(choice) > 1 and any(key.probe is None for key in self.verdicts):
            raise CompareError(
                f"{self.source}: the runs have several probes, and some labels name none",
                fix=f"add a column `probe`: {', '.join(sorted(choice))}",
            )
        named = {key if key.probe else key._replace(probe=choice[0]): said for key, said in self.verdicts.items()}
        return replace(self, verdicts=named, probes=self.probes.union(key.probe for key in named if key.probe))

    def check_models(self) -> None:
        """Raise CompareError for labels that do not say of which of several models an answer is."""
        if any(key.model is None for key in self.verdicts):
            raise CompareError(
                f"{self.source}: the runs have several models, and some labels name none", fix="add a column `model`"
            )

    def check_found(self, items: Iterable[Sequence[LabelledItem]]) -> None:
        """Raise CompareError where no label is of an answer among the `items` that were compared."""
        if not any(item.label_before or item.label_after for of_probe in items for item in of_probe):
            raise CompareError(
                f"{self.source}: no label is of a judged answer of these runs",
                fix="`run` is baseline or candidate, `id` the example's id, `probe` the probe's; labels of people "
                "follow an answer as long as nothing of it changes",
            )

    def item(self, before: Sequence[Facts], after: Sequence[Facts]) -> LabelledItem | None:
        """Return an item of both newest runs with its labels; None where a side has no verdict."""
        ours, theirs = ([facts for facts in side if facts.passed is not None] for side in (before, after))
        if not (ours and theirs):
            return None
        return LabelledItem(_rate(ours), _rate(theirs), self._label("baseline", ours), self._label("candidate", theirs))

    def _label(self, side: Side, trials: Sequence[Facts]) -> Label | None:
        found = [(said, bool(facts.passed)) for facts in trials if (said := self._said(side, facts)) is not None]
        if not found:
            return None
        return Label(*(sum(verdicts) / len(found) for verdicts in zip(*found, strict=True)))

    def _said(self, side: Side, facts: Facts) -> bool | None:
        key = LabelKey(side, facts.probe, facts.example_id, facts.subject.label, facts.repeat)
        said = self.verdicts.get(key)
        if said is None:
            said = self.verdicts.get(key._replace(model=None))
        if said is None and self.answers:
            return self.answers.get(answer_digest(facts))
        return said


def _rate(trials: Sequence[Facts]) -> float:
    return sum(bool(facts.passed) for facts in trials) / len(trials)
