"""What an answer cites: quotations that stand in its sources word for word, and markers such as [2] that name one.

Compared after NFKC, with single spaces, one kind of quotation mark and of dash, without the marks of Markdown and HTML;
an ellipsis leaves words out, and a single letter in brackets, as in "[T]he", is that letter. Code is not read.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping

import msgspec

from insideLLMs.core.types import JsonValue, as_text
from insideLLMs.scoring.constraints.wording import sentences
from insideLLMs.scoring.normalise import comparable

_TEXT_KEYS = ("text", "content", "page_content", "body", "snippet")
_ID_KEYS = ("id", "source_id", "doc_id", "document_id", "source", "name", "title", "url")
_CODE = re.compile(r"(?s)```.*?(?:```|\Z)|`[^`\n]+`")
_QUOTED = re.compile(
    r'(?<!\w)"(?=\S)((?:[^"\n]|\n(?!\s*(?:\n|[-*•>#]|\d{1,3}[.)])))+)"(?!\w)'  # a line may end in it, a paragraph not
    r'|“([^“”]+)”|“([^“”"\n]+)"|„([^„“”"]+)[“”"]|«([^«»]+)»|»([^«»]+)«|「([^「」]+)」|『([^『』]+)』'
    r"|‹([^‹›]+)›|‘((?:[^‘’\n]|’(?=\w))+)’(?!\w)|<q>([^<>]+)</q>"
)
_BLOCK = re.compile(r"(?m)(?:^[ \t]*>[ \t]?.*(?:\n|$))+")
_BLOCK_MARK = re.compile(r"(?m)^[ \t]*>[ \t]?")
_SOURCES = r"(?:source|document|doc|reference|ref|citation|quelle|fuente|fonte|источник)s?\.?|来源|文献|資料|出典"
_KINDS = rf"{_SOURCES}|(?:chunk|passage|snippet|note|result)s?"
_BRACKETED = re.compile(
    r"(?<!!)(?:\[\^?([^\[\]\n]{1,80})\](?!\((?<!\d\]\())|【([^【】\n]{1,80})】"
    rf"|\(((?:{_SOURCES})[\s:#]*\d[^()\n]{{0,80}})\)|<sup>\s*(\d[^<>\n]{{0,80}})</sup>)",
    re.IGNORECASE,
)
_DIGITS_UP = r"[⁰¹²³⁴-⁹]+(?:[,⁻‐-―][⁰¹²³⁴-⁹]+)*"
_RAISED = re.compile(rf"(?<=[^\W\d]{{4}}){_DIGITS_UP}|(?<=[.!?,;:\"'”’»。]){_DIGITS_UP}")
"""A number that is raised: behind a mark, or a word that is no unit, as in m²."""
_BETWEEN = re.compile(r"[,;]|\s(?:and|und|et|y|e|&)\s")
_NUMBERS = re.compile(r"#?\d{1,6}(?:\s*(?:[-–—]|\bto\b)\s*\d{1,6})?")
_WORDED = re.compile(rf"(?i)^(?:{_KINDS})[\s:#]*(?=\d)")
_ADDRESS = re.compile(r"https?://[^\s<>\[\]()\"'“”【】]+", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_NO_WORD = re.compile(r"\W")
_EMPHASIS = re.compile(r"(?<![\w*_])[*_]{1,3}(?=\w)|(?<=[\w.,;:!?)])[*_]{1,3}(?![\w*_])")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""A letter of a script without spaces between words; two are taken for a word."""
_ID = re.compile(r"[^\W_][\w.:/#@-]*")
_GAP = re.compile(r"\[\s*\.\.\.\s*\]|\(\s*\.\.\.\s*\)|\.\.\.+|\[[^\[\]]{2,60}\]")
_ONE_LETTER = re.compile(r"\[(\w)\]")
_MARKERS = r"(?:\s*+(?:\[[^\[\]\n]{1,80}\]|【[^【】\n]{1,80}】))+"
_MARKERS_AT_END = re.compile(rf"(?<!\s){_MARKERS}[.,;]?$")
_MARKERS_BEHIND = re.compile(rf"(?<![.!?。！？])([.!?。！？]++)({_MARKERS})")
_DASHES = str.maketrans("–—―", "---")
_WIDE = str.maketrans("［］（）", "[]()")
_EDGES = " \t\n.,;:!?'\""
_LONGEST_RANGE = 100
_NO_CLAIM = re.compile(
    r"(?i)[?？:：]$|^#|^(?:hi|hello|dear|thanks|thank you|sure|certainly|of course|sorry)\b"
    r"|^(?:unfortunately,? |however,? )?"
    r"(?:i (?:found (?:no|nothing)|could not|couldn't|cannot|can't|can not|do not|don't|apologi[sz]e)"
    r"|i(?:'m| am| was) (?:sorry|afraid|unable|not able|not sure)"
    r"|(?:the|these|this|your|none of the) (?:\w+ ){0,2}"
    r"(?:sources?|documents?|contexts?|pages?|texts?|passages?|information)"
    r" (?:(?:do|does|did) not|don't|doesn't|didn't|cannot|can't|has no|have no|contains? no|says? nothing|gives? no)"
    r"|there(?:'s| is| are) no (?:information|mention|evidence|details?|data|answer)"
    r"|no (?:information|mention|answer|relevant (?:information|documents?|sources?)) )\b"
)
_TURNS = re.compile(r"(?i)[,;—–-] ?(?:but|however|although|though|yet)\b")
"""Behind it a sentence that says that nothing was found may claim something."""
_FEWEST_WORDS = 3
"""A sentence of fewer words claims nothing that a source could say."""


