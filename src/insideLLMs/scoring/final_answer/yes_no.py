"""Whether an answer says yes or no, with negation: "not correct", "No, it isn't", "that is not false"."""

import re
from collections.abc import Iterator

from insideLLMs.scoring.final_answer import other_languages
from insideLLMs.scoring.final_answer.claims import sentences, views
from insideLLMs.scoring.final_answer.declared import AMBIGUOUS, Ambiguity, declarations, is_supposed
from insideLLMs.scoring.normalise import fold


def _any_of(group: tuple[str, ...]) -> str:
    return "|".join(re.escape(word) for word in sorted(group, key=len, reverse=True))


_YES_ADJECTIVES = ("right", "valid", "accurate", "sound", "entailed")
_NO_ADJECTIVES = ("wrong", "invalid", "inaccurate", "unsound", "impossible")
_YES = frozenset((*other_languages.YES, *_YES_ADJECTIVES, *other_languages.YES_UNSPACED))
_VERDICTS = frozenset(
    {
        "yes", "no", "true", "false", "correct", "incorrect", "valid", "invalid", "oui", "non", "sí", "sì", "ja",
        "nein", "sim", "não", "да", "нет", "是", "是的", "不是", "否", "はい", "いいえ", "네", "아니요", "نعم", "لا",
    }
)  # fmt: skip
_ECHO = re.compile(r"\b(?:yes|true|correct|right|valid|oui|sí|ja)\s?(?:or|/|\||ou|o|oder)\s?"
                   r"(?:no|not|false|incorrect|wrong|invalid|non|nein)\b[?:.]?")  # fmt: skip
