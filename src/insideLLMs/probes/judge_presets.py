"""Ready rubrics for answers written from retrieved text, and what a judge is shown beside the answer."""

import re
from collections.abc import Mapping

import msgspec

from insideLLMs.core.types import Example, JsonValue
from insideLLMs.probes.answer_parts import find_part, plain_text
from insideLLMs.scoring.json_values import Parsed, Unparsed

CONTEXT = "context"
"""The field of an example that holds what was retrieved for it, where no part of the answer does."""
NOTHING = "(there is none)"
_NAMED_PART = re.compile(r"\{\{-?\s*kept(\.[^\s{}|]+|\[[^{}|]+\][^\s{}|]*)\s*-?\}\}")


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """A rubric with its scale; an answer passes with the highest grade.

    One that `grades_context` shows the right answer, which an example expects, in place of the model's.
    """

    rubric: str
    scale: tuple[float, float] = (0, 2)
    needs_context: bool = True
    grades_context: bool = False


PRESETS: Mapping[str, Preset] = {
    "faithfulness": Preset(
        rubric=(
            "Is the answer faithful to the context below? Take each claim that the answer makes. A claim is supported "
            "if the context says it, or if it follows from what the context says, whatever language either is in. "
            "Whether a claim is true does not matter: what the context does not say is not supported. To say that the "
            "context does not tell is no claim.\n"
            "Grade 2 if every claim is supported, or no claim is made. Grade 1 if some claims are supported, and the "
            "others are missing from the context. Grade 0 if a claim contradicts the context, or none is supported."
        ),
    ),
    "answer_relevance": Preset(
        rubric=(
            "Does the answer address the question? Whether it is right does not matter, and neither do its length, its "
            "tone and its language.\n"
            "Grade 2 if it answers all that was asked, or says plainly that the documents do not tell. Grade 1 if it "
            "answers a part of it. Grade 0 if it answers another question, evades, refuses without a cause, or only "
            "repeats the question."
        ),
        needs_context=False,
    ),
    "context_recall": Preset(
        rubric=(
            "The answer below is known to be right. Grade the context, not the answer: does the context hold what one "
            "needs to give this answer? Take each statement of the answer, whatever language either is in. What "
            "follows from the context is in it; what you know from elsewhere is not.\n"
            "Grade 2 if every statement of the answer is in the context. Grade 1 if some are. Grade 0 if none is, or "
            "if the context contradicts the answer."
        ),
        grades_context=True,
    ),
}


def named_parts(rubric: str) -> tuple[str, tuple[str, ...]]:
    """Return a rubric in which the parts that it names as ``{{ kept.sources }}`` are referred to, and their paths.

    The parts themselves are shown to the judge as data: what an application returns is never part of the rubric.
    """
    paths = tuple(dict.fromkeys(found.removeprefix(".") for found in _NAMED_PART.findall(rubric)))
    return _NAMED_PART.sub(lambda found: f"the part {found[1].removeprefix('.')} below", rubric), paths


def find_context(example: Example, kept: Mapping[str, JsonValue], part: str | None) -> Parsed | Unparsed | None:
    """Return what was retrieved: a part of the answer, else the example's field; None where neither is named."""
    if part is not None:
        return find_part(kept, part)
    return Parsed(example.fields[CONTEXT]) if CONTEXT in example.fields else None


def shown_texts(found: Mapping[str, Parsed | Unparsed | None]) -> dict[str, str] | Unparsed:
    """Return what a judge is shown, by name; what is there and empty says so. Or why something is not there."""
    shown: dict[str, str] = {}
    for name, one in found.items():
        if isinstance(one, Unparsed):
            return one
        if one is not None:
            shown[name] = numbered(one.value).strip() if _has_text(one.value) else NOTHING
    return shown


def _has_text(value: JsonValue) -> bool:
    """Whether something was retrieved: an empty text is no source, alone, in a list or beside its id."""
    from insideLLMs.scoring.citations import read_sources  # noqa: PLC0415 - only judges that read parts need it

    return bool(read_sources(value))


def numbered(sources: JsonValue) -> str:
    """Write sources for a judge: several with their number, from 1, or with their id."""
    if isinstance(sources, Mapping):
        named = [(str(name), source) for name, source in sorted(sources.items())]
    elif isinstance(sources, list | tuple):
        named = [(str(number), source) for number, source in enumerate(sources, 1)]
    else:
        return plain_text(sources)
    return "\n\n".join(f"[{name}] {plain_text(source)}" for name, source in named)
