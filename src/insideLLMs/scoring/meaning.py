"""What no similarity may overrule: where two texts surely, or possibly, do not say the same.

Checks of plain text, in this order: what is quoted or code, a negation, a word and its opposite, a name, the order of
the same words, a number, a refusal. They are strict on purpose: an alarm costs a look at two texts, a miss would call a
change no change. Silence is no proof that two texts mean the same. The word lists at the top have holes.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest
from os.path import commonprefix
from typing import NamedTuple

from insideLLMs.scoring.final_answer.amounts import numbers_in
from insideLLMs.scoring.final_answer.no_answer import gives_no_answer
from insideLLMs.scoring.final_answer.number_words import COUNTS
from insideLLMs.scoring.normalise import unify
from insideLLMs.scoring.refusal import refuses

NEGATIONS = (
    "not no never none nothing nobody nowhere neither nor without cannot hardly barely scarcely rarely seldom unable "
    "nope lack lacks lacking fails failed "  # English
    "nicht kein keine keinen keinem keiner keines nie niemals nichts niemand ohne nein "  # German
    "ne pas jamais aucun aucune rien personne sans ni "  # French
    "nunca jamás nada nadie ningún ninguna ninguno sin tampoco "  # Spanish
    "não nem nenhum nenhuma ninguém sem "  # Portuguese
    "non mai niente nessun nessuno nessuna senza né "  # Italian
    "niet geen nooit niets zonder nee "  # Dutch
    "inte inget ingen aldrig utan ikke aldri uten "  # Swedish, Norwegian, Danish
    "nie żaden bez nigdy ne není nikdy "  # Polish, Czech
    "не нет ни никогда ничего никто без "  # Russian
    "değil yok hayır asla "  # Turkish
    "không chưa tidak bukan jangan "  # Vietnamese, Indonesian
    "لا ليس ليست لم لن غير नहीं मत न לא אין "  # Arabic, Hindi, Hebrew
)
"""Words of their own; a contraction with n't counts as well."""

OPPOSING_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "mis", "anti")
"""What turns a word around when it is put before it: likely, unlikely."""

UNSPACED_NEGATIONS = (
    "不", "没", "沒", "无", "無", "非", "未", "别", "ない", "ません", "なかった",
    "않", "없", "아니", "못",
)  # fmt: skip

POLES = {
    "yes": ("yes yeah yep",),
    "true/false": ("true correct right accurate", "false incorrect wrong inaccurate untrue"),
    "up/down": (
        (
            "increas* rise* rose rising risen grew grow* up upward* climb* gain* higher raise* more above greater "
            "larger bigger exceed* over longer faster highest most maximum best better improv*"
        ),
        (
            "decreas* fall falls fell falling fallen shrink* shrank down downward* drop* decline* declining loss* "
            "lower reduc* less fewer below under smaller shorter slower lowest least minimum worst worse worsen* "
            "deteriorat*"
        ),
    ),
    "good/bad": (
        "good positive great excellent happy pleased satisfied like liked likes love* recommend* praise*",
        "bad negative poor terrible awful unhappy displeased dissatisfied dislike* hate* complain* criticis* criticiz*",
    ),
    "allowed/forbidden": (
        "allow* permit* approv* accept* grant* authoris* authoriz* confirm* agree*",
        "forbid* forbad* prohibit* ban banned deny denied denies reject* declin* refus* disallow* disagree* revok*",
    ),
    "safe/unsafe": ("safe safely secure harmless", "unsafe dangerous* insecure harmful risky toxic"),
    "success/failure": ("succe* pass passes passed win wins won", "fail* lose loses lost crash* broke broken"),
    "on/off": (
        "enabl* open opens opened start* begin* began active* available include* including add*",
        "disabl* close* closed stop* end ends ended off inactive unavailable exclude* excluding remov* delet*",
    ),
    "possible/impossible": ("possible able", "impossible"),
    "valid/invalid": ("valid legal eligible", "invalid illegal ineligible"),
    "all/some": ("all every each always everyone everything entire*", "some sometimes partly partial* occasional*"),
    "must/may": ("must required mandatory", "may might could optional*"),
    "before/after": ("before earlier prior previous* early", "after later following subsequent* late"),
    "first/last": ("first", "last"),
    "left": ("left",),
    "north/south": ("north*", "south*"),
    "east/west": ("east*", "west*"),
    "hot/cold": ("hot warm* heat*", "cold cool* chill*"),
    "buy/sell": ("buy* bought purchas*", "sell* sold"),
    "give/take": ("give* gave send* sent lend*", "take* took receiv* borrow*"),
    "hundreds": ("hundred*",), "thousands": ("thousand*",), "millions": ("million*",), "billions": ("billion*",),
    "dozens": ("dozen*",), "half": ("half halv*",), "double": ("twice doubl*",), "treble": ("thrice tripl*",),
    "quarter": ("quarter*",),
}  # fmt: skip
"""By axis, the words at either end, or at the one that there is; a star stands for any ending."""