_BOTH = re.compile(r"\b(?:yes and no|no and yes|neither (?:yes|true|correct|valid)|both (?:true|yes))\b")
_NEGATION = r"(?:not|never|hardly|scarcely|far from|anything but|isn't|ain't|doesn't|cannot be|can't be)"
_FILLER = (
    r"(?:a|an|that|it|it's|its|is|this|the|statement|claim|definitely|clearly|certainly|absolutely|actually|simply"
    r"|probably|likely|most|indeed|logically|also|therefore|so|thus|hence|well|ok|okay|hmm|considered|generally"
    r"|always|resounding|definite|clear|simple|firm|plain|emphatic|strong|entirely|completely|strictly|necessarily"
    r"|quite|really|very|to|be|in|fact)"
)
_POLAR = _any_of((*other_languages.YES, *other_languages.NO, *_YES_ADJECTIVES, *_NO_ADJECTIVES))
_ENGLISH = _any_of((*other_languages.YES[:6], *other_languages.NO[:6], *_YES_ADJECTIVES, *_NO_ADJECTIVES))
_UNSPACED = _any_of((*other_languages.YES_UNSPACED, *other_languages.NO_UNSPACED))
_OPENING = re.compile(
    rf"^[^\w]{{0,8}}(?P<lead>(?:(?:{_FILLER}|{_NEGATION})[\s,:\"'-]{{1,3}}){{0,8}})(?P<word>{_POLAR})(?!\w|'\w)"
    rf"|^[^\w]{{0,8}}(?P<unspaced>{_UNSPACED})(?=$|[\s。、,,.!!;;::の]|的)"
)
_CLOSED = re.compile(r"\s?(?:$|[.,;:!)\]\"'\n–—-])")
_CONTINUED = re.compile(
    r"\s(?:it|that|this|they|he|she|we|i|you|the|there|because|since|as|for|not|all|some|if|but|these|those|although"
    r"|while|only|even|both|in|here|therefore|thus|so|way|given|due|when|at all)\b"
)
_OTHER_NAMED = re.compile(rf"\s?(?:/|,? ?\bor\b|,? ?\band\b|,? ?\bbut also\b)\s?(?:also )?(?P<word>{_POLAR})(?!\w)")
_DENIAL = re.compile(
    r"^\W{0,4}(?:(?:no|absolutely|certainly|definitely|of course|probably|clearly)\W{1,2})?not"
    r"(?: (?:necessarily|really|quite|always|exactly|entirely|at all|possible|likely|in this case))?\s?(?:$|[.,;:!\n])"
    r"|^\W{0,4}never\s?(?:$|[.!])|^\W{0,4}(?:i (?:do not|don't) think so|i (?:think|believe|guess|suppose"
    r"|'m afraid) not)\b"
)
_ELLIPSIS = re.compile(
    r"^\W{0,4}(?:indeed,? )?(?:it|they|he|she|this|that|you|we|there|i) (?P<verb>does|do|is|are|can|will|would|has"
    r"|have|did|was|were"
    r"|should)(?P<not>n't| not)?\s?[.!]?$"
    r"|^\W{0,4}(?:it|they|he|she|that|you|we|there|i) (?P<never>cannot|can't|won't)[.!]?$"
)
_ASSENT = re.compile(
    r"^\W{0,4}(?:i (?:think|believe|guess|suppose|would say|'d say) so|certainly|absolutely|definitely|indeed"
    r"|of course|sure|exactly|precisely)\W{0,4}$"
)
_NOTHING_MORE = re.compile(r"\W{0,8}$")
_SUBJECT = (
    r"(?:it|this|that|statement|claim|conclusion|argument|assertion|premise|inference|sentence|equation|proposition"
    r"|reasoning|hypothesis|answer|syllogism|deduction|logic)"
)
_PREDICATE = re.compile(
    rf"\b{_SUBJECT}(?: that [^.,\n]{{1,80}}?)?(?: \"[^\"\n]{{0,200}}\"| '[^\n]{{0,200}}?'(?!\w)| [a-z]{{1,15}}){{0,2}}?"
    r"(?P<copula>'s| is| are| was| isn't| aren't| wasn't| must be| would be| seems(?: to be)?| appears(?: to be)?"
    r"| cannot be| can't be| could not be| couldn't be| doesn't seem(?: to be)?)"
    rf"(?P<between>(?: (?:{_FILLER}|{_NEGATION})){{0,5}}) "
    rf"(?P<word>{_ENGLISH})(?!\w)"
)
_FOLLOWS = re.compile(
    rf"\b{_SUBJECT}(?: [a-z]{{1,15}}){{0,2}}? (?:(?P<not>(?:does|do|did)(?:n't| not)|cannot|can't|need not"
    rf"|never)(?: \w+ly)? )?"
    r"(?:follows?|holds?(?: up)?)\b(?! if\b)"
)
_SAID = re.compile(
    r"(?:\b(?:i would say|i'd say|i say|i think|i believe|i'd go with|i lean towards|leaning towards|my guess is"
    r"|maybe|probably|it's|so|thus|therefore|hence)|[,:;.…])"
    r" (?P<word>yes|no)\s?(?=[.,;!]|$|\n)"
)
_NEGATIVE = re.compile(rf"\b{_NEGATION}|n't\b|\bnot\b|\bcannot\b")
_DISBELIEF = re.compile(r"\b(?:don't|do not|doubt|not) (?:think|believe|the case|agree)?[^.\n]{0,30}$")
_HEDGED = re.compile(
    r"\b(?:if|whether|assum\w{0,6}|suppose|say|says|can(?:no|')t conclude|claims?|check|verify|determine"
    r"|would)\b[^.\n]{0,60}$"
)
_CONCLUDES = re.compile(r"\b(?:therefore|thus|hence|so|in conclusion|consequently|in summary|overall)\b[^.\n]{0,80}$")


def yes_no(answer: str) -> bool | None:
    """Return True for yes, False for no, None where the answer says neither, both, or declines.

    What it declares wins, then a last line of one word, then how it opens, then what it says of the statement.
    """
    for view in views(answer):
        polarity = _read(_ECHO.sub(" ", view.text.casefold()).strip())
        if polarity is not None:
            return None if polarity is AMBIGUOUS else polarity
    return None


