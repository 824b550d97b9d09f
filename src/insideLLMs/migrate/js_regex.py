"""Regular expressions of JavaScript -> those of Python that match the same."""

import re
from collections.abc import Iterator

from insideLLMs.core.errors import ArgumentError
from insideLLMs.scoring.patterns import compile_safely

_TOKEN = re.compile(
    r"(?P<class>\[\^?(?:\\.|[^\]\\])*\])|(?P<escape>\\(?:k<\w+>|c[A-Za-z]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[1-9]\d*|.))"
    r"|(?P<group>\((?:\?(?:<[=!]|<\w+>|[a-zA-Z-]*:|[=!>#(P]|[^)]?))?)|(?P<bounds>\{\d*,?\d*\})|(?P<many>[*+?])|.",
    re.DOTALL,
)
_MEMBER = re.compile(r"\\.|.", re.DOTALL)
_SAME = frozenset("bBdDwWsSnrtfv0^$\\.*+?()[]{}|/-")
_OUTSIDE = {
    r"\d": "[0-9]", r"\D": "[^0-9]", r"\w": "[A-Za-z0-9_]", r"\W": "[^A-Za-z0-9_]",
    r"\b": r"(?a:\b)", r"\B": r"(?a:\B)", r"\0": r"\x00", r"\/": "/", "^": r"\A", "$": r"\Z",
}  # fmt: skip
"""JavaScript's digits, word characters and bounds are those of ASCII, and its ends those of the whole text."""
_INSIDE = {
    r"\d": "0-9",
    r"\w": "A-Za-z0-9_",
    r"\0": r"\x00",
    r"\/": "/",
    "[": r"\[",
    "&": r"\&",
    "~": r"\~",
    "|": r"\|",
}


def python_pattern(pattern: str) -> str:
    """Return the pattern in Python's language. Raises ArgumentError for what matches otherwise there, or runs away."""
    made = "".join(_tokens(pattern))
    compile_safely(made, ignore_case=False)
    return made


def exactly(text: str) -> str:
    """Return a pattern that matches `text` and nothing else."""
    return re.sub(r"[.^$*+?{}\[\]\\|()]", r"\\\g<0>", text).replace("\n", r"\n")


def _tokens(pattern: str) -> Iterator[str]:
    repeated = ""
    for token in _TOKEN.finditer(pattern):
        text = token.group()
        quantifier = bool(token["many"] or token["bounds"])
        if quantifier and repeated and not (text == "?" and repeated == "first"):
            raise ArgumentError(f"regex {pattern!r} repeats {text!r} without need, which is an error in JavaScript")
        repeated = ("second" if repeated else "first") if quantifier else ""
        if token["class"]:
            yield _class(text)
        elif token["escape"]:
            yield _escape(text, pattern)
        elif token["group"]:
            yield _group(text, pattern)
        elif token["bounds"]:
            yield text if text[1].isdigit() else "\\" + text  # {,5} is text to JavaScript
        else:
            yield _OUTSIDE.get(text, text)


def _class(text: str) -> str:
    inner = text[1:-1]
    if inner in {"", "^"}:
        return r"[\s\S]" if inner else "(?!)"
    negated, inner = ("^", inner[1:]) if inner.startswith("^") else ("", inner)
    return f"[{negated}{''.join(map(_inside, _MEMBER.findall(inner)))}]"


def _inside(text: str) -> str:
    if text in _INSIDE:
        return _INSIDE[text]
    return text[1] if text[0] == "\\" and text[1:].isalpha() and text[1] not in "bDWsSnrtfvxu" else text


def _escape(text: str, pattern: str) -> str:
    if text in _OUTSIDE:
        return _OUTSIDE[text]
    if text.startswith(r"\k<"):
        return f"(?P={text[3:-1]})"
    if text[1] in "cpP" or (text[1] == "u" and len(text) == 2):
        raise ArgumentError(f"regex {pattern!r} holds {text}, which Python does not have")
    return text if text[1] in _SAME or len(text) > 2 or text[1].isdigit() or not text[1].isalpha() else text[1]


def _group(text: str, pattern: str) -> str:
    if re.fullmatch(r"\(\?<\w+>", text):
        return f"(?P{text[2:]}"
    if text in {"(", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?i:", "(?s:"}:
        return text
    raise ArgumentError(f"regex {pattern!r} holds {text}, which is an error in JavaScript, or not the same here")
