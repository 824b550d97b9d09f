"""AgentProbe: the loop, the scripted tools, the trajectory and the contracts."""

import json
from pathlib import Path

import pytest
from hypothesis import given as of
from hypothesis import strategies as st

import insideLLMs
from insideLLMs.core.errors import ArgumentError, InsideLLMsError
from insideLLMs.core.types import Example, Message, Response, ToolCall
from insideLLMs.datasets.examples import ExampleReader
from insideLLMs.probes.agent import AgentProbe
from insideLLMs.scoring.tools.contracts import broken_contract
from insideLLMs.scoring.tools.trajectory import MATCHES, AcceptedWay, Expected, parse_expected
from insideLLMs.trajectories.steps import steps_of

DATA = Path(insideLLMs.__file__).parent / "data"
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("find", "refund", "mail")]
TASK = {
    "tools": TOOLS,
    "environment": {"find": [{"when": {"id": 7}, "returns": {"state": "damaged"}}], "refund": "refunded"},
    "trajectory": [{"name": "find", "arguments": {"id": 7}}, {"name": "refund", "arguments": {"id": 7}}],
    "contracts": [{"before": ["find", "refund"]}, {"must_not_call": "mail"}],
}
FIND, REFUND, MAIL = (ToolCall(name=name, arguments={"id": 7}) for name in ("find", "refund", "mail"))


class Scripted:
    """Gives one response a turn, and keeps what it was asked."""

    def __init__(self, *responses):
        self.responses = list(responses)
        self.asked = []

    def respond_to(self, request):
        self.asked.append(request)
        return self.responses.pop(0)


def calls(*made):
    return Response(tool_calls=made)


def outcome(*responses, probe=None, task=TASK, expected=("damaged",)):
    probe = probe or AgentProbe()
    model = Scripted(*responses)
    output = probe.run(model, {"input": "Refund order 7 if damaged.", **task})
    return probe.score(Example(id="1", input="x", expected=expected, fields=task), output), model


def test_the_model_works_with_tools_until_it_answers():
    scores, model = outcome(calls(FIND), calls(REFUND), Response(text="It was damaged; refunded."))
    assert scores.passed
    assert scores.label == "find > refund"
    last = model.asked[-1]
    assert [message.role for message in last.messages] == ["user", "assistant", "tool", "assistant", "tool"]
    assert last.messages[2].content == '{"state":"damaged"}'
    assert last.messages[2].tool_call_id == "call_1_0"
    assert last.options == {"tools": TOOLS}


@pytest.mark.parametrize(
    ("responses", "says"),
    [
        ([calls(REFUND), calls(FIND), Response(text="damaged")], "refund was called without find before it"),
        ([calls(FIND, MAIL, REFUND), Response(text="damaged")], "mail was called"),
        ([calls(FIND), Response(text="damaged")], "1 of 2 calls are as expected"),
        ([calls(FIND, REFUND), Response(text="fine")], "does not mention"),
        ([Response(text="I can't do that.")], "0 of 2 calls are as expected"),
        ([Response(text="")], "0 of 2 calls are as expected"),
        ([calls(FIND)] * 8, "no answer after 8 turns"),
        ([calls(ToolCall(name="find", arguments={"id": "7"})), Response(text="x")], "0 of 2"),
    ],
)
def test_what_went_wrong_is_told(responses, says):
    scores, _ = outcome(*responses)
    assert not scores.passed
    assert says in scores.explanation


def test_a_tool_that_is_not_there_and_a_call_that_finds_nothing_are_told_to_the_model():
    _, model = outcome(calls(ToolCall(name="fly")), calls(ToolCall(name="find")), Response(text="no"))
    told = [message.content for message in model.asked[-1].messages if message.role == "tool"]
    assert told == ['{"error":"there is no tool fly"}', '{"error":"nothing found"}']


def test_a_function_can_be_the_environment():
    probe = AgentProbe(environment=lambda name, arguments: f"{name} {arguments['id']}")
    _, model = outcome(calls(FIND), Response(text="x"), probe=probe)
    assert model.asked[-1].messages[-1].content == "find 7"


def test_a_model_without_tools_is_asked_in_text():
    probe = AgentProbe(protocol="text")
    scores, model = outcome(
        Response(text='{"name": "find", "arguments": {"id": 7}}'),
        Response(text='```json\n{"name": "refund", "arguments": {"id": 7}}\n```'),
        Response(text="It was damaged."),
        probe=probe,
    )
    assert scores.passed
    assert model.asked[0].messages[0].role == "system"
    assert model.asked[0].options == {}
    assert model.asked[1].messages[-1].content == 'find returned: {"state":"damaged"}'


