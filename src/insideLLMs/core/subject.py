"""What is under test: a model with a prompt, and the one place that says what people call it."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

SEPARATOR = " · "
"""Stands between the model and the prompt, and in no prompt's id."""


class Subject(NamedTuple):
    """A model of a run with one of its prompts; None where the run has no prompts."""

    model: str
    prompt: str | None = None

    @property
    def label(self) -> str:
        """What tables, pages and files call it: the model, then the prompt if there is one."""
        return self.model if self.prompt is None else f"{self.model}{SEPARATOR}{self.prompt}"

    @property
    def words(self) -> str:
        """What a message calls it."""
        prompt = "" if self.prompt is None else f", prompt {self.prompt!r}"
        return f"model {self.model!r}{prompt}"

    @property
    def order(self) -> tuple[str, str]:
        """Its place among the subjects of a run, which is that of its records."""
        return (self.model, self.prompt or "")


def label_in(result: Mapping[str, Any]) -> str:
    """Return the label of the subject that a part of a parsed summary names."""
    return Subject(result["model"], result.get("prompt")).label


def cross(models: Iterable[str], prompts: Iterable[str]) -> tuple[Subject, ...]:
    """Return every model with every prompt, models first; the models alone where there are no prompts."""
    named: tuple[str | None, ...] = tuple(prompts) or (None,)
    return tuple(Subject(model, prompt) for model in models for prompt in named)


def in_order(subjects: Iterable[Subject]) -> tuple[Subject, ...]:
    """Return subjects as records are sorted."""
    return tuple(sorted(subjects, key=lambda subject: subject.order))
