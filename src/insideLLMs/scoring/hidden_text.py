"""What a description of a tool may hide from the people who read it, and say to the model that obeys it."""

import re
import unicodedata
from collections.abc import Iterator, Mapping

from insideLLMs.core.types import JsonValue

_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|other|all|your)\b"
    r"|\b(?:do\s+not|don't|never|without)\s+(?:tell|telling|inform|informing|mention|mentioning|show|showing|reveal|"
    r"revealing|notify|notifying)\b[^.\n]{0,30}\b(?:user|human|person|anyone|them)\b"
    r"|<\s*/?\s*(?:important|system|secret|instructions?)\s*>"
    r"|\b(?:system\s+prompt|you\s+must\s+(?:first|always|never)|before\s+(?:using|calling)\s+(?:any|other)\b)"
    r"|\b(?:send|forward|upload|post|include)\b[^.\n]{0,60}"
    r"(?:~/\.|\.ssh|id_rsa|\.env\b|api\s+keys?|credentials|passwords?|conversation\s+history)",
    re.IGNORECASE,
)
"""Instructions that have no business in a description: poisoned servers were seen to use them."""
_LONGEST_QUOTE = 80
_LONGEST_LINE_BLANK = re.compile(r"[ \t]{200,}|\n{40,}")


def hidden_in(text: str) -> list[str]:
    """Say what a text hides: characters that nobody sees, terminal escapes, orders to the model."""
    found = []
    marks = sorted({char for char in text if _is_hidden(char)})
    if marks:
        names = ", ".join(f"U+{ord(char):04X}" for char in marks[:5])
        found.append(f"characters that nobody sees ({names}{', ...' if len(marks) > 5 else ''})")
    if _LONGEST_LINE_BLANK.search(text):
        found.append("so many blanks that what follows is out of sight")
    visible = unicodedata.normalize("NFKC", "".join(char for char in text if not _is_hidden(char)))
    order = _ORDERS.search(visible)
    if order is not None:
        quote = " ".join(order.group().split())
        found.append(f"an order to the model: {quote[:_LONGEST_QUOTE]!r}")
    return found


def hidden_in_tool(tool: Mapping[str, JsonValue]) -> list[str]:
    """Say what the texts of a tool hide, its schemas included, and where."""
    found = [(where, what) for where, text in _texts(tool, "") for what in hidden_in(text)]
    return [f"{where} has {what}" for where, what in found]


def _texts(value: JsonValue, where: str) -> Iterator[tuple[str, str]]:
    """Yield each text of a value, names among them, with its place."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            place = f"{where}.{name}" if where else str(name)
            if hidden_in(str(name)):
                yield f"a name in {where or 'it'}", str(name)
            yield from _texts(item, place)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _texts(item, f"{where}[{at}]")


def _is_hidden(char: str) -> bool:
    """Whether a character does not show: controls, escapes, formats such as zero-width ones, private and tag ones."""
    return char not in "\n\r\t" and unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs", "Cn"}
