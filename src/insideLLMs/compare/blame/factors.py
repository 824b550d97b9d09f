"""In what two experiments differ, as factors that can be applied one by one to the baseline's experiment.

A model's address, key, headers and code are one factor, and so are those of a probe: no mixture may send the key of
one experiment to the address of the other.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from insideLLMs.compare.blame.hunks import Hunks
from insideLLMs.compare.differences.identities import differences
from insideLLMs.core.experiment import SAMPLING, ModelSpec, ProbeSpec, PromptSpec, Spec
from insideLLMs.core.types import Example, JsonValue, Message

Kind = Literal["prompt", "parameter", "model", "tools", "probe", "judge", "dataset"]
Pieces = Mapping[str, object]
"""What a member of an experiment is made of, by what people call it; each piece changes by itself."""
Made = TypeVar("Made")
_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls", "response_format"})
_JUDGES = frozenset({"judges", "rubric", "scale", "mode"})
_REACHING = ("base_url", "url", "proxy", "command", "env", "api_key_env", "headers", "environment")
_SYSTEM, _MODEL, _PROBE, _PROMPT = "system prompt", "model", "probe", "prompt"
_TOLD_LETTERS = 300


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in which the experiments differ: its kind, what people call it, and what changed."""

    kind: Kind
    name: str
    change: str


@dataclass(frozen=True, slots=True)
class MixedPart:
    """One member of the experiment in both versions; `numbers` are those of its factors, by piece and hunk."""

    before: Pieces
    after: Pieces
    numbers: dict[tuple[str, int], int] = field(default_factory=dict)

    def mixed(self, applied: Collection[int]) -> Pieces:
        """Return the pieces with some factors applied."""
        return {name: self._mixed(name, applied) for name in self.before}

    def _mixed(self, name: str, applied: Collection[int]) -> object:
        before, after = self.before[name], self.after[name]
        mine = {hunk for (piece, hunk), number in self.numbers.items() if piece == name and number in applied}
        if isinstance(before, str) and isinstance(after, str) and before != after:
            return Hunks.of(before, after).mixed(mine)
        return after if mine else before

    @property
    def factors(self) -> tuple[int, ...]:
        """The numbers of what changed in this part."""
        return tuple(self.numbers.values())


class Factors:
    """Numbers the factors of parts as these are added; a part that was there before is the same."""

    def __init__(self) -> None:
        self.all: list[Factor] = []
        self._parts: dict[tuple[str, ...], MixedPart] = {}
        self._numbers: dict[tuple[tuple[str, ...], str, int], int] = {}

    def part(self, scope: tuple[str, ...], title: str, before: Pieces, after: Pieces) -> MixedPart:
        """Return a member of the experiment with the numbers of its factors, under a title where there are several."""
        known = self._parts.get(scope)
        if known is None or (known.before, known.after) != (before, after):  # of one dataset, each example has its own
            known = self._parts[scope] = MixedPart(before, after, self._numbered(scope, title, before, after))
        return known

    def _numbered(
        self, scope: tuple[str, ...], title: str, before: Pieces, after: Pieces
    ) -> dict[tuple[str, int], int]:
        found = {}
        for name in before:
            if before[name] != after[name]:
                for hunk, told in enumerate(_told(before[name], after[name], whole=scope[0] == "dataset")):
                    found[name, hunk] = self._number((scope, name, hunk), title, told)
        return found

    def _number(self, key: tuple[tuple[str, ...], str, int], title: str, told: "_Told") -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self.all)
            scope, piece, _ = key
            name = f"{title}{piece}{told.suffix}"
            self.all.append(Factor(kind=_kind(scope[0], piece), name=name, change=told.change[:_TOLD_LETTERS]))
        return self._numbers[key]


@dataclass(frozen=True, slots=True)
class _Told:
    suffix: str
    change: str


def _told(before: object, after: object, *, whole: bool) -> list[_Told]:
    if isinstance(before, str) and isinstance(after, str) and not whole:
        hunks = Hunks.of(before, after)
        count = len(hunks.hunks) or 1
        suffix = "" if count == 1 else ", hunk {} of " + str(count)
        texts = [hunks.in_words(number) for number in range(len(hunks.hunks))] or ["other white space"]
        return [_Told(suffix.format(number), text) for number, text in enumerate(texts, start=1)]
    if whole:
        return [_Told("", "edited")]
    moves = differences({"": _plain(before)}, {"": _plain(after)})
    return [_Told("", "; ".join(move.lstrip(". ") for move in moves))]


def _plain(piece: object) -> object:
    """Return what an argument holds, None where it is not there, and any other piece as JSON."""
    if isinstance(piece, tuple) and len(piece) < 2:
        return piece[0] if piece else None
    return msgspec.to_builtins(piece)


def _kind(member: str, piece: str) -> Kind:
    if member == "dataset":
        return "dataset"
    if member == "probe":
        return "judge" if piece in _JUDGES else "probe"
    if member == "prompt" or piece == _SYSTEM:
        return "prompt"
    return "model" if piece == _MODEL else "tools" if piece in _TOOLS else "parameter"


# Each member as its pieces, and back. A pair is cut together: what stands by itself on one side does on the other.


def model_pieces(before: ModelSpec, after: ModelSpec) -> tuple[Pieces, Pieces]:
    """Cut two models into what they reach, their sampling arguments and tools, and their system prompts."""
    names = sorted({name for spec in (before, after) for name in spec.args})
    alone = [name for name in names if all(_stands_alone(spec, name) for spec in (before, after))]
    return _model_pieces(before, alone), _model_pieces(after, alone)


