"""All damages: a name, a sentence, a function. A new one is a row here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from insideLLMs.core.types import Response
from insideLLMs.scoring.damages.answer import IntactAnswer
from insideLLMs.scoring.damages.numbers import change_number
from insideLLMs.scoring.damages.structure import break_json, change_argument, drop_call, shorten, swap, truncate
from insideLLMs.scoring.damages.wording import hedge, negate, pad, refuse, switch_language


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A fault that answers can have.

    `plural` is how a report names answers that have it. `apply` returns the damaged response, None where it does not
    apply. `may_be_harmless` is whether an answer that comes to the same for its probe is none the worse for it.
    """

    name: str
    sentence: str
    plural: str
    apply: Callable[[IntactAnswer], Response | None]
    may_be_harmless: bool = False


DAMAGES: Mapping[str, Damage] = {
    damage.name: damage
    for damage in (
        Damage(
            name="negated",
            sentence="Each sentence says the opposite (English; of a label such as yes its counterpart).",
            plural="negated answers",
            apply=negate,
        ),
        Damage(
            name="number",
            sentence="One number is another one, in the same form.",
            plural="swapped numbers",
            apply=change_number,
            may_be_harmless=True,
        ),
        Damage(
            name="truncated",
            sentence="The answer stops in the middle.",
            plural="truncated answers",
            apply=truncate,
            may_be_harmless=True,
        ),
        Damage(
            name="shortened",
            sentence="The last of its sentences is missing.",
            plural="answers without their last sentence",
            apply=shorten,
            may_be_harmless=True,
        ),
        Damage(
            name="refused",
            sentence="The model refuses.",
            plural="refusals",
            apply=refuse,
        ),
        Damage(
            name="swapped",
            sentence="It is another example's answer.",
            plural="answers to other examples",
            apply=swap,
            may_be_harmless=True,
        ),
        Damage(
            name="tool-dropped",
            sentence="A tool call is missing.",
            plural="missing tool calls",
            apply=drop_call,
        ),
        Damage(
            name="tool-argument",
            sentence="A tool call has another argument.",
            plural="wrong arguments of tools",
            apply=change_argument,
        ),
        Damage(
            name="json",
            sentence="Its JSON lacks a bracket.",
            plural="broken JSON",
            apply=break_json,
        ),
        Damage(
            name="language",
            sentence="A fixed sentence of another language, with the same numbers and names.",
            plural="answers in another language",
            apply=switch_language,
        ),
        Damage(
            name="hedged",
            sentence="The same, but unsure of itself (English).",
            plural="hedged answers",
            apply=hedge,
        ),
        Damage(
            name="padded",
            sentence="The same, among many words that say nothing.",
            plural="padded answers",
            apply=pad,
            may_be_harmless=True,
        ),
    )
}
"""The closed set, by name, in the order of a report."""