@pytest.mark.parametrize(
    ("order", "made", "share"),
    [
        ("unordered", (REFUND, FIND), 1.0),
        ("ordered", (REFUND, FIND), 0.5),
        ("ordered", (FIND, MAIL, REFUND), 1.0),
        ("subset", (FIND,), 1.0),
        ("subset", (FIND, MAIL), 0.5),
        ("exact", (FIND, MAIL, REFUND), 2 / 3),
        ("exact", (FIND, REFUND), 1.0),
    ],
)
def test_the_order_counts_as_asked(order, made, share):
    probe = AgentProbe(match=order, extra_calls="allowed")
    scores, _ = outcome(calls(*made), Response(text="damaged"), probe=probe)
    assert scores.values["trajectory"] == pytest.approx(share)


def test_allowed_values_are_any_of_a_list_and_an_empty_text_makes_an_argument_optional():
    due = parse_expected({"name": "area", "allowed": {"base": [10], "unit": ["m", ""]}})
    assert due.is_met_by(ToolCall(name="area", arguments={"base": 10.0}))
    assert due.is_met_by(ToolCall(name="area", arguments={"base": 10, "unit": "m"}))
    assert not due.is_met_by(ToolCall(name="area", arguments={"base": 10, "unit": "km"}))
    assert not due.is_met_by(ToolCall(name="area", arguments={"unit": "m"}))
    assert not due.is_met_by(ToolCall(name="area", arguments={"base": 10, "more": 1}))


SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "count": {"type": "integer"},
        "size": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "where": {"type": "object"},
        "stops": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["city"],
}


@pytest.mark.parametrize(
    ("allowed", "arguments", "met"),
    [
        ({"city": ["New York, NY"]}, {"city": "new york ny"}, True),
        ({"city": ["April 1, 2024"]}, {"city": "april 1 2024"}, True),
        ({"city": ["Paris"]}, {"city": "Lyon"}, False),
        ({"city": ["Paris", ""]}, {}, False),  # the tool requires it
        ({"city": ["a"], "count": [5]}, {"city": "a", "count": 5.0}, False),
        ({"city": ["a"], "count": [5]}, {"city": "a", "count": "5"}, False),
        ({"city": ["a"], "count": [1]}, {"city": "a", "count": True}, False),
        ({"city": ["a"], "count": ["n"]}, {"city": "a", "count": "n"}, True),  # a variable's name
        ({"city": ["a"], "size": [5.0]}, {"city": "a", "size": 5}, True),
        ({"city": ["a"], "tags": [["x", "Y"]]}, {"city": "a", "tags": ["X", "y"]}, True),
        ({"city": ["a"], "tags": [["x", "y"]]}, {"city": "a", "tags": ["y", "x"]}, False),
        ({"city": ["a"], "tags": [["x"]]}, {"city": "a", "tags": [1]}, False),
        ({"city": ["a"], "where": [{"lat": [1.5], "lon": [2, ""]}]}, {"city": "a", "where": {"lat": 1.5}}, True),
        ({"city": ["a"], "where": [{"lat": [1.5]}]}, {"city": "a", "where": {"lat": 1.5, "lon": 1}}, False),
        ({"city": ["a"], "stops": [[{"at": ["Rome", "Roma"]}]]}, {"city": "a", "stops": [{"at": "roma"}]}, True),
        ({"city": ["a"], "stops": [[{"at": ["Rome"]}]]}, {"city": "a", "stops": [{"at": "Rome"}] * 2}, False),
        ({"city": ["a"], "other": ["x"]}, {"city": "a", "other": "x"}, False),  # the tool has no such parameter
    ],
)
def test_allowed_values_are_compared_by_the_rules_of_bfcl(allowed, arguments, met):
    due = parse_expected({"name": "go", "allowed": allowed}, {"go": SCHEMA})
    assert due.is_met_by(ToolCall(name="go", arguments=arguments)) is met


def test_where_calls_alone_are_asked_one_turn_is_made_and_one_call_too_many_fails():
    task = {"tools": TOOLS, "trajectory": ["find"], "only_calls": True}
    scores, model = outcome(calls(FIND), task=task, expected=())
    assert (scores.passed, len(model.asked)) == (True, 1)
    scores, _ = outcome(calls(FIND, FIND), task=task, expected=())
    assert (scores.passed, scores.values["trajectory"]) == (False, 0.5)


