"""Several checks of one answer: each a probe of its own, named in the experiment or in the example itself."""

import asyncio
import functools
import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.arguments import non_negative, refuse
from insideLLMs.core.chat_template import prompt_template
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.protocols import Ask, JudgedProbe, PromptProbe
from insideLLMs.core.types import Example, JsonValue, Request, Response, Scores, expand
from insideLLMs.plugins import PROBES, probe_registry
from insideLLMs.probes.answer_parts import PARTS_VERSION
from insideLLMs.probes.judge import named_judges
from insideLLMs.probes.named_check import CheckResult, NamedCheck, Place, WrongCheckError, read_check

_MOST_KEPT = 10_000
_ROUNDING = 1e-9
"""How far a sum of weights may be off: a tenth and two tenths are three tenths."""


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
    reads_part: ClassVar = "none"  # each check says for itself what it reads

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
        return self._sum_up(tuple(check.score(example, response) for check in self.checks_of(example)))

    def lacking(self, example: Example, response: Response) -> str | None:
        """Say what one of the checks that count would look at, and is not there."""
        counted = (check for check in self.checks_of(example) if check.weight > 0)
        lacks = ((check.name, check.lacking(example, response)) for check in counted)
        return next((f"{name}: {lack}" for name, lack in lacks if lack), None)

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

    def parts_read(self, example: Example) -> tuple[str, ...]:
        """Return the parts that its checks read. Raises WrongCheckError."""
        return tuple(of for check in self.checks_of(example) for of in check.probe.parts_read(check.example(example)))

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
        asked = (check.score_with(example, response, judges) for check in checks)
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
    changed = (f"{name} {version}" for name, version in sorted(versions.items()) if version != "1")
    return "; ".join(("3", *changed, PARTS_VERSION))
