"""Whether an MCP server keeps what the protocol and its own schemas promise."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from insideLLMs.core.arguments import nearest, refuse, text_list
from insideLLMs.core.errors import CommandFailedError, InsideLLMsError, ModelError, ToolTimeoutError
from insideLLMs.core.protocols import OWN_SERVER, Probe
from insideLLMs.core.repeated_keys import repeated
from insideLLMs.core.types import Example, JsonValue, Message, Request, Response, Scores, ToolCall, as_text, cut_off
from insideLLMs.probes.base import asked_text
from insideLLMs.scoring.hidden_text import hidden_in_tool
from insideLLMs.scoring.tools.schemas import MadeCall, bounded_schema_fault, made_calls

logger = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_INVALID_PARAMS = -32602
_METHOD_NOT_FOUND = -32601
_LIKE_AN_ERROR = re.compile(r"\s*(?:\w*error|exception|traceback|failed|failure|invalid)\b", re.IGNORECASE)
_SHOWN = 120
_UNKNOWN = "insidellms_no_such_tool"
_AT_ONCE = 16
_MOST_UNANSWERED = 3
"""Calls of a rule that get no answer, or crash the server; after so many the further ones are not made."""


class RuleFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a rule: how much was `checked`, what is `broken`, and which tools were `not_called` for it."""

    checked: int
    broken: tuple[str, ...] = ()
    not_called: tuple[str, ...] = ()


Called = tuple[Mapping[str, Any], MadeCall]
"""A tool, and a call that is made up for it."""
Tools = Sequence[Mapping[str, Any]]
Ask = Callable[[Request], Response]
AskAll = Callable[[Sequence[Request]], Sequence[Response | ModelError]]


class McpContractProbe(Probe):
    """Check the contract of an MCP server; each example names a rule, and without a dataset all rules are checked.

    Rules: `protocol`, `names`, `descriptions`, `schemas` and `hidden text` read what the server lists; `resources` and
    `prompts` list these if the server says that it has some; `unknown tool`, `missing arguments`, `wrong types`, `extra
    arguments` and `out of bounds` must give errors; `valid calls` must keep the output schema, the server's
    `timeout_s`, and `max_bytes`; `shutdown` must be clean. The probe makes calls up from the schemas, the same each
    time, and only of tools with the annotation readOnlyHint or that `tools` names (or `all`): other tools may do harm.
    A rule without a tool to call is not scored. Scores: `correct`, and `kept`, the share of what was checked that
    holds.
    """

    version: ClassVar[str] = "2"
    scores_in_place: ClassVar[bool] = True
    default_dataset: ClassVar[str] = "probes/mcp_rules.jsonl"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(("correct", "kept"), (0.0, 1.0))

    def __init__(self, name: str | None = None, *, tools: Sequence[str] | str = (), max_bytes: int = 1_000_000) -> None:
        super().__init__(name or "mcp_contract", "mcp", "Whether an MCP server keeps its contract.")
        named = text_list(tools)
        if named is None:
            raise refuse("mcp_contract", "tools", tools, "a list of tools that may be called, or all")
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
            raise refuse("mcp_contract", "max_bytes", max_bytes, "a whole number from 1 on")
        self.tools = named
        self.max_bytes = max_bytes

    def run(self, model: Any, data: Any, **_: Any) -> dict[str, JsonValue]:
        """Check the rule that the example names; return what was checked and what is broken."""
        rule = asked_text(data) or ""
        if rule not in _RULES:
            near = nearest(rule, tuple(_RULES))
            hint = f"did you mean {near!r}?" if near else f"known are {', '.join(_RULES)}"
            raise InsideLLMsError(f"there is no rule {rule!r} for MCP servers", fix=hint)
        respond = getattr(model, "respond_to", None) or model.ask
        respond_to_all = getattr(model, "respond_to_all", None) or _one_by_one(respond)
        said = respond(Request.of("initialize")).kept
        if "capabilities" not in said:
            raise InsideLLMsError(
                "this probe tests an MCP server, and the model is not one", fix="give the model `type: mcp`"
            )
        tools = _listed(respond, "tools/list") if "tools" in said["capabilities"] else []
        unknown = [name for name in self.tools if name not in {"all", *(tool["name"] for tool in tools)}]
        if unknown:
            raise InsideLLMsError(f"the server has no tool {unknown[0]!r}", fix="check `tools` of the probe")
        finding = _RULES[rule](
            _Server(probe=self, rule=rule, ask=respond, ask_all=respond_to_all, said=said, tools=tools)
        )
        return {
            "rule": rule,
            "checked": finding.checked,
            "broken": list(finding.broken),
            "not_called": list(finding.not_called),
        }

    def may_call(self, tool: Mapping[str, Any]) -> bool:
        """Whether calls that are made up may reach a tool."""
        reads = (tool.get("annotations") or {}).get("readOnlyHint") is True
        return reads or tool["name"] in self.tools or "all" in self.tools

    def score_output(self, example: Example, output: Any) -> Scores:
        """Score a rule: one that is broken anywhere is broken."""
        del example  # every rule is scored alike
        checked, broken, not_called = output["checked"], output["broken"], output["not_called"]
        skipped = f"not called, as they may do more than read: {', '.join(not_called)}" if not_called else ""
        if not checked:
            return Scores(
                values={}, label="nothing to check", explanation=skipped or "the server has nothing of this kind"
            )
        return Scores(
            values={"correct": float(not broken), "kept": 1 - len(broken) / max(checked, len(broken))},
            passed=not broken,
            label="broken" if broken else "kept",
            explanation="; ".join(broken) or f"{checked} checked" + (f"; {skipped}" if skipped else ""),
        )


