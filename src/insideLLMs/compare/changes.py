"""The full story of one changed Trial, read from its two lines."""

from collections.abc import Sequence

from insideLLMs.compare.align import Aligned
from insideLLMs.compare.answers.levels import CALLS_DIFFER, changed_parts
from insideLLMs.compare.answers.steps import step_changes
from insideLLMs.compare.answers.turns import as_compared, turn_changes
from insideLLMs.compare.classify import ChangeClass, Finding
from insideLLMs.compare.comparison import Change, ShownAnswer, SubjectPair, TrialName
from insideLLMs.compare.pairing import Pairing
from insideLLMs.core import canonical
from insideLLMs.core.record_views import read_record
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Example, Record, Response, ToolCall
from insideLLMs.probes.answer_parts import plain_text

CUT = " […] "
_NOTE_LIMIT = 500
_NOTED_STEPS = 3


def name_trial(pair: Aligned, pairing: Pairing) -> TrialName:
    """Name a Trial; where datasets were renamed the candidate's name is given."""
    facts = pair.candidate or pair.baseline
    assert facts is not None
    return TrialName(
        probe=facts.probe,
        dataset=facts.dataset,
        example_id=facts.example_id,
        models=SubjectPair.of(*subject_pair(pair, pairing)),
        repeat=facts.repeat,
    )


def subject_pair(pair: Aligned, pairing: Pairing) -> tuple[Subject | None, Subject | None]:
    """Return what the Trial is of in each run; a Trial of one side still has its subject's counterpart."""
    if pair.baseline is not None and pair.candidate is not None:
        return pair.baseline.subject, pair.candidate.subject
    if pair.baseline is not None:
        return pair.baseline.subject, dict(pairing.pairs).get(pair.baseline.subject)
    assert pair.candidate is not None
    ours = {theirs: ours for ours, theirs in pairing.pairs}
    return ours.get(pair.candidate.subject), pair.candidate.subject


def describe(pair: Aligned, finding: Finding, pairing: Pairing, *, text_limit: int) -> Change:
    """Tell a change in full: prompt, both answers, scores. Texts keep `text_limit` characters: both ends."""
    before, after = (_read_side(line) for line in (pair.baseline_line, pair.candidate_line))
    shown = after or before
    assert shown is not None
    prompt = cut(show_prompt(shown.example), text_limit)[0]
    baseline_prompt = cut(show_prompt(before.example), text_limit)[0] if before is not None else prompt
    both = [side.response for side in (before, after) if side is not None and side.response is not None]
    parts = changed_parts(*map(as_compared, both)) if len(both) == 2 else ()
    steps = (*turn_changes(*both), *step_changes(*both)) if len(both) == 2 else ()
    note = note_of(finding, steps)
    if finding.kind is ChangeClass.EDITED:
        note = "the example's content differs under the same id"
    return Change(
        kind=finding.kind.value,
        level=finding.difference.level.value if finding.difference.level else None,
        note=cut(note, _NOTE_LIMIT)[0],
        trial=name_trial(pair, pairing),
        prompt=prompt,
        baseline_prompt=baseline_prompt if baseline_prompt != prompt else None,
        expected=tuple(cut(show_value(value), text_limit)[0] for value in shown.example.expected),
        baseline=show_answer(before, text_limit, parts) if before else None,
        candidate=show_answer(after, text_limit, parts) if after else None,
        paths=tuple(cut(path, _NOTE_LIMIT)[0] for path in finding.difference.paths),
        similarity=finding.difference.similarity,
        steps=tuple(cut(step, _NOTE_LIMIT)[0] for step in steps),
    )


def note_of(finding: Finding, steps: Sequence[str]) -> str:
    """Return what a finding says in one line; of calls that differ, how."""
    told = finding.difference.note
    return "; ".join(steps[:_NOTED_STEPS]) if steps and told == CALLS_DIFFER else told


def cut(text: str, limit: int) -> tuple[str, int]:
    """Shorten a text to about `limit` characters, keeping both ends; return it and how many are missing."""
    if len(text) <= limit:
        return text, 0
    head, tail = limit - limit // 4, limit // 4
    return f"{text[:head]}{CUT}{text[len(text) - tail :]}", len(text) - head - tail


def _read_side(line: bytes) -> Record | None:
    return read_record(line, Record) if line else None


def show_prompt(example: Example) -> str:
    """Return the input of an example as text to look at; a chat shows who says what."""
    if isinstance(example.input, str):
        return example.input
    if len(example.input) == 1:
        return example.input[0].text or example.text  # a call of a tool, where it says nothing
    return "\n\n".join(f"{message.role}: {message.text}" for message in example.input)


def show_answer(record: Record, text_limit: int, parts: Sequence[str] = ()) -> ShownAnswer:
    """Return what came of a Trial as it is shown, with these parts; texts keep `text_limit` characters: both ends."""
    response, scores, failure = as_compared(record.response or Response()), record.scores, record.failure
    whole = response.text if response.text or response.value is None else show_value(response.value)
    text, missing = cut(whole, text_limit)
    return ShownAnswer(
        status=record.status.value,
        text=text,
        cut_characters=missing,
        finish_reason=response.finish_reason,
        tool_calls=cut(_show_calls(response.calls), text_limit)[0],
        parts={name: cut(plain_text(response.kept[name]), text_limit)[0] for name in parts if name in response.kept},
        passed=scores.passed if scores else None,
        label=cut(scores.label, _NOTE_LIMIT)[0] if scores and scores.label is not None else None,
        scores=dict(sorted(scores.values.items())) if scores else {},
        explanation=cut(scores.explanation, text_limit)[0] if scores else "",
        failure=cut(f"{failure.type}: {failure.message}", text_limit)[0] if failure else None,
    )


def _show_calls(calls: tuple[ToolCall, ...]) -> str:
    return "\n".join(f"{call.name}({show_value(call.arguments)})" for call in calls)


def show_value(value: object) -> str:
    """Return text as it is and any other JSON value in its canonical spelling."""
    return value if isinstance(value, str) else canonical.line(value).decode()