class CitedSource(msgspec.Struct, frozen=True, kw_only=True):
    """A source: its text, and what a marker may call it."""

    text: str
    names: frozenset[str]


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """A quotation or a marker as it is written, and what is wrong with it; "" is nothing."""

    written: str
    fault: str = ""


def read_sources(value: JsonValue) -> tuple[CitedSource, ...]:
    """Return the sources that a list of texts or objects, a mapping by id, or one text holds, without empty ones."""
    if isinstance(value, Mapping) and not any(key in value for key in _TEXT_KEYS):
        found = [_source(one, [str(name)]) for name, one in sorted(value.items())]
    else:
        several = value if isinstance(value, list | tuple) else [value]
        found = [_source(one, [str(number)]) for number, one in enumerate(several, 1)]
    return tuple(one for one in found if one.text.strip())


def _source(value: JsonValue, names: list[str]) -> CitedSource:
    if isinstance(value, Mapping):
        about = value.get("metadata")
        held_by = [value, about] if isinstance(about, Mapping) else [value]
        names += [str(one[key]) for one in held_by for key in _ID_KEYS if isinstance(one.get(key), str | int)]
        held = [value[key] for key in _TEXT_KEYS if key in value]
        if held and not "".join(_texts(held)).strip():
            return CitedSource(text="", names=frozenset())
    return CitedSource(text="\n".join(_texts(value)), names=frozenset(name.strip().casefold() for name in names))


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(one)
    elif value is not None:
        yield as_text(value)


def check_quotations(
    answer: str, sources: tuple[CitedSource, ...], *, fewest_words: int, ignore_case: bool
) -> list[Citation]:
    """Return the quotations of at least so many words, each with whether one source has it."""
    readings = (reading for source in sources for reading in _readings(source.text))
    texts = [_form(reading, ignore_case) for reading in readings]
    found = []
    for quotation in _quotations(html.unescape(answer)):
        if _words(_GAP.sub(" ", _form(quotation, ignore_case))) < fewest_words:
            continue
        pieces = _pieces(quotation, ignore_case)
        fault = "" if any(_stands_in(pieces, text) for text in texts) else "stands in no source"
        found.append(Citation(written=" ".join(quotation.split()), fault=fault))
    return found


def _readings(text: str) -> Iterator[str]:
    """Yield a source as it is written, and as a page shows it."""
    yield text
    if "<" in text or "&" in text:
        yield html.unescape(_TAG.sub("", text))
        yield html.unescape(_TAG.sub(" ", text))


def _words(text: str) -> int:
    unspaced = len(_UNSPACED.findall(text))
    return (unspaced + 1) // 2 + sum(any(map(str.isalnum, one)) for one in _UNSPACED.sub(" ", text).split())


def _quotations(answer: str) -> Iterator[str]:
    prose = _CODE.sub(" ", answer)
    for block in _BLOCK.finditer(prose):
        yield _MARKERS_AT_END.sub("", _BLOCK_MARK.sub("", block[0]).strip()).strip(_EDGES + "“”„«»")
    for quoted in _QUOTED.finditer(_BLOCK.sub("\n", prose)):
        yield next(group for group in quoted.groups() if group is not None)


def _pieces(quotation: str, ignore_case: bool) -> list[str]:
    spelled = _ONE_LETTER.sub(r"\1", _form(quotation, ignore_case))
    return [piece for one in _GAP.split(spelled) if (piece := one.strip(_EDGES))]