def _read(text: str) -> bool | Ambiguity | None:
    for segment in declarations(text):
        polarity = _opening(segment, strict=False)
        if polarity is not None:
            return polarity
    if not text or _BOTH.search(text):
        return AMBIGUOUS if text else None
    for said in _said(text):
        if said:
            return said.pop() if len(said) == 1 else AMBIGUOUS
    return _predicated(text)


def _said(text: str) -> Iterator[set[bool | Ambiguity]]:
    """Yield what a text says outright: in its first and last line, as it opens, in a sentence, after "so"."""
    lines = text.split("\n")
    yield {polarity for line in (lines[0], lines[-1]) if (polarity := _short(line)) is not None}
    openings = (text, *filter(_is_word, sentences(text)))
    for opening in (openings[:1], openings[1:]):
        yield {read for one in opening if (read := _opening(one, strict=True)) is not None}
    yield {found["word"] == "yes" for found in _SAID.finditer(text) if not is_supposed(text[: found.start()][-60:])}


def polarity_of(value: str) -> bool | None:
    """Return what a single word means, in any of the known languages: True for yes, False for no."""
    word = fold(value).strip(".!。 ")
    if word in _YES:
        return True
    return False if word in other_languages.NO or word in other_languages.NO_UNSPACED else None


def is_verdict(value: str) -> bool:
    """Whether an expected answer is by itself a yes or a no, rather than a word that can also mean other things."""
    return fold(value).strip(".!。 ") in _VERDICTS


def _opening(text: str, *, strict: bool) -> bool | Ambiguity | None:
    """Read the polarity at the start of `text`; `strict` asks that "true", "no" and the like stand by themselves."""
    found = _OPENING.match(text)
    if not found:
        return False if _DENIAL.match(text) else None
    rest = text[found.end() : found.end() + 80]
    if found["unspaced"]:
        return found["unspaced"] in _YES
    word = found["word"]
    other = _OTHER_NAMED.match(rest)
    if other and (other["word"] in _YES) != (word in _YES):
        return AMBIGUOUS
    stands_alone = bool(_CLOSED.match(rest) or _CONTINUED.match(rest)) or (strict and word == "yes")
    if not stands_alone and (strict or word == "no"):
        return None
    return (word in _YES) ^ (len(_NEGATIVE.findall(found["lead"])) % 2 == 1)


def _short(line: str) -> bool | None:
    """Read a line that is nothing but the verdict."""
    opening = _OPENING.match(line)
    if opening and _NOTHING_MORE.match(line, opening.end()):
        polarity = _opening(line, strict=True)
        return None if polarity is AMBIGUOUS else polarity
    ellipsis = _ELLIPSIS.match(line)
    if ellipsis:
        return ellipsis["never"] is None and ellipsis["not"] is None
    if _ASSENT.match(line):
        return True
    return False if _DENIAL.match(line) and len(line) < 40 else None


def _is_word(sentence: str) -> bool:
    """Whether a sentence is nothing but a verdict, or begins with one: "Yes." or "Yes, it is."."""
    opening = _OPENING.match(sentence)
    return opening is not None and bool(_NOTHING_MORE.match(sentence, opening.end()) or sentence[opening.end()] == ",")


def _predicated(text: str) -> bool | None:
    """Read what the text says of the statement; where it says both, only a conclusion decides."""
    found = [
        (match["not"] is None, True)
        for match in _FOLLOWS.finditer(text)
        if not _HEDGED.search(text[: match.start()][-100:])
    ]
    for match in _PREDICATE.finditer(text):
        before = text[max(0, match.start() - 100) : match.start()]
        if _HEDGED.search(before) and not _DISBELIEF.search(before):
            continue
        negations = len(_NEGATIVE.findall(match["copula"] + match["between"])) + bool(_DISBELIEF.search(before))
        found.append(((match["word"] in _YES) ^ (negations % 2 == 1), bool(_CONCLUDES.search(before))))
    concluded = [polarity for polarity, conclusion in found if conclusion]
    if concluded:
        return concluded[-1]
    polarities = {polarity for polarity, _ in found}
    return polarities.pop() if len(polarities) == 1 else None
