"""An experiment in the making, and the file that it becomes: readable, with where each part came from."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from insideLLMs.config.resolved import write_yaml
from insideLLMs.core.types import JsonValue
from insideLLMs.migrate.source import ImportFindings, Node

NEVER = r"(?!)"
"""A pattern that no answer matches: it stands where a check was left out, so that nothing is green without it."""
_WIDEST = 110


class Draft(msgspec.Struct, kw_only=True):
    """What an experiment file will say; `origin` is the file it comes from."""

    origin: str
    name: str | None = None
    title: str | None = None
    models: list[dict[str, JsonValue]] = msgspec.field(default_factory=list)
    prompts: list[dict[str, JsonValue]] = msgspec.field(default_factory=list)
    probes: list[dict[str, JsonValue]] = msgspec.field(default_factory=list)
    max_examples: JsonValue = None
    repeats: int = 1
    confidence_level: JsonValue = None
    execution: dict[str, JsonValue] = msgspec.field(default_factory=dict)
    gate: dict[str, JsonValue] = msgspec.field(default_factory=dict)
    places: dict[str, str] = msgspec.field(default_factory=dict)

    def place(self, key: str, node: Node) -> None:
        """Note where a part comes from."""
        self.places[key] = node.place

    def content(self) -> dict[str, JsonValue]:
        """Return what stands in the file; defaults are left out."""
        found: dict[str, JsonValue] = {
            "name": self.name,
            "title": self.title,
            "models": self.models,
            "prompts": self.prompts,
            "probes": self.probes,
            "max_examples": self.max_examples,
            "repeats": self.repeats if self.repeats > 1 else None,
            "confidence_level": self.confidence_level,
            "execution": self.execution,
            "gate": self.gate,
        }
        return {key: value for key, value in found.items() if value not in (None, [], {})}


def number(entries: Iterable[dict[str, JsonValue]]) -> None:
    """Give each of several models or probes of one name an id of its own."""
    seen: Counter[str] = Counter()
    for entry in entries:
        model = entry.get("args", {}).get("model_name")
        name = str(entry.get("id") or (f"{entry['type']}/{model}" if model else entry["type"]))
        seen[name] += 1
        if seen[name] > 1:
            entry["id"] = f"{name} {seen[name]}"


def written(
    content: Mapping[str, JsonValue], findings: ImportFindings, *, origin: str, places: Mapping[str, str]
) -> bytes:
    """Return the file: comments on what is not the same, then each part with its place of origin."""
    head = [f"Imported from {origin}. Texts that stood in files are copied."]
    head += [f"note: {one}" for one in findings.notes]
    head += [f"LEFT OUT: {one.in_words}" for one in findings.left_out]
    lines = [line for one in head for line in _comment(one)]
    for key, value in content.items():
        lines += [f"# {places[key]}"] if key in places else []
        lines += [write_yaml({key: value}, width=_WIDEST - 20).decode().rstrip("\n")]
    return ("\n".join(lines) + "\n").encode()


def _comment(text: str) -> list[str]:
    """Wrap a text into comments: whatever it holds, none of it is read."""
    words = "".join(one if one.isprintable() else " " for one in text).split()
    lines, line = [], "#"
    for word in words:
        if len(line) + 1 + len(word) > _WIDEST and line not in {"#", "#  "}:
            lines.append(line)
            line = "#  "
        line = f"{line} {word}"
    return [*lines, line]
