"""Several checks of one answer: each a probe of its own, named in the experiment or in the example itself."""

import asyncio
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.arguments import nearest, non_negative, refuse
from insideLLMs.core.chat_template import prompt_template
from insideLLMs.core.errors import ArgumentError, InsideLLMsError
from insideLLMs.core.protocols import Ask, JudgedProbe, PromptProbe
from insideLLMs.core.types import Example, JsonValue, Request, Response, Scores, expand
from insideLLMs.plugins import PROBES, probe_registry
from insideLLMs.probes.judge import named_judges

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
_MOST_KEPT = 10_000
_ROUNDING = 1e-9
"""How far a sum of weights may be off: a tenth and two tenths are three tenths."""
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

    def result(self, response: Response, scores: Scores) -> "CheckResult":
        """Say what the probe's scores mean for this check; an empty answer passes nothing by being negated."""
        passed = bool(scores.passed)
        if self.negated:
            passed = not passed and bool(response.text.strip())
        why = scores.explanation
        if self.negated:
            why = f"{'it does not hold' if passed else 'it must not hold'}: {why}"
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


class ChecksProbe(PromptProbe):
    """Check one answer in several ways: by the `checks` given here, and by those that the example has under `checks`.

    A check is a mapping: the `type` of a probe with its arguments beside it, ``{type: contains, any: [...]}``. It may
    have a `name`, `expected` (in place of the example's), a `weight` (1; with 0 it is only shown), and ``not: true``.
    `require` says how many of an answer's checks must pass: all, any, or a number; or `threshold`, from which `score`
    on an answer passes. A check of type `checks` is a group with its own. `judges` are the models that checks of type
    `judge` ask, as for the probe `judge`. An example's own check cannot name a function or a model.

    Scores: `correct`; `score`, the share of the weight that passed; and of each check with a `name`, 1 or 0.
    """

    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"correct": (0.0, 1.0), "score": (0.0, 1.0)}
    open_scores: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("checks[].function",)

    def __new__(cls, *_: object, judges: JsonValue = None, **__: object) -> "ChecksProbe":
        """Make the form that asks judges where there are some: only the engine can ask them."""
        return super().__new__(cls if judges is None or cls is not ChecksProbe else JudgedChecksProbe)

    def __init__(
        self,
        name: str | None = None,
        *,
        checks: JsonValue = (),
        require: JsonValue = "all",
        threshold: float | None = None,
        judges: JsonValue = None,
        template: JsonValue = None,
    ) -> None:
        super().__init__(name or "checks", "checks", "Several checks of one answer.")
        is_count = isinstance(require, int) and not isinstance(require, bool) and require > 0
        if require not in {"all", "any"} and not is_count:
            raise refuse("checks", "require", require, "all, any, or how many checks must pass")
        self.require = require
        self.threshold = _share(threshold, require)
        self.judges = None if judges is None else named_judges(judges)
        self.version = _version()  # type: ignore[misc] # it follows that of every probe that a check can be
        self.template = template
        self._template = prompt_template("checks", template)
        self._own: dict[bytes, tuple[NamedCheck, ...]] = {}
        self.checks = _named(read_check(one, place, judges=self.judges) for place, one in _listed(checks))

    # `__new__` is there for another reason, and says nothing of the arguments
    __signature__: ClassVar[inspect.Signature] = inspect.Signature(
        [one for name, one in inspect.signature(__init__).parameters.items() if name != "self"]
    )

    @classmethod
    def argument_problems(cls, args: Mapping[str, JsonValue]) -> Iterator[tuple[Place, str, str | None]]:
        """Yield what is wrong with the checks among the arguments: the way to it, the problem, and what to do."""
        try:
            judges = None if args.get("judges") is None else named_judges(args["judges"])
        except ArgumentError as error:
            yield ("judges",), error.message, error.fix
            return
        found = []
        try:
            for place, one in _listed(args.get("checks", ())):
                try:
                    found.append(read_check(one, place, judges=judges, loads=False))
                except WrongCheckError as error:
                    yield error.place, error.problem, error.hint
            _named(found)
        except WrongCheckError as error:
            yield error.place, error.problem, error.hint

    def request(self, example: Example) -> Request:
        """Ask the example's input, or the template."""
        return self._template.request(example) if self._template is not None else example.request()

    def check_example(self, example: Example) -> str | None:
        """Say what is wrong with the example's checks, or that there are none."""
        if self._template is not None:
            self._template.check(example)
        try:
            checks = self.checks_of(example)
        except WrongCheckError as error:
            return error.message
        counted = sum(check.weight > 0 for check in checks)
        if not counted:
            return "nothing to check: give the example or the probe `checks`, of which one has a weight"
        if isinstance(self.require, int) and self.require > counted:
            return f"{self.require} checks are required to pass, but it has {counted}"
        complaints = ((check.name, check.probe.check_example(check.example(example))) for check in checks)
        return next((f"check {name!r}: {complaint}" for name, complaint in complaints if complaint), None)

    def score(self, example: Example, response: Response) -> Scores:
        """Check the answer."""
        return self._sum_up(tuple(_checked(check, example, response) for check in self.checks_of(example)))

    def checks_of(self, example: Example) -> tuple[NamedCheck, ...]:
        """Return the checks given to the probe, then the example's own. Raises WrongCheckError."""
        raw = example.fields.get("checks", ())
        if not raw:
            return self.checks
        key = canonical.line(raw)
        if key not in self._own:
            if len(self._own) >= _MOST_KEPT:
                self._own.clear()
            own = (self._own_check(one, place) for place, one in _listed(raw))
            self._own[key] = _named(own, taken=self.checks)
        return (*self.checks, *self._own[key])

    def named_scores(self, example: Example) -> frozenset[str]:
        """Return the scores of the checks that have a name, for this example. Raises WrongCheckError."""
        return frozenset(check.name for check in self.checks_of(example) if check.is_named)

    def _own_check(self, raw: JsonValue, place: Place) -> NamedCheck:
        if isinstance(raw, Mapping) and "function" in raw:
            raise WrongCheckError((*place, "function"), "only the experiment may name a function, not a dataset")
        return read_check(raw, place, judges=self.judges)

    def _sum_up(self, results: tuple[CheckResult, ...]) -> Scores:
        counted = [result for result in results if result.weight > 0]
        held = sum(result.passed for result in counted)
        wanted = self.require if isinstance(self.require, int) else len(counted) if self.require == "all" else 1
        weight = math.fsum(result.weight for result in counted)
        share = math.fsum(result.weight for result in counted if result.passed) / weight
        failed = "; ".join(f"{result.check}: {result.why}" for result in counted if not result.passed)
        told = f"{held} of {len(counted)} checks passed"
        named = {result.check: float(result.passed) for result in results if result.is_named}
        passed = held >= wanted
        if self.threshold is not None:
            passed = share >= self.threshold - _ROUNDING
            told += f", a score of {share:.2f} where {self.threshold:g} is wanted"
        return Scores(
            values={"correct": float(passed), "score": share, **named},
            passed=passed,
            explanation=f"{told}; failed: {failed}" if failed else told,
            details={"checks": [expand(result) for result in results]},
        )


