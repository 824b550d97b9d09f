"""Single trials in words: what was asked, expected and answered, and what the scores say."""

from collections.abc import Iterable, Iterator
from itertools import islice

from insideLLMs.core.types import Record, as_text
from insideLLMs.report.safe_text import printable, shorten

_SHOWN = 1_500
"""Characters of each text."""


def render_trials(records: Iterable[Record], *, limit: int) -> str:
    """Write the first `limit` trials; says if there are more, and is empty where there is none."""
    shown = list(islice(records, limit + 1))
    blocks = ["\n".join(_lines(record)) for record in shown[:limit]]
    if len(shown) > limit:
        blocks.append("… and more")
    return "\n\n".join(blocks)


def _lines(record: Record) -> Iterator[str]:
    name = f"{record.probe} / {record.example_id} · {record.subject.label}, repeat {record.repeat}"
    yield f"{_state(record)}: {printable(name)}"
    yield from _text("prompt", record.example.text)
    if record.example.expected:
        yield from _text("expected", " | ".join(map(as_text, record.example.expected)))
    if record.response is not None:
        yield from _text("answer", record.response.text)
        for name, part in record.response.kept.items():
            yield from _text(name, as_text(part))
    if record.scores is not None:
        values = ", ".join(f"{name} {value:.4g}" for name, value in sorted(record.scores.values.items()))
        yield from _text("scores", f"{values}; {record.scores.explanation}".rstrip("; "))
    if record.failure is not None:
        yield from _text("error", f"{record.failure.type}: {record.failure.message}")
        if record.failure.fix:
            yield from _text("fix", record.failure.fix)


def _state(record: Record) -> str:
    if record.scores is None:
        return f"no score ({record.status})"
    return {True: "passed", False: "failed", None: "no verdict"}[record.scores.passed]


def _text(name: str, text: str) -> Iterator[str]:
    yield f"  {name:<9} {printable(shorten(text, _SHOWN))}"
