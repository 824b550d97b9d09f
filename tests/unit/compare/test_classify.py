"""Every row of the table of classes, and the ladder of levels."""

import pytest

from insideLLMs.compare.classify import classify
from insideLLMs.core import canonical
from insideLLMs.core.record_views import Facts, read_record
from insideLLMs.core.types import Message, Response, ToolCall, Usage
from support.compared_runs import record


def facts(made):
    return read_record(canonical.line(made), Facts) if made is not None else None


def found(before, after, tolerance=1e-9):
    finding = classify(facts(before), facts(after), tolerance)
    return finding.kind.value, finding.difference.level and finding.difference.level.value


def answer(**fields):
    return record(response=Response(finish_reason=fields.pop("finish_reason", "stop"), **fields))


def called(name, id=None, **arguments):
    return answer(tool_calls=(ToolCall(name=name, arguments=arguments, id=id),))


def call(id=None, **arguments):
    return ToolCall(name="f", arguments=arguments, id=id)


def agent(*calls, gave="done", said=""):
    steps = [
        message
        for each in calls
        for message in (
            Message(role="assistant", tool_calls=(each,)),
            Message(role="tool", content=gave, tool_call_id=each.id),
        )
    ]
    return answer(text=said, trajectory=(*steps, Message(role="assistant", content=said)))


