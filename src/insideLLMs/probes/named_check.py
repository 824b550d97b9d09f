"""One check of an answer: a probe of its own, made of a mapping in the experiment or in an example."""

import asyncio
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.protocols import Ask, JudgedProbe, PromptProbe
from insideLLMs.core.types import Example, JsonValue, Response, Scores
from insideLLMs.plugins import probe_registry
from insideLLMs.probes.answer_parts import make_reading_part, scored_response, takes_part, why_empty
from insideLLMs.scoring.normalise import is_blank

_OWN_KEYS = ("type", "name", "weight", "not", "expected")
_NO_ARGUMENTS = ("name", "template", "judges")
"""Arguments of a probe that a check of it does not take: it asks nothing, and the probe `checks` has the judges."""
_TAKEN_NAMES = ("correct", "score")
_OTHER_TOOLS = {
    "icontains": "{type: contains, any: [...]}, which ignores case",
    "contains-all": "{type: contains, all: [...]}",
    "contains-any": "{type: contains, any: [...]}",
    "is-json": "{type: json_schema, within: whole, schema: {...}}",
    "contains-json": "{type: json_schema, within: anywhere, schema: {...}}",
    "assert-set": "{type: checks, checks: [...]}",
    "levenshtein": "{type: edit_similarity, max_edits: 5, expected: ...}",
    "javascript": "{type: function, function: checks.py:NAME} in the experiment",
    "python": "{type: function, function: checks.py:NAME} in the experiment",
    "llm-rubric": "{type: judge, rubric: ...}, with `judges` beside the checks",
    "similar": "{type: embedding_similarity, expected: ...}",
    "rouge-n": "{type: rouge, expected: ...}",
    "latency": "gate: {max: {latency_ms.max: ...}}",
    "cost": "gate: {max: {cost_usd.max: ...}}",
}
"""What other tools call a check, and what it is here."""
Place = tuple[str | int, ...]


class WrongCheckError(InsideLLMsError):
    """A check that cannot be made; `place` is the way to what is wrong."""

    def __init__(self, place: Place, message: str, hint: str | None = None) -> None:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
        super().__init__(f"{where}: {message}" + (f" ({hint})" if hint else ""))
        self.place = place
        self.problem = message
        self.hint = hint


class NamedCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One check, made of its mapping; `is_named` is whether the user gave it a name, which is then a score."""

    name: str
    is_named: bool
    weight: float
    negated: bool
    expected: tuple[JsonValue, ...] | None
    given: frozenset[str]
    probe: PromptProbe

    def example(self, example: Example) -> Example:
        """Return the example as the check's probe reads it: what the check says takes the place of its fields."""
        fields = {name: value for name, value in example.fields.items() if name != "checks" and name not in self.given}
        expected = example.expected if self.expected is None else self.expected
        return msgspec.structs.replace(example, fields=fields, expected=expected)

    def score(self, example: Example, response: Response) -> "CheckResult":
        """Check an answer."""
        scored = scored_response(self.probe, response)
        found = scored if isinstance(scored, Scores) else self.probe.score(self.example(example), scored)
        return self.result(found, self.lacking(example, response))

    async def score_with(self, example: Example, response: Response, judges: Mapping[str, Ask]) -> "CheckResult":
        """Check an answer; a judge is asked, and any other check runs on a thread, as it may wait for a process."""
        scored = scored_response(self.probe, response)
        if isinstance(scored, Response) and isinstance(self.probe, JudgedProbe):
            found = await self.probe.score_with(self.example(example), scored, judges)
            return self.result(found, self.lacking(example, response))
        return await asyncio.to_thread(self.score, example, response)

    def lacking(self, example: Example, response: Response) -> str | None:
        """Say what is not there that this check would look at: the answer's text, a part, or what its probe reads."""
        scored = scored_response(self.probe, response)
        if isinstance(scored, Scores):
            return scored.explanation
        return why_empty(scored) if is_blank(scored.text) else self.probe.lacking(self.example(example), scored)

    def result(self, scores: Scores, lacking: str | None) -> "CheckResult":
        """Say what the probe's scores mean for this check; what is lacking passes nothing by being negated."""
        passed = bool(scores.passed)
        why = scores.explanation
        if self.negated:
            passed = not passed and lacking is None
            why = f"{'it does not hold' if passed else 'it must not hold'}: {lacking or why}"
        return CheckResult(
            check=self.name, passed=passed, why=why, weight=self.weight, scores=scores.values, is_named=self.is_named
        )


class CheckResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a check came to, as the page shows it."""

    check: str
    passed: bool
    why: str
    scores: dict[str, float]
    weight: float = 1.0
    is_named: bool = False


def read_check(raw: JsonValue, place: Place, *, judges: Mapping[str, Any] | None, loads: bool = True) -> NamedCheck:
    """Make a check of its mapping. Raises WrongCheckError saying what is wrong where.

    Without `loads`, a function that is only named stands for itself.
    """
    if not isinstance(raw, Mapping):
        raise WrongCheckError(place, "a check is a mapping, such as {type: contains, any: [yes]}")
    kind = raw.get("type")
    factory = _probe_class(kind, place)
    weight, name, negated = raw.get("weight", 1), raw.get("name"), raw.get("not", False)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
        raise WrongCheckError((*place, "weight"), f"is {weight!r}; it must be a number from 0 on")
    if not isinstance(negated, bool):
        raise WrongCheckError((*place, "not"), f"is {negated!r}; it must be true or false")
    if name is not None and (not isinstance(name, str) or not name.strip() or name in _TAKEN_NAMES):
        raise WrongCheckError((*place, "name"), f"is {name!r}; it must be a text, other than correct and score")
    args = {key: value for key, value in raw.items() if key not in _OWN_KEYS}
    expected = raw.get("expected")
    return NamedCheck(
        name=name or str(kind),
        is_named=name is not None,
        weight=float(weight),
        negated=negated,
        expected=None if expected is None else tuple(expected) if isinstance(expected, list | tuple) else (expected,),
        given=frozenset(args),
        probe=_made(factory, args, place, judges, loads=loads),
    )


def _probe_class(kind: JsonValue, place: Place) -> Callable[..., PromptProbe]:
    known = [name for name in probe_registry.list() if name != "record"]
    if not isinstance(kind, str) or kind not in known:
        raise WrongCheckError(
            (*place, "type"), f"{kind!r} is not a check" if kind else "is missing", _type_hint(kind, known)
        )
    factory = probe_registry.get_factory(kind)
    if not (isinstance(factory, type) and issubclass(factory, PromptProbe)):
        raise WrongCheckError((*place, "type"), f"{kind!r} asks the model more than once, so it cannot be a check")
    return factory


def _type_hint(kind: JsonValue, known: list[str]) -> str:
    if not isinstance(kind, str):
        return f"known: {', '.join(known)}"
    if kind.startswith("not-"):
        return f"write {{type: {kind.removeprefix('not-')}, not: true}}"
    if kind in _OTHER_TOOLS:
        return f"here it is {_OTHER_TOOLS[kind]}"
    near = nearest(kind, known)
    return f"did you mean {near!r}?" if near else f"known: {', '.join(known)}"


def _made(
    factory: Callable[..., PromptProbe],
    args: Mapping[str, JsonValue],
    place: Place,
    judges: Mapping[str, Any] | None,
    *,
    loads: bool,
) -> PromptProbe:
    taken = inspect.signature(factory).parameters
    for key in args:
        if (key not in taken and not (key == "of" and takes_part(factory))) or key in _NO_ARGUMENTS:
            part = ("of",) if takes_part(factory) else ()
            known = [name for name in (*taken, *part, *_OWN_KEYS) if name not in _NO_ARGUMENTS or name == "name"]
            near = nearest(str(key), known)
            raise WrongCheckError(
                (*place, str(key)),
                "is not an argument of this check",
                f"did you mean {near!r}?" if near else f"known: {', '.join(dict.fromkeys(known))}",
            )
    missing = [
        name
        for name, one in taken.items()
        if one.default is one.empty and name not in args and one.kind is one.KEYWORD_ONLY
    ]
    if missing:
        raise WrongCheckError(place, f"lacks {missing[0]!r}")
    given = dict(args)
    if not loads:
        given.update(
            {name: _stand_in for name in getattr(factory, "references", ()) if isinstance(args.get(name), str)}
        )
    if judges is None and issubclass(factory, JudgedProbe):  # type: ignore[arg-type] # a class, see _probe_class
        raise WrongCheckError((*place, "type"), "a judge needs models to ask: give the probe `judges` beside `checks`")
    if judges is not None and "judges" in taken:  # of a judge, or of a group of checks
        given["judges"] = list(judges.values())
    try:
        probe: PromptProbe = make_reading_part(factory, given)
        return probe
    except (InsideLLMsError, TypeError, ValueError) as error:
        wrong = getattr(error, "argument", None)
        message = error.message if isinstance(error, InsideLLMsError) else str(error)
        raise WrongCheckError(
            (*place, str(wrong)) if wrong in args else place, message, getattr(error, "fix", None)
        ) from error


def _stand_in(*_: object) -> bool:
    return False