def _model_pieces(spec: ModelSpec, alone: Collection[str]) -> Pieces:
    reach = {name: value for name, value in spec.args.items() if name not in alone}
    return {
        _SYSTEM: spec.system or "",
        **{name: _argument(spec.args, name) for name in alone},
        _MODEL: {"type": spec.type, **({"args": reach} if reach else {})},
    }


def _stands_alone(spec: ModelSpec, name: str) -> bool:
    if "${" in str(spec.args.get(name)):
        return False
    return spec.type == "dummy" or name in SAMPLING or name in _TOOLS


def _argument(args: Mapping[str, JsonValue], name: str) -> object:
    """Wrap an argument: its text is then not cut into hunks as a prompt is, and a missing one differs from null."""
    return (args[name],) if name in args else ()


def made_model(pieces: Pieces, like: ModelSpec) -> ModelSpec:
    """Put a model together; it is called as `like` is."""
    reach = _as(pieces[_MODEL], dict[str, JsonValue])
    args = {**_as(reach.get("args", {}), dict[str, JsonValue]), **_arguments(pieces, {_SYSTEM, _MODEL})}
    system = _as(pieces[_SYSTEM], str)
    return ModelSpec(type=_as(reach["type"], str), id=like.id, args=args, system=system or None)


def _arguments(pieces: Pieces, others: Collection[str]) -> dict[str, JsonValue]:
    alone = {name: _as(piece, tuple[JsonValue, ...]) for name, piece in pieces.items() if name not in others}
    return {name: value[0] for name, value in alone.items() if value}


def _as(value: object, kind: type[Made]) -> Made:
    """Return a piece as what it was made of."""
    return msgspec.convert(value, kind)


def probe_pieces(before: ProbeSpec, after: ProbeSpec) -> tuple[Pieces, Pieces]:
    """Cut two probes into their arguments; one that reaches out, or is of another type, is one piece."""
    both = (before, after)
    if before.type != after.type or any(_reaches_out(spec) for spec in both):
        whole = tuple({_PROBE: {"type": spec.type, "args": dict(spec.args)}} for spec in both)
        return whole[0], whole[1]
    names = sorted({name for spec in both for name in spec.args})
    cut = tuple({name: _argument(spec.args, name) for name in names} for spec in both)
    return cut[0], cut[1]


def _reaches_out(spec: Spec) -> bool:
    own = {name: value for name, value in spec.args.items() if name != "judges"}
    return any(name in _REACHING for name in own) or "${" in str(own) or ".py:" in str(own)


def made_probe(pieces: Pieces, like: ProbeSpec) -> ProbeSpec:
    """Put a probe together; it is called as `like` is."""
    if _PROBE in pieces:
        whole = _as(pieces[_PROBE], dict[str, JsonValue])
        return ProbeSpec(type=_as(whole["type"], str), id=like.id, args=_as(whole["args"], dict[str, JsonValue]))
    return ProbeSpec(type=like.type, id=like.id, args=_arguments(pieces, ()))


def prompt_pieces(before: PromptSpec | None, after: PromptSpec | None) -> tuple[Pieces, Pieces]:
    """Cut two prompts into their texts; a prompt of another shape is one piece."""
    if before is None or after is None or _shape(before) != _shape(after):
        return {_PROMPT: before}, {_PROMPT: after}
    return _prompt_pieces(before), _prompt_pieces(after)


def _shape(spec: PromptSpec) -> tuple[object, ...]:
    plain = all(isinstance(turn.content, str) for turn in spec.chat)
    roles = tuple(turn.role for turn in spec.chat)
    return (spec.template is None, spec.constant, spec.system is None, roles if plain else spec.chat)


def _prompt_pieces(spec: PromptSpec) -> Pieces:
    texts = {_title(at, len(spec.chat), turn): turn.text for at, turn in enumerate(spec.chat)}
    return {**texts, _SYSTEM: spec.system or ""}


def _title(at: int, count: int, turn: Message) -> str:
    return "template" if count == 1 else f"message {at + 1} ({turn.role})"


def made_prompt(pieces: Pieces, like: PromptSpec | None) -> PromptSpec | None:
    """Put a prompt together."""
    if _PROMPT in pieces:
        return _as(pieces[_PROMPT], PromptSpec | None)  # type: ignore[arg-type] # a union is no type to mypy
    assert like is not None
    texts = [_as(pieces[_title(at, len(like.chat), turn)], str) for at, turn in enumerate(like.chat)]
    system = None if like.system is None else _as(pieces[_SYSTEM], str)
    if like.template is not None:
        return msgspec.structs.replace(like, template=texts[0], system=system)
    turns = tuple(msgspec.structs.replace(turn, content=text) for turn, text in zip(like.messages, texts, strict=True))
    return msgspec.structs.replace(like, messages=turns, system=system)


_INPUT, _EXPECTED, _FIELDS = "inputs", "what is expected", "other fields"


def example_pieces(example: Example) -> Pieces:
    """Cut an example into what is asked, what is expected, and whatever else it came with."""
    return {_INPUT: (example.input,), _EXPECTED: example.expected, _FIELDS: example.fields}


def made_example(pieces: Pieces, like: Example) -> Example:
    """Put an example together; it keeps the id of `like`."""
    (asked,) = _as(pieces[_INPUT], tuple[str | tuple[Message, ...]])
    expected, fields = _as(pieces[_EXPECTED], tuple[JsonValue, ...]), _as(pieces[_FIELDS], dict[str, JsonValue])
    return msgspec.structs.replace(like, input=asked, expected=expected, fields=fields)
