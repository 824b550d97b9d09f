"""Whether every example has what probes and prompts need of it: found before anything is asked."""

import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from insideLLMs.config.shape import suggestion
from insideLLMs.core.errors import ConfigError, DatasetError, Problem, TemplateError
from insideLLMs.core.experiment import Experiment, ProbeSpec
from insideLLMs.core.protocols import ConversingProbe, PromptProbe
from insideLLMs.core.template import Template
from insideLLMs.core.types import Example
from insideLLMs.core.user_code import calling_user_code
from insideLLMs.datasets.dataset import find_lines
from insideLLMs.datasets.examples import is_asked_in_conversation
from insideLLMs.datasets.source import shown
from insideLLMs.execute.work import ExampleSource, Work

_MOST_PROBLEMS = 20
Check = Callable[[Example], str | None]
"""Says what is wrong with an example; None if nothing is."""
Sources = Mapping[str, ExampleSource]


def check_examples(work: Work, experiment: Experiment) -> None:
    """Fill every template from every example once, and ask each probe whether it can score each example.

    Raises ConfigError for templates that cannot be filled, with the first example of each, or DatasetError for up to
    20 examples that cannot be scored.
    """
    problems: list[ExampleProblem] = []
    unfilled: list[Problem] = []
    for holder, of, check, names in _checks(work, experiment):
        try:
            problems += complaints(of, check, {name: work.datasets[name] for name in names}, _MOST_PROBLEMS)
        except TemplateError as error:
            unfilled.append(Problem(error.message, f"{holder}.{error.argument}", line=error.line, hint=error.fix))
    if unfilled:
        raise ConfigError(unfilled, fix="no call has been made yet")
    if problems:
        raise DatasetError(
            "some examples cannot be scored:\n" + "\n".join(_placed(problems[:_MOST_PROBLEMS], experiment)),
            fix="fix the examples or the probe's args; no call has been made yet",
        )
    _check_inputs(work, experiment)
    _check_scores(work, experiment)
    _check_parts(work, experiment)


def _check_inputs(work: Work, experiment: Experiment) -> None:
    """Raise DatasetError where the first example has what a conversation takes for an input, and a probe holds none."""
    named = {dataset.name for dataset in experiment.datasets if "input" in dataset.field_names}
    for spec in experiment.probes:
        if isinstance(work.probes[spec.id], ConversingProbe):
            continue
        for name in sorted({*spec.datasets} - named):
            example = next((example for _, example in work.datasets[name].examples()), None)
            if example is not None and is_asked_in_conversation(example):
                why = f"has no input but its `turns` or `goal`, and probe {spec.id!r} holds no conversation"
                raise DatasetError(
                    ExampleProblem(name, example.id, why).in_words,
                    fix="use the probe conversation, or name the field that is the input: field_names: {input: NAME}",
                )


def _check_parts(work: Work, experiment: Experiment) -> None:
    """Raise ConfigError for a part that a probe reads and a model does not keep, where it is known what it keeps."""
    read = [(place, of) for place, spec in enumerate(experiment.probes) for of in _parts_read(work, spec)]
    if not read:
        return
    from insideLLMs.probes.answer_parts import names_part  # noqa: PLC0415 - most probes read no part

    problems = []
    for place, of in read:
        for model in experiment.models:
            keeps: frozenset[str] | None = getattr(work.models[model.id].model, "keeps", None)
            if keeps is not None and not names_part(of, keeps):
                kept = ", ".join(sorted(keeps)) or "no parts"
                message = f"the part {of!r} of the answer is read, but model {model.id!r} keeps {kept}"
                hint = suggestion(of, sorted(keeps)) or f"store the part in the model: keep: {{{of}: $.{of}}}"
                problems.append(Problem(message, f"probes[{place}].args", hint=hint))
    if problems:
        raise ConfigError(problems[:_MOST_PROBLEMS], fix="no call has been made yet")


def _parts_read(work: Work, spec: ProbeSpec) -> list[str]:
    """Return what a probe reads beside the text; only some have to be asked for each example."""
    probe = work.probes[spec.id]
    if not isinstance(probe, PromptProbe):
        return []
    if type(probe).parts_read is PromptProbe.parts_read:
        return [] if probe.of is None else [probe.of]
    examples = (example for name in spec.datasets for _, example in work.datasets[name].examples())
    return list(dict.fromkeys(of for example in examples for of in probe.parts_read(example)))


