"""Answers scored by other models: on a rubric, or against a reference answer in both orders; alone or as a panel."""

import asyncio
import contextlib
import inspect
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from insideLLMs.core.arguments import non_negative, one_of, refuse
from insideLLMs.core.errors import ArgumentError, CassetteMissError, RequestRefusedError, TemplateError
from insideLLMs.core.experiment import ModelSpec
from insideLLMs.core.protocols import Ask, JudgedProbe
from insideLLMs.core.template import Template, template_of, values_of
from insideLLMs.core.types import Example, JsonValue, Request, Response, Scores, as_text
from insideLLMs.plugins import model_registry
from insideLLMs.probes.answer_parts import checked_part, find_part
from insideLLMs.probes.exact import shown
from insideLLMs.probes.judge_presets import CONTEXT, NOTHING, PRESETS, Preset, find_context, named_parts, shown_texts
from insideLLMs.probes.judge_prompts import PAIR_PROMPT, RUBRIC_PROMPT, as_data
from insideLLMs.scoring.json_values import Unparsed, objects_in
from insideLLMs.scoring.normalise import is_blank
from insideLLMs.scoring.ratings import Scale, grade, preference

MODES = ("rubric", "pairwise")
DEFAULT_RUBRIC = (
    "A good answer is right, answers the question that was asked, and keeps to every limit that the question sets. "
    "How long or how confident it is does not matter."
)

Asking = Callable[[str], Awaitable[str]]
"""How a judge is asked a prompt."""


def _form(key: str, kind: JsonValue) -> JsonValue:
    """Return the `response_format` for a reason and, under `key`, the judgement."""
    schema = {
        "type": "object",
        "properties": {"reason": {"type": "string"}, key: kind},
        "required": ["reason", key],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "judgement", "strict": True, "schema": schema}}


_FORMS = {
    "rubric": _form("score", {"type": "number"}),
    "pairwise": _form("better", {"type": "integer", "enum": [0, 1, 2]}),
}


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """What one judge says: a share of the scale (None where that cannot be read) and why."""

    share: float | None
    reason: str
    consistent: bool = True


