"""Damages of what an answer says in words: negated, refused, hedged, padded, in another language.

Nothing is translated: another language is a fixed sentence that keeps the answer's numbers and names. Negations and
hedges are English; for other languages they do not apply.
"""

import re
from collections.abc import Callable

from insideLLMs.core.types import Response
from insideLLMs.scoring.constraints.wording import sentences
from insideLLMs.scoring.damages.answer import IntactAnswer
from insideLLMs.scoring.refusal import refuses

REFUSAL = "I'm sorry, but I can't help with that."
_HEDGE = "I am not sure, and I might be wrong, but maybe: {} Please check this yourself."
_PADDING = (
    "That is a great question, and there is a lot to say about it. Before we come to it, it helps to take a step back. "
    "Many people ask about this, and there are many ways to look at it. "
)
_CLOSING = (
    " I hope that this gives you a good overview. As always, it depends on your situation, and there is much more to "
    "explore. Let me know if you would like to hear more about any part of this."
)
_ABROAD = {
    "de": "Vielen Dank für die Nachricht; unsere Antwort darauf lautet folgendermaßen: {}.",
    "en": "Thank you for the message; our answer to it is as follows: {}.",
}
_COMMON = """
en the a an is are was were of to and in it you we i that this for with not can be will has have my your yes no at on by
en or from as do does please
de der die das ein eine ist sind war und in es sie wir ich dass für mit nicht kann wird hat haben zu von auf ja nein den
de dem im bei
fr le la les un une est sont et de des du en il vous nous je que pour avec ne pas peut oui non au dans sur
es el la los las un una es son y de en que para con no puede sí por se su lo al del usted
it il lo la gli un una è sono e di che per con non può sì in del della si
pt o os as um uma é são e de que para com não pode sim em do da se você
nl de het een is zijn en van dat voor met niet kan wordt heeft ja nee in op u wij ik
"""
"""The commonest words of some languages, each line after the code of its own."""
_FUNCTION_WORDS: dict[str, set[str]] = {}
for _code, *_words in map(str.split, _COMMON.strip().splitlines()):
    _FUNCTION_WORDS.setdefault(_code, set()).update(_words)
_LETTERS = re.compile(r"[^\W\d_]+")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]+")
_FEW_WORDS = 3
_KEPT = re.compile(r"\d+(?:[.,:/\-]\d+)*|(?<![.!?:]\s)(?<!^)\b[A-ZÀ-Þ][\w-]+")
_OPPOSITES = (("yes", "no"), ("true", "false"), ("positive", "negative"), ("correct", "incorrect"),
              ("right", "wrong"), ("valid", "invalid"), ("allowed", "forbidden"), ("possible", "impossible"),
              ("always", "never"), ("safe", "unsafe"), ("approved", "rejected"), ("accepted", "declined"),
              ("ja", "nein"), ("oui", "non"))  # fmt: skip
_OPPOSITE = {**dict(_OPPOSITES), **{two: one for one, two in _OPPOSITES}}
_NEGATIONS = re.compile(r"\b(?:(can)(?:not|['’]t)|(is|are|was|were|do|does|did|has|have|had|could|would|should|must)"
                        r"(?: not|n['’]t)|(wo)n['’]t|(will|may|can) not)\b", re.IGNORECASE)  # fmt: skip
_AUXILIARY = re.compile(r"\b(?:is|are|was|were|can|could|will|would|should|must|may|might|has|have|had|does|do|did)\b",
                        re.IGNORECASE)  # fmt: skip
_CONTRACTED = re.compile(r"(?<=\w)(['’])(s|re|ll|ve|m)\b(?= \w)")


def language_of(text: str) -> str:
    """Return the code of the language whose commonest words a text has most of; "" where that is not known."""
    said = [word.lower() for word in _LETTERS.findall(text)]
    counts = {code: sum(word in known for word in said) for code, known in _FUNCTION_WORDS.items()}
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else ""


def is_latin(text: str) -> bool:
    """Whether a text is written mostly in Latin letters."""
    letters = _LETTERS.findall(text)
    return bool(letters) and 2 * sum(len(one) for one in _LATIN.findall(text)) > sum(map(len, letters))


def _is_short(text: str) -> bool:
    return len(text.split()) < _FEW_WORDS


def _in_english(damage: Callable[[str], str]) -> Callable[[IntactAnswer], Response | None]:
    """Let a damage of a text alone concern English, and labels too short to tell their language; no JSON."""

    def apply(answer: IntactAnswer) -> Response | None:
        text = answer.text
        if not text.strip() or answer.is_json:
            return None
        is_english = language_of(text) == "en" or (_is_short(text) and (is_latin(text) or not _LETTERS.search(text)))
        return answer.saying(damage(text)) if is_english else None

    return apply


def _negate(text: str) -> str:
    for sentence in sentences(text):
        text = text.replace(sentence, _negated(sentence), 1)
    return text


def _negated(sentence: str) -> str:
    """Say the opposite: of a yes or a label its counterpart, else one `not` more or less; of a short one nothing."""
    first = re.match(r"\W*(\w+)", sentence)
    opposite = _OPPOSITE.get(first[1].lower()) if first else None
    if first and opposite:
        sentence = sentence[: first.start(1)] + _like(first[1], opposite) + sentence[first.end(1) :]
        if _is_short(sentence):
            return sentence
    if _NEGATIONS.search(sentence):
        return _NEGATIONS.sub(lambda found: "will" if found[3] else next(filter(None, found.groups())), sentence, 1)
    for pattern, put in ((_AUXILIARY, r"\g<0> not"), (_CONTRACTED, r"\g<0> not")):
        if pattern.search(sentence):
            return pattern.sub(put, sentence, count=1)
    return sentence if _is_short(sentence) else f"It is not the case that {sentence[:1].lower()}{sentence[1:]}"


def _like(word: str, other: str) -> str:
    return other.upper() if word.isupper() and len(word) > 1 else other.capitalize() if word[0].isupper() else other


negate = _in_english(_negate)
hedge = _in_english(lambda text: _HEDGE.format(text.strip()))


def refuse(answer: IntactAnswer) -> Response | None:
    """Refuse, in the words that the refusal detector knows; an answer that refuses already stays."""
    if not (answer.text.strip() or answer.response.calls) or refuses(answer.text):
        return None
    return answer.saying(REFUSAL)


def pad(answer: IntactAnswer) -> Response | None:
    """Say much more around the same: in English, or, in another language, all of it three times."""
    text = answer.text
    if not text.strip():
        return None
    if language_of(text) not in {"en", ""} or (_LETTERS.search(text) and not is_latin(text)):
        return answer.saying(" ".join([text.strip()] * 3))
    return answer.saying(f"{_PADDING}{text.strip()}{_CLOSING}")


def switch_language(answer: IntactAnswer) -> Response | None:
    """Answer in German, of a German or non-Latin text in English: a fixed sentence with the same numbers and names."""
    text = answer.text
    if answer.is_json or (is_latin(text) and _is_short(text)) or not _LETTERS.search(text):
        return None
    code = "en" if not is_latin(text) or language_of(text) == "de" else "de"
    kept = ", ".join(dict.fromkeys(_KEPT.findall(text))) or "–"
    return answer.saying(_ABROAD[code].format(kept))
