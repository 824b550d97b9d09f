"""Agents, judged by what they did: their own trajectory, or what a model does with tools that the example gives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from insideLLMs.core.arguments import misspelt, one_of, refuse
from insideLLMs.core.errors import ArgumentError, InsideLLMsError
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import Example, JsonValue, Message, Response, Scores, ToolCall, as_text
from insideLLMs.probes.agents.server_tools import SERVER, read_server
from insideLLMs.probes.agents.tool_play import PROTOCOLS, Environment, Tool, ToolPlay, tool_name, tool_schema
from insideLLMs.probes.check import FunctionProbe
from insideLLMs.scoring.mentions import claims
from insideLLMs.scoring.normalise import is_blank
from insideLLMs.scoring.tools.contracts import broken_contract, find_loop, named_tools, uncounted
from insideLLMs.scoring.tools.trajectory import MATCHES, AcceptedWay, Fit, check_extra_calls, parse_ways
from insideLLMs.trajectories.steps import Step, steps_of

_EARLIER = {"any": "unordered", "given": "ordered", "exact": "exact"}
"""What `match` was called as `order`."""
_UNKNOWN = "the subject returned no trajectory, so its tool calls are unknown"


class AgentProbe(PromptProbe):
    """Judge what an agent did: the tool calls in the trajectory that the subject returns, and its answer.

    `trajectory` (argument or field) lists the expected calls, ``{name: refund, arguments: {order: 7}}``, or several
    acceptable ways as a list of such lists. A matcher can replace an argument's value: ``{$any: true}``,
    ``{$one_of: [a, b]}``, ``{$regex: "^A"}``, ``{$number: 20, $within: 0.5}``, ``{$absent: true}``,
    ``{$optional: 3}``, ``{$ignore_case: oslo}``, ``{$any_order: [1, 2]}``; ``$others: allowed`` allows other arguments.
    `match` says how the calls are compared: `unordered`, `ordered`, `exact` (these and no others, in this order) or
    `subset` (some of these, and no others). `extra_calls` says which other calls are allowed: `forbidden`, `allowed`,
    or a list of tools. An example's `trajectory` may be ``{calls: [...], match: ..., extra_calls: ...}``, or `any_of`.

    `contracts` (argument and field) are must_call, must_not_call, before and at_most, each with tools or calls, and
    max_steps and max_tokens. A loop of calls fails. `final_state` names a function, ``state.py:check``, called like
    that of the probe `function`, which checks the state of the world. The answer must mention what is `expected`.
    Without a trajectory nothing passes.

    With `tools` (field or argument, as in OpenAI's chat completions) the probe runs the tools for a model, for at most
    `max_turns` turns. Results come from the example's `environment` (tool name to result, or to a list of
    ``{when: {argument: value}, returns: result}``), or from the argument `environment`, a function such as
    ``tools.py:call``, which gets the tool's name and arguments. With ``tools: {mcp: {command: [...]}}`` (the arguments
    of type mcp, and optionally ``only: [NAME]``) tools and results come from an MCP server. `protocol: text` is for
    models without tool calls. `only_calls: true` (a field) asks for the calls alone, in one turn, as the Berkeley
    Function Calling Leaderboard does.

    Scores: `correct`, all of it; `trajectory`, right calls as a share of all expected or made; `contracts`, the share
    that holds; `answered`, whether it ended with an answer; `state`, if there is a `final_state`.
    """

    version: ClassVar[str] = "6"
    references: ClassVar[tuple[str, ...]] = ("environment", "final_state")
    default_dataset: ClassVar[str] = "data/agent.jsonl"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(
        ("correct", "trajectory", "contracts", "answered", "state"), (0.0, 1.0)
    )

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        name: str | None = None,
        *,
        trajectory: JsonValue = None,
        match: str | None = None,
        extra_calls: str | Sequence[str] = "forbidden",
        contracts: Sequence[JsonValue] | None = (),
        final_state: Callable[..., Any] | None = None,
        tools: Sequence[Tool] | Mapping[str, JsonValue] = (),
        environment: Environment | None = None,
        max_turns: int = 8,
        protocol: str = "native",
        order: str | None = None,
    ) -> None:
        super().__init__(name or "agent", "agent", "What an agent does with tools.")
        self.match = _match_of(match, order)
        check_extra_calls(extra_calls)
        one_of("agent", "protocol", protocol, PROTOCOLS)
        if isinstance(max_turns, bool) or not isinstance(max_turns, int) or max_turns < 1:
            raise refuse("agent", "max_turns", max_turns, "a whole number from 1 on")
        if environment is not None and not callable(environment):
            raise refuse("agent", "environment", environment, "a function, such as tools.py:call")
        self._server = read_server(tools)
        self.tools: tuple[Tool, ...] = () if self._server is not None else _tool_list(tools)
        self.environment, self.max_turns, self.protocol = environment, max_turns, protocol
        self.trajectory, self.extra_calls, self.contracts = trajectory, extra_calls, _contract_list(contracts)
        self.final_state = None if final_state is None else FunctionProbe("final_state", function=final_state)
        self._ways({})
        for contract in self.contracts:
            broken_contract(contract, ())

    @property
    def scores_in_place(self) -> bool:  # type: ignore[override]  # the user's code may hang, and then needs a thread
        """Whether scoring calls none of the user's code."""
        return self.final_state is None

    def runs(self, example: Example) -> bool:
        """Whether a model plays with the example's tools; a subject without is asked once for its trajectory."""
        return self._server is not None or bool(self._tools(example.fields))

    def own_models(self) -> Mapping[str, Any]:
        """Return the MCP server whose tools the model gets, if there is one."""
        return {} if self._server is None else {SERVER: self._server.spec}

    def run(self, model: Any, data: Any, **kwargs: Any) -> Response:
        """Let a model work with the tools; return what it did and its answer."""
        fields: Mapping[str, JsonValue] = data if isinstance(data, Mapping) else {"input": data}
        tools, environment = self._tools(fields), self.environment
        if self._server is not None:
            served = self._server.open(model)
            tools, environment = served.shown, served.call
        if not tools:
            raise InsideLLMsError("the agent has no tools", fix="give the example or the probe `tools`")
        return ToolPlay(fields, tools, environment, self.max_turns, self.protocol).run(model, kwargs)

    def check_example(self, example: Example) -> str | None:
        """Say what of the example cannot be read, or that nothing of it is to be judged."""
        fields = example.fields
        try:
            ways = self._ways(fields)
            for contract in self._contracts(fields):
                broken_contract(contract, ())
        except ArgumentError as error:
            return f"{error.message}; {error.fix}" if error.fix else error.message
        if not (ways or self._contracts(fields) or example.expected or self.final_state):
            return "there is nothing to judge: give it `trajectory`, `contracts` or `expected`"
        return self._unknown_tool(fields, ways)

    def tools_named(self, fields: Mapping[str, JsonValue] | None = None) -> tuple[str, ...]:
        """Return the tools that contracts name: those of an example's fields, or of the probe's arguments.

        With a server, also those of the trajectory; with a list of tools, `check_example` looks at it.
        """
        contracts = self.contracts if fields is None else _contract_list(fields.get("contracts"))
        ways = self._ways(fields or {}) if self._server is not None else ()
        due = (call.name for way in ways for call in way.calls)
        return (*(name for contract in contracts for name in named_tools(contract)), *due)

    def tools_known(self, fields: Mapping[str, JsonValue], served: Sequence[Mapping[str, Any]] = ()) -> tuple[str, ...]:
        """Return the names of an example's tools, where they are known; `served` are those that the server lists."""
        if self._server is not None:
            return self._server.names(served)
        return tuple(tool_name(tool) for tool in self._tools(fields))

    def score_output(self, example: Example, output: Any) -> Scores:
        """Score what earlier releases stored: a mapping of the calls, the answer and the number of turns."""
        return self.score(example, Response(value=output))

    def score(self, example: Example, response: Response) -> Scores:
        """Score the calls and the answer."""
        response = _with_own_calls(response, example)
        steps = steps_of(response)
        calls = [step.call for step in steps]
        fits = [way.fit(calls) for way in self._ways(example.fields)]
        best = max(fits, key=lambda fit: (fit.deviation is None, fit.share), default=None)
        wrong = [] if best is None or best.deviation is None else [_told(best, fits, len(calls))]
        contracts = self._contracts(example.fields)
        broken = [why for one in contracts if (why := broken_contract(one, steps, response.usage))]
        extra = frozenset(range(len(calls)) if best is None else best.extra)
        values = {
            "trajectory": best.share if best is not None else 1.0,
            "contracts": 1 - len(broken) / len(contracts) if contracts else 1.0,
            "answered": float(_is_answered(response)),
        }
        wrong += [*broken, *filter(None, [find_loop(steps, extra)]), *self._wrong_answer(example, response, steps)]
        if self.final_state is not None:
            state = self.final_state.score(example, response)
            values["state"] = float(_verdict(state))
            wrong += [] if values["state"] else [f"the final state is wrong{_because(state)}"]
        wrong += _misspelt_rules(self._contracts(example.fields), response.kept.get("tools"))
        if not _is_known(response):
            values = dict.fromkeys(values, 0.0)
            wrong = [_UNKNOWN]
        return Scores(
            values={"correct": float(not wrong), **values},
            passed=not wrong,
            label=" > ".join(call.name for call in calls) or "no calls",
            explanation="; ".join(wrong) or "the calls and the answer are as expected",
        )

    def lacking(self, example: Example, response: Response) -> str | None:
        """Say that the calls are unknown, or the tokens that a contract limits."""
        own = _with_own_calls(response, example)
        return uncounted(self._contracts(example.fields), own.usage) if _is_known(own) else _UNKNOWN

    def _wrong_answer(self, example: Example, response: Response, steps: Sequence[Step]) -> list[str]:
        """Say what is wrong with the answer; calls that were never made need none."""
        if example.fields.get("only_calls") is True and not example.expected:
            return []
        expected = list(map(as_text, example.expected))
        said = not expected or claims(response.text, expected)
        wrong = [] if said else ["the answer does not mention what is expected"]
        only_wanted = bool(steps) and all(step.result is None for step in steps) and not self.runs(example)
        turns = sum(message.role == "assistant" for message in response.trajectory)
        return wrong if only_wanted or _is_answered(response) else [*wrong, f"no answer after {turns} turns"]

    def _tools(self, fields: Mapping[str, JsonValue]) -> list[Tool]:
        own = fields.get("tools")
        return list(self.tools if own is None or own == [] else _tool_list(own))

    def _contracts(self, fields: Mapping[str, JsonValue]) -> tuple[JsonValue, ...]:
        return (*self.contracts, *_contract_list(fields.get("contracts")))

    def _ways(self, fields: Mapping[str, JsonValue]) -> tuple[AcceptedWay, ...]:
        schemas = {tool_name(tool): tool_schema(tool) for tool in self._tools(fields)}
        alone = fields.get("only_calls") is True
        own = fields.get("trajectory")
        return parse_ways(
            self.trajectory if own is None else own,
            match="unordered" if alone else self.match,
            extra_calls="forbidden" if alone else self.extra_calls,
            schemas=schemas,
        )

    def _unknown_tool(self, fields: Mapping[str, JsonValue], ways: Sequence[AcceptedWay]) -> str | None:
        """Name a due call of a tool that is not among the tools."""
        names = {tool_name(tool) for tool in self._tools(fields)}
        due = (call.name for way in ways for call in way.calls)
        unknown = next((name for name in due if names and name not in names), None)
        return None if unknown is None else f"the trajectory has {unknown!r}, which is not one of the tools"


