"""Prompts given from Python as a dataset: examples in input order, ids, and the digest of their content."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from insideLLMs.api.preparation.prepared import facts_at_hand
from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, DatasetError, OptionError
from insideLLMs.core.types import Example, JsonValue, Record, expand
from insideLLMs.datasets.examples import CONTENT_ID_LENGTH, ID_KEYS, INPUT_KEYS, ExampleReader
from insideLLMs.store.manifest import DatasetFacts

NAME = "prompts"
Prompt = str | Mapping[str, JsonValue] | Sequence[Mapping[str, JsonValue]] | Example
"""A prompt, an example as a mapping (`prompt`, `expected`, ... as in a dataset's row), a chat, or an Example."""

_READER = ExampleReader({})


class Prompts:
    """A dataset in memory. Example ids are the given ones, else the content's hash (``-2`` for its second use).

    Order does not enter the digest: the same prompts shuffled are the same dataset. Where `any_json` is set,
    items need no input: they are for a probe that reads them itself. Raises OptionError naming the item's index.
    """

    def __init__(self, items: Sequence[object], *, any_json: bool) -> None:
        self._items = items
        read = [_read(index, item, any_json=any_json) for index, item in enumerate(self._items)]
        self._examples = _with_unique_ids(read)
        self._positions = {example.id: position for position, example in enumerate(self._examples)}
        self._ranks = {name: rank for rank, name in enumerate(sorted(self._positions))}

    def examples(self) -> Iterator[tuple[int, Example]]:
        """Yield rank by id and example, in input order."""
        for example in self._examples:
            yield self._ranks[example.id], example

    @property
    def facts(self) -> DatasetFacts:
        """The digest of the examples' canonical lines in the order of ids, and their number."""
        return facts_at_hand(NAME, self._examples)

    def item(self, example_id: str) -> object:
        """Return what the caller gave, as it was given."""
        return self._items[self._positions[example_id]]

    def given(self, record: Record) -> JsonValue:
        """Return a record's input as it was given; of an Example, which is no JSON, its input as it is stored."""
        item = self.item(record.example_id)
        return stored_input(record.example) if isinstance(item, Example) else item


def stored_input(example: Example) -> JsonValue:
    """Return an example's input as JSON: text, or the chat's messages."""
    given = example.input
    return given if isinstance(given, str) else [expand(message) for message in given]


def as_items(prompts: Iterable[object]) -> Sequence[object]:
    """List what the caller gave. Raises OptionError for a single prompt, and for none."""
    if isinstance(prompts, str | bytes | Mapping | Example) or not isinstance(prompts, Iterable):
        raise OptionError(f"prompts is one {type(prompts).__name__}", fix="give a list of prompts")
    items = list(prompts)
    if not items:
        raise OptionError("prompts is empty: there is nothing to run", fix="give at least one prompt")
    return items


def _read(index: int, item: object, *, any_json: bool) -> tuple[Example, bool]:
    """Return the Example of an item, and whether its id was given."""
    try:
        if isinstance(item, Example):
            canonical.check(msgspec.to_builtins(item))
            return item, bool(item.id)
        if isinstance(item, str):
            return _READER.example({"prompt": item}) if item else Example(id="", input=item), False
        if isinstance(item, Mapping) and (not any_json or _has_input(item)):
            return _READER.example(dict(item)), any(item.get(key) is not None for key in ID_KEYS)
        if isinstance(item, list | tuple) and _is_chat(item):
            return _READER.example({"messages": list(item)}), False
        if any_json:
            return _opaque(item)
    except (CanonicalError, DatasetError) as error:
        raise OptionError(f"prompts[{index}]: {error.message}", fix=error.fix) from error
    raise OptionError(
        f"prompts[{index}] is of type {type(item).__name__}",
        fix='give text, a mapping with "prompt", a list of chat messages, or an Example',
    )


def _has_input(item: Mapping[str, JsonValue]) -> bool:
    return any(isinstance(item.get(key), str | list) and item[key] for key in INPUT_KEYS)


def _is_chat(item: Sequence[object]) -> bool:
    return bool(item) and all(isinstance(message, Mapping) and "role" in message for message in item)


def _opaque(item: object) -> tuple[Example, bool]:
    """Store an item that only its probe can read: as JSON text."""
    text = canonical.line(item).decode()
    given = next((item[key] for key in ID_KEYS if item.get(key)), None) if isinstance(item, Mapping) else None
    fields = {key: value for key, value in item.items() if key not in ID_KEYS} if isinstance(item, Mapping) else {}
    return Example(id="" if given is None else str(given), input=text, fields=fields), given is not None


def _with_unique_ids(read: Sequence[tuple[Example, bool]]) -> list[Example]:
    given: dict[str, int] = {}
    for index, (example, is_given) in enumerate(read):
        if is_given and given.setdefault(example.id, index) != index:
            raise OptionError(
                f"prompts[{given[example.id]}] and prompts[{index}] have the same id {example.id!r}",
                fix="ids must be unique; leave them out to have them made from the content",
            )
    taken, uses = set(given), dict[str, int]()
    named: list[Example] = []
    for example, is_given in read:
        if is_given:
            named.append(example)
            continue
        base = name = example.digest()[:CONTENT_ID_LENGTH]
        uses[base] = uses.get(base, 0) + 1
        while name in taken:
            name = f"{base}-{max(2, uses[base])}"
            uses[base] += name in taken
        taken.add(name)
        named.append(msgspec.structs.replace(example, id=name))
    return named
