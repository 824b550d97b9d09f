"""What rules for agents forbid, and what becomes of a rule on a tool that is not there."""

import pytest

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import Example, Response, ToolCall
from insideLLMs.probes.agent import AgentProbe
from support.command import insidellms, write_files
from support.mcp_servers import write_server
from support.processes import PYTHON

REFUND = {"name": "refund", "arguments": {"amount": 200}}
EXACTLY = {"name": "refund", "arguments": {"amount": 200, "$others": "forbidden"}}


def broken(contract, *calls, kept=None):
    response = Response(text="Done.", tool_calls=calls, kept=kept or {})
    scored = AgentProbe(contracts=[contract]).score(Example(id="1", input="x", fields={}), response)
    return "" if scored.passed else scored.explanation


def called(name="refund", **arguments):
    return ToolCall(name=name, arguments=arguments)


@pytest.mark.parametrize(
    ("contract", "calls", "says"),
    [
        ({"must_not_call": REFUND}, [called(order=7, amount=200)], "step 1: refund(amount=200) was called"),
        ({"must_not_call": REFUND}, [called(order=7, amount=20)], ""),
        ({"must_not_call": EXACTLY}, [called(order=7, amount=200)], ""),
        ({"must_not_call": EXACTLY}, [called(amount=200)], "step 1: refund(amount=200) was called"),
        ({"must_not_call": REFUND}, [called(**{"$invalid": '{"amount": 200'})], "cannot be read, and may be refund"),
        ({"at_most": [REFUND, 1]}, [called(amount=200), called(amount=200, order=8)], "was called 2 times, at most 1"),
        ({"before": ["approve", REFUND]}, [called(amount=200, order=8)], "without approve before it"),
        ({"must_call": REFUND}, [called(amount=200, order=8)], "refund(amount=200) was not called"),
    ],
)
def test_what_is_forbidden_is_forbidden_with_further_arguments_too(contract, calls, says):
    assert says in broken(contract, *calls)
    assert bool(says) == bool(broken(contract, *calls))


@pytest.mark.parametrize(
    "tools",
    [
        [{"type": "function", "function": {"name": "delete_order"}}],
        [{"name": "delete_order", "input_schema": {}}, {"description": "without a name"}, 3],
        ["refund", "delete_order"],
    ],
)
def test_a_rule_that_misspells_a_tool_of_the_application_does_not_hold(tools):
    for spelt in ("delete_ordr", "deleteOrder"):
        says = broken({"must_not_call": spelt}, called(), kept={"tools": tools})
        assert says == f"a contract names {spelt!r}; did you mean 'delete_order'?"
    assert not broken({"must_not_call": "delete_user"}, called(), kept={"tools": tools})


def deviation(due, given):
    scored = AgentProbe(trajectory=[{"name": "refund", "arguments": due}]).score(
        Example(id="1", input="x", fields={}), Response(text="Done.", tool_calls=(called(**given),))
    )
    return "" if scored.passed else scored.explanation


def test_a_letter_is_the_same_however_it_is_composed():
    assert not deviation({"city": "Orl\u00e9ans"}, {"city": "Orle\u0301ans"})
    assert deviation({"city": "Orléans"}, {"city": "Orleans"})


def test_arguments_that_cannot_be_read_are_named_as_such():
    assert 'its arguments cannot be read: {"order": ' in deviation({"order": 7}, {"$invalid": '{"order": '})


@pytest.mark.parametrize("number", [{"$number": float("nan")}, {"$number": 1, "$within": float("inf")}])
def test_a_number_that_is_none_is_refused(number):
    with pytest.raises(ArgumentError, match="cannot be read"):
        deviation({"order": number}, {"order": 7})


def test_a_budget_of_cost_or_time_is_sent_to_the_gate():
    with pytest.raises(ArgumentError) as caught:
        AgentProbe(contracts=[{"max_cost": 1}])
    assert "gate: {max: {cost_usd.max: 0.1, latency_ms.p95: 5000}}" in caught.value.fix


TOOLS = "[{type: function, function: {name: delete_order}}, {type: function, function: {name: lookup}}]"


def validate(folder, args, example="{id: a, prompt: Hello, expected: Hi}"):
    text = f"model: dummy\nprobe: {{type: agent, args: {{{args}}}}}\ndataset: {{examples: [{example}]}}\n"
    write_files(folder, {"e.yaml": text})
    return insidellms("validate", "e.yaml", cwd=folder)


@pytest.mark.parametrize(
    ("args", "example", "where"),
    [
        (f"tools: {TOOLS}, contracts: [{{must_not_call: delet_order}}]", "{id: a, prompt: x}", "a contract of all"),
        (
            f"tools: {TOOLS}",
            "{id: a, prompt: x, contracts: [{at_most: [delet_order, 0]}]}",
            "a rule of example 'a'",
        ),
        (
            "contracts: [{before: [lookup, delet_order]}]",
            f"{{id: a, prompt: x, tools: {TOOLS}, expected: Hi}}",
            "a contract of all",
        ),
    ],
)
def test_a_rule_that_misspells_a_tool_is_refused_before_any_call(tmp_path, args, example, where):
    done = validate(tmp_path, args, example)
    assert done.code == 1
    assert f"{where}" in done.err
    assert "names 'delet_order', which is not one of the tools" in " ".join(done.err.split())
    assert "did you mean 'delete_order'?" in done.err


def test_a_rule_on_a_tool_that_was_removed_is_named_and_no_error(tmp_path):
    done = validate(tmp_path, f"tools: {TOOLS}, contracts: [{{must_not_call: send_mail}}]")
    assert done.code == 0
    assert "a contract of all examples names 'send_mail', which is not one of the tools" in done.err


def test_a_rule_for_all_examples_may_name_a_tool_of_some(tmp_path):
    examples = (
        f"{{id: a, prompt: x, tools: {TOOLS}, expected: a}}, {{id: b, prompt: y, tools: [{{name: mail}}], expected: b}}"
    )
    done = validate(tmp_path, "contracts: [{must_not_call: delete_order}]", examples)
    assert (done.code, "names" in done.err) == (0, False)


def test_a_tool_in_only_that_the_server_lacks_is_named_before_any_call(tmp_path):
    write_server(tmp_path)
    done = validate(tmp_path, f"tools: {{mcp: {{command: ['{PYTHON}', server.py]}}, only: [forcast]}}")
    assert done.code == 1
    assert "the MCP server has no tool 'forcast'" in done.err
    assert "did you mean 'forecast'?" in done.err


@pytest.mark.parametrize("args", ["contracts: [{must_not_call: forcast}]", "trajectory: [forcast]"])
def test_the_tools_of_a_server_are_known_before_any_call(tmp_path, args):
    write_server(tmp_path)
    done = validate(tmp_path, f"tools: {{mcp: {{command: ['{PYTHON}', server.py]}}}}, {args}")
    assert done.code == 1
    assert "names 'forcast', which is not one of the tools" in " ".join(done.err.split())
    assert "did you mean 'forecast'?" in done.err