def _check_scores(work: Work, experiment: Experiment) -> None:
    """Raise ConfigError for a score that the gate names and no check of any example is called by.

    Only the probe `checks` names scores by example; the others' are known when the experiment is loaded. Of a part of
    the examples nothing can be told.
    """
    if experiment.part is not None or experiment.max_examples is not None:
        return
    gate, problems = experiment.gate, []
    rules = [("gate", gate.min_score, experiment.probes)]
    for spec in experiment.probes:
        own = gate.probes.get(spec.id)
        if own is not None and own.min_score:
            rules.append((f"gate.probes.{spec.id}", own.min_score, (spec,)))
    for place, wanted, specs in rules:
        known = _scores_of(work, specs) if wanted else None
        if known is None:
            continue
        for name in wanted:
            if name not in known:
                field = f"{place}.min_score.{name}"
                problems.append(Problem(f"there is no score {name!r}", field, hint=suggestion(name, sorted(known))))
    if problems:
        raise ConfigError(problems, fix="no call has been made yet")


def _scores_of(work: Work, specs: Iterable[ProbeSpec]) -> set[str] | None:
    """Return the scores that probes give over their examples; None where one of them may give any."""
    known: set[str] = set()
    for spec in specs:
        probe = work.probes[spec.id]
        named: Callable[[Example], frozenset[str]] | None = getattr(probe, "named_scores", None)
        if not type(probe).__module__.startswith("insideLLMs.") or (probe.open_scores and named is None):
            return None
        known.update(probe.score_ranges)
        if named is not None:
            for name in spec.datasets:
                known.update(*(named(example) for _, example in work.datasets[name].examples()))
    return known


def _checks(work: Work, experiment: Experiment) -> Iterator[tuple[str, str, Check, Collection[str]]]:
    """Yield what holds a template and what checks it: its place, its name, the check, and the datasets to check."""
    for place, model in enumerate(experiment.models):
        ready = work.models[model.id]
        own: Check | None = getattr(ready.model, "check_example", None)
        if own is not None:
            yield f"models[{place}].args", f"model {model.id!r}", own, work.datasets
        if ready.system is not None and ready.system.needs_check:
            yield (
                f"models[{place}]",
                f"model {model.id!r}",
                functools.partial(_check_system, ready.system),
                work.datasets,
            )
    for place, prompt in enumerate(experiment.prompts):
        yield f"prompts[{place}]", f"prompt {prompt.id!r}", work.prompts[prompt.id].check, work.datasets
    for place, spec in enumerate(experiment.probes):
        probe = work.probes[spec.id]
        for name, judge in work.judges.get(spec.id, {}).items():
            own = getattr(judge.model, "check_example", None)
            if own is not None:
                yield f"probes[{place}].args.judges", f"judge {name!r}", own, spec.datasets
        if isinstance(probe, PromptProbe) and type(probe).check_example is not PromptProbe.check_example:
            yield f"probes[{place}].args", f"probe {spec.id!r}", check_of(probe), spec.datasets


def _check_system(system: Template, example: Example) -> None:
    try:
        system.check(example)
    except TemplateError as error:
        raise error.of("system") from None


def check_of(probe: PromptProbe) -> Check:
    """Return how a probe says why it cannot score an example."""

    def check(example: Example) -> str | None:
        with calling_user_code(f"{probe.name}.check_example()"):
            return probe.check_example(example)

    return check


class ExampleProblem(NamedTuple):
    """What is wrong with an example."""

    dataset: str
    example_id: str
    problem: str

    @property
    def in_words(self) -> str:
        """The whole in one line."""
        return f"dataset {self.dataset!r}, example {self.example_id!r}: {self.problem}"


def _placed(problems: list[ExampleProblem], experiment: Experiment) -> Iterator[str]:
    """Yield a line for each problem, with the example's line in its file where that has lines."""
    places: dict[tuple[str, str], str] = {}
    for spec in experiment.datasets:
        ids = {one.example_id for one in problems if one.dataset == spec.name}
        if ids and spec.path is not None:
            lines = find_lines(spec, ids)
            places.update({(spec.name, one): f"{shown(Path(spec.path))}:{line}: " for one, line in lines.items()})
    yield from (f"  {places.get((one.dataset, one.example_id), '')}{one.in_words}" for one in problems)


def complaints(of: str, check: Check, datasets: Sources, most: int) -> list[ExampleProblem]:
    """Return what `check` says of the examples, at most so many lines.

    Raises the first TemplateError that it raises, with the example in its message.
    """
    found = (
        ExampleProblem(name, example.id, f"{of}: {complaint}")
        for name, source in datasets.items()
        for _, example in source.examples()
        if (complaint := _checked(check, name, example))
    )
    return list(itertools.islice(found, max(most, 0)))


def _checked(check: Check, dataset: str, example: Example) -> str | None:
    try:
        return check(example)
    except TemplateError as error:
        error.message = f"dataset {dataset!r}, example {example.id!r}: {error.message}"
        raise
