"""Which of several options an answer picks, by letter ("(B)", "option b") or by the option's own words.

The article is never the letter A, and an answer that names several options without declaring one picks none.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from insideLLMs.scoring.final_answer.claims import sentences, views
from insideLLMs.scoring.final_answer.declared import AMBIGUOUS, Ambiguity, declarations, is_supposed
from insideLLMs.scoring.normalise import bare

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_CONTINUES_LETTER = (
    r"(?:because|though|although|since|as|due|for|is|was|which|and|or|followed|would|will|seems|fits|with|so|but)\b"
)
_AND = (
    r"(?:\s?(?:,|/|&|;|\+)\s?(?:and |or )?|,? ?\b(?:and|or|und|oder|y|o|et|ou|e|en|of|и|или)\b ?"
    r"|\s?(?:和|或|と|또는)\s?)"
)
_NOUN = r"(?:option|choice|letter|alternative|answer|opción|opcion|choix|antwort|opção|opzione|optie|вариант)"
_BEFORE_LETTER = r"(?:is|the|most likely|probably|clearly|definitely|correct|la|le|el|il|die|der|das|o)"
_PICKS = (
    r"\b(?:it's|is|must be|should be|would be|might be|could only be|that's|(?:that )?leav(?:es|ing)"
    r"|by elimination|only|so|thus|therefore|hence|maybe|perhaps|probably|possibly"
    r"|(?:i|we)(?:'d|'ll| would| will)? (?:go with|pick|choose|select|say|vote for|take|think|believe|guess|suspect"
    r"|lean towards?)|(?:going with|leaning towards?)|(?:(?<=[.!:\n] )|(?<=\n)|^)(?:pick|choose|select|go with|take))"
    r"(?: (?:actually|probably|likely|most likely|definitely|simply|clearly|indeed|rather|really))?[ :,]{1,2}"
)
_NEGATED = re.compile(
    r"(?:\bnot|n't|\bnever|\bneither|\bnor|\brather than|\binstead of|\bunlike|\bexcept|\bexclud\w{0,4}"
    r"|\brul\w{0,3} out|\beliminat\w{0,3}|\bno|\bwrong|\bthan|\bout)\b"
    r"(?: (?:the|be|in|at|a|an|simply|just|option|choice|letter|answer))*\s?[(\[\"]?$",
    re.IGNORECASE,
)
_WRONG_AFTER = re.compile(
    r"^[)\].]{0,2}\s?[:–-]?\s?(?:wrong|incorrect|false|no\b|[✗✘❌×])|"
    r"^[)\].:\"]{0,2}(?: (?!because|since|as\b|and\b|but\b|so\b)[\w'-]{1,20}){0,4}? "
    r"(?:(?:is|are|was|seems|would be|can be|must be)(?: clearly| definitely| also| simply)? "
    r"(?:not|wrong|incorrect|false|invalid|ruled out|eliminated|out)|isn't|cannot|can't|doesn't|does not|won't)\b",
    re.IGNORECASE,
)
_RIGHT_AFTER = re.compile(
    r"^[)\]]? (?:ist|es|est|è|é) (?:die |la |a |il )?(?:richtig|correct|corret|bonne|juste|giust|cert[ao]"
    r"|respuesta correcta)|"
    r"^[)\].]{0,2}\s?[:–-]?\s?(?:right|correct|true|yes\b|[✓✔✅])|"
    r"^[)\].:,\"]{0,2}[^.\n,;]{0,60}? (?:is|must be|would be|seems) (?:the |clearly |definitely |indeed |most )*"
    r"(?:likely )?(?:correct|right|true|best|answer|valid|accurate|likely|option|choice)\b"
    r"|^[)\].:,\"]{0,2} (?:fits|works) best\b",
    re.IGNORECASE,
)
_SPLIT_OPTION = re.compile(r"^\s*[(\[]?(?P<label>[A-Za-z]|\d{1,2})[)\].:]\s+(?P<text>\S.*)$", re.DOTALL)

_OPENING_LETTER = re.compile(r"^([A-Z])[.)](?: ?\1[.)])? ?(?=[A-Z][a-z])")
"""A letter, perhaps said twice, that runs into the sentence after it: "C.The ...", "C.C.The ..."."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a question: each label (as shown) with the option's words, which may be unknown ("")."""

    texts: Mapping[str, str]

    @classmethod
    def of(cls, choices: object) -> "Options | None":
        """Read `choices` as datasets spell them: a list of words, a mapping, or ``{"label": [], "text": []}``.

        A list gets the labels A, B, C, ...; "A) Paris" brings its own. None for what is none of these.
        """
        if isinstance(choices, Mapping):
            labels, texts = choices.get("label"), choices.get("text")
            if isinstance(labels, Sequence) and isinstance(texts, Sequence) and not isinstance(labels, str):
                return cls(dict(zip(map(str, labels), map(str, texts), strict=False)))
            return cls({str(label): str(text) for label, text in choices.items()}) if choices else None
        if (
            not isinstance(choices, Sequence)
            or isinstance(choices, str | bytes)
            or not 1 < len(choices) <= len(LETTERS)
        ):
            return None
        split = [_SPLIT_OPTION.match(str(choice)) for choice in choices]
        if all(split) and len({match["label"] for match in split if match}) == len(choices):
            return cls({match["label"]: match["text"].strip() for match in split if match})
        return cls({LETTERS[position]: str(choice) for position, choice in enumerate(choices)})

    @classmethod
    def in_text(cls, question: str) -> "Options | None":
        """Find options written into a question, one a line or one after another: "A) Paris B) Rome"."""
        found = re.findall(
            r"(?:^|[\s(\[])([A-Z])[).:\]]\s{1,3}(\S[^\n]{0,300}?)(?=\s{1,3}[(\[]?[A-Z][).:\]]\s|\n|$)", question
        )
        start = next((at for at in range(len(found) - 1, -1, -1) if found[at][0] == "A"), None)
        if start is None:
            return None
        run = [pair for offset, pair in enumerate(found[start:]) if pair[0] == LETTERS[offset : offset + 1]]
        return cls({label: text.strip() for label, text in run}) if len(run) > 1 else None

    def label_for(self, expected: object) -> str | None:
        """Return the label that `expected` means: a label, an option's words, or (a number) a position from 0."""
        text = str(expected)
        for label, words in self.texts.items():
            if bare(label) == bare(text) or (words and bare(words) == bare(text)):
                return label
        split = _SPLIT_OPTION.match(text)
        if split and split["label"].upper() in self.texts:
            return split["label"].upper()
        if isinstance(expected, int) and not isinstance(expected, bool) and 0 <= expected < len(self.texts):
            return list(self.texts)[expected]
        return None

    def lines(self) -> str:
        """Write the options one a line, as a model is shown them."""
        return "\n".join(f"{label}. {text}" if text else label for label, text in self.texts.items())


