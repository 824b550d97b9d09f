"""Whether an answer claims a name: says it as a word, and not of what others say, what it denies, or one of many.

Compared without regard to case, accents of Latin letters, "&" for "and", and hyphens. In scripts without spaces
between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) a name may stand anywhere; in Korean an ending may follow.
"""

import re
import unicodedata
from collections.abc import Collection

from insideLLMs.scoring.normalise import comparable, unify

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KOREAN = "\uac00-\ud7a3"
_KATAKANA = "\u30a1-\u30fa\u30fc"
_VOWELS = "".join(chr(code) for code in range(0x300, 0xE00) if unicodedata.category(chr(code))[0] == "M")
_ENDS_OPEN = re.compile(rf"[{_UNSPACED}{_KOREAN}]$")
_STARTS_OPEN = re.compile(rf"^[{_UNSPACED}]")
_WORD_JOIN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")

_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?](?!\s|$)[^.!?。！？\n]*)*(?:[.!?。！？]+|\n|$)")
_CORRECTION = re.compile(
    r"(?:^|[.!?\n-] ?)(?:no, )?(?:wait|correction|scratch that|let me correct|i mean|just kidding)\b[,:]? "
    r"|(?:\.{3}|…| [-–—]) ?no, "
)
_DENIED = re.compile(
    r"\b(?:not|never|isn't|wasn't|aren't|nor|neither|rather than|instead of|unlike|confused with|mistaken for"
    r"|contrary to|wrongly|incorrectly|(?<!none )other than|as opposed to|apart from|except(?: for)?|different from"
    r"|distinct from|anything but|far from|ruled out|no longer)\b(?:(?!\bbut\b|\brather\b(?! than))[^.;,:]){0,40}$"
)
_DOUBTED = re.compile(r"\b(?:(?:i|we)(?: \w+)? doubt|doubtful)\b[^.;,:]{0,20}$")
_NEGATED = re.compile(
    r"(?:n't|\bcannot)(?: (?:be|have been|think|say|believe|mean))?(?: (?:it|that|this)(?:'s| is| was)?)? $"
)
_IF = re.compile(r"\bif (?:you|one|someone|it (?:were|was))\b[^,]{0,40}$")
_DENIED_AFTER = re.compile(
    r"^\W{0,3}(?:(?:is|was|would be) (?:wrong|incorrect|false|an? (?:\w+ ){0,2}(?:mistake|misconception|myth)"
    r"|an? (?:\w+ )?(?:wrong|incorrect|mistaken|false) (?:answer|guess|choice|reply))"
    r"|(?:is not|was not|isn't|wasn't) (?:the (?:capital|answer|right|correct|one)|it\b|correct|right|true))"
)
_ONLY_AFTER = re.compile(r"^ (?:is|was) (?:only|just|merely)\b[^()]*\)")
_OTHERS = (
    r"(?:(?:most|many|some|few|lots of|a lot of) )?(?:people|many|some|others|most|they|one|you|tourists|students|folks"
    r"|sources|i)(?: of (?:them|us))?|it(?:'s| is)|what"
)
_SAY = (
    r"(?:say|says|said|think|thinks|thought|believed?|assumed?|guess(?:ed)?|claimed?|call(?:ed)?|answer(?:ed)?|supposed?"
    r"|mistakes?|mistook|considered|expected|told|tempting|tempted)"
)
_REPORTED = re.compile(rf"\b(?:{_OTHERS})\b(?: \w+){{0,3}}? {_SAY}\b")
_WRONG_ANYWAY = re.compile(
    r"\b(?:misconception|myth|common (?:mistake|error)|popular belief (?:is|that)|wrong answer|incorrectly|mistakenly"
    r"|would be wrong|used to be|formerly|previously|originally)\b"
    r"[^,;.]{0,60}$"
)
_CONCEDED = re.compile(r"\b(?:although|though|while|even if|despite|even though|whereas)\b[^,]*$")
_TURN = re.compile(
    r"^[^.!?\n]{0,80}?[,;.:-]? ?\b(?:but|however|yet|actually|in fact|in reality|it is really|now|today|nevertheless"
    r"|others)\b|^[,;.] ?i(?:'d| would)? (?:say|think|believe|go with)\b(?! so\b)"
)
_HERE = "\0"
_LIST_GAP = r"\s?(?:,\s?(?:and |or |und |oder |ou |o |et |y )?|\s(?:and|or|und|oder|ou|et|y)\s)"


def claims(text: str, names: Collection[str]) -> bool:
    """Whether a text claims one of the names."""
    return any(mentions(text, name, aliases=names) for name in names)


