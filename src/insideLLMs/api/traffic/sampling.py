"""Traces -> a file of examples: drawn by a seed, duplicates folded, personal data replaced, each waiting for review."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from insideLLMs.api.imports.importing import ImportOptions, notes_of, open_source
from insideLLMs.api.personal_data import PersonalData, PersonalDataOptions
from insideLLMs.api.traffic.coverage import Coverage, coverage_of, judged_places
from insideLLMs.api.traffic.drawing import Requests, begin_of, boost_for, drawing_order, first_of_each, number_of
from insideLLMs.api.traffic.questions import Questions, question_of, same_question
from insideLLMs.api.traffic.strata import USUAL, Strata, check_strata
from insideLLMs.core import canonical
from insideLLMs.core.errors import DatasetError, OptionError
from insideLLMs.core.types import JsonValue, ResultStatus
from insideLLMs.datasets.reviews import PENDING
from insideLLMs.importers.blanking import Blanking
from insideLLMs.importers.foreign import ForeignTrial
from insideLLMs.importers.logs import LogSource
from insideLLMs.importers.traces.store import number_of as trace_number
from insideLLMs.importers.traces.trial import named
from insideLLMs.store.whole_file import whole_file

_SPARE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """How a sample is drawn.

    `by` names what strata share. With `at_least`, every stratum has that many draws; with `failed`, failed requests
    are that share of all draws. Both are corrected by the weights.
    """

    examples: int = 200
    seed: int = 0
    by: tuple[str, ...] = USUAL
    at_least: int = 0
    failed: float | None = None
    unfinished: bool = False
    each_call: bool = False
    personal_data: PersonalDataOptions | None = field(default_factory=PersonalDataOptions)


class Sampled(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, and what it covers. `draws` are the requests that the examples were folded of."""

    requests: int
    examples: int
    draws: int
    strata: int
    strata_drawn: int
    coverage: Coverage
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Chosen:
    """An example: its request, how many requests it stands for, and of which questions."""

    trial: ForeignTrial
    stratum: int
    weight: float = 0.0
    questions: set[int] = field(default_factory=set)


def draw_sample(
    paths: Sequence[Path], to: Path, options: SampleOptions, tell: Callable[[str], None] | None = None
) -> Sampled:
    """Draw examples from traces and write them to `to`, one per line. Raises InsideLLMsError."""
    options = _checked(options)
    if not to.parent.is_dir():  # said now, not when a day has been read
        raise DatasetError(f"there is no folder {to.parent} for {to.name}", fix="make it, or choose another output")
    reading = ImportOptions(
        unfinished=options.unfinished,
        each_call=options.each_call,
        personal_data=None,
        tell=tell,
    )
    source = open_source(paths, reading)
    if not isinstance(source, LogSource) or not source.is_traffic:
        raise DatasetError(
            f"{paths[0]} has no traces",
            fix="give traces as OTLP JSON, or spans of Tempo, Jaeger or Phoenix; exports of Langfuse "
            "and LangSmith are not read; to sample a dataset, set its max_examples",
        )
    personal = None if options.personal_data is None else PersonalData(options.personal_data, source.logs)
    drawing = _Drawing(source, options, personal)
    chosen = drawing.chosen()
    coverage = drawing.coverage(chosen)
    with whole_file(to) as file:
        file.writelines(canonical.line(row) + b"\n" for row in drawing.rows(chosen))
    return Sampled(
        requests=len(drawing.requests),
        examples=len(chosen),
        draws=sum(drawing.drawn.values()),
        strata=len(drawing.sizes),
        strata_drawn=len(drawing.drawn),
        coverage=coverage,
        notes=(*((personal.note,) if personal is not None else ()), *notes_of(source)),
    )


def _checked(options: SampleOptions) -> SampleOptions:
    check_strata(options.by)
    if options.examples < 1 or options.at_least < 0:
        raise OptionError("a sample needs at least one example", fix="give --examples 1 or more")
    if options.failed is None:
        return options
    if not 0 < options.failed < 1:
        raise OptionError(
            f"--failed is {options.failed}, which is not a share", fix="give a number between 0 and 1, e.g. 0.2"
        )
    by = options.by if "error" in options.by else (*options.by, "error")
    return replace(options, by=by)