READ_CHARACTERS = 20_000
"""Longer texts are not told to mean the same: nobody reads them to the end."""

_LITERAL = re.compile(
    r"```.*?(?:```|$)|`[^`\n]+`|\"[^\"\n]+\"|https?://\S+|[\w.+-]+@[\w-]+\.\w+|(?<!\w)(?:[@#/~\\]|\$(?!\d))[\w/.-]+|\w+(?:[_.]\w+)+"
    r"|[<>=+*^|&%{}\[\]]+",
    re.DOTALL,
)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_CODE = re.compile(r"[^\W\d_]+\d\w*|\d+[^\W\d_]\w*")
_COUNT = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, COUNTS), key=len, reverse=True))})\b", re.IGNORECASE)
_UNSPACED = re.compile("|".join(UNSPACED_NEGATIONS))
_FILLERS = (
    "a an the to be been being is are was were do does did have has had it this that any very really quite so yet "
    "also just only at all in of for by as if it's i you he she we they will would can could should may might"
)
_STARTERS = (
    "a an the this that these those it its it's he she they we you i my your our their his her there here what which "
    "who when where why how if as in on at to for from with by of and or but so then also yes no not please sure okay "
    "ok well thanks thank hello hi certainly absolutely great let let's here's that's there's i'm i'll i'd you're "
    "we're they're after before while because since although though however therefore thus hence first second finally "
    "next once all some any each every both many most such can could will would should may might must do does did is "
    "are was were be been have has had"
)
_NEGATION_WORDS, _FILLER_WORDS, _STARTER_WORDS = (
    frozenset(words.split()) for words in (NEGATIONS, _FILLERS, _STARTERS)
)
_SENTENCE_END = re.compile(r"[.!?:;。！？]\s+|[。！？]|\n+")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;\n]|[-*•]\s|\d[.)]\s)[\s\"'(\[*_#>-]*$")


class Apart(NamedTuple):
    """Why two texts are held apart: which check, and what it saw."""

    check: str
    saw: str


def held_apart(one: str, two: str) -> Apart | None:
    """Say what keeps two texts from meaning the same, by the first check that sees something; None if none does."""
    if max(len(one), len(two)) > READ_CHARACTERS:
        return Apart("length", f"longer than {READ_CHARACTERS:,} characters")
    left, right = _read(one), _read(two)
    found = _first_apart(
        (
            ("quotation or code", left.literals, right.literals),
            ("negation", left.negations, right.negations),
            ("opposite", left.poles, right.poles),
            ("name", _names(left, right), _names(right, left)),
        )
    )
    turned = found or _turned(set(left.words), set(right.words))
    if turned is not None:
        return turned
    if left.words != right.words and sorted(left.words) == sorted(right.words):
        return Apart("order", "the same words in another order")
    ours, theirs = _own_sentences(left.text, right.text)
    found = _first_apart((("number", _numbers(ours), _numbers(theirs)),))
    if found is None and _declines(ours) != _declines(theirs):
        return Apart("refusal", "only one of them declines")
    return found


def _first_apart(checks: Iterable[tuple[str, Sequence[str], Sequence[str]]]) -> Apart | None:
    for check, ours, theirs in checks:
        if ours != theirs:
            return Apart(check, _first_difference(ours, theirs))
    return None


def _own_sentences(one: str, two: str) -> tuple[str, str]:
    """Cut off the sentences with which both texts begin, and those with which both end."""
    start = len(commonprefix((one, two)))  # noqa: RUF071 - characters are what is meant
    start = max((end.end() for end in _SENTENCE_END.finditer(one, 0, start)), default=0)
    ours, theirs = one[start:], two[start:]
    shared = len(commonprefix((ours[::-1], theirs[::-1])))  # noqa: RUF071
    ends = [end.end() for end in _SENTENCE_END.finditer(ours, len(ours) - shared)]
    kept = len(ours) - ends[0] if ends else 0
    return ours[: len(ours) - kept], theirs[: len(theirs) - kept]


