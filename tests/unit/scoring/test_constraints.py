"""Verifiable instructions: each row is a constraint, an answer that keeps it, and one that does not."""

import importlib.util
import sys

import pytest

from insideLLMs.core.errors import ArgumentError, PluginError
from insideLLMs.core.types import JsonValue
from insideLLMs.scoring.constraints import FAMILIES, check_constraints, loose_readings, parse_constraint
from insideLLMs.scoring.constraints.language import _detector
from insideLLMs.scoring.constraints.wording import sentences, words

detecting = pytest.mark.skipif(importlib.util.find_spec("lingua") is None, reason="the extra `language` is missing")
ROWS = [
    ({"type": "words", "max": 3}, "one two three", "one two three four"),
    ({"type": "words", "min": 2}, "don't stop", "stop"),
    ({"type": "words", "exactly": 4}, "今天天气", "今天天气好"),
    ({"type": "words", "exactly": 2}, "안녕 세계", "안녕"),
    ({"type": "words", "exactly": 2}, "1,000.5 euros", "1 000 euros"),
    ({"type": "sentences", "exactly": 2}, "Dr. Smith came. He left!", "He came. He saw. He left."),
    ({"type": "sentences", "exactly": 2}, "你好。再见！", "你好"),
    ({"type": "sentences", "max": 1}, "It costs 3.50 euros.", "Yes. No."),
    ({"type": "paragraphs", "exactly": 2}, "one\n\ntwo", "one\ntwo"),
    ({"type": "paragraphs", "exactly": 2, "separator": "***"}, "one\n***\ntwo", "one\n\ntwo"),
    ({"type": "lines", "exactly": 2}, "one\n\ntwo", "one"),
    ({"type": "characters", "max": 5}, "  abcde ", "abcdef"),
    ({"type": "paragraph_first_word", "paragraph": 2, "word": "However"}, "a\n\nhowever, b", "a\n\nb"),
    ({"type": "paragraph_first_word", "paragraph": 3, "word": "x"}, "a\n\nb\n\nx", "a\n\nx"),
    ({"type": "keywords", "words": ["sky", "blue"]}, "The SKY is blue.", "The skyline is blue."),
    ({"type": "keywords", "words": ["ﬁsh"]}, "a fish", "a fin"),
    ({"type": "forbidden_words", "words": ["no"]}, "I know nothing", "No."),
    ({"type": "keyword_frequency", "word": "ha", "min": 3}, "ha ha HA", "haha ha"),
    ({"type": "letter_frequency", "letter": "e", "exactly": 2}, "Eve", "eerie"),
    ({"type": "all_upper"}, "ÄPFEL 3!", "ÄPFEl"),
    ({"type": "all_upper"}, "YES", "123"),
    ({"type": "all_lower"}, "straße", "Straße"),
    ({"type": "capital_words", "max": 1}, "NASA flies", "NASA AND ESA fly"),
    ({"type": "no_comma"}, "one; two", "one, two"),
    ({"type": "no_comma"}, "一。二", "一，二"),
    ({"type": "script", "name": "cyrillic"}, "Привет, мир 42", "Hello мир"),
    ({"type": "script", "name": "latin"}, "Ça va", "42"),
    ({"type": "json"}, '{"a": [1]}', '{"a": NaN}'),
    ({"type": "json"}, '```json\n{"a": 1}\n```', "Here: {}"),
    ({"type": "json"}, '```json {"a": 1} ```', 'Here:\n```json\n{"a": 1}\n```\nBye'),
    ({"type": "two_responses"}, "one\n******\ntwo", "one\n******\ntwo\n******\nthree"),
    ({"type": "repeat_prompt", "prompt": "Write a poem."}, "write a poem.\nRain falls.", "Rain falls. Write a poem."),
    ({"type": "json"}, "[]", '{"a": 1, "a": 2}'),
    ({"type": "bullets", "exactly": 2}, "- a\n* b", "-a\n- b"),
    ({"type": "numbered_items", "min": 2}, "1. a\n2) b", "1.a\n2. b"),
    ({"type": "headings", "exactly": 1, "level": 2}, "## a\n# b", "##a"),
    ({"type": "headings", "min": 1}, "# a", "#a"),
    ({"type": "headings", "exactly": 1}, "# Title\n```sh\n# a comment\n```", "# Title\n# Other"),
    ({"type": "bullets", "max": 0}, "```yaml\n- a\n```", "```yaml\n- a"),
    ({"type": "title"}, "<<Poem>>\ntext", "<< >>"),
    ({"type": "code_fence"}, "```\nx\n```", "```\nx"),
    ({"type": "code_fence", "language": "python"}, "a\n```Python\nx\n```", "```js\nx\n```"),
    ({"type": "highlights", "min": 2}, "*a* and **b**", "* a\n* b"),
    ({"type": "placeholders", "min": 2}, "[name] at [address]", "[] [name]"),
    ({"type": "sections", "marker": "SECTION", "exactly": 2}, "Section 1\na\n**SECTION 2**", "section a"),
    ({"type": "postscript"}, "Bye.\nP.S. Call me", "P.S. comes last? no: bye\nend".replace("P.S.", "PX")),
    ({"type": "postscript", "marker": "P.P.S"}, "Bye\nP.P.S more", "Bye\nP.S. more"),
    ({"type": "one_of", "options": ["My answer is yes.", "My answer is no."]}, "my answer is yes", "yes"),
    ({"type": "parts", "exactly": 2}, "one\n******\ntwo", "one\n******\none"),
    ({"type": "parts", "exactly": 2}, "one******two", "one******  ******two"),
    ({"type": "starts_with", "text": "Dear"}, '"dear all', "My dear"),
    ({"type": "ends_with", "text": "Any questions?"}, "Done. Any questions? ", "Any questions? No."),
    ({"type": "quoted"}, '"all of it"', '"some" of it'),
    ({"type": "quoted"}, "“all”", '"'),
]