@of(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_matching_in_order_never_finds_more_than_in_any_order_and_a_list_meets_itself(left, right):
    made = [ToolCall(name=name) for name in left]
    due = [Expected(name) for name in right]
    fits = {match: AcceptedWay(tuple(due), match, "allowed").fit(made) for match in ("ordered", "unordered")}
    assert 0 <= fits["ordered"].met <= fits["unordered"].met <= min(len(made), len(due))
    for match in MATCHES:
        assert AcceptedWay(tuple(Expected(name) for name in left), match).fit(made) == (
            len(left),
            len(left),
            1.0,
            (),
            None,
        )


@pytest.mark.parametrize(
    "contract", [{}, {"must_call": 1}, {"before": ["a"]}, {"at_most": ["a"]}, "a", {"must_call": "a", "x": 1}]
)
def test_a_contract_that_cannot_be_read_is_refused(contract):
    with pytest.raises(ArgumentError, match="cannot be read"):
        broken_contract(contract, ())


def test_an_agent_without_tools_and_a_model_of_text_alone_are_told():
    with pytest.raises(InsideLLMsError, match="no tools"):
        AgentProbe().run(Scripted(), {"input": "x"})
    with pytest.raises(InsideLLMsError, match="protocol: text"):
        AgentProbe().run(object(), {"input": "x", "tools": TOOLS})


def perfect(example):
    """Answer as a model that does what is due."""
    made = []
    for due in map(parse_expected, example.fields.get("trajectory", ())):
        allowed = {name: values[0] for name, values in (due.allowed or {}).items()}
        made.append(ToolCall(name=due.name, arguments=dict(due.arguments or allowed)))
    return [*([calls(one)] for one in made), [Response(text=str(example.expected[0]))]]


def test_in_the_shipped_tasks_doing_what_is_due_passes_and_doing_nothing_fails_where_calls_are_due():
    found = [ExampleReader({}).example(json.loads(line)) for line in (DATA / "agent.jsonl").read_text().splitlines()]
    assert len(found) >= 50
    for example in found:
        probe = AgentProbe(match="exact")
        data = {"input": example.text, **example.fields}
        model = Scripted(*(one for turn in perfect(example) for one in turn))
        output = probe.run(model, data)
        assert probe.check_example(example) is None
        assert probe.score(example, output).passed, (example.id, output)
        assert not any("error" in str(step.result) for step in steps_of(output)), output
        idle = Response(trajectory=(Message(role="assistant", content="I don't know."),), text="I don't know.")
        assert not probe.score(example, idle).passed


SAID = Message(role="assistant", content="Done.")


def did(*made, said=SAID, gave="ok"):
    """Return what an agent returns that made these calls."""
    turns = [
        one
        for number, call in enumerate(made)
        for one in (
            Message(role="assistant", tool_calls=(ToolCall(name=call.name, arguments=call.arguments, id=str(number)),)),
            Message(role="tool", content=gave, tool_call_id=str(number)),
        )
    ]
    return Response(text=said.text if said else "", trajectory=(*turns, *([said] if said else [])))


def example(**fields):
    return ExampleReader({}).example({"id": "1", "prompt": "Refund order 7.", **fields})


def test_a_subject_that_returns_its_trajectory_needs_no_tools_and_is_asked_once():
    task = example(trajectory=[{"name": "find", "arguments": {"id": 7}}])
    assert not AgentProbe().runs(task)
    assert AgentProbe().score(task, did(FIND)).passed
    assert AgentProbe(tools=TOOLS).runs(task)
    assert AgentProbe().run(Scripted(did(FIND)), {"input": "x", "tools": TOOLS}) == did(FIND)


def test_calls_that_a_chat_was_given_are_not_the_agents():
    given = [{"role": "user", "content": "Mail me"}, {"role": "assistant", "tool_calls": [{"name": "mail"}]}]
    task = ExampleReader({}).example({"id": "1", "messages": given, "trajectory": ["find"]})
    history = (Message(role="system", content="Help."), *task.input)
    answer = did(FIND)
    assert AgentProbe().score(task, Response(text="Done.", trajectory=(*history, *answer.trajectory))).passed
    assert not AgentProbe().score(example(trajectory=["find"]), did(MAIL, FIND)).passed


def test_what_an_earlier_release_stored_is_scored_as_what_it_says():
    stored = {"calls": [{"name": "find", "arguments": {"id": 7}, "result": 1}], "answer": "Done.", "turns": 2}
    assert AgentProbe().score(example(trajectory=["find"]), Response(value=stored)).passed
    assert not AgentProbe().score(example(trajectory=["mail"]), Response(value=stored)).passed


def test_a_model_that_asks_for_calls_without_running_them_is_judged_by_these():
    asked = Response(tool_calls=(FIND,), finish_reason="tool_calls")
    assert AgentProbe().score(example(trajectory=["find"]), asked).passed
    assert AgentProbe().score(example(trajectory=["find", "mail"]), asked).passed is False


@pytest.mark.parametrize(
    ("state", "passed", "says"),
    [
        (lambda text, one: True, True, "as expected"),
        (lambda text, one, response: len(response.calls) == 2, False, "the final state is wrong"),
        (lambda text, one: {"correct": False, "reason": "stock is 3"}, False, "the final state is wrong: stock is 3"),
    ],
)
def test_a_function_says_whether_the_final_state_is_right(state, passed, says):
    probe = AgentProbe(final_state=state)
    scores = probe.score(example(), did(FIND, said=SAID))
    assert (scores.passed, scores.values["state"]) == (passed, float(passed))
    assert says in scores.explanation
    assert (probe.scores_in_place, AgentProbe().scores_in_place) == (False, True)


def test_a_final_state_without_a_verdict_is_an_error_and_no_pass():
    with pytest.raises(InsideLLMsError, match="gave no verdict"):
        AgentProbe(final_state=lambda text, one: 0.9).score(example(), did(FIND))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"match": "exactly"}, "did you mean 'exact'"),
        ({"match": "exact", "order": "exact"}, "`match` says it"),
        ({"order": "sideways"}, "one of any, given, exact"),
        ({"extra_calls": "some"}, "allowed, forbidden, or a list of tools"),
        ({"extra_calls": [3]}, "allowed, forbidden, or a list of tools"),
        ({"trajectory": [{"nam": "find"}]}, "cannot be read"),
        ({"trajectory": [{"name": "find", "arguments": {"id": {"$regx": "7"}}}]}, "did you mean $regex?"),
        ({"trajectory": {"calls": [], "any_of": []}}, "write {calls: [...]} or {any_of"),
        ({"trajectory": {"any_of": [["find"], "mail"]}}, "any_of is not a list of ways"),
        ({"trajectory": {"calls": [], "mach": "exact"}}, "the trajectory has the keys calls, mach"),
        ({"trajectory": "find"}, "write a list of calls"),
        ({"contracts": [{"max_steps": -1}]}, "cannot be read"),
        ({"contracts": {"must_not_call": "a"}}, "it must be a list, such as [{must_not_call: delete}]"),
        ({"contracts": "max_steps"}, "it must be a list"),
        ({"contracts": [{"max_tokens": True}]}, "cannot be read"),
        ({"contracts": [{"must_not_call": {"name": "a", "argument": {}}}]}, "cannot be read"),
        ({"tools": 5}, "it must be a list of tools"),
        ({"final_state": "state"}, "name one"),
        ({"max_turns": 0}, "a whole number from 1 on"),
    ],
)
def test_a_mistake_in_the_arguments_is_named(arguments, says):
    with pytest.raises(ArgumentError) as caught:
        AgentProbe(**arguments)
    assert says in f"{caught.value.message} {caught.value.fix}"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "there is nothing to judge"),
        ({"trajectory": [{"nam": "find"}]}, "cannot be read"),
        ({"trajectory": ["find"], "contracts": [{"must": "find"}]}, "the contract {'must': 'find'} cannot be read"),
        ({"trajectory": ["fnd"], "tools": TOOLS}, "the trajectory has 'fnd', which is not one of the tools"),
        ({"trajectory": ["find"], "tools": [{"type": "function"}]}, "has no name"),
        ({"trajectory": ["find"], "contracts": 3}, "it must be a list"),
        ({"trajectory": ["find"], "tools": 3}, "it must be a list of tools"),
        ({"trajectory": [{"name": "find", "allowed": {"id": 7}}]}, "cannot be read"),
        ({"trajectory": [{"name": "find", "arguments": {"id": 7}, "allowed": {"id": [8]}}]}, "cannot be read"),
    ],
)
def test_a_mistake_in_an_example_is_named_before_any_call(fields, says):
    assert says in AgentProbe().check_example(example(**fields))


