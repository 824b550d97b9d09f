"""Agents: a model with tools, in several turns, scored by what it did."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from insideLLMs.core.arguments import one_of, refuse
from insideLLMs.core.errors import ArgumentError, InsideLLMsError
from insideLLMs.core.protocols import Probe, as_messages
from insideLLMs.core.thoughts import answer_of
from insideLLMs.core.types import Example, JsonValue, Message, Request, Response, Scores, ToolCall, as_text
from insideLLMs.probes.base import asked_text
from insideLLMs.scoring.mentions import claims
from insideLLMs.scoring.trajectory import broken_contract, matched, parse_expected, same_json
from insideLLMs.scoring.triggers import calls_in_text

PROTOCOLS = ("native", "text")
ORDERS = ("any", "given", "exact")
Environment = Callable[[str, dict[str, Any]], Any]

_TEXT_PROTOCOL = (
    "You can call these tools. To call one, answer with one line of JSON and nothing else: "
    '{"name": TOOL, "arguments": {...}}. When no tool is needed any more, answer in words.\nTools:\n'
)


class AgentProbe(Probe):
    """Let a model work on a task with tools, turn by turn, and score the calls that it made.

    Tools stand in the example's field `tools` or in the argument, as OpenAI's chat completions write them. What a
    tool returns comes from the example's `environment`: tool name to result, or to a list of ``{when: {argument:
    value}, returns: result}``, of which the first that fits answers; or from `environment`, a function named like
    a probe's file, ``tools.py:call``, which is called with the tool's name and arguments. A tool that is not
    there answers with an error that the model sees.

    `trajectory` (a field) lists the calls that are due, and `order` says how: `any`, `given` (others may lie
    between), or `exact` (these and no others, in this order). `only_calls: true` (a field) asks for these calls and no
    others in one turn, as the Berkeley Function Calling Leaderboard does. `contracts` (argument and field) are
    must_call, must_not_call, before and at_most. What is expected must be mentioned in the last answer. The loop ends
    with an answer without calls, or after `max_turns`. `protocol: text` is for models without tools of their own.

    Scores: `correct`, all of it; `trajectory`, calls that are as due, of all that were due or made; `contracts`,
    the share that is kept; `answered`, whether it ended with an answer.
    """

    version: ClassVar[str] = "2"
    references: ClassVar[tuple[str, ...]] = ("environment",)
    scores_in_place: ClassVar[bool] = True
    default_dataset: ClassVar[str] = "data/agent.jsonl"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(
        ("correct", "trajectory", "contracts", "answered"), (0.0, 1.0)
    )

    def __init__(
        self,
        name: str | None = None,
        *,
        tools: Sequence[Mapping[str, JsonValue]] = (),
        environment: Environment | None = None,
        contracts: Sequence[JsonValue] = (),
        order: str = "any",
        max_turns: int = 8,
        protocol: str = "native",
    ) -> None:
        super().__init__(name or "agent", "agent", "What a model does with tools.")
        one_of("agent", "order", order, ORDERS)
        one_of("agent", "protocol", protocol, PROTOCOLS)
        if isinstance(max_turns, bool) or not isinstance(max_turns, int) or max_turns < 1:
            raise refuse("agent", "max_turns", max_turns, "a whole number from 1 on")
        if environment is not None and not callable(environment):
            raise refuse("agent", "environment", environment, "a function, such as tools.py:call")
        for contract in contracts:
            broken_contract(contract, ())
        self.tools = tuple(tools)
        self.environment = environment
        self.contracts = tuple(contracts)
        self.order = order
        self.max_turns = max_turns
        self.protocol = protocol

    def run(self, model: Any, data: Any, **kwargs: Any) -> dict[str, JsonValue]:
        """Go on until the model answers without a call; return its calls, what they gave, and its answer."""
        fields: Mapping[str, JsonValue] = data if isinstance(data, Mapping) else {"input": data}
        tools = list(fields.get("tools") or self.tools)
        if not tools:
            raise InsideLLMsError("the agent has no tools", fix="give the example or the probe `tools`")
        messages = self._opening(fields, tools)
        steps: list[JsonValue] = []
        for turn in range(1, self.max_turns + 1):
            response = self._ask(model, messages, tools, kwargs)
            calls = response.tool_calls or (tuple(calls_in_text(response.text)) if self.protocol == "text" else ())
            if not calls:
                return {"calls": steps, "answer": response.text, "turns": turn}
            messages.append(self._said(response, calls))
            for number, call in enumerate(calls):
                result = self._call(fields, tools, call)
                steps.append({"name": call.name, "arguments": call.arguments, "result": result})
                messages.append(self._told(call, call.id or f"call_{turn}_{number}", result))
            if fields.get("only_calls") is True:
                return {"calls": steps, "answer": None, "turns": turn}
        return {"calls": steps, "answer": None, "turns": self.max_turns}

    def score_output(self, example: Example, output: Any) -> Scores:
        """Score the calls and the last answer."""
        calls = [ToolCall(name=step["name"], arguments=step["arguments"]) for step in output["calls"]]
        schemas = {_tool_name(tool): _schema(tool) for tool in example.fields.get("tools") or self.tools}
        due = [parse_expected(one, schemas) for one in example.fields.get("trajectory", ())]
        met = matched(calls, due, ordered=self.order != "any")
        calls_alone = example.fields.get("only_calls") is True
        exact = calls_alone or self.order == "exact"
        share = met / max(len(due), len(calls)) if due and exact else met / len(due) if due else 1.0
        contracts = (*self.contracts, *example.fields.get("contracts", ()))
        broken = [why for one in contracts if (why := broken_contract(one, calls))]
        answer = output["answer"]
        said = not example.expected or claims(answer or "", list(map(as_text, example.expected)))
        wrong = [] if share == 1 else [f"{met} of {len(due)} calls are as expected, {len(calls)} were made"]
        wrong += broken
        wrong += [] if said else ["the answer does not mention what is expected"]
        wrong += [] if answer is not None else [f"no answer after {output['turns']} turns"]
        if calls_alone and answer is None:
            wrong = wrong[:-1]
        return Scores(
            values={
                "correct": float(not wrong),
                "trajectory": share,
                "contracts": 1 - len(broken) / len(contracts) if contracts else 1.0,
                "answered": float(answer is not None),
            },
            passed=not wrong,
            label=" > ".join(call.name for call in calls) or "no calls",
            explanation="; ".join(wrong) or "the calls and the answer are as expected",
        )

    def _opening(self, fields: Mapping[str, JsonValue], tools: Sequence[Mapping[str, JsonValue]]) -> list[Message]:
        given = fields.get("messages")
        opening = list(as_messages(given)) if given else [Message(role="user", content=asked_text(fields) or "")]
        if self.protocol == "text":
            opening.insert(0, Message(role="system", content=_TEXT_PROTOCOL + "\n".join(map(json.dumps, tools))))
        return opening

    def _ask(
        self, model: Any, messages: Sequence[Message], tools: Sequence[Mapping[str, JsonValue]], options: dict[str, Any]
    ) -> Response:
        native = {"tools": list(tools)} if self.protocol == "native" else {}
        respond = getattr(model, "respond_to", None)
        if respond is not None:
            response: Response = respond(Request(messages=tuple(messages), options={**native, **options}))
            return response
        if self.protocol == "native":
            raise InsideLLMsError(
                "this model gives only text, no tool calls", fix="set protocol: text, or use a provider"
            )
        said = model.chat([{"role": one.role, "content": one.text} for one in messages], **options)
        return Response(text=answer_of(said, model))

    def _said(self, response: Response, calls: Sequence[ToolCall]) -> Message:
        if self.protocol == "text":
            return Message(role="assistant", content=response.text)
        return Message(role="assistant", content=response.text, tool_calls=tuple(calls))

    def _told(self, call: ToolCall, name: str, result: JsonValue) -> Message:
        if self.protocol == "text":
            return Message(role="user", content=f"{call.name} returned: {as_text(result)}")
        return Message(role="tool", content=as_text(result), tool_call_id=name)

    def _call(
        self, fields: Mapping[str, JsonValue], tools: Sequence[Mapping[str, JsonValue]], call: ToolCall
    ) -> JsonValue:
        if call.name not in {_tool_name(tool) for tool in tools}:
            return {"error": f"there is no tool {call.name}"}
        if self.environment is not None:
            return self.environment(call.name, dict(call.arguments))
        scripted = fields.get("environment")
        answer = scripted.get(call.name) if isinstance(scripted, Mapping) else None
        if isinstance(answer, list) and all(isinstance(one, Mapping) and "returns" in one for one in answer):
            fitting = [one for one in answer if _fits(one.get("when", {}), call.arguments)]
            return fitting[0]["returns"] if fitting else {"error": "nothing found"}
        return "done" if answer is None else answer


def _tool_name(tool: Mapping[str, JsonValue]) -> str:
    function = tool.get("function", tool)
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        raise ArgumentError(f"the tool {tool!r} has no name", fix="write tools as OpenAI's chat completions do")
    return name


def _schema(tool: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    schema = tool.get("function", tool).get("parameters")
    return schema if isinstance(schema, Mapping) else {}


def _fits(when: Mapping[str, JsonValue], arguments: Mapping[str, JsonValue]) -> bool:
    return all(name in arguments and same_json(arguments[name], value) for name, value in when.items())
