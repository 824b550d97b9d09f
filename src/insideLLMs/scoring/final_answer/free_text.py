"""What a free-text answer comes to: its declared answer, or itself; the phrases it gives as answers; its items."""

import re

from insideLLMs.scoring.final_answer.claims import View, views
from insideLLMs.scoring.final_answer.declared import declarations
from insideLLMs.scoring.json_values import Parsed, find_json
from insideLLMs.scoring.normalise import bare, readable

SHORT_ANSWER = 300
"""Characters up to which a whole answer is taken as it is; of a longer one, its last line or answering sentence."""

SHORT_CLAIM = 8
"""Words up to which what follows a correction is taken for the whole answer."""
_SENTENCE_END = re.compile(
    r"(?<!\b[A-Z])(?<!\bSt)(?<!\bMt)(?<!\bMr)(?<!\bDr)(?<!\bMrs)(?<!\bNo)[.!?](?=\s|$)|[。！？]|;\s|\n|,? \b(?:but"
    r"|although|though|whereas)\b"
)
_CLAUSE_END = re.compile(
    r"(?:\s[–—-]\s|[,;:(\n，、。]|[.!?](?=\s|$)|,? \b(?:because|since|which|who|whose|where|when|although|though)\b"
    r"| in (?=\d|the \d)|,? and (?=(?:it|its|he|she|they|this|that|the)\b))(?!\s?(?:or|and(?! (?:it|has|is|was|not"
    r"|the|that)\b)|nor|maybe|perhaps|possibly)\b)"
)
_COPULA = re.compile(
    r"(?:\b(?:it|that|this|he|she|there|what|who)(?=')|\bc(?=')|(?<!\w that )(?<!which )(?<!who )\b(?=(?:is|are"
    r"|was|were)\b))"
    r"(?:'s|'est|is|are|was|were)\b(?!n't| not\b| never\b)"
    r"(?: (?:now|still|indeed|simply|actually|certainly|definitely|probably|likely|called|named|known as)\b)*"
    r"(?: [a-z]+(?:ed|en|t) by\b)?|\b(?:would|might|may|could|must|should) be\b|\bthat'd be\b"
    r"|\bhas (?:always )?been\b|\bserves as\b"
    r"|\bremains\b|\b(?:es(?! ist| sind)|est|ist|é|è|är|sind|son|sont)\b(?! (?:nicht|pas|no)\b)| — |是|は",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:doubt|not|never|no longer|neither|isn't|wasn't|aren't|weren't|nicht|pas)\b|n't\b", re.IGNORECASE
)
_OF_A_KIND = re.compile(
    r"^(?:probably|maybe|perhaps|possibly|presumably|most likely|likely|definitely|certainly|surely|i (?:think"
    r"|believe|guess)"
    r"|i(?:'d| would) (?:say|guess)|none other than|(?:of course|naturally|certainly|no|yes|a)\s?[,:!]) (?=\S)|^(?:the "
    r"|an? )?(?:city|town|country|state|island|river|planet|element|word|name|term|letter|author|writer|poet"
    r"|painter|composer|scientist|physicist|number)(?: of)? (?=\S)",
    re.IGNORECASE,
)
_ANAPHORA = frozenset(
    {"it", "that", "this", "he", "she", "they", "there", "here", "which", "what", "these", "those", ""}
)
_COMMITS = re.compile(
    r"\b(?:i (?:would |'d )?(?:think|believe|guess|suspect|say|go with)|i'd|it's|it is|it was|(?:it )?(?:might|may"
    r"|could|must) be|probably|maybe|perhaps"
    r"|likely|best guess|my (?:answer|guess))\b",
    re.IGNORECASE,
)
_COMMON = (
    "a an the of in on at to for from by with and or is are was were be been it its it's that this these those he she "
    "they his her their there here who what which when where why how did do does has have had one called named known "
    "as so therefore thus i think believe would say answer you you're looking right correct"
)
_COMMON_WORDS = frozenset(_COMMON.split())
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_BULLET = re.compile(r"^(?:[-*+•‣◦–]|\(?\d{1,3}[.):]|\(?[A-Za-z][.)])\s+")
_ONLY_ITEM = re.compile(r"^(?:[-*+•‣◦–]|\(?\d{1,3}[):])\s+")
_SEPARATOR = re.compile(
    r"\s*[,;、，]\s*(?:and\s|or\s|&\s)?|\s+(?:and|&|und|y|et|e|и)\s+|\s+or\s+(?=[a-z]\s?=)"
    r"|(?<=[^\W\d])/(?=[^\W\d])|\s*\n\s*",
    re.IGNORECASE,
)
_LIST = re.compile(r"^[^,]{1,60}(?:, [^,]{1,60})*,? (?:and|or) \S.{0,60}$", re.IGNORECASE)
_SET_VERB = re.compile(
    r"\\in\b|\b(?:is|are|was|were|son|sind|sont|sono|são|zijn|includes?|comprises?|consists? of)\b|[=∈]", re.IGNORECASE
)
_UNKNOWN = re.compile(r"^[a-z]\s?=\s?", re.IGNORECASE)