class _Server(msgspec.Struct, frozen=True, kw_only=True):
    """The server under a rule: what it says of itself, its tools, and how it is asked."""

    probe: McpContractProbe
    rule: str
    ask: Ask
    ask_all: AskAll
    said: Mapping[str, Any]
    tools: Tools

    def calls(self, kind: str, why: Callable[[Response, MadeCall], str]) -> RuleFinding:
        """Make the calls of a kind for each tool that may be called; `why` says what is wrong about an answer."""
        made = [
            (tool, call)
            for tool in self.tools
            if self.probe.may_call(tool)
            for call in made_calls(tool["inputSchema"])
            if call.kind == kind
        ]
        broken: list[str] = []
        done = failed = 0
        while done < len(made) and failed < _MOST_UNANSWERED:
            some = made[done : done + _AT_ONCE]
            answers, fails_at_once = self._answered(some, _MOST_UNANSWERED - failed)
            for (tool, call), answer in zip(some, answers, strict=False):
                fault = f"has no answer: {answer.message}" if isinstance(answer, ModelError) else why(answer, call)
                broken += [f"{_shown(tool, call)} {fault}"] if fault else []
            broken += (
                [f"{len(some)} calls at once end or stop the server, and none does alone"] if fails_at_once else []
            )
            failed += fails_at_once or sum(isinstance(answer, ModelError) for answer in answers)
            done += len(answers)
            logger.info("mcp_contract: %s: %d of %d calls", self.rule, done, len(made))
        if done < len(made):
            broken.append(f"{len(made) - done:,} further calls were not made, as {failed} had no answer")
        spared = tuple(sorted(tool["name"] for tool in self.tools if not self.probe.may_call(tool)))
        return RuleFinding(checked=done, broken=tuple(broken), not_called=spared)

    def _answered(self, some: Sequence[Called], most: int) -> tuple[list[Response | ModelError], bool]:
        """Make calls at once, and those without an answer again alone: another one may have stopped the server.

        Return the answers, up to the last of the `most` calls that have none; and whether the calls fail only at once.
        """
        answers = list(self._ask(some))
        unanswered = [place for place, answer in enumerate(answers) if isinstance(answer, ModelError)]
        found = 0
        for place in unanswered:
            [answers[place]] = self._ask([some[place]])
            found += isinstance(answers[place], ModelError)
            if found == most:
                return answers[: place + 1], False
        return answers, bool(unanswered) and not found

    def _ask(self, some: Sequence[Called]) -> Sequence[Response | ModelError]:
        """Make calls at once. Raises the ModelError that is not about what the server does."""
        answers = self.ask_all([_request(tool["name"], call.arguments, self.rule) for tool, call in some])
        for answer in answers:
            if isinstance(answer, ModelError) and not isinstance(answer, CommandFailedError | ToolTimeoutError):
                raise answer
        return answers


def _one_by_one(ask: Ask) -> AskAll:
    """Return how several requests are asked of a model that is used by hand."""

    def ask_each(request: Request) -> Response | ModelError:
        try:
            return ask(request)
        except ModelError as error:
            return error

    return lambda requests: [ask_each(request) for request in requests]


def _request(name: str, arguments: dict[str, JsonValue], rule: str) -> Request:
    """Return a call, for a server that the rule has to itself: no call of another rule ends it."""
    call = ToolCall(name=name, arguments=arguments)
    return Request(messages=(Message(role="assistant", tool_calls=(call,)),), options={OWN_SERVER: rule})


def _listed(ask: Ask, method: str) -> list[Mapping[str, Any]]:
    response = ask(Request.of(method))
    found: list[Mapping[str, Any]] = next((items for items in response.kept.values() if isinstance(items, list)), [])
    if "error" in response.kept:
        raise InsideLLMsError(f"the server does not answer {method}: {as_text(response.kept['error'])}")
    return found


def _each(tools: Tools, why: Callable[[Mapping[str, Any]], str]) -> RuleFinding:
    """Check each tool by itself."""
    found = [(str(tool.get("name")), why(tool)) for tool in tools]
    return RuleFinding(checked=len(found), broken=tuple(f"{name} {text}" for name, text in found if text))


def _protocol(server: _Server) -> RuleFinding:
    said = server.said
    broken = [f"the server does not say its {key}" for key in ("name", "version") if not said["server"].get(key)]
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", str(said["protocol"])):
        broken.append(f"the protocol's version is {said['protocol']!r}, and no date")
    return RuleFinding(checked=3, broken=tuple(broken))