def _misspelt_rules(contracts: Sequence[JsonValue], listed: JsonValue) -> list[str]:
    """Say which contracts misspell a tool of those that an application returns: they would hold whatever happens."""
    known = list(_listed_names(listed))
    named = dict.fromkeys(name for contract in contracts for name in named_tools(contract))
    meant = {name: misspelt(name, known) for name in named if name not in known}
    return [f"a contract names {name!r}; did you mean {near!r}?" for name, near in meant.items() if near]


def _listed_names(listed: JsonValue) -> Iterator[str]:
    for tool in listed if isinstance(listed, list) else ():
        function = tool.get("function", tool) if isinstance(tool, Mapping) else {"name": tool}
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            yield function["name"]


def _tool_list(given: JsonValue) -> tuple[Tool, ...]:
    if not isinstance(given, list | tuple):
        raise refuse("agent", "tools", given, "a list of tools, as OpenAI's chat completions write them")
    return tuple(given)


def _contract_list(given: JsonValue) -> tuple[JsonValue, ...]:
    if given is not None and not isinstance(given, list | tuple):
        raise refuse("agent", "contracts", given, "a list, such as [{must_not_call: delete}]")
    return tuple(given or ())


def _match_of(match: str | None, order: str | None) -> str:
    if order is not None:
        one_of("agent", "order", order, tuple(_EARLIER))
        if match is not None:
            raise refuse("agent", "order", order, "left out: `match` says it")
        return _EARLIER[order]
    one_of("agent", "match", match or "unordered", MATCHES)
    return match or "unordered"


