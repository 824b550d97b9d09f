"""The answers of a run, each with the records of all probes that score it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from insideLLMs.core.subject import Subject
from insideLLMs.core.types import AskedBy, JsonValue, Record, Response, ResultStatus
from insideLLMs.scoring.damages import IntactAnswer
from insideLLMs.scoring.damages.answer import leaves

Place = tuple[str, str, Subject]
"""Where answers were asked for: dataset, example id and subject; it has one answer for each repeat, or several."""
_NEAR = 200
"""So many examples are looked through for another answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredAnswer:
    """An answer and the places, among the records, of all that score it; the first is the one that asked."""

    response: Response
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One example of one probe and subject: the answers of its repeats."""

    dataset: str
    example_id: str
    subject: Subject
    answers: tuple[ScoredAnswer, ...]


def items_of(records: Sequence[Record]) -> dict[tuple[str, Subject], list[Item]]:
    """Group the records by probe and subject into items, those without an answer left out."""
    asked: dict[tuple[object, ...], list[int]] = {}
    for place, record in enumerate(records):
        if record.status is ResultStatus.SUCCESS and record.response is not None and _says(record.response):
            asked.setdefault(_root(record), []).append(place)
    found: dict[tuple[str, Subject], dict[tuple[str, str], list[ScoredAnswer]]] = {}
    for places in asked.values():
        response = records[places[0]].response
        assert response is not None
        answer = ScoredAnswer(response=response, places=tuple(places))
        for record in (records[place] for place in places):
            items = found.setdefault((record.probe, record.subject), {})
            items.setdefault((record.dataset, record.example_id), []).append(answer)
    return {
        group: [
            Item(dataset=dataset, example_id=name, subject=group[1], answers=tuple(answers))
            for (dataset, name), answers in sorted(items.items())
        ]
        for group, items in sorted(found.items(), key=lambda entry: (entry[0][0], entry[0][1].order))
    }


def _says(response: Response) -> bool:
    return bool(response.text.strip() or response.calls or response.value is not None)


def _root(record: Record) -> tuple[object, ...]:
    """Name the Trial that asked for a record's answer."""
    shared = record.shared_with or AskedBy(probe=record.probe)
    return (
        shared.probe,
        shared.dataset or record.dataset,
        shared.example_id or record.example_id,
        *record.subject.order,
        record.repeat,
    )


def intact(
    answer: ScoredAnswer, records: Sequence[Record], other: Response | None, args: Mapping[str, JsonValue]
) -> IntactAnswer:
    """Return an answer as damages take it. `args` are those of each probe: they too say what is expected."""
    own = [records[place] for place in answer.places]
    first = own[0]
    references = [
        leaf
        for record in own
        for leaf in leaves([list(record.example.expected), dict(record.example.fields), args.get(record.probe)])
    ]
    return IntactAnswer(
        response=answer.response,
        seed=f"{first.dataset}|{first.example_id}|{first.model}|{first.prompt or ''}|{first.repeat}",
        question=first.example.text,
        references="\n".join(references),
        other=other,
    )


def other_answers(items: Sequence[Item], records: Sequence[Record]) -> dict[int, Response]:
    """Return, by the place of each answer, what a near example says that expects something else; none where all do."""
    found: dict[int, Response] = {}
    heads = [(_expectation(records[item.answers[0].places[0]]), item.answers[0].response) for item in items]
    nothing_told = all(expects == _NOTHING for expects, _ in heads)
    for number, item in enumerate(items):
        near = [heads[(number + step) % len(heads)] for step in range(1, min(len(heads), _NEAR))]
        for answer in item.answers:
            others = (
                response
                for expects, response in near
                if (nothing_told or expects != heads[number][0]) and _words(response) != _words(answer.response)
            )
            other = next(others, None)
            if other is not None:
                found[answer.places[0]] = other
    return found


def _expectation(record: Record) -> str:
    """Spell what an example expects: what it says of it, else all that it came with."""
    example = record.example
    told = [example.expected, example.fields.get("checks")]
    return repr(told if any(told) else sorted(example.fields.items(), key=lambda field: field[0]))


_NOTHING = repr([])


def _words(response: Response) -> object:
    return response.text, response.value, response.calls
