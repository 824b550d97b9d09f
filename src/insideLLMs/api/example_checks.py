"""Whether every example has what probes and prompts need of it: found before anything is asked."""

import itertools
from collections.abc import Callable, Mapping

from insideLLMs.core.errors import DatasetError
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
    for spec in experiment.probes:
        probe = probes[spec.id]
        if not isinstance(probe, PromptProbe) or type(probe).check_example is PromptProbe.check_example:
            continue
        used = {name: datasets[name] for name in spec.datasets}
        problems += complaints(f"probe {spec.id!r}", check_of(probe), used, _MOST_PROBLEMS)
    _raise_any(problems, "some examples cannot be scored", "fix the examples or the probe's args")


def check_prompts(prompts: Mapping[str, ReadyPrompt], datasets: Sources) -> None:
    """Ask each prompt whether each example has what it names; report up to 20 that have not."""
    problems: list[str] = []
    for name, prompt in prompts.items():
        problems += complaints(f"prompt {name!r}", prompt.missing, datasets, _MOST_PROBLEMS)
    _raise_any(problems, "some examples lack what a prompt names", "fix the prompt or the examples")


def check_of(probe: PromptProbe) -> Check:
    """Return how a probe says why it cannot score an example."""

    def check(example: Example) -> str | None:
        with calling_user_code(f"{probe.name}.check_example()"):
            return probe.check_example(example)

    return check


def complaints(of: str, check: Check, datasets: Sources, most: int) -> list[str]:
    """Return what `check` says of the examples, at most so many lines."""
    found = (
        f"  dataset {name!r}, example {example.id!r}: {of}: {complaint}"
        for name, source in datasets.items()
        for _, example in source.examples()
        if (complaint := check(example))
    )
    return list(itertools.islice(found, max(most, 0)))


def _raise_any(problems: list[str], told: str, fix: str) -> None:
    if problems:
        raise DatasetError(f"{told}:\n" + "\n".join(problems[:_MOST_PROBLEMS]), fix=f"{fix}; no call has been made yet")
