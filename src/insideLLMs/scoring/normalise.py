"""How two texts are compared: what counts as the same, and what of an answer is read at all.

Normalisation (NFKC, case, spaces, markup) serves comparing only; what is stored stays as the model wrote it.
"""

import re
import unicodedata

READ_LIMIT = 60_000
"""Characters read at each end of an answer; what lies between is not searched, so time stays bounded."""

# soft hyphen, fillers, zero-width and directional marks, variation selectors, tags, control characters
_UNSEEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
)
_INVISIBLE = re.compile(f"[{_UNSEEN}]")
# also what Unicode lets nobody show (Default_Ignorable_Code_Point), more controls, a half filler, annotations, blank
# symbols, marks that need a letter, private characters. The list is fixed: a verdict depends on no Unicode version
_BLANK = re.compile(
    rf"[\s{_UNSEEN}\x80-\x9f\u180f\uffa0\ufff0-\ufffc\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\u2800\U0001d159"
    r"\u0300-\u036f\u20d0-\u20ff\ue000-\uf8ff\U000f0000-\U0010ffff]*+"
)
_SPELLINGS = str.maketrans("‘’ʼ“”„«»‐‑−⁄∕٫٬", "'" * 3 + '"' * 5 + "---//.,")
_FOREIGN_DIGIT = re.compile(r"[^\D0-9]")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT_RUN = re.compile(r"[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_MIXED_FRACTION = re.compile(r"(?<=\d)(?=[¼½¾⅐-⅞])")
_JOINING_SPACE = re.compile(r"(?<=\d)[\u00a0\u2009\u202f\u2007](?=\d{3}(?!\d))")
_BOLD = re.compile(r"(?<!\d)\*\*(?=\S)([^*\n]{1,300})(?<=\S)\*\*")
_EMPHASIS = re.compile(
    r"(?<!\w)(?<!\d\*)[*~`]{1,3}|[*~`]{1,3}(?![\w*])|(?<![^\W_])_{1,3}(?=[^\s_])|(?<=[^\s_])_{1,3}(?![^\W_])"
)
_LATEX_WRAPPER = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mathsf|operatorname|emph|bf|rm)\s?\{([^{}]{0,200})\}"
)
_LATEX_NOISE = re.compile(
    r"\\[()\[\]]|\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])|\\[,;:! ]|\$(?=[A-Za-z\\])|(?<=[A-Za-z}])\$(?!\d)"
)
_INLINE_MATH = re.compile(r"(?<!\\)\$(?=\S)((?:\\\$|[^$\n]){1,200})(?<=[^\s\\])\$(?!\d)")
_TAG = re.compile(r"<\|\w{1,40}\|>|</?[A-Za-z][^<>]{0,300}>|<!--[^<>]{0,300}-->")
_ANSWER_TAG = re.compile(r"<\s?(?:final[_ -]?)?answer\s?>(?:([^<>]{0,2000})<\s?/)?", re.IGNORECASE)
_LINE_PREFIX = re.compile(r"^[ >]+", re.MULTILINE)
_SPACES = re.compile(r"[^\S\n]+")
_NEWLINES = re.compile(r" ?\n[\s]*")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_EDGE_PUNCTUATION = " \t\n.,;:!?\"'`()[]{}*_«»“”。、，！？「」"


def is_blank(text: str) -> bool:
    """Whether an answer is none: it has only space and characters that do not show."""
    return _BLANK.fullmatch(text) is not None


def fold(text: str) -> str:
    """Return `text` for comparing: NFKC, invisible characters dropped, one case, single spaces, no outer space."""
    return comparable(text, ignore_case=True)


def unify(text: str) -> str:
    """Undo what looks the same in another spelling: full-width forms, quotes, dashes, digits of other scripts."""
    if text.isascii():
        return text if text.isprintable() else _INVISIBLE.sub("", text)
    text = _MIXED_FRACTION.sub(" ", _JOINING_SPACE.sub(",", text))
    text = _SUPERSCRIPT_RUN.sub(lambda run: "^" + run.group().translate(_SUPERSCRIPTS), text)
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).translate(_SPELLINGS)
    return _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit.group())), text)


def comparable(text: str, *, ignore_case: bool) -> str:
    """Return `text` for looking one text up in another: unified, single spaces, and one case if asked for."""
    unified = " ".join(unify(text).split())
    return unified.casefold() if ignore_case else unified


def bounded(text: str) -> str:
    """Return `text`, or its two ends joined by a line break where it is longer than both together."""
    if len(text) <= 2 * READ_LIMIT:
        return text
    return f"{text[:READ_LIMIT]}\n{text[-READ_LIMIT:]}"


def readable(answer: str) -> str:
    """Return an answer as extraction reads it: unified, without markup, one space or line break at a time."""
    text = bounded(unify(bounded(answer)))  # some characters unfold into eighteen
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = _ANSWER_TAG.sub(lambda tag: f"\nfinal answer: {(tag.group(1) or '').strip()}\n", text)
    text = _TAG.sub(" ", text)
    text = _LATEX_NOISE.sub(" ", _LATEX_WRAPPER.sub(r"\1", _INLINE_MATH.sub(r"\1", text)))
    text = _SPACES.sub(" ", _EMPHASIS.sub("", _BOLD.sub(r"\1", _LINE_PREFIX.sub("", text))))
    return _NEWLINES.sub("\n", text).strip()


def bare(text: str) -> str:
    """Return `text` folded and without outer punctuation and English articles, as short answers are compared."""
    folded = fold(text).strip(_EDGE_PUNCTUATION)
    without = " ".join(_ARTICLES.sub(" ", folded).split())
    return without or folded