def final_text(answer: str) -> str | None:
    """Return what `answer` gives as its answer, in its own words; None for an empty answer or a refusal."""
    for view in views(answer):
        for segment in declarations(view.text):
            return _SENTENCE_END.split(segment, maxsplit=1)[0].strip() or segment
        if view.corrects and len(view.text.split()) > SHORT_CLAIM and not _COPULA.search(view.text):
            continue
        if not view.declined or _COMMITS.search(view.text) or _precedes_doubt(view, answer):
            text = view.text.lstrip("# ")
            text = text if "\n" in text else _ONLY_ITEM.sub("", text)
            return text if len(text) <= SHORT_ANSWER else text.rpartition("\n")[2]
    return None


def _precedes_doubt(view: View, answer: str) -> bool:
    """Whether the claim stands before the sentence that declines: "Paris. But I am not sure."."""
    opening = view.text[:20].rstrip()
    return readable(answer).startswith(opening) and not _ANSWERS_NOTHING.match(view.text)


_ANSWERS_NOTHING = re.compile(
    r"(?:i'm |i am )?(?:so |very )?(?:sorry|afraid|unfortunately|apolog|no\b|hmm|well)", re.IGNORECASE
)


def phrases(given: str, question: str = "") -> tuple[str, ...]:
    """Return what a final text may be said to answer, the whole of it first.

    They are its first clause, and what the sentence that answers `question` says something is, or of what it says so.
    """
    found = [given]
    answering = _answering(given, question)
    opens = given.startswith(answering[0]) or not _COPULA.search(_SENTENCE_END.split(given, maxsplit=1)[0])
    if opens and not _LIST.match(given.rstrip(".")):
        found.append(_first_clause(given))
    for sentence in answering:
        found += [sentence, sentence.rpartition(": ")[2], *_complement(sentence), *_appositive(sentence, question)]
        if question or given.startswith(sentence):
            found += _subject(sentence, question)
    return tuple(dict.fromkeys(phrase for one in found for phrase in (one, _OF_A_KIND.sub("", one)) if bare(phrase)))


def says(given: str, expected: str, question: str = "") -> bool:
    """Whether a final text is `expected`: one of its phrases is, or it fills the blank of the question with it."""
    wanted = bare(expected)
    if any(bare(phrase) == wanted for phrase in phrases(given, question)):
        return True
    return any(_fills(sentence, wanted, question) for sentence in _answering(given, question))


def _answering(text: str, question: str) -> tuple[str, ...]:
    """Return the sentence that shares most words with the question; the first and the last one where none does."""
    sentences = [one.strip() for one in _SENTENCE_END.split(text) if one.strip(" .,;:!?\"')")]
    asked = _content(question)
    if not sentences:
        return (text,)
    if not any(_content(one) & asked for one in sentences):
        return sentences[0], sentences[-1]
    wanted = next((word for word in _WORD.findall(question.casefold()) if word in asked), "")
    sentences = [one for one in sentences[:200] if not one.casefold().startswith("not ")] or sentences
    return (max(sentences, key=lambda one: 2 * len(_content(one) & asked) + (wanted in _content(one))),)