def test_fields_that_an_example_leaves_empty_hide_nothing_that_the_probe_has():
    probe = AgentProbe(trajectory=["find"], contracts=[{"must_not_call": "delete"}])
    did = Response(text="Done.", tool_calls=(ToolCall(name="delete", arguments={}),))
    scored = probe.score(example(trajectory=None, contracts=None, expected="Done"), did)
    assert (scored.passed, scored.values["trajectory"], scored.values["contracts"]) == (False, 0.0, 0.0)


def test_an_earlier_spelling_means_the_same():
    spelt = {"any": "unordered", "given": "ordered", "exact": "exact"}
    assert {order: AgentProbe(order=order).match for order in spelt} == spelt


NAMES = st.lists(st.integers(0, 2), max_size=6)


@of(NAMES, NAMES, st.sampled_from(MATCHES), st.sampled_from(["allowed", "forbidden"]))
def test_a_way_is_gone_wholly_if_and_only_if_no_step_deviates(made, due, match, extra):
    way = AcceptedWay(tuple(Expected("f", {"x": one}) for one in due), match, extra)
    fit = way.fit([ToolCall(name="f", arguments={"x": one}) for one in made])
    assert (fit.deviation is None) is (fit.share == 1.0)
    if made == due:
        assert fit.deviation is None