class _Drawing:
    """The traffic in columns, and what is drawn of it. `sizes` and `drawn` count the requests of each stratum."""

    def __init__(self, source: LogSource, options: SampleOptions, personal: PersonalData | None) -> None:
        self._source = source
        self._options = options
        self._personal = personal
        self._strata = Strata(options.by)
        self._blanking = Blanking(())
        self._known: dict[int, ForeignTrial] = {}
        self.requests = Requests()
        self.drawn: Counter[int] = Counter()
        self._read()
        self.sizes = Counter(self.requests.strata)

    def _read(self) -> None:
        for _, trial in self._source.trials():
            assert trial.traffic is not None  # of every request
            self.requests.add(
                self._number(trial),
                trace_number(trial.traffic.trace),
                same_question(trial.example),
                self._strata.number(trial),
                failed=trial.status is not ResultStatus.SUCCESS,
            )
        self._source.end()
        if not self.requests:
            raise self._source.refusal([])
        sizes = Counter(self.requests.strata)
        merged = self._strata.merged([sizes[number] for number in range(len(sizes))])
        for at, stratum in enumerate(self.requests.strata):
            self.requests.strata[at] = merged[stratum]

    def _number(self, trial: ForeignTrial) -> int:
        traffic = trial.traffic
        assert traffic is not None
        return number_of(self._options.seed, traffic.trace, traffic.span)

    def _fetch(self, places: Iterable[int]) -> None:
        """Read the requests at these places, without keys and personal data."""
        numbers = {self.requests.numbers[at]: at for at in places}
        missing = {number: at for number, at in numbers.items() if at not in self._known}
        traces = {self.requests.traces[at] for at in missing.values()}
        for _, trial in self._source.trials(traces.__contains__) if missing else ():
            at = missing.get(self._number(trial))
            if at is not None:
                blank = named(self._blanking.of(trial))
                self._known[at] = blank if self._personal is None else self._personal.of(blank)

    def chosen(self) -> list[_Chosen]:
        """Draw until there are as many different examples as wanted, or nothing is left."""
        options, requests = self._options, self.requests
        failed = [stratum for stratum in self.sizes if self._strata.failed(stratum)]
        boost = {} if options.failed is None else boost_for(options.failed, self.sizes, failed)
        least = options.at_least * len(self.sizes)
        if least > options.examples:
            raise OptionError(
                f"{options.at_least} of each of {len(self.sizes):,} strata are more than {options.examples:,} examples",
                fix=f"--examples {least}, a smaller --at-least, or fewer --by",
            )
        begins = {stratum: begin_of(self._strata.values(stratum).values()) for stratum in self.sizes}
        order = drawing_order(requests, self.sizes, begins, boost, options.at_least)
        wanted = 2 * options.examples + _SPARE
        while True:
            candidates = list(first_of_each(order, requests.questions, wanted))
            self._fetch(candidates)
            found, is_whole = self._fold(order, set(candidates))
            if is_whole or len(candidates) < wanted:
                return found
            wanted *= 2

    def _fold(self, order: Sequence[int], candidates: set[int]) -> tuple[list[_Chosen], bool]:
        """Choose along the order; whether that ended before the candidates did."""
        found: list[_Chosen] = []
        by_question: dict[int, int] = {}
        by_id: dict[str, int] = {}
        questions = Questions()
        draws: list[tuple[int, int]] = []
        for at in order:
            question = self.requests.questions[at]
            if question not in by_question:
                if at not in candidates:
                    return self._weighted(found, draws), False
                example = self._known[at].example
                text = question_of(example)
                twin = by_id.get(example.id, questions.twin(text))
                if twin is None and len(found) == self._options.examples:
                    return self._weighted(found, draws), True
                if twin is None:
                    twin = len(found)
                    found.append(_Chosen(self._known[at], self.requests.strata[at]))
                    questions.add(text)
                    by_id[example.id] = twin
                by_question[question] = twin
                found[twin].questions.add(question)
            draws.append((self.requests.strata[at], by_question[question]))
        return self._weighted(found, draws), True

    def _weighted(self, found: list[_Chosen], draws: Sequence[tuple[int, int]]) -> list[_Chosen]:
        self.drawn = Counter(stratum for stratum, _ in draws)
        for stratum, number in draws:
            found[number].weight += self.sizes[stratum] / self.drawn[stratum]
        return found

    def coverage(self, chosen: Sequence[_Chosen]) -> Coverage:
        """Say which share of the traffic is like an example."""
        places = judged_places(self.requests)
        self._fetch(places)
        return coverage_of(
            self.requests,
            [question for one in chosen for question in one.questions],
            [question_of(one.trial.example) for one in chosen],
            [(at, self._known[at]) for at in places],
            self._shared,
        )

    def _shared(self, stratum: int) -> dict[str, str]:
        """Return what the requests of a stratum share, without keys and personal data."""
        plain = {name: self._blanking.text(value) for name, value in self._strata.values(stratum).items()}
        return plain if self._personal is None else {name: self._personal.text(value) for name, value in plain.items()}

    def rows(self, chosen: Sequence[_Chosen]) -> Iterable[dict[str, JsonValue]]:
        """Yield the examples as rows of a dataset, in the order of their ids."""
        of_question = {question: number for number, one in enumerate(chosen) for question in one.questions}
        requests, failed = Counter[int](), Counter[int]()
        for question, is_failed in zip(self.requests.questions, self.requests.failed, strict=True):
            if (number := of_question.get(question)) is not None:
                requests[number] += 1
                failed[number] += is_failed
        for number, one in sorted(enumerate(chosen), key=lambda each: each[1].trial.example.id):
            counts = {"requests": requests[number], "failed": failed[number], "weight": round(one.weight, 4)}
            yield _row(one.trial, {**counts, "stratum": self._shared(one.stratum)})


def _row(trial: ForeignTrial, facts: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return an example whose answer in traffic is no expected one: that is for a person to say."""
    traffic, response = trial.traffic, trial.response
    assert traffic is not None
    asked = trial.example.input
    told = {} if response is None else msgspec.to_builtins(response)
    kept = {name: told[name] for name in ("tool_calls", "trajectory", "kept") if name in told}
    said = {"answer": told.get("text", ""), **kept, "model": trial.model, "status": trial.status.value}
    failure = {"failure": trial.failure} if trial.failure else {}
    return {
        "id": trial.example.id,
        **({"input": asked} if isinstance(asked, str) else {"messages": msgspec.to_builtins(asked)}),
        **({"cluster": traffic.conversation} if traffic.conversation else {}),
        "review": PENDING,
        "traffic": {**said, **failure, **facts, "trace": traffic.trace, "started_at": trial.started_at},
    }