FAILED, TIMEOUT, SKIPPED = record(status="error"), record(status="timeout"), record(status="skipped")
PASS, FAIL = record(passed=True), record(passed=False)
SCORED = {"f1": 0.5, "bleu": 0.5}
TABLE = [
    ("only the candidate has it", None, PASS, "new", None),
    ("only the baseline has it", PASS, None, "removed", None),
    ("the prompt was edited", PASS, record(prompt="other", passed=False), "edited", None),
    ("edited outranks failing", PASS, record(prompt="other", status="error"), "edited", None),
    ("one side skipped", PASS, SKIPPED, "skipped", "status"),
    ("skipped outranks failed", SKIPPED, FAILED, "skipped", "status"),
    ("both skipped", SKIPPED, SKIPPED, "skipped", None),
    ("both failed alike", FAILED, FAILED, "errored", None),
    ("both failed, otherwise", FAILED, TIMEOUT, "errored", "status"),
    ("answered, then failed", PASS, FAILED, "newly_failing", "status"),
    ("wrong, then failed", FAIL, TIMEOUT, "newly_failing", "status"),
    ("failed, then answered", FAILED, PASS, "recovered", "status"),
    ("failed, then answered wrongly", FAILED, FAIL, "recovered", "status"),
    ("pass to fail", PASS, FAIL, "regressed", "verdict"),
    ("fail to pass", FAIL, PASS, "fixed", "verdict"),
    ("pass to refusal that fails", PASS, record(passed=False, finish_reason="refusal"), "regressed", "status"),
    ("truncated but still right", PASS, record(finish_reason="length"), "changed", "status"),
    ("filtered", FAIL, record(passed=False, finish_reason="content_filter"), "changed", "status"),
    ("another extracted label", record(label="A"), record(label="B"), "changed", "verdict"),
    ("score fell", record(values=SCORED), record(values=SCORED | {"f1": 0.4}), "regressed", "score"),
    ("score rose", record(values=SCORED), record(values=SCORED | {"f1": 0.6}), "improved", "score"),
    ("one fell, one rose", record(values=SCORED), record(values={"f1": 0.4, "bleu": 0.6}), "changed", "score"),
    ("a score vanished", record(values=SCORED), record(values={"f1": 0.5}), "changed", "score"),
    ("the verdict vanished", PASS, record(values={"correct": 1.0}), "changed", "verdict"),
    ("text differs", record(text="yes"), record(text="yes!"), "changed", "normalised"),
    ("case differs", record(text="Yes"), record(text="yes"), "changed", "normalised"),
    ("a number differs", record(text="it is 10"), record(text="it is 11"), "changed", "normalised"),
    ("a negation appears", record(text="it is so"), record(text="it is not so"), "changed", "normalised"),
    ("indentation differs", record(text="if x:\n  y"), record(text="if x:\n    y"), "changed", "normalised"),
    ("blanks differ", record(text="a  b \r\nc\n"), record(text="a b\nc"), "equivalent", "exact"),
    ("Unicode form differs", record(text="\u00e9"), record(text="e\u0301"), "equivalent", "exact"),
    ("JSON spelt otherwise", record(text='{"a":1,"b":2}'), record(text='{"b":2.0,"a":1}'), "equivalent", "normalised"),
    ("JSON in a fence", record(text='{"a":1}'), record(text='```json\n{"a":1}\n```'), "equivalent", "normalised"),
    ("JSON value differs", record(text='{"a":1}'), record(text='{"a":2}'), "changed", "structured"),
    ("JSON type differs", record(text='{"a":1}'), record(text='{"a":true}'), "changed", "structured"),
    ("JSON broke", record(text='{"a":1}'), record(text='{"a":1'), "changed", "structured"),
    ("prose beside JSON", record(text='{"a":1}'), record(text='Sure! {"a":1}'), "changed", "structured"),
    ("a bare number is prose", record(text="1"), record(text="1.0"), "changed", "normalised"),
    ("value differs", answer(value={"a": [1]}), answer(value={"a": [2]}), "changed", "structured"),
    ("tool differs", called("a"), called("b"), "changed", "structured"),
    ("tool's arguments differ", called("a", n=1), called("a", n=2), "changed", "structured"),
    ("tool call's id differs", called("a", id="1"), called("a", id="2"), "unchanged", None),
    ("served model differs", answer(text="a", model="v1"), answer(text="a", model="v2"), "unchanged", None),
    ("tokens differ", answer(usage=Usage(output_tokens=1)), answer(usage=Usage(output_tokens=2)), "unchanged", None),
    ("reasoning differs", answer(reasoning="a"), answer(reasoning="b"), "unchanged", None),
    ("another model's id and key", record(model="m"), record(model="n"), "unchanged", None),
    ("an agent's call differs", agent(call(n=1), said="a"), agent(call(n=2), said="a"), "changed", "structured"),
    ("an agent calls twice", agent(call(), said="a"), agent(call(), call(), said="a"), "changed", "structured"),
    ("ids of an agent's calls differ", agent(call(id="1")), agent(call(id="2")), "unchanged", None),
    ("a tool gave something else", agent(call(), gave="1"), agent(call(), gave="2"), "changed", "normalised"),
    ("a tool gave other blanks", agent(call(), gave="1  "), agent(call(), gave="1"), "equivalent", "exact"),
    ("a tool's JSON spelt otherwise", agent(call(), gave='{"a":1,"b":0.3}'),
     agent(call(), gave='{"b": 0.30000000000000004, "a": 1.0}'), "equivalent", "normalised"),
    ("a tool's JSON differs", agent(call(), gave='{"a":1}'), agent(call(), gave='{"a":2}'), "changed", "normalised"),
    ("a large score's rounding", record(values={"ms": 3e11}), record(values={"ms": 3e11 + 1e-4}), "unchanged", None),
    ("the trajectory vanished", agent(said="a"), answer(text="a"), "changed", "normalised"),
    ("the same", PASS, PASS, "unchanged", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "kind", "level"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_trial_has_the_class_and_level_of_the_table(before, after, kind, level):
    assert found(before, after) == (kind, level)


def test_scores_within_the_tolerance_are_the_same():
    before, after = record(values={"f1": 0.5}), record(values={"f1": 0.45})
    assert found(before, after, tolerance=0.1) == ("unchanged", None)
    assert found(before, after, tolerance=0.01) == ("regressed", "score")


def test_json_paths_say_where_answers_differ():
    before = record(text='{"a": {"b": [1, 2]}, "odd key": 1, "same": 0}')
    after = record(text='{"a": {"b": [1, 3, 4]}, "same": 0.0}')
    finding = classify(facts(before), facts(after))
    assert finding.difference.paths == ("$.a.b[1]", "$.a.b[2]", '$["odd key"]')


def test_deeply_nested_json_does_not_exhaust_the_stack():
    deep = "[" * 1000 + "]" * 1000
    assert found(record(text=deep), record(text=deep.replace("[]", "[1]"))) == ("changed", "structured")