def _numbers(text: str) -> tuple[str, ...]:
    return (*numbers_in(_COUNT.sub(_digits, text)), *(found.group() for found in _CODE.finditer(text)))


def _declines(text: str) -> bool:
    return refuses(text) or gives_no_answer(text.casefold())


class _Reading(NamedTuple):
    text: str
    literals: tuple[str, ...]
    negations: tuple[str, ...]
    poles: tuple[str, ...]
    capitals: tuple[tuple[str, bool], ...]
    """Words with a capital, in order, and whether each opens a sentence: then it is a name, or it is not."""
    words: tuple[str, ...]


@lru_cache(maxsize=4096)
def _read(text: str) -> _Reading:
    text = unify(text)
    literals = tuple(found.group() for found in _LITERAL.finditer(text))
    spoken = [(found.group(), found.start()) for found in _WORD.finditer(text)]
    words = tuple(word.casefold() for word, _ in spoken)
    capitals = (
        (word, not word[1:].isupper() and _SENTENCE_START.search(text[max(0, start - 8) : start]) is not None)
        for word, start in spoken
        if word[0].isupper() and not _is_plain(word)
    )
    return _Reading(
        text=text,
        literals=literals,
        negations=(*_negated(words), *_UNSPACED.findall(text)),
        poles=tuple(sorted(filter(None, map(_pole, words)))),
        capitals=tuple(capitals),
        words=words,
    )


def _is_plain(word: str) -> bool:
    """Whether a word with a capital is no name wherever it stands; a single letter but I and A names something."""
    if len(word) == 1:
        return word in {"I", "A"}
    return word.casefold() in _STARTER_WORDS or word.endswith("n't")


def _digits(found: re.Match[str]) -> str:
    return str(COUNTS[found.group().casefold()])


def _negated(words: Sequence[str]) -> Iterator[str]:
    """Name each negation by what it negates: the next word that carries meaning."""
    for place, word in enumerate(words):
        if word in _NEGATION_WORDS or word.endswith("n't"):
            after = (other for other in words[place + 1 : place + 6] if other not in _FILLER_WORDS)
            yield f"not {next(after, '')}".strip()


_WHOLE: dict[str, str] = {}
_STEMS: list[tuple[str, str]] = []
for _axis, _ends in POLES.items():
    for _name, _words in zip(_axis.split("/"), _ends, strict=False):
        for _word in _words.split():
            if _word.endswith("*"):
                _STEMS.append((_word[:-1], _name))
            else:
                _WHOLE[_word] = _name


@lru_cache(maxsize=50_000)
def _pole(word: str) -> str | None:
    return _WHOLE.get(word) or next((name for stem, name in _STEMS if word.startswith(stem)), None)


def _turned(ours: set[str], theirs: set[str]) -> Apart | None:
    """Find a word of which the other text has the opposite: likely, unlikely."""
    for word in sorted(ours ^ theirs):
        for prefix in OPPOSING_PREFIXES:
            plain = word.removeprefix(prefix)
            if plain != word and plain in (theirs if word in ours else ours):
                return Apart("opposite", f"{plain} and {word}")
    return None


def _names(reading: _Reading, other: _Reading) -> tuple[str, ...]:
    """Return the names of a text; a word that opens a sentence is none if the other text writes it small."""
    names = {word for word, opens in other.capitals if not opens}
    known = frozenset(other.words)
    return tuple(word for word, opens in reading.capitals if not opens or word in names or word.casefold() not in known)


def _first_difference(ours: Iterable[str], theirs: Iterable[str]) -> str:
    before, after = tuple(ours), tuple(theirs)
    gone, come = Counter(before) - Counter(after), Counter(after) - Counter(before)
    if gone or come:
        return f"{next(iter(gone), 'nothing')[:60]} -> {next(iter(come), 'nothing')[:60]}"
    moved = next(pair for pair in zip_longest(before, after) if pair[0] != pair[1])
    return f"{moved[0][:60]} and {moved[1][:60]} in another order"
