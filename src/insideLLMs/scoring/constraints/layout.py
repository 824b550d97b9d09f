"""The form of an answer: JSON, lists, headings, title, code, sections, how it begins and ends."""

import re

from insideLLMs.scoring.constraints.constraint import Failing, Family, Parameters, within
from insideLLMs.scoring.json_values import Unparsed, fenced_blocks, parse_strict
from insideLLMs.scoring.normalise import bare, fold

_BULLET = re.compile(r"^[ \t]{0,20}[-*+•‣◦][ \t]+\S", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]{0,20}\d{1,4}[.)][ \t]+\S", re.MULTILINE)
_HEADING = re.compile(r"^[ ]{0,3}(#{1,6})[ \t]+\S", re.MULTILINE)
_TITLE = re.compile(r"<<([^\n<>]+)>>")
_HIGHLIGHT = re.compile(r"\*\*([^\n*]+)\*\*|(?<!\*)\*([^\n*]+)\*(?!\*)")
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]+\]")
_WHOLE_FENCE = re.compile(r"\s*```(?:json\b)?(.*?)```\s*", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"^ {0,3}```[^`]*?^ {0,3}```[ \t]*$", re.MULTILINE)
_EDGE = " \t\n\"'"


def _json(text: str, _parameters: Parameters) -> Failing:
    fence = _WHOLE_FENCE.fullmatch(text)
    found = parse_strict(fence[1] if fence else text)
    return f"is not JSON: {found.why}" if isinstance(found, Unparsed) else None


def _bullets(text: str, parameters: Parameters) -> Failing:
    return within(len(_BULLET.findall(_outside_code(text))), "bullets", parameters)


def _numbered_items(text: str, parameters: Parameters) -> Failing:
    return within(len(_NUMBERED.findall(_outside_code(text))), "numbered items", parameters)


def _headings(text: str, parameters: Parameters) -> Failing:
    level = parameters.get("level")
    count = sum(level is None or len(marks) == level for marks in _HEADING.findall(_outside_code(text)))
    return within(count, "headings" if level is None else f"headings of level {level}", parameters)


def _outside_code(text: str) -> str:
    """Return a text without its closed fenced blocks, in which no line is a heading or an item."""
    return _CODE.sub("", text)


def _title(text: str, _parameters: Parameters) -> Failing:
    return None if any(bare(title) for title in _TITLE.findall(text)) else "has no title in <<double angle brackets>>"


def _code_fence(text: str, parameters: Parameters) -> Failing:
    language = parameters.get("language")
    found = [name for name, _ in fenced_blocks(text)]
    if not found:
        return "has no fenced code block"
    if language is not None and str(language).casefold() not in found:
        return f"has no fenced block of {language!r}"
    return None


def _highlights(text: str, parameters: Parameters) -> Failing:
    count = sum(bool((strong or weak).strip()) for strong, weak in _HIGHLIGHT.findall(text))
    return within(count, "highlighted parts", parameters)


def _placeholders(text: str, parameters: Parameters) -> Failing:
    return within(len(_PLACEHOLDER.findall(text)), "placeholders in [brackets]", parameters)


def _sections(text: str, parameters: Parameters) -> Failing:
    marker = str(parameters["marker"])
    found = re.findall(rf"^\W{{0,6}}{re.escape(marker)}\s{{0,3}}\d+", text, re.MULTILINE | re.IGNORECASE)
    return within(len(found), f"sections marked {marker!r}", parameters)


def _postscript(text: str, parameters: Parameters) -> Failing:
    marker = str(parameters.get("marker", "P.S."))
    spelling = r"\s?".join(re.escape(char) for char in "".join(marker.split()))
    found = re.search(rf"^\W{{0,3}}{spelling}\W*\w", text, re.MULTILINE | re.IGNORECASE)
    return None if found else f"has no postscript beginning with {marker!r}"


def _one_of(text: str, parameters: Parameters) -> Failing:
    options = parameters["options"]
    return None if bare(text) in {bare(option) for option in options} else f"is none of {', '.join(map(repr, options))}"


def _parts(text: str, parameters: Parameters) -> Failing:
    separator = str(parameters.get("separator", "******"))
    parts = [part.strip() for part in text.split(separator)]
    if any(not part for part in parts[1:-1]):
        return f"has an empty part between two {separator!r}"
    full = [part for part in parts if part]
    if len({fold(part) for part in full}) < len(full):
        return "repeats a part"
    return within(len(full), f"parts divided by {separator!r}", parameters)


def _two_responses(text: str, _parameters: Parameters) -> Failing:
    return _parts(text, {"exactly": 2})


def _repeat_prompt(text: str, parameters: Parameters) -> Failing:
    prompt = fold(str(parameters.get("prompt", "")))
    return None if prompt and fold(text).startswith(prompt) else "does not begin with the prompt"


def _starts_with(text: str, parameters: Parameters) -> Failing:
    wanted = str(parameters["text"])
    return None if fold(text.strip(_EDGE)).startswith(fold(wanted)) else f"does not start with {wanted!r}"


def _ends_with(text: str, parameters: Parameters) -> Failing:
    wanted = str(parameters["text"])
    return None if fold(text.strip(_EDGE)).endswith(fold(wanted)) else f"does not end with {wanted!r}"


def _quoted(text: str, _parameters: Parameters) -> Failing:
    stripped = text.strip()
    pairs = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"))
    wrapped = len(stripped) > 2 and any(stripped.startswith(left) and stripped.endswith(right) for left, right in pairs)
    return None if wrapped else "is not wrapped in double quotation marks"


FAMILIES = {
    "json": Family(check=_json),
    "bullets": Family(check=_bullets, counts=True),
    "numbered_items": Family(check=_numbered_items, counts=True),
    "headings": Family(check=_headings, counts=True, optional={"level": "count"}),
    "title": Family(check=_title),
    "code_fence": Family(check=_code_fence, optional={"language": "text"}),
    "highlights": Family(check=_highlights, counts=True),
    "placeholders": Family(check=_placeholders, counts=True),
    "sections": Family(check=_sections, required={"marker": "text"}, counts=True),
    "postscript": Family(check=_postscript, optional={"marker": "text"}),
    "one_of": Family(check=_one_of, required={"options": "texts"}),
    "parts": Family(check=_parts, counts=True, optional={"separator": "text"}),
    "two_responses": Family(check=_two_responses),
    "repeat_prompt": Family(check=_repeat_prompt, optional={"prompt": "text"}),
    "starts_with": Family(check=_starts_with, required={"text": "text"}),
    "ends_with": Family(check=_ends_with, required={"text": "text"}),
    "quoted": Family(check=_quoted),
}
