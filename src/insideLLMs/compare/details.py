"""The full story of one changed Trial, read from its two lines."""

import msgspec

from insideLLMs.compare.align import Aligned
from insideLLMs.compare.classify import ChangeClass, Finding
from insideLLMs.compare.comparison import Answer, Change, ModelPair, TrialName
from insideLLMs.compare.pairing import Pairing
from insideLLMs.core import canonical
from insideLLMs.core.errors import CompareError
from insideLLMs.core.types import Example, Record, Response, ToolCall

_decode = msgspec.json.Decoder(Record).decode
CUT = " […] "


def name_trial(pair: Aligned, pairing: Pairing) -> TrialName:
    """Name a Trial; where datasets were renamed the candidate's name is given."""
    facts = pair.candidate or pair.baseline
    assert facts is not None
    return TrialName(
        probe=facts.probe,
        dataset=facts.dataset,
        example_id=facts.example_id,
        models=model_pair(pair, pairing),
        repeat=facts.repeat,
    )


def model_pair(pair: Aligned, pairing: Pairing) -> ModelPair:
    """Return under which ids the Trial's model goes; a Trial of one side still has its model's counterpart."""
    if pair.baseline is not None and pair.candidate is not None:
        return ModelPair(baseline=pair.baseline.model, candidate=pair.candidate.model)
    if pair.baseline is not None:
        return ModelPair(baseline=pair.baseline.model, candidate=dict(pairing.pairs).get(pair.baseline.model))
    assert pair.candidate is not None
    ours = {theirs: ours for ours, theirs in pairing.pairs}
    return ModelPair(baseline=ours.get(pair.candidate.model), candidate=pair.candidate.model)


def describe(pair: Aligned, finding: Finding, pairing: Pairing, *, text_limit: int) -> Change:
    """Tell a change in full: prompt, both answers, scores. Texts keep `text_limit` characters: both ends."""
    before, after = _read(pair.baseline_line), _read(pair.candidate_line)
    shown = after or before
    assert shown is not None
    prompt = cut(_prompt(shown.example), text_limit)[0]
    baseline_prompt = cut(_prompt(before.example), text_limit)[0] if before is not None else prompt
    note = finding.difference.note
    if finding.kind is ChangeClass.EDITED:
        note = "the example's content differs under the same id"
    return Change(
        kind=finding.kind.value,
        level=finding.difference.level.value if finding.difference.level else None,
        note=note,
        trial=name_trial(pair, pairing),
        prompt=prompt,
        baseline_prompt=baseline_prompt if baseline_prompt != prompt else None,
        expected=tuple(cut(_spell(value), text_limit)[0] for value in shown.example.expected),
        baseline=_answer(before, text_limit),
        candidate=_answer(after, text_limit),
        paths=finding.difference.paths,
    )


def cut(text: str, limit: int) -> tuple[str, int]:
    """Shorten a text to about `limit` characters, keeping both ends; return it and how many are missing."""
    if len(text) <= limit:
        return text, 0
    head, tail = limit - limit // 4, limit // 4
    return f"{text[:head]}{CUT}{text[len(text) - tail :]}", len(text) - head - tail


def _read(line: bytes) -> Record | None:
    if not line:
        return None
    try:
        return _decode(line)
    except msgspec.DecodeError as error:
        raise CompareError(
            f"a line of records.jsonl is not a record: {error}: {line[:80]!r}",
            fix="check the files with `insidellms verify`, or run the experiment again",
        ) from error


def _prompt(example: Example) -> str:
    if isinstance(example.input, str):
        return example.input
    if len(example.input) == 1:
        return example.input[0].content
    return "\n\n".join(f"{message.role}: {message.content}" for message in example.input)


def _answer(record: Record | None, text_limit: int) -> Answer | None:
    if record is None:
        return None
    response, scores, failure = record.response or Response(), record.scores, record.failure
    whole = response.text if response.text or response.value is None else _spell(response.value)
    text, missing = cut(whole, text_limit)
    return Answer(
        status=record.status.value,
        text=text,
        cut_characters=missing,
        finish_reason=response.finish_reason,
        tool_calls=cut(_spell_calls(response.tool_calls), text_limit)[0],
        passed=scores.passed if scores else None,
        label=scores.label if scores else None,
        scores=dict(sorted(scores.values.items())) if scores else {},
        explanation=cut(scores.explanation, text_limit)[0] if scores else "",
        failure=cut(f"{failure.type}: {failure.message}", text_limit)[0] if failure else None,
    )


def _spell_calls(calls: tuple[ToolCall, ...]) -> str:
    return "\n".join(f"{call.name}({_spell(call.arguments)})" for call in calls)


def _spell(value: object) -> str:
    return value if isinstance(value, str) else canonical.line(value).decode()
