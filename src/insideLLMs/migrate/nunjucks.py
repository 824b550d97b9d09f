"""Templates of Nunjucks -> templates of Jinja2 that fill to the same text, as far as both languages go together."""

import re
from collections.abc import Collection, Iterator

from insideLLMs.core.errors import TemplateError
from insideLLMs.core.template import Template

_TAG = re.compile(
    r"(?P<raw>\{%-?\s*(?P<word>raw|verbatim)\s*-?%\}(?P<text>.*?)\{%-?\s*end(?P=word)\s*-?%\})"
    r"|(?P<comment>\{#.*?#\})|(?P<tag>\{\{.*?\}\}|\{%.*?%\})",
    re.DOTALL,
)
_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""", re.DOTALL)
_PAIRS = re.compile(r"^(\{%-?\s*for\s+\w+\s*,\s*\w+\s+in\s+)(.+?)(\s*-?%\})$", re.DOTALL)
_REPLACED = (
    (re.compile(r"([=!])=="), r"\1="),
    (re.compile(r"(?<![\w.])null(?!\w)"), "none"),
    (re.compile(r"(?<!\w)elseif(?!\w)"), "elif"),
    (re.compile(r"\.length(?![\w(])"), "|length"),
    (re.compile(r"\.toUpperCase\(\)"), "|upper"),
    (re.compile(r"\.toLowerCase\(\)"), "|lower"),
    (re.compile(r"\.trim\(\)"), "|trim"),
    (re.compile(r"\.join\("), "|join("),
    (re.compile(r"\|\s*dump(?!\w)"), "| tojson"),
    (re.compile(r"\s*\|\s*safe(?!\w)"), ""),
)
"""What the two languages spell differently, outside of quotes."""
_UNLIKE = re.compile(
    r"\|\s*(load|escape|e|forceescape|nl2br|striptags|random|groupby|batch|slice|center|urlize|round|float)(?!\w)"
)
_OPENINGS = (("{{", "}"), ("{%", "%"), ("{#", "#"))
_OTHER_MARKS = re.compile(r"[{}]|<<\w|\[\[\w|%\w+%|\$\w")
_WITHOUT = "write the text that is meant, or give it as a var"


def translated(text: str, names: Collection[str] = ()) -> str:
    """Return the Jinja2 template that fills to what Nunjucks makes of `text`; `names` are the fields that it may name.

    Raises TemplateError, with the line within the text, for what the languages do not have in common.
    """
    if _is_literal(text):
        return literal(text)
    for careful in (False, True):
        made = "".join(_pieces(text, careful=careful))
        try:
            template = Template(made)
        except TemplateError:
            if careful:
                raise
            continue
        if careful or not _misread(text, names):
            break
    if "env" in template.names:
        raise TemplateError("reads the environment, which no prompt or check may", fix=_WITHOUT)
    return made


def literal(text: str) -> str:
    """Return a template that fills to `text` itself. Raises TemplateError where there is none."""
    if not _OTHER_MARKS.search(text):
        return text
    if re.search(r"\{%-?\s*endraw", text):
        raise TemplateError("holds {% endraw %} as text", fix=_WITHOUT)
    return f"{{% raw %}}{text}{{% endraw %}}"


def _is_literal(text: str) -> bool:
    """Whether promptfoo sends the text as it stands: a tag that does not end on its line makes it do so."""
    if _TAG.search(text) and re.search(r"\{%\s*(?:end)?raw\s*%\}", text):
        return False
    for line in text.split("\n"):
        for opening, closing in _OPENINGS:
            at = line.rfind(opening)
            if at >= 0 and closing not in line[at + 2 :]:
                return True
    return False


def _pieces(text: str, *, careful: bool) -> Iterator[str]:
    """Yield the template piece by piece; `careful` keeps what is only text from being read as anything else."""
    end = 0
    for found in _TAG.finditer(text):
        yield _plain(text[end : found.start()], careful=careful)
        end = found.end()
        if found["raw"]:
            yield literal(found["text"])
        elif found["tag"]:
            yield _tag(found["tag"], text.count("\n", 0, found.start()) + 1)
    yield _plain(text[end:], careful=careful)


def _plain(text: str, *, careful: bool) -> str:
    return literal(text) if careful else text


def _misread(text: str, names: Collection[str]) -> bool:
    """Whether a field's name stands in the spelling of another tool, which would be an error here."""
    spellings = (f"<<{one}>>|[[{one}]]|%{one}%|${one}".split("|") for one in names)
    return any(spelling in text for each in spellings for spelling in each)


def _tag(tag: str, line: int) -> str:
    unlike = _UNLIKE.search(_QUOTED.sub("''", tag))
    if unlike:
        raise TemplateError(f"the filter {unlike[1]!r} has no equivalent here", fix=_WITHOUT, line=line)
    parts = _QUOTED.split(tag)
    for at in range(0, len(parts), 2):
        for pattern, new in _REPLACED:
            parts[at] = pattern.sub(new, parts[at])
    return _PAIRS.sub(r"\1\2 | items\3", "".join(parts))