class JudgedChecksProbe(ChecksProbe, JudgedProbe):
    """The same, where some of the checks ask judges."""

    def judge_models(self) -> Mapping[str, Any]:
        """Name the judges."""
        return self.judges or {}

    async def score_with(self, example: Example, response: Response, judges: Mapping[str, Ask]) -> Scores:
        """Check the answer; the judges of all checks are asked at once."""
        checks = self.checks_of(example)
        # every check is waited for, so that no call goes on behind a trial that has failed
        asked = (_check_with(check, example, response, judges) for check in checks)
        results: list[CheckResult] = []
        for result in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            results.append(result)
        return self._sum_up(tuple(results))


def _share(threshold: object, require: JsonValue) -> float | None:
    """Return the threshold. Raises ArgumentError for one beside `require`, or that is not above 0 and at most 1."""
    if threshold is None:
        return None
    if require != "all":
        raise refuse("checks", "threshold", threshold, "left out where `require` says how many checks must pass")
    share = non_negative("checks", "threshold", threshold)
    if not 0 < share <= 1:
        raise refuse("checks", "threshold", threshold, "a share above 0 and up to 1")
    return share


def _checked(check: NamedCheck, example: Example, response: Response) -> CheckResult:
    return check.result(response, check.probe.score(check.example(example), response))


async def _check_with(
    check: NamedCheck, example: Example, response: Response, judges: Mapping[str, Ask]
) -> CheckResult:
    if isinstance(check.probe, JudgedProbe):
        return check.result(response, await check.probe.score_with(check.example(example), response, judges))
    return await asyncio.to_thread(_checked, check, example, response)  # it may wait for a process


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
            (*place, "type"), f"{kind!r} is no check" if kind else "is missing", _type_hint(kind, known)
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
        if key not in taken or key in _NO_ARGUMENTS:
            known = [name for name in (*taken, *_OWN_KEYS) if name not in _NO_ARGUMENTS or name == "name"]
            near = nearest(str(key), known)
            raise WrongCheckError(
                (*place, str(key)),
                "is no argument of this check",
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
    if issubclass(factory, JudgedProbe):  # type: ignore[arg-type] # it is a class, see _probe_class
        if judges is None:
            raise WrongCheckError(
                (*place, "type"), "a judge needs models to ask: give the probe `judges` beside `checks`"
            )
        given["judges"] = list(judges.values())
    elif factory is ChecksProbe and judges is not None:
        given["judges"] = list(judges.values())
    try:
        return factory(**given)
    except (InsideLLMsError, TypeError, ValueError) as error:
        wrong = getattr(error, "argument", None)
        message = error.message if isinstance(error, InsideLLMsError) else str(error)
        raise WrongCheckError(
            (*place, str(wrong)) if wrong in args else place, message, getattr(error, "fix", None)
        ) from error


def _stand_in(*_: object) -> bool:
    return False


def _listed(raw: JsonValue) -> Iterator[tuple[Place, JsonValue]]:
    if not isinstance(raw, list | tuple):
        raise WrongCheckError(("checks",), "must be a list of checks, such as [{type: contains, any: [yes]}]")
    return iter([(("checks", number), one) for number, one in enumerate(raw)])


def _named(checks: Iterable[NamedCheck], *, taken: Iterable[NamedCheck] = ()) -> tuple[NamedCheck, ...]:
    """Number the checks of one type that have no name. Raises WrongCheckError for a name given twice."""
    seen = {check.name for check in taken}
    named = []
    for number, check in enumerate(checks):
        if check.is_named and check.name in seen:
            raise WrongCheckError(("checks", number, "name"), f"there are two checks called {check.name!r}")
        names = (check.name, *(f"{check.name} {again}" for again in range(2, len(seen) + 3)))
        name = next(each for each in names if each not in seen)
        seen.add(name)
        named.append(msgspec.structs.replace(check, name=name))
    return tuple(named)


@functools.cache
def _version() -> str:
    """Name this probe's version and those of the probes that a check can be: a change of one may change verdicts."""
    versions = {name: getattr(probe_registry.get_factory(name), "version", "1") for name in PROBES if name != "checks"}
    return "; ".join(("1", *(f"{name} {version}" for name, version in sorted(versions.items()) if version != "1")))
