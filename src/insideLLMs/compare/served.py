"""What the provider says it served, compared beside the answers: model version, fingerprint, tokens and so on."""

from collections import Counter
from typing import Literal

from insideLLMs.compare.comparison import ServedChange, UsageChange
from insideLLMs.compare.levels import response_of
from insideLLMs.core.record_views import Facts
from insideLLMs.core.types import Usage

Field = Literal["model", "fingerprint", "finish_reason"]
_FIELDS: tuple[Field, ...] = ("model", "fingerprint", "finish_reason")
_DISTINCT_LIMIT = 1_000
_VALUE_LIMIT = 200  # characters; a provider's word for itself is no text


class ServedFacts:
    """The running count of served facts that changed; call it for aligned Trials whose responses differ.

    At most a thousand distinct changes of a field are told apart (a fingerprint may be new in every answer);
    `overflow` counts what comes after them.
    """

    def __init__(self) -> None:
        self._changes: Counter[tuple[Field, str | None, str | None]] = Counter()
        self._usage = [0, 0, 0, 0, 0]
        self.overflow: Counter[str] = Counter()

    def add(self, baseline: Facts, candidate: Facts) -> None:
        """Compare what served the two answers of one Trial."""
        ours, theirs = response_of(baseline), response_of(candidate)
        for field in _FIELDS:
            before, after = getattr(ours, field), getattr(theirs, field)
            if before != after:
                self._count(field, _short(before), _short(after))
        if ours.usage is not None and theirs.usage is not None and ours.usage != theirs.usage:
            self._add_usage(ours.usage, theirs.usage)

    def _count(self, field: Field, before: str | None, after: str | None) -> None:
        change = (field, before, after)
        if change in self._changes or len(self._changes) < _DISTINCT_LIMIT:
            self._changes[change] += 1
        else:
            self.overflow[field] += 1

    def _add_usage(self, ours: Usage, theirs: Usage) -> None:
        counts = (1, ours.input_tokens, theirs.input_tokens, ours.output_tokens, theirs.output_tokens)
        self._usage = [sum_ + (count or 0) for sum_, count in zip(self._usage, counts, strict=True)]

    def changes(self, limit: int) -> tuple[ServedChange, ...]:
        """Return the changes, the most frequent of each field first, at most `limit`."""
        ordered = sorted(
            self._changes.items(),
            key=lambda item: (_FIELDS.index(item[0][0]), -item[1], item[0][1] or "", item[0][2] or ""),
        )
        return tuple(
            ServedChange(field=field, baseline=before, candidate=after, trials=trials)
            for (field, before, after), trials in ordered[:limit]
        )

    def usage(self) -> UsageChange:
        """Return the token totals over the Trials whose counts differ."""
        trials, before_in, after_in, before_out, after_out = self._usage
        return UsageChange(
            trials=trials,
            baseline_input_tokens=before_in,
            candidate_input_tokens=after_in,
            baseline_output_tokens=before_out,
            candidate_output_tokens=after_out,
        )


def _short(value: str | None) -> str | None:
    return value[:_VALUE_LIMIT] if value is not None else None
