"""The strata of a sample: requests are grouped by model, route, how they ended, ..."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence

from insideLLMs.core.errors import OptionError, PluginError
from insideLLMs.core.types import ResultStatus
from insideLLMs.importers.fields import as_words
from insideLLMs.importers.foreign import ForeignTrial
from insideLLMs.scoring.constraints.language import most_likely

USUAL = ("route", "model", "error")
OTHER = "other"
_LONGEST = 80
_MOST_STRATA, _MOST_SEEN = 1_000, 100_000
_ID = re.compile(r"(?<=/)(?:\d+|[0-9a-fA-F-]{16,}|[^/\s]*@[^/\s]*)(?=/|$)")
"""A part of a path that names one thing: its number, its id, an address."""
_LENGTHS = (100, 1_000, 10_000)


def _model(trial: ForeignTrial) -> str:
    return trial.model


def _route(trial: ForeignTrial) -> str:
    route = trial.traffic.route if trial.traffic is not None else trial.dataset
    return _ID.sub("*", route.partition("?")[0])


def _template(trial: ForeignTrial) -> str:
    """Return the name of a prompt; of one that has none, a digest of its instructions."""
    template = trial.traffic.template if trial.traffic is not None else trial.prompt or ""
    if len(template) <= 40 and "\n" not in template:
        return template or "none"
    return f"prompt {hashlib.sha256(template.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _error(trial: ForeignTrial) -> str:
    return "no error" if trial.status is ResultStatus.SUCCESS else trial.status.value


def _length(trial: ForeignTrial) -> str:
    size = len(trial.example.text)
    limit = next((limit for limit in _LENGTHS if size <= limit), None)
    return f"to {limit:,} characters" if limit is not None else f"over {_LENGTHS[-1]:,} characters"


def _language(trial: ForeignTrial) -> str:
    return most_likely(trial.example.text) or "none"


def _feedback(trial: ForeignTrial) -> str:
    """Return what users or judges said: an attribute of feedback, or the verdicts on the answer."""
    said = trial.traffic.feedback if trial.traffic is not None else ""
    told = (
        f"{one.probe} {as_words(one.label or one.value if one.passed is None else one.passed)}" for one in trial.scores
    )
    return said or ", ".join(sorted(told)) or "none"


def _tools(trial: ForeignTrial) -> str:
    if trial.response is None:
        return "none"
    messages = trial.response.trajectory
    calls = [*trial.response.tool_calls, *(call for message in messages for call in message.tool_calls)]
    return ", ".join(sorted({call.name for call in calls})) or "none"


def _day(trial: ForeignTrial) -> str:
    return (trial.started_at or "unknown")[:10]


def _hour(trial: ForeignTrial) -> str:
    return f"{trial.started_at[11:13]} h" if trial.started_at else "unknown"


STRATA: Mapping[str, Callable[[ForeignTrial], str]] = {
    "model": _model, "route": _route, "template": _template, "error": _error, "length": _length,
    "language": _language, "feedback": _feedback, "tools": _tools, "day": _day, "hour": _hour,
}  # fmt: skip


def check_strata(names: Sequence[str]) -> None:
    """Raise OptionError for an unknown name, or if the library for languages is missing."""
    unknown = [name for name in names if name not in STRATA]
    if unknown:
        raise OptionError(f"--by {unknown[0]!r} is not known", fix=f"use any of {', '.join(STRATA)}")
    if "language" in names:
        try:
            most_likely("Is the library there?")
        except PluginError as error:
            raise OptionError("--by language needs a library that is not installed", fix=error.fix) from error


class Strata:
    """Numbers the strata of requests; with more than a thousand, the rarest become one for each way to end."""

    def __init__(self, names: Sequence[str]) -> None:
        self._finders = [STRATA[name] for name in names]
        self._numbers: dict[tuple[str, ...], int] = {}
        self._values: dict[int, tuple[str, ...]] = {}
        self.names = tuple(names)

    def number(self, trial: ForeignTrial) -> int:
        """Return the number of the stratum that a request belongs to."""
        values = tuple(find(trial)[:_LONGEST] for find in self._finders)
        if values not in self._numbers and len(self._numbers) >= _MOST_SEEN:
            values = self._rest_of(values)
        return self._numbers.setdefault(values, len(self._numbers))

    def merged(self, counts: Sequence[int]) -> list[int]:
        """Return for each stratum the number that it goes by, given how many requests each has."""
        by_size = sorted(self._numbers.items(), key=lambda each: (-counts[each[1]], each[0]))
        found = list(range(len(counts)))
        for values, number in by_size[_MOST_STRATA:]:
            found[number] = self._numbers.setdefault(self._rest_of(values), len(self._numbers))
        return found

    def _rest_of(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Return what rare strata share: nothing but how their requests ended, so that failed ones stay apart."""
        return tuple(value if name == "error" else OTHER for name, value in zip(self.names, values, strict=True))

    def values(self, number: int) -> dict[str, str]:
        """Return what the requests of a stratum share."""
        if not self._values:
            self._values = {known: values for values, known in self._numbers.items()}
        return dict(zip(self.names, self._values[number], strict=True))

    def failed(self, number: int) -> bool:
        """Whether the requests of a stratum failed; False where strata do not tell."""
        return self.values(number).get("error", "no error") != "no error"