def choice(answer: str, options: Options) -> str | None:
    """Return the label that `answer` picks; None where it picks none, several, or declines.

    What it declares wins, then a lone letter (whole answer, last line, first line), then a single option that
    is called right or is the only one named, by letter or by its words.
    """
    reader = _Reader(options)
    for view in views(answer):
        picked = reader.read(_OPENING_LETTER.sub(r"\1. ", view.text), plainly=view.declined or view.corrects)
        if picked is not None:
            return None if picked is AMBIGUOUS else picked
    return None


class _Reader:
    """The patterns of one set of labels."""

    def __init__(self, options: Options) -> None:
        self.labels = {label.casefold(): label for label in options.texts}
        self.words = {label: bare(text) for label, text in options.texts.items() if len(bare(text)) > 0}
        label = "(?:" + "|".join(re.escape(one) for one in sorted(options.texts, key=len, reverse=True)) + ")"
        edge = r"(?![A-Za-z0-9À-ɏ+#]|['.,-][A-Za-z0-9])"
        self._lone = re.compile(
            rf"^\W{{0,6}}(?:{_NOUN} )?[(\[\"]{{0,2}}({label}){edge}[)\].:,!?\"]{{0,3}}$", re.IGNORECASE
        )
        self._leading = re.compile(
            rf"^[\s:\"'=-]{{0,4}}(?:{_BEFORE_LETTER}\s){{0,3}}"
            rf"(?P<noun>{_NOUN}\s)?(?P<open>[(\[\"']?)(?P<label>{label}){edge}(?P<close>[)\]\"'.:。]?)",
            re.IGNORECASE,
        )
        self._second = re.compile(
            rf"{_AND}(?:maybe |perhaps |possibly |even )?(?:{_NOUN}\s)?[(\[]?({label}){edge}(?! \w+ed\b)", re.IGNORECASE
        )
        self._line = re.compile(rf"^[(\[]?({label}){edge}\s?[)\].:–—-] ?(\S[^\n]*)?", re.MULTILINE)
        self._mention = re.compile(
            rf"(?:\b{_NOUN}s? |选项\s?|选择?\s?|選択肢\s?)[(\[\"]?({label}){edge}(?!\?)|[(\[]({label})[)\]]",
            re.IGNORECASE,
        )
        self._subject = re.compile(
            rf"(?<![\w'.-])[(\[]?({label}){edge}(?=[)\]]?(?:(?: is| ist| es| est| è| é| must| would| seems| fits"
            rf"| works)\b"
            rf"|[.)]?(?:\s?[:–-])? ?[✓✔✅✗✘❌rcw]))"
        )
        self._pick = re.compile(
            rf"(?i:{_PICKS})(?i:{_NOUN}\s)?[(\[\"]?({label}){edge}(?=\s?(?:[)\].,;:!\"\n]|$|{_CONTINUES_LETTER}))"
        )

    def read(self, text: str, *, plainly: bool) -> str | Ambiguity | None:
        """Return the label that a text picks; `plainly`: not by merely naming it."""
        for segment in declarations(text):
            picked = self.leading(segment, declared=True)
            if picked is not None:
                return picked
        lines = text.split("\n")
        if len({self.lone(line) for line in lines}) > 1 and all(map(self.lone, lines)):
            return AMBIGUOUS
        *before, last = sentences(lines[-1]) or [""]
        for line in (text, lines[-1], lines[0], "" if before and self.lone(before[-1]) else last):
            lone = self.lone(line)
            if lone is not None:
                return lone
        finders: list[Callable[[str], str | Ambiguity | None]] = [self.opening_line, self.named_right, self.verb_pick]
        finders += [] if plainly else [self.only_mention, self.only_words]
        return next((picked for find in finders if (picked := find(text)) is not None), None)

    def _label(self, found: str | None) -> str | None:
        return self.labels.get(found.casefold()) if found else None

    def lone(self, line: str) -> str | None:
        """Return the label where `line` is nothing but a label, or nothing but one option's words."""
        found = self._lone.match(line)
        if found:
            return self._label(found.group(1))
        same = [label for label, words in self.words.items() if words == bare(line)]
        return same[0] if len(same) == 1 else None

    def leading(self, segment: str, *, declared: bool) -> str | Ambiguity | None:
        """Return the label that opens `segment`; in a declaration the option's words will do."""
        if re.match(r"\W{0,3}(?:not|neither|never|none of (?:these|them))\b", segment, re.IGNORECASE):
            both = self.only_words(segment)
            return both if isinstance(both, str) and both else None
        found = self._leading.match(segment)
        if not found or not self._is_label(found, segment):
            return self._by_words(segment) if declared else None
        label = self._label(found["label"])
        rest = segment[found.end() :]
        if not declared and (rest.startswith("?") or _WRONG_AFTER.match(rest)):
            return None
        second = self._second.match(rest)
        if second and self._label(second.group(1)) != label:
            return AMBIGUOUS
        return label if label is None or self._agrees(label, rest) else AMBIGUOUS

    def _is_label(self, found: re.Match[str], segment: str) -> bool:
        """Tell a letter from the article, the pronoun and from words that merely begin with it."""
        raw, rest = found["label"], segment[found.end() :]
        if found["noun"] or found["close"] or found["open"] or not rest.strip(" .,;:!?。、"):
            return True
        if len(raw) == 1 and raw.isalpha() and raw.islower():
            return False
        if raw in {"A", "I"}:
            return bool(re.match(rf"\s?(?:[,;:–—(-]|{_CONTINUES_LETTER})", rest)) or self._starts_with_words(raw, rest)
        return True

    def _starts_with_words(self, label: str, rest: str) -> bool:
        words = self.words.get(label, "")
        return bool(words) and bare(rest).startswith(words)

    def _agrees(self, label: str, rest: str) -> bool:
        """Whether the words after a label are not exactly another option's."""
        said = bare(re.split(r"[.\n;,]", rest.strip(' .:)-–—"]('), maxsplit=1)[0])
        return said == self.words.get(label) or said not in self.words.values()

    def opening_line(self, text: str) -> str | Ambiguity | None:
        """Return the label of an answer like "B) Paris ..."; several such lines repeat the question."""
        lines = [self._label(found.group(1)) for found in self._line.finditer(text)]
        if not lines:
            return self.leading(text.partition("\n")[0], declared=False) if self._names_one(text) else None
        first = self._line.match(text)
        if len(set(lines)) > 1:
            return None
        if first is None:
            return lines[0]
        return self.leading(text.partition("\n")[0], declared=False)

    def _names_one(self, text: str) -> bool:
        found = self._leading.match(text)
        return bool(found and found["close"]) or bool(
            found and not re.match(rf" (?!{_CONTINUES_LETTER})[a-z]", text[found.end() :])
        )

    def named_right(self, text: str) -> str | Ambiguity | None:
        """Return the one option that is called correct."""
        right = {
            self._label(next(filter(None, found.groups())))
            for pattern in (self._mention, self._subject)
            for found in pattern.finditer(text)
            if _RIGHT_AFTER.match(text[found.end() : found.end() + 100])
            and not _WRONG_AFTER.match(text[found.end() : found.end() + 60])
            and not _NEGATED.search(text[max(0, found.start() - 40) : found.start()])
        }
        right.discard(None)
        return right.pop() if len(right) == 1 else AMBIGUOUS if right else None

    def verb_pick(self, text: str) -> str | Ambiguity | None:
        """Return the option of "I choose B", "So B.", "It's B"; two different ones are ambiguous."""
        picked = {
            self._label(found.group(1))
            for found in self._pick.finditer(text)
            if not _NEGATED.search(before := text[max(0, found.start() - 60) : found.start()])
            and not is_supposed(before)
        }
        return picked.pop() if len(picked) == 1 else AMBIGUOUS if picked else None

    def only_mention(self, text: str) -> str | Ambiguity | None:
        """Return the one option named by letter; naming several is ambiguous, denying one is no pick."""
        picked: set[str | None] = set()
        for found in self._mention.finditer(text):
            label = self._label(next(filter(None, found.groups())))
            before = text[max(0, found.start() - 40) : found.start()]
            if label and not _NEGATED.search(before) and not _WRONG_AFTER.match(text[found.end() : found.end() + 60]):
                picked.add(label)
        return picked.pop() if len(picked) == 1 else AMBIGUOUS if picked else None

    def _by_words(self, segment: str) -> str | Ambiguity | None:
        """Return the option whose words a declaration gives: all of it, its first clause, or the only one in it."""
        clause = bare(re.split(r"[.,;:(–—\n]", segment, maxsplit=1)[0])
        for said in (bare(segment), clause):
            same = [label for label, words in self.words.items() if words == said]
            if len(same) == 1:
                return same[0]
        return self.only_words(segment)

    def only_words(self, text: str) -> str | Ambiguity | None:
        """Return the one option whose words occur un-negated; a longer option covers the shorter ones in it."""
        if not self.words:
            return None
        longest_first = sorted(set(self.words.values()), key=len, reverse=True)
        pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first))})(?![^\W_]|[.,]\d)")
        folded = " ".join(text.casefold().split())
        picked: set[str] = set()
        for found in pattern.finditer(folded):
            before = folded[max(0, found.start() - 40) : found.start()]
            if not _NEGATED.search(before) and not _WRONG_AFTER.match(folded[found.end() : found.end() + 50]):
                picked.update(label for label, words in self.words.items() if words == found.group())
            if len(picked) > 1:
                return AMBIGUOUS
        return picked.pop() if picked else None