class JudgeScoredProbe(JudgedProbe):
    """Let one model, or a panel of several, score the answers of another.

    Without `judges` the model of the run is the judge: each example brings the answer to judge, `given`, and a
    `label`, and those that come with the package do so. With them, the model's own answers are judged:
    `judges` is one model, ``{type: openai, args: {...}}`` and an `id` if need be, or a list of them: the panel's
    score is the median, and `agreement` the share of the judges that come to the same verdict. In `rubric` mode a
    judge grades on `scale` by `rubric`, a template that may name `expected` beside the example's fields, and that an
    example's own `rubric` takes the place of; it sees what is expected as a reference; an answer passes from
    `threshold` (on the scale) on. A rubric may name parts of the answer, ``{{ kept.sources }}``: the judge is shown
    them as data. `preset` is a ready rubric for answers from retrieved text, faithfulness, answer_relevance or
    context_recall: it shows question, context and answer and nothing else (the last one the right answer in place of
    the model's). The context is the part that `context` names, or the example's field of that name. In `pairwise` mode
    the answer is compared with the first expected one, asked in both orders: a verdict that changes with the order is a
    tie. The judges, their parameters, the rubric and the version of the prompts are part of the run's identity; their
    calls share its limits, retries, budget and cassettes. Where an example has a `label` (true or false, a person's
    verdict), `agrees` says whether the panel's is the same.

    Scores: `correct`; `score`, from 0 to 1; `agreement`; pairwise also `consistent`. A judgement that cannot be
    read is left out; if none can, the answer is not scored, which is an error of the trial.
    """

    kind: ClassVar[str] = "judge"
    version: ClassVar[str] = "5"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(
        ("correct", "score", "agreement", "agrees", "consistent"), (0.0, 1.0)
    )

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        name: str | None = None,
        *,
        judges: JsonValue = None,
        rubric: str | None = None,
        preset: str | None = None,
        context: str | None = None,
        mode: str = "rubric",
        scale: Sequence[float] | None = None,
        threshold: float | None = None,
    ) -> None:
        super().__init__(name or self.kind, self.kind, "Answers scored by other models.")
        one_of(self.kind, "mode", mode, MODES)
        self.preset = preset
        self._preset = self._read_preset(rubric, mode)
        if self._preset is not None:
            rubric, scale = self._preset.rubric, scale or self._preset.scale
            self.version = f"{type(self).version}; presets 2"  # type: ignore[misc] # 2: empty texts are no context
            threshold = max(scale) if threshold is None else threshold
        self.context = context if context is None else checked_part(self.kind, context, "context")
        rubric, scale = DEFAULT_RUBRIC if rubric is None else rubric, (1, 5) if scale is None else scale
        if not isinstance(rubric, str) or not rubric.strip():
            raise refuse(self.kind, "rubric", rubric, "the text by which to judge")
        if len(scale) != 2 or not scale[0] < scale[1]:
            raise refuse(self.kind, "scale", scale, "the lowest and the highest grade")
        self.judges = judges
        self.rubric = rubric
        text, self._parts = named_parts(rubric)
        self._rubric = template_of(text, "rubric")
        self.mode = mode
        self.scale = (float(scale[0]), float(scale[1]))
        self.threshold = non_negative(self.kind, "threshold", (sum(scale) / 2) if threshold is None else threshold)
        if judges is None and mode == "pairwise":
            raise refuse(self.kind, "mode", mode, "rubric, unless there are `judges`")
        self._judges = {} if judges is None else named_judges(judges)

    def _read_preset(self, rubric: str | None, mode: str) -> Preset | None:
        if self.preset is None:
            return None
        one_of(self.kind, "preset", self.preset, PRESETS)
        if rubric is not None or mode != "rubric":
            raise refuse(self.kind, "preset", self.preset, "left out beside `rubric` and `mode`, which it brings")
        return PRESETS[self.preset]

    @classmethod
    def dataset_for(cls, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        """Name the shipped answers to judge, for a model that is the judge."""
        preset = args.get("preset", "judge")
        return (f"data/{preset}.jsonl",) if args.get("judges") is None and preset in {"judge", *PRESETS} else ()

    def request(self, example: Example) -> Request:
        """Ask the example's question or, of a model that is the judge, to grade the answer given."""
        if self._judges:
            return example.request()
        shown = self._shown(example, {})
        assert not isinstance(shown, Unparsed)  # as its check_example found
        return Request.of(self._rubric_prompt(example, example.fields.get("given", ""), shown))

    def parts_read(self, example: Example) -> tuple[str, ...]:
        """Return the part that is judged, the one that holds the context, and those that the rubric names."""
        return tuple(part for part in (self.of, self.context, *self._named(example)) if part is not None)

    def lacking(self, example: Example, response: Response) -> str | None:
        """Say which context or part is not there that the judge is shown."""
        shown = self._shown(example, response.kept)
        return shown.why if isinstance(shown, Unparsed) else None

    def _named(self, example: Example) -> tuple[str, ...]:
        own = example.fields.get("rubric")
        return named_parts(own)[1] if isinstance(own, str) else self._parts

    def _shown(self, example: Example, kept: Mapping[str, JsonValue]) -> dict[str, str] | Unparsed:
        """Return what the judge is shown beside the answer, by name; or why that is not there."""
        context = find_context(example, kept, self.context) if self._preset or self.context else None
        shown = shown_texts(
            {"context": context, **{f"part {one}": find_part(kept, one) for one in self._named(example)}}
        )
        is_empty = self._grades_context and isinstance(shown, dict) and shown["context"] == NOTHING
        return Unparsed("the context is empty") if is_empty else shown

    @property
    def _grades_context(self) -> bool:
        return self._preset is not None and self._preset.grades_context

    def judge_models(self) -> Mapping[str, Any]:
        """Name the judges."""
        return self._judges

    def check_example(self, example: Example) -> str | None:
        """Say that there is nothing to judge, or to compare with."""
        given = example.fields.get("given")
        if not self._judges and not self._grades_context and not (isinstance(given, str) and given.strip()):
            return "nothing to judge: give the example an answer as `given`, or the probe `judges`"
        if self._judges and given is not None:
            return "it brings the answer to judge, `given`, which the probe's `judges` would not see; leave out one"
        if (self.mode == "pairwise" or self._grades_context) and not example.expected:
            return "nothing to compare with; give the example `expected`"
        if self._preset is not None and self._preset.needs_context and not (self.context or CONTEXT in example.fields):
            return "no context; give the example `context`, or the probe `context: PART`, a part of the answer"
        shown = None if self._judges else self._shown(example, {})
        if isinstance(shown, Unparsed):
            return f"{shown.why}; where the model is the judge there are no parts, and an empty context recalls nothing"
        return self._check_rubric(example)

    def _check_rubric(self, example: Example) -> str | None:
        own = example.fields.get("rubric")
        if own is not None and not (isinstance(own, str) and own.strip()):
            return "its `rubric` is no text; write the text by which to judge, or leave it out"
        try:
            self._rubric_of(example)
        except TemplateError as error:
            if own is None:
                raise error.of("rubric") from None
            return f"its `rubric`: {error.message} ({error.fix})"
        return None

    def _rubric_of(self, example: Example) -> str:
        """Return the rubric for one example: its own, or the probe's, filled in. Raises TemplateError."""
        own = example.fields.get("rubric")
        template = self._rubric if own is None else Template(named_parts(own)[0])
        values = values_of(example, template.names, **_expected(example))
        template.check_names(values)
        return template.render(values)

    async def score_with(self, example: Example, response: Response, judges: Mapping[str, Ask]) -> Scores:
        """Ask every judge, or take the response for the judgement, and sum up what can be read."""
        if not self._judges:
            return self._sum_up(example, [self._vote(example, response.text)])
        shown = self._shown(example, response.kept)
        if isinstance(shown, Unparsed) or (is_blank(response.text) and not self._grades_context):
            why = shown.why if isinstance(shown, Unparsed) else "the answer is empty"
            return _verdict(example, {"score": 0.0}, passed=False, why=why, details={})
        ask = self._compare if self.mode == "pairwise" else self._grade
        # every call is waited for, so that none goes on behind a trial that has failed
        asked = [ask(self._asking(name, judge), example, response.text, shown) for name, judge in judges.items()]
        votes: list[Vote] = []
        for vote in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(vote, BaseException):
                raise vote
            votes.append(vote)
        return self._sum_up(example, votes)

    def _sum_up(self, example: Example, votes: Sequence[Vote]) -> Scores:
        read = [(vote.share, vote) for vote in votes if vote.share is not None]
        if not read:
            raise ArgumentError(
                f"the judgement could not be read; the judge said {shown(votes[0].reason)}",
                fix="try a larger judge, give it more max_tokens, or ask for JSON with response_format",
            )
        share = statistics.median(score for score, _ in read)
        bar = 0.5 if self.mode == "pairwise" else (self.threshold - self.scale[0]) / (self.scale[1] - self.scale[0])
        passed = share >= bar - 1e-12
        same = sum((score >= bar - 1e-12) == passed for score, _ in read)
        values = {"score": share, "agreement": same / len(read)}
        if self.mode == "pairwise":
            values["consistent"] = sum(vote.consistent for _, vote in read) / len(read)
        details = {"votes": [score for score, _ in read], "unread": len(votes) - len(read)}
        return _verdict(example, values, passed=passed, why=read[0][1].reason[:300], details=details)

    def _asking(self, name: str, judge: Ask) -> Asking:
        """Return how one judge is asked: for JSON of the right form where its provider has a way to ask for that."""
        form = _FORMS[self.mode] if _takes_response_format(self._judges.get(name)) else None

        async def asking(prompt: str) -> str:
            if form is not None:
                with contextlib.suppress(RequestRefusedError, CassetteMissError):  # this model has it not: ask plainly
                    return (await judge(Request.of(prompt, response_format=form))).text
            return (await judge(Request.of(prompt))).text

        return asking

    async def _grade(self, judge: Asking, example: Example, answer: str, shown: Mapping[str, str]) -> Vote:
        return self._vote(example, await judge(self._rubric_prompt(example, answer, shown)))

    def _rubric_prompt(self, example: Example, answer: str, shown: Mapping[str, str]) -> str:
        expected = " or ".join(map(as_text, example.expected))
        answer = expected if self._grades_context else answer
        texts = {"Question": example.text}
        if expected and self._preset is None:
            texts["A right answer, for reference"] = expected
        texts |= {"Answer to grade": answer, **{f"The {name}": text for name, text in shown.items()}}
        low, high = (f"{end:g}" for end in self.scale)
        return RUBRIC_PROMPT.format(rubric=self._rubric_of(example), low=low, high=high, data=as_data(texts))

    def _vote(self, example: Example, said: str) -> Vote:
        low, high = self.scale
        given = grade(said, Scale.of(low, high, self._rubric_of(example)))
        return Vote(share=None if given is None else (given - low) / (high - low), reason=_reason(said))

    async def _compare(self, judge: Asking, example: Example, answer: str, shown: Mapping[str, str]) -> Vote:
        del shown  # two answers are compared by themselves
        other = as_text(example.expected[0])
        won = []
        said = ""
        for first, second, ours in ((answer, other, 1), (other, answer, 2)):
            data = as_data({"Question": example.text, "Answer 1": first, "Answer 2": second})
            said = await judge(PAIR_PROMPT.format(rubric=self._rubric_of(example), data=data))
            better = preference(said)
            if better is None:
                return Vote(share=None, reason=_reason(said))
            won.append(0.5 if better == 0 else float(better == ours))
        consistent = won[0] == won[1]
        return Vote(share=won[0] if consistent else 0.5, consistent=consistent, reason=_reason(said))


def _expected(example: Example) -> dict[str, JsonValue]:
    """Return what is expected as one text, for a rubric to name; nothing where the example has a field of that name."""
    if not example.expected or "expected" in example.fields:
        return {}
    return {"expected": " or ".join(map(as_text, example.expected))}


def _takes_response_format(judge: object) -> bool:
    """Whether a judge's provider can be asked for JSON, and the experiment has not said how itself."""
    if not isinstance(judge, ModelSpec) or not model_registry.is_registered(judge.type):
        return False
    taken = inspect.signature(model_registry.get_factory(judge.type)).parameters
    return "response_format" in taken and "response_format" not in judge.args


def named_judges(given: JsonValue, owner: str = "judge", argument: str = "judges") -> dict[str, Any]:
    """Name the models that a probe asks: a ModelSpec of each ``{type, args, id}``, or the ready model itself."""
    named: dict[str, Any] = {}
    for one in given if isinstance(given, list | tuple) else [given]:
        judge = _spec(one) if isinstance(one, Mapping) else one
        if judge is None or isinstance(judge, str | int | float):
            raise refuse(owner, argument, one, "{type: PROVIDER, args: {...}}, or a list of them")
        name = judge.id if isinstance(judge, ModelSpec) else type(judge).__name__
        if name in named and isinstance(judge, ModelSpec):
            raise refuse("judge", "judges", name, "judges that differ in `id`, for two with one model's name")
        named[name if name not in named else f"{name} {len(named) + 1}"] = judge
    if not named:
        raise refuse("judge", "judges", given, "at least one provider with its arguments")
    return named


def _spec(given: Mapping[str, Any]) -> ModelSpec | None:
    kind, args, name = given.get("type"), given.get("args", {}), given.get("id")
    if not isinstance(kind, str) or not isinstance(args, Mapping) or set(given) - {"type", "args", "id"}:
        return None
    short, model = kind.rpartition(":")[2], args.get("model_name")
    return ModelSpec(type=kind, id=str(name or (f"{short}/{model}" if model else short)), args=dict(args))


def _verdict(
    example: Example, values: Mapping[str, float], *, passed: bool, why: str, details: dict[str, JsonValue]
) -> Scores:
    """Give the verdict, and say whether it is the person's, where the example has one."""
    label = example.fields.get("label")
    agrees = {"agrees": float(passed is label)} if isinstance(label, bool) else {}
    return Scores(
        values={"correct": float(passed), **values, **agrees}, passed=passed, explanation=why, details=details
    )


def _reason(said: str) -> str:
    """Return the reason that a judgement's JSON gives, or all of it where it gives none."""
    reasons = [str(item["reason"]) for _, item in objects_in(said) if "reason" in item]
    return reasons[-1] if reasons else said.strip()
