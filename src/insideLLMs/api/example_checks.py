"""Whether every example has what probes and prompts need of it: found before anything is asked."""

import itertools
from collections.abc import Callable, Mapping

from insideLLMs.core.errors import ConfigError, DatasetError, Problem, TemplateError
from insideLLMs.core.protocols import Probe, PromptProbe
from insideLLMs.core.types import Example, Experiment
from insideLLMs.core.user_code import calling_user_code
from insideLLMs.execute.ready_prompt import ReadyPrompt
from insideLLMs.execute.work import ExampleSource

_MOST_PROBLEMS = 20
Check = Callable[[Example], str | None]
"""Says what is wrong with an example; None if nothing is."""
Sources = Mapping[str, ExampleSource]


def check_examples(experiment: Experiment, probes: Mapping[str, Probe], datasets: Sources) -> None:
    """Ask each probe whether it can score each example; report up to 20 that it cannot."""
    problems: list[str] = []
    unfilled: list[Problem] = []
    for place, spec in enumerate(experiment.probes):
        probe = probes[spec.id]
        if not isinstance(probe, PromptProbe) or type(probe).check_example is PromptProbe.check_example:
            continue
        used = {name: datasets[name] for name in spec.datasets}
        try:
            problems += complaints(f"probe {spec.id!r}", check_of(probe), used, _MOST_PROBLEMS)
        except TemplateError as error:
            unfilled.append(_at(f"probes[{place}].args", error))
    _raise_unfilled(unfilled)
    if problems:
        raise DatasetError(
            "some examples cannot be scored:\n" + "\n".join(problems[:_MOST_PROBLEMS]),
            fix="fix the examples or the probe's args; no call has been made yet",
        )


def check_prompts(prompts: Mapping[str, ReadyPrompt], datasets: Sources) -> None:
    """Fill each prompt from each example once. Raises ConfigError for those that cannot be."""
    unfilled: list[Problem] = []
    for place, (name, prompt) in enumerate(prompts.items()):
        try:
            complaints(f"prompt {name!r}", prompt.check, datasets, 1)
        except TemplateError as error:
            unfilled.append(_at(f"prompts[{place}]", error))
    _raise_unfilled(unfilled)


def check_of(probe: PromptProbe) -> Check:
    """Return how a probe says why it cannot score an example."""

    def check(example: Example) -> str | None:
        with calling_user_code(f"{probe.name}.check_example()"):
            return probe.check_example(example)

    return check


def complaints(of: str, check: Check, datasets: Sources, most: int) -> list[str]:
    """Return what `check` says of the examples, at most so many lines.

    Raises the first TemplateError that it raises, with the example in its message.
    """
    found = (
        f"  dataset {name!r}, example {example.id!r}: {of}: {complaint}"
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


def _at(holder: str, error: TemplateError) -> Problem:
    return Problem(error.message, field=f"{holder}.{error.argument}", line=error.line, hint=error.fix)


def _raise_unfilled(problems: list[Problem]) -> None:
    if problems:
        raise ConfigError(problems, fix="no call has been made yet")
