"""What of an answer is volatile, such as a request id: left out of both runs before they are compared.

Scores stay as they were given. A rule is a JSON path, for answers that are JSON and for values and tool calls, or a
regular expression between slashes, for any text.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import orjson

from insideLLMs.compare.answers.levels import parse_answer
from insideLLMs.core import canonical
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.record_views import read_record
from insideLLMs.core.types import JsonValue, Message, Record, Response, ToolCall
from insideLLMs.scoring.json_path import remove
from insideLLMs.scoring.normalise import is_blank
from insideLLMs.scoring.patterns import compile_safely, cut_out


class Ignored:
    """Leaves out what a gate ignores, and counts by side and rule in how many answers it was found."""

    def __init__(self, spec: GateSpec) -> None:
        self._default = spec.ignore
        self._of_probe = {name: spec.of_probe(name).ignore for name in spec.probes}
        self._found: Mapping[str, Counter[str]] = {"baseline": Counter(), "candidate": Counter()}
        self._answers = dict.fromkeys(self._found, 0)
        self._emptied: set[str] = set()
        self._left: set[str] = set()

    @property
    def rules(self) -> tuple[str, ...]:
        """All rules, each once."""
        return tuple(dict.fromkeys((*self._default, *(rule for own in self._of_probe.values() for rule in own))))

    @property
    def emptied(self) -> frozenset[str]:
        """The probes of which all that answers had was ignored."""
        return frozenset(self._emptied - self._left)

    def lines(self, lines: Iterator[bytes], side: str, where: str) -> Iterator[bytes]:
        """Yield the records of one side without what is ignored. Raises RunDirectoryError, or TooLongError."""
        for line in lines:
            record = read_record(line, Record, where=where)
            rules = self._of_probe.get(record.probe, self._default)
            if record.response is None or not rules:
                yield line
                continue
            self._answers[side] += 1
            response = record.response
            for rule in rules:
                bare = _without(response, rule)
                self._found[side][rule] += bare is not response
                response = bare
            same = response is record.response
            if not _is_bare(response):
                self._left.add(record.probe)
            elif not same:
                self._emptied.add(record.probe)
            yield line if same else canonical.line(msgspec.structs.replace(record, response=response))

    def in_words(self) -> tuple[str, ...]:
        """Say of each rule how often it was found."""
        return tuple(self._told(rule) for rule in self.rules)

    def _told(self, rule: str) -> str:
        counts = {side: found[rule] for side, found in self._found.items()}
        if not any(counts.values()):
            return f"gate.ignore: {rule} was found in no answer: nothing was ignored by it; check how it is written"
        shares = (f"{count:,} of {self._answers[side]:,} answers of the {side}" for side, count in counts.items())
        return f"ignored {rule}: found in {' and '.join(shares)}"


def _without(response: Response, rule: str) -> Response:
    """Return a response without what a rule finds; the very same one where it finds nothing."""
    changes: dict[str, Any] = {}  # the fields of a Response
    if (text := _bare(response.text, rule)) != response.text:
        changes["text"] = text
    if (way := tuple(_bare_message(message, rule) for message in response.trajectory)) != response.trajectory:
        changes["trajectory"] = way
    if not rule.startswith("$"):
        return msgspec.structs.replace(response, **changes) if changes else response
    if response.value is not None and (value := remove(response.value, rule)) != response.value:
        changes["value"] = value
    if (calls := _bare_calls(response.tool_calls, rule)) != response.tool_calls:
        changes["tool_calls"] = calls
    parts = {"kept": response.kept}
    if response.kept and (left := remove(parts, rule)) != parts:
        changes["kept"] = left.get("kept", {})
    return msgspec.structs.replace(response, **changes) if changes else response


def _is_bare(response: Response) -> bool:
    """Whether a response has nothing to compare; of JSON, empty objects and lists are nothing."""
    said = (response.text, *(message.text for message in response.trajectory if message.role == "assistant"))
    parts = (response.value, response.kept, *map(parse_answer, said))
    plain = (text for text in said if parse_answer(text) is None)
    return not response.calls and not any(map(_has_leaf, parts)) and all(map(is_blank, plain))


def _has_leaf(value: JsonValue) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_leaf, value.values()))
    return any(map(_has_leaf, value)) if isinstance(value, list | tuple) else value is not None


def _bare(text: str, rule: str) -> str:
    """Return a text without what a rule finds."""
    if not rule.startswith("$"):
        return cut_out(compile_safely(rule[1:-1], ignore_case=False), text)[0]
    parsed = parse_answer(text)
    bare = None if parsed is None else remove(parsed, rule)
    return text if bare is None or bare == parsed else _write(bare, text)


def _bare_message(message: Message, rule: str) -> Message:
    content = _bare(message.content, rule) if isinstance(message.content, str) else message.content
    calls = _bare_calls(message.tool_calls, rule) if rule.startswith("$") else message.tool_calls
    return msgspec.structs.replace(message, content=content, tool_calls=calls)


def _bare_calls(calls: tuple[ToolCall, ...], rule: str) -> tuple[ToolCall, ...]:
    """Return calls without what a path finds in ``{"tool_calls": [...]}``."""
    plain = {"tool_calls": [{"name": call.name, "arguments": call.arguments} for call in calls]}
    kept = remove(plain, rule)
    if not calls or kept == plain:
        return calls
    return tuple(
        ToolCall(name=call.get("name", ""), arguments=call.get("arguments", {})) for call in kept.get("tool_calls", ())
    )


def _write(value: JsonValue, like: str) -> str:
    """Write JSON on one line or on several, as the answer was."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if "\n" in like.strip() else 0).decode()