def _content(text: str) -> frozenset[str]:
    return frozenset(word for word in _WORD.findall(text.casefold()) if word not in _COMMON_WORDS)


def _first_clause(text: str) -> str:
    return _CLAUSE_END.split(text.strip(), maxsplit=1)[0]


def _complement(sentence: str) -> list[str]:
    copulas = list(_COPULA.finditer(sentence))
    if len(copulas) != 1 or _NEGATED.search(sentence[: copulas[0].end()]):
        return []
    after = sentence[copulas[0].end() :].strip()
    after = after.removesuffix("です") if copulas[0].group() == "は" else after
    after = _OF_A_KIND.sub("", after.lstrip(" ,"))
    return [after] if _LIST.match(after) else [after, _first_clause(after)]


def _appositive(sentence: str, question: str) -> list[str]:
    """Return what a sentence names between commas: "The capital, Paris, lies on the Seine"."""
    found = re.match(r"([^,]{1,100}), ([^,]{1,60}), ", sentence)
    return [found[2]] if found and _content(found[1]) & _content(question) and not _NEGATED.search(found[2]) else []


def _subject(sentence: str, question: str) -> list[str]:
    """Return what the sentence is about, where it says of it what was asked for: "Paris is the capital"."""
    copula = _COPULA.search(sentence)
    if copula is None:
        return []
    subject, rest = sentence[: copula.start()].strip(" ,"), sentence[copula.end() :]
    asked = _content(question)
    if (
        bare(subject) in _ANAPHORA
        or _NEGATED.search(subject)
        or (asked and _content(rest) and not _content(rest) & asked)
    ):
        return []
    return [subject]


def _fills(sentence: str, wanted: str, question: str) -> bool:
    """Whether a sentence is made of `wanted`, of words of the question, and of words that carry no meaning."""
    before, found, after = f" {bare(sentence)} ".partition(f" {wanted} ")
    asked = _content(question)
    if not found or not asked or _NEGATED.search(sentence):
        return False
    rest = _content(f"{before} {after}")
    return bool(rest) and all(any(word[:4] == one[:4] for one in asked) for word in rest)


def items(answer: str) -> frozenset[str] | None:
    """Return the items that `answer` lists, bare: a JSON array, bullet or numbered lines, or a separated line.

    None for an empty answer or a refusal.
    """
    found = find_json(answer)
    listed = found.value if isinstance(found, Parsed) else None
    if isinstance(listed, dict):
        listed = next((value for value in listed.values() if isinstance(value, list)), None)
    if isinstance(listed, list):
        return frozenset(bare(str(item)) for item in listed)
    for view in views(re.sub(r"^\s{0,20}[*+•✅✓✔☑]\s", "- ", re.sub(r"\\(?=[{}])", "", answer), flags=re.MULTILINE)):
        if not view.declined or _COMMITS.search(view.text):
            return _items(view.text)
    return None


def _items(text: str) -> frozenset[str]:
    lines = text.split("\n")
    bullets = [_BULLET.sub("", line) for line in lines if _BULLET.match(line)]
    if len(bullets) > 1:
        return _bare_items(bullets)
    segments = declarations(text)
    listing = max(reversed(lines), key=lambda one: len(_SEPARATOR.findall(one)))
    line = segments[0] if segments else listing if _SEPARATOR.search(listing) or len(text) > SHORT_ANSWER else text
    return _bare_items(_SEPARATOR.split(_enumeration(line).strip(" .{}[]()")))


def _enumeration(line: str) -> str:
    """Return the part of a line that lists: behind its colon, or on that side of its verb that has more parts."""
    _, colon, after = line.partition(":")
    if colon and after.strip():
        return after
    verb = _SET_VERB.search(line)
    if verb is None:
        return line
    return max(line[verb.end() :], line[: verb.start()], key=lambda side: len(_SEPARATOR.findall(side)))


def _bare_items(texts: list[str]) -> frozenset[str]:
    return frozenset(one for text in texts if (one := bare(_UNKNOWN.sub("", text.strip()))))