def _told(best: Fit, fits: Sequence[Fit], made: int) -> str:
    """Say where the calls first went another way than the one that they are closest to."""
    which = f" (closest to way {fits.index(best) + 1} of {len(fits)})" if len(fits) > 1 else ""
    return f"{best.deviation}{which}; {best.met} of {best.due} calls are as expected, {made} were made"


def _is_known(response: Response) -> bool:
    """Whether the subject returned what it did."""
    return bool(response.trajectory or response.tool_calls)


def _is_answered(response: Response) -> bool:
    last = response.trajectory[-1] if response.trajectory else None
    ends = last is None or (last.role == "assistant" and not last.tool_calls)
    return ends and not response.tool_calls and not is_blank(response.text)


def _verdict(state: Scores) -> bool:
    if state.passed is None:
        raise InsideLLMsError(
            "final_state gave no verdict", fix="return true or false, or a mapping with `correct: true`"
        )
    return state.passed


def _because(state: Scores) -> str:
    return f": {state.explanation}" if state.explanation else ""


def _with_own_calls(response: Response, example: Example) -> Response:
    """Return what the agent itself did: without the chat that it was given, or read from what was stored earlier."""
    if isinstance(response.value, Mapping) and not response.trajectory:
        return _of_earlier(response.value)
    given = () if isinstance(example.input, str) else example.input
    told = [message for message in response.trajectory if message.role != "system"]
    before = [message for message in given if message.role != "system"]
    if not before or [_shape(one) for one in told[: len(before)]] != [_shape(one) for one in before]:
        return response
    return Response(
        text=response.text,
        usage=response.usage,
        tool_calls=response.tool_calls,
        kept=response.kept,
        trajectory=tuple(told[len(before) :]),
    )


def _shape(message: Message) -> tuple[str, str, int]:
    return message.role, message.text, len(message.tool_calls)


def _of_earlier(value: Mapping[str, JsonValue]) -> Response:
    """Read ``{calls, answer, turns}``, as a played task was stored once."""
    said: list[Message] = []
    for number, call in enumerate(value.get("calls") or ()):
        made = ToolCall(name=call["name"], arguments=call["arguments"], id=str(number))
        said.append(Message(role="assistant", tool_calls=(made,)))
        said.append(Message(role="tool", content=as_text(call.get("result")), tool_call_id=str(number)))
    answer = value.get("answer")
    end = [Message(role="assistant", content=answer)] if isinstance(answer, str) else []
    return Response(text=answer or "", trajectory=(*said, *end))