def _stands_in(pieces: list[str], text: str) -> bool:
    """Whether all pieces stand in a text, in their order, each as whole words."""
    at = 0
    for piece in pieces:
        found = _whole(piece, text, at)
        if found < 0:
            return False
        at = found + len(piece)
    return bool(pieces)


def _whole(piece: str, text: str, start: int) -> int:
    at = text.find(piece, start)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(piece) : at + len(piece) + 1]
        if not (_is_within(before, piece[0]) or _is_within(piece[-1], after)):
            return at
        at = text.find(piece, at + 1)
    return at


def _is_within(left: str, right: str) -> bool:
    """Whether two letters that stand side by side may be of one word."""
    return left.isalnum() and right.isalnum() and not (_UNSPACED.match(left) or _UNSPACED.match(right))


def _form(text: str, ignore_case: bool) -> str:
    plain = _EMPHASIS.sub("", text.translate(_DASHES))
    return comparable(plain, ignore_case=ignore_case).replace('"', "'")


def check_markers(answer: str, sources: tuple[CitedSource, ...]) -> list[Citation]:
    """Return the markers of an answer, each with whether the source that it names is there."""
    names = frozenset(name for source in sources for name in source.names)
    prose = _CODE.sub(" ", answer)
    return [
        Citation(written=written, fault="" if name in names else "names no source")
        for written, name in (*_markers(prose, names), *_addresses(prose, names))
        if name in names or not (_ADDRESS.match(written) and any(written in source.text for source in sources))
    ]


def _markers(prose: str, names: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield each name in brackets: numbers and ranges of them and, where sources have names, what looks like one."""
    has_ids = any(not name.isdecimal() for name in names)
    for raised in _RAISED.finditer(prose):
        written = raised[0]
        for item in unicodedata.normalize("NFKC", written.replace("⁻", "-")).split(","):
            yield from ((written, name) for name in _counted(item))
    for found in _BRACKETED.finditer(prose.translate(_WIDE)):
        inner = next(group for group in found.groups() if group is not None)
        for item in [inner] if inner.strip().casefold() in names else _BETWEEN.split(inner):
            written = re.split("†", item)[0].strip()  # 【1†source】
            if written.casefold() not in names:
                written = _WORDED.sub("", written)  # [Source 1]
            if _NUMBERS.fullmatch(written):
                yield from ((found[0], name) for name in _counted(written))
            elif written.casefold() in names or (has_ids and _looks_like_an_id(written)):
                yield found[0], written.casefold()


def _addresses(prose: str, names: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield the addresses in a text, where sources have addresses for names."""
    known = {name.rstrip("/"): name for name in names if _ADDRESS.match(name)}
    for found in _ADDRESS.findall(prose) if known else ():
        written = found.rstrip(".,;:!?*_")
        yield written, known.get(written.rstrip("/").casefold(), written.casefold())


def _looks_like_an_id(written: str) -> bool:
    return _ID.fullmatch(written) is not None and any(mark in "0123456789.:/#@-_" for mark in written)


def _counted(written: str) -> list[str]:
    """Return the numbers of a range as texts; of one that counts down or too far, its ends."""
    first, last = (int(number) for number in (re.findall(r"\d+", written) * 2)[:2])
    numbers = range(first, last + 1) if first <= last <= first + _LONGEST_RANGE else (first, last)
    return [str(number) for number in numbers]


def uncited_sentences(answer: str, sources: tuple[CitedSource, ...]) -> list[str]:
    """Return the sentences that claim something and have no marker: in them, or right behind them.

    Questions, headings, what introduces a list, greetings, sentences that say in English that nothing was found, and
    those of fewer than three words claim nothing.
    """
    names = frozenset(name for source in sources for name in source.names)
    found = []
    prose = _MARKERS_BEHIND.sub(r"\2\1", _CODE.sub(" ", answer))
    for line in prose.splitlines():
        for sentence in sentences(line):
            plain = sentence.strip(" \t*_->•")
            said = _RAISED.sub("", _BRACKETED.sub("", plain)).strip()
            if _claims(said) and not _is_marked(sentence, names):
                found.append(plain)
    return found


def _claims(said: str) -> bool:
    """Whether a sentence without its markers claims something that a source could say."""
    if _words(_NO_WORD.sub(" ", said)) < _FEWEST_WORDS:
        return False
    return not _NO_CLAIM.search(said) or bool(_TURNS.search(said))


def _is_marked(sentence: str, names: frozenset[str]) -> bool:
    """Whether a sentence has a marker, or the address of a source."""
    return any(_markers(sentence, names)) or any(name in names for _, name in _addresses(sentence, names))