def _names(server: _Server) -> RuleFinding:
    names = [tool["name"] for tool in server.tools]
    odd = [name for name in names if not _NAME.fullmatch(name)]
    broken = [f"two tools are called {name}" for name in sorted(repeated(names))]
    broken += [f"the name {name!r} is not 1 to 128 letters, digits, '_', '-' or '.'" for name in odd]
    return RuleFinding(checked=len(names), broken=tuple(broken))


def _descriptions(server: _Server) -> RuleFinding:
    return _each(server.tools, lambda tool: "" if (tool.get("description") or "").strip() else "has no description")


def _schemas(server: _Server) -> RuleFinding:
    def why(tool: Mapping[str, Any]) -> str:
        faults = {"input": bounded_schema_fault(tool.get("inputSchema"))}
        if tool.get("outputSchema") is not None:
            faults["output"] = bounded_schema_fault(tool["outputSchema"])
        return "; ".join(f"has an {which} schema that {fault}" for which, fault in faults.items() if fault)

    return _each(server.tools, why)


def _hidden(server: _Server) -> RuleFinding:
    return _each(server.tools, lambda tool: "; ".join(hidden_in_tool(tool)))


def _unknown_tool(server: _Server) -> RuleFinding:
    response = server.ask(_request(_UNKNOWN, {}, server.rule))
    return RuleFinding(checked=1, broken=tuple(filter(None, [_wrongly_taken(response, "a tool that is not there")])))


def _refused(kind: str) -> Callable[[_Server], RuleFinding]:
    """Make the rule that calls of a kind must be errors."""
    return lambda server: server.calls(kind, lambda response, call: _wrongly_taken(response, call.broken))


def _wrongly_taken(response: Response, broken: str) -> str:
    """Say how an answer to a wrong call is wrong itself; nothing where it is a typed error."""
    error = response.kept.get("error")
    if error is None or error["in"] == "schema":
        return f"is accepted, though {broken}: {cut_off(response.text, _SHOWN)!r}"
    if error["in"] == "protocol" and error["code"] not in {_INVALID_PARAMS, _METHOD_NOT_FOUND}:
        return f"is answered with the code {error['code']}, where {_INVALID_PARAMS} says that arguments are wrong"
    return "" if str(error["message"]).strip() else "is an error without a message"


def _valid_calls(server: _Server) -> RuleFinding:
    return server.calls("valid", lambda response, _: _badly_answered(response, server.probe.max_bytes))


def _badly_answered(response: Response, max_bytes: int) -> str:
    """Say what is wrong with the answer to a call that keeps the schema; an error of the tool is allowed."""
    error = response.kept.get("error")
    size = len(msgspec.json.encode(response))
    if size > max_bytes:
        return f"is answered with {size:,} bytes, more than {max_bytes:,}"
    if error is None:
        is_odd = _LIKE_AN_ERROR.match(response.text) is not None
        return f"fails without saying so: {cut_off(response.text, _SHOWN)!r}" if is_odd else ""
    return "" if error["in"] == "result" else f"fails: {cut_off(str(error['message']), _SHOWN)}"


def _resources(server: _Server) -> RuleFinding:
    if "resources" not in server.said["capabilities"]:
        return RuleFinding(checked=0)
    items = _listed(server.ask, "resources/list")
    broken = [f"the resource {item.get('name') or item} has no uri" for item in items if not item.get("uri")]
    broken += [f"the resource {item.get('uri')} has no name" for item in items if not item.get("name")]
    return RuleFinding(checked=1 + len(items), broken=tuple(broken))


def _prompts(server: _Server) -> RuleFinding:
    if "prompts" not in server.said["capabilities"]:
        return RuleFinding(checked=0)
    items = _listed(server.ask, "prompts/list")
    return RuleFinding(
        checked=1 + len(items), broken=tuple("a prompt has no name" for one in items if not one.get("name"))
    )


def _shutdown(server: _Server) -> RuleFinding:
    response = server.ask(Request.of("shutdown"))
    if "status" not in response.kept:  # it runs elsewhere
        return RuleFinding(checked=0)
    clean = response.kept["status"] == 0
    broken = [] if clean else [f"the server {response.text}, once nothing more came on its standard input"]
    broken += [str(response.kept["fault"])] if "fault" in response.kept else []
    return RuleFinding(checked=2, broken=tuple(broken))


def _shown(tool: Mapping[str, Any], made: MadeCall) -> str:
    return f"{tool['name']}({cut_off(as_text(made.arguments), _SHOWN)})"


_RULES: dict[str, Callable[[_Server], RuleFinding]] = {
    "protocol": _protocol,
    "names": _names,
    "descriptions": _descriptions,
    "schemas": _schemas,
    "hidden text": _hidden,
    "resources": _resources,
    "prompts": _prompts,
    "unknown tool": _unknown_tool,
    "missing arguments": _refused("missing"),
    "wrong types": _refused("wrong type"),
    "extra arguments": _refused("extra"),
    "out of bounds": _refused("out of bounds"),
    "valid calls": _valid_calls,
    "shutdown": _shutdown,
}