@pytest.mark.parametrize(("spec", "kept", "broken"), ROWS)
def test_a_constraint_tells_kept_from_broken(spec: JsonValue, kept: str, broken: str) -> None:
    constraint = parse_constraint(spec)
    assert constraint.failing(kept) is None
    assert constraint.failing(broken)


def test_every_family_has_a_row() -> None:
    assert {spec["type"] for spec, _, _ in ROWS} | {"response_language"} == set(FAMILIES)


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"response_language"}))
def test_an_empty_answer_keeps_no_constraint(name: str) -> None:
    spec = next(spec for spec, _, _ in ROWS if spec["type"] == name)
    (result,) = check_constraints(" \n ", [parse_constraint(spec)])
    assert (result.strict, result.loose) == (False, False)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "wrods", "max": 1}, "did you mean 'words'"),
        ({"type": "words"}, "no limit"),
        ({"type": "words", "maximum": 1}, "has no 'maximum'"),
        ({"type": "words", "max": -1}, "max is -1"),
        ({"type": "words", "max": True}, "max is True"),
        ({"type": "words", "max": "5"}, "max is '5'"),
        ({"type": "words", "min": 5, "max": 1}, "min above max"),
        ({"type": "keywords"}, "lacks words"),
        ({"type": "keywords", "words": []}, "words is []"),
        ({"type": "keywords", "words": "sky"}, "words is 'sky'"),
        ({"type": "starts_with", "text": ""}, "text is ''"),
        ({"max": 1}, "has no type"),
        (7, "has no type"),
    ],
)
def test_a_constraint_that_cannot_be_read_is_named(spec: JsonValue, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse_constraint(spec)
    assert message in caught.value.message
    assert caught.value.fix


def test_a_loose_reading_forgives_a_preamble_a_farewell_and_emphasis() -> None:
    constraint = parse_constraint({"type": "starts_with", "text": "Dear"})
    (result,) = check_constraints("Sure!\n**Dear** all", [constraint])
    assert (result.strict, result.loose) == (False, True)
    assert loose_readings("a\n*b*\nc")[3] == "*b*"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("The answer is no. That is final.", 2),
        ("No. 5 is alive.", 1),
        ("I chose plan B. It worked.", 2),
        ("She got an A. He got a B. They left.", 3),
        ("J. R. R. Tolkien wrote it. John F. Kennedy read it.", 2),
        ("Take option A. Option B is worse.", 2),
        ("So do I. Then we agree.", 2),
        ("We bought pens, paper, etc. Then we left.", 2),
        ("Pens, paper, etc. were sold.", 1),
        ("We met at 3 p.m. Then we left.", 2),
        ("Is it 3 p.m. or 4 p.m.? I forget.", 2),
        ("The U.S. Army came. He lives in the U.S. She does not.", 3),
        ("Smith et al. found it. Acme Inc. sells it.", 2),
        ('"Really?" he asked. "Yes!" she said.', 2),
        ("Well... maybe. Fine.", 2),
        ("Wait! What? No.", 3),
        ("¿Qué? ¡Nada! Bueno.", 3),
        ("Let n be x. Then stop.", 2),
    ],
)
def test_a_stop_ends_a_sentence_unless_it_belongs_to_a_word(text: str, count: int) -> None:
    assert len(sentences(text)) == count


@detecting
def test_a_language_is_told_from_another() -> None:
    german = parse_constraint({"type": "response_language", "language": "de"})
    assert german.failing("Das ist ein kurzer Satz auf Deutsch.") is None
    assert german.failing("This is a short sentence in English.") == "is in en, not de"
    assert parse_constraint({"type": "response_language", "language": "en"}).failing("Yes, of course.") is None
    assert german.failing("12345") == "is in no language, not de"


@detecting
def test_a_language_that_the_detector_does_not_know_is_named() -> None:
    with pytest.raises(ArgumentError, match="does not know 'gr'"):
        parse_constraint({"type": "response_language", "language": "gr"})


def test_without_the_detector_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _detector.cache_clear()
    monkeypatch.setitem(sys.modules, "lingua", None)
    with pytest.raises(PluginError, match="not installed") as caught:
        parse_constraint({"type": "response_language", "language": "de"})
    assert caught.value.fix == "pip install 'insidellms[language]'"


def test_list_numbers_and_abbreviations_end_no_sentence() -> None:
    assert sentences("1. First item.\n2. Second, e.g. this.") == ["1. First item.", "2. Second, e.g. this."]


def test_a_word_is_counted_whatever_the_script() -> None:
    assert words("L'été, semi-dry 3.5") == ["L'été", "semi-dry", "3.5"]
    assert words("สวัสดี") == list("สวัสดี")