def mentions(text: str, name: str, *, aliases: Collection[str] = ()) -> bool:
    """Whether a text says a name as its own claim; beside `aliases` of it, but not beside other names, in a list."""
    wanted, spelled = _plain(name), _respelled(text)
    if not wanted:
        return False
    pattern = re.compile(_bounded(wanted))
    corrections = list(_CORRECTION.finditer(spelled.casefold()))[-1:]
    start = corrections[0].end() if corrections else 0
    others = {_plain(one) for one in aliases} | {wanted}
    for sentence in _SENTENCE.finditer(spelled, start):
        if sentence.group().rstrip().endswith("?"):
            continue
        low = sentence.group().casefold()
        after = spelled[sentence.end() : sentence.end() + 80].casefold()
        for found in pattern.finditer(low):
            if _is_claimed(low[: found.start()], low[found.end() :] + after, wanted) and not _is_one_of_many(
                sentence.group(), found.span(), others
            ):
                return True
    return False


def _is_claimed(before: str, after: str, wanted: str) -> bool:
    """Whether what stands before and after a name leaves it the answer's own claim."""
    denied = (
        _DENIED.search(before[-70:]),
        _DOUBTED.search(before[-50:]),
        _NEGATED.search(before[-40:]),
        _WRONG_ANYWAY.search(before[-90:]),
    )
    if any(denied) or _IF.search(before[-60:]) or _DENIED_AFTER.search(after):
        return False
    if before.endswith("(") and _ONLY_AFTER.match(after):
        return False
    reported = _REPORTED.search(before[-90:])
    if reported is None:
        return True
    return not (_CONCEDED.search(before[-120:]) or (_TURN.search(after) and wanted not in after))


def _is_one_of_many(sentence: str, span: tuple[int, int], aliases: Collection[str]) -> bool:
    """Whether a name is an item of a list of names, others than its aliases: two joined by "or", or three."""
    proper = sentence[span[0]].isupper() and bool(sentence[: span[0]].strip())  # not just the sentence's first letter
    item = r"[^\W\d_][\w'.]*(?: [A-Z\d][\w'.]*){0,2}" if proper else r"(?!not\b|nor\b)[^\W\d_][\w']*(?: [\w']+)?"
    before = re.search(rf"(?:{item}{_LIST_GAP}){{1,12}}$", sentence[: span[0]])
    if before is not None and _DENIED.search(
        f"{sentence[: before.start()]}{before.group().partition(' ')[0]} ".casefold()
    ):
        before = None  # "Unlike A and B, C": those are not offered
    after = re.match(rf"(?:{_LIST_GAP}{item}){{1,12}}", sentence[span[1] :])
    run = (before.group() if before else "") + _HERE + (after.group() if after else "")
    parts = [part.strip() for part in re.split(_LIST_GAP, run) if part.strip() not in {"", _HERE}]
    if proper:
        parts = [part.split(" ")[-1] if index == 0 and before else part for index, part in enumerate(parts)]
        parts = [part for part in parts if part[0].isupper()]
    rest = {_plain(part) for part in parts} - {*aliases}
    joined = re.search(r"\b(?:and|or|und|oder|ou|et|y)\b", run) is not None
    either = re.search(r"\b(?:or|oder|ou)\b", run) is not None
    return bool(rest) and (either or len(rest) >= (2 if joined else 3))


def _bounded(wanted: str) -> str:
    if re.fullmatch(rf"[{_KATAKANA}]+", wanted):
        return rf"(?<![{_KATAKANA}]){re.escape(wanted)}(?![{_KATAKANA}])"
    left = "" if _STARTS_OPEN.search(wanted) or not wanted[0].isalnum() else rf"(?<![^\W{_UNSPACED}])"
    right = (
        "" if _ENDS_OPEN.search(wanted) or not wanted[-1].isalnum() else rf"(?![{_VOWELS}]|[^\W{_UNSPACED}{_KOREAN}])"
    )
    return left + re.escape(wanted) + right


def _plain(text: str) -> str:
    return comparable(_respelled(text), ignore_case=True)


def _respelled(text: str) -> str:
    """Return a text without accents on Latin letters, with "and" for "&", and spaces for hyphens inside of names."""
    text = _WORD_JOIN.sub(" ", unify(text).replace("&", " and "))
    if not text.isascii():
        text = "".join(_base(char) for char in text)
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def _base(char: str) -> str:
    base = unicodedata.normalize("NFD", char)[0]
    return base if base.isascii() else char
