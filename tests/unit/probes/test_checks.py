"""The plain checks: equals, regex, numeric, usage, f1, rouge, edit similarity, JSON schema and path, functions."""

from typing import ClassVar

import pytest

from insideLLMs.core.errors import ArgumentError, InsideLLMsError, TemplateError
from insideLLMs.core.types import Example, Message, Request, Response, Usage
from insideLLMs.probes.check import FunctionProbe
from insideLLMs.probes.contains import ContainsProbe
from insideLLMs.probes.exact import EqualsProbe, NumericProbe, RegexProbe, UsageProbe
from insideLLMs.probes.instruction_following import InstructionFollowingProbe
from insideLLMs.probes.json_checks import JsonPathProbe, JsonSchemaProbe
from insideLLMs.probes.logic import LogicProbe
from insideLLMs.probes.similarity import EditSimilarityProbe, F1Probe, RougeProbe


def example(*expected, **fields):
    return Example(id="1", input="Question?", expected=expected, fields=fields)


def passes(probe, given, answer):
    assert probe.check_example(given) is None
    scores = probe.score(given, Response(text=answer))
    for name, value in scores.values.items():
        low, high = sorted(probe.score_ranges.get(name, (0, 1)))
        assert low <= value <= high
    assert scores.passed is bool(scores.values["correct"])
    return scores.passed


@pytest.mark.parametrize(
    ("arguments", "expected", "answer", "holds"),
    [
        ({}, ["Paris"], "paris.", True),
        ({}, ["Paris"], "the Paris", True),
        ({}, ["Paris"], "Not Paris", False),
        ({}, ["Paris"], "Paris or Lyon", False),
        ({}, ["Paris"], "Pаris", False),  # a Cyrillic letter
        ({}, ["Paris"], "Ｐａｒｉｓ", True),
        ({}, ["Paris", "Lutetia"], "LUTETIA", True),
        ({}, ["Paris"], "<b>Paris</b>", False),
        ({}, ["Paris"], "I cannot answer.", False),
        ({}, ["Paris"], "Paris " * 50_000, False),
        ({}, ["東京"], "東京。", True),
        ({}, [42], "42", True),
        ({}, [True], "true", True),
        ({"normalise": "spaces"}, ["a b"], " a\n b ", True),
        ({"normalise": "spaces"}, ["a b"], "A b", False),
        ({"normalise": "none"}, ["a"], "a ", False),
        ({"reading": "final"}, ["Paris"], "Hmm. The answer is: Paris", True),
        ({"reading": "final"}, ["Paris"], "I don't know.", False),
        ({"reading": "final"}, ["Paris"], "It's Paris.", True),
        ({"reading": "final"}, ["Paris"], "The capital is Paris. It lies on the Seine.", True),
        ({"reading": "final"}, ["Paris"], "The capital is Lyon, not Paris.", False),
    ],
)
def test_equals(arguments, expected, answer, holds):
    assert passes(EqualsProbe(**arguments), example(*expected), answer) is holds


@pytest.mark.parametrize(
    ("arguments", "expected", "answer", "holds"),
    [
        ({"pattern": r"\d{3}"}, [], "code 123", True),
        ({"pattern": r"\d{3}", "full": True}, [], "code 123", False),
        ({"pattern": r"\d{3}", "full": True}, [], " 123\n", True),
        ({"pattern": ["a", "b"]}, [], "b", True),
        ({"pattern": "YES", "ignore_case": True}, [], "yes", True),
        ({"pattern": "YES"}, [], "yes", False),
        ({}, [r"^no$"], "line\nno\nline", True),
        ({"pattern": "x"}, [], "", False),
        ({"pattern": ".*"}, [], "  ", False),
    ],
)
def test_regex(arguments, expected, answer, holds):
    assert passes(RegexProbe(**arguments), example(*expected), answer) is holds


@pytest.mark.parametrize(
    ("arguments", "expected", "answer", "holds"),
    [
        ({}, [1000], "It is 1,000.", True),
        ({"tolerance": 0.01}, [3.14159], "about 3.14", True),
        ({"tolerance": 0.001}, [3.14159], "about 3.14", False),
        ({"relative_tolerance": 0.05}, [200], "191", True),
        ({}, ["1/2"], "0.5", True),
        ({}, ["5 km"], "5000 m", True),
        ({}, [5], "not five but six", False),
        ({}, [5], "I can't say.", False),
        ({}, [5], "٥", True),
    ],
)
def test_numeric(arguments, expected, answer, holds):
    assert passes(NumericProbe(**arguments), example(*expected), answer) is holds


@pytest.mark.parametrize(
    ("within", "answer", "holds"),
    [
        ("fence", '```json\n{"a": 1}\n```', True),
        ("whole", '```json\n{"a": 1}\n```', False),
        ("whole", ' {"a": 1}\n', True),
        ("whole", '\u00a0{"a": 1}', False),  # no space to JSON
        ("whole", "{'a': 1}", False),
        ("anywhere", 'Here: {"a": 1}. Done.', True),
        ("anywhere", 'First {"b": 1}, then {"a": 1}.', True),
        ("anywhere", 'First {"b": 1}, then {"a": "x"}.', False),
        ("anywhere", "a: 1", False),
    ],
)
def test_where_an_answer_may_hold_its_json(within, answer, holds):
    probe = JsonSchemaProbe(schema={"required": ["a"], "properties": {"a": {"type": "integer"}}}, within=within)
    assert passes(probe, example(), answer) is holds
    with pytest.raises(ArgumentError, match=r"within is 'fenced'; it must be one of .*did you mean 'fence'"):
        JsonSchemaProbe(schema=True, within="fenced")


@pytest.mark.parametrize(
    ("max_edits", "expected", "answer", "holds"),
    [
        (0, ["cat"], "cat", True),
        (0, ["cat"], "cat ", False),
        (1, ["cat"], "cart", True),
        (1, ["cat"], "carts", False),
        (1, ["dog", "cat"], "Cat", True),
        (3, ["cat"], "dog", True),
    ],
)
def test_edits_are_counted_where_they_are_bounded(max_edits, expected, answer, holds):
    assert passes(EditSimilarityProbe(max_edits=max_edits), example(*expected), answer) is holds
    with pytest.raises(ArgumentError, match="max_edits is -1"):
        EditSimilarityProbe(max_edits=-1)


@pytest.mark.parametrize(
    ("expected", "answer", "says"),
    [
        (1250, "The answer is 1.250.", "; 1.250 is ambiguous: its separator may group thousands or begin decimals"),
        (1.25, "1,250 kg", "; 1,250 is ambiguous: its separator may group thousands or begin decimals"),
        (7, "The answer is 1.250.", ""),
    ],
)
def test_a_number_that_a_separator_puts_a_thousand_times_off_is_called_ambiguous(expected, answer, says):
    scores = NumericProbe().score(example(expected), Response(text=answer))
    assert scores.passed is False
    assert scores.explanation.partition(f"expected {expected}")[2] == says


def test_usage_limits_what_a_record_can_prove():
    probe = UsageProbe(max_output_tokens=10, max_characters=5)
    fits = probe.score(example(), Response(text="1234", usage=Usage(output_tokens=3)))
    assert fits.passed
    assert fits.values == {"correct": 1.0, "characters": 4.0, "output_tokens": 3.0}
    long = probe.score(example(), Response(text="123456", usage=Usage(output_tokens=11)))
    assert long.explanation == "output_tokens: 11, at most 10; characters: 6, at most 5"
    assert "not counted" in probe.score(example(), Response(text="1")).explanation
    with pytest.raises(ArgumentError, match="no limit is set"):
        UsageProbe()


@pytest.mark.parametrize(
    ("probe", "answer", "holds"),
    [
        (F1Probe(threshold=0.5), "A cat sat down.", True),
        (F1Probe(threshold=0.9), "A dog ran off.", False),
        (F1Probe(), "I'm sorry, I can't.", False),
        (RougeProbe(threshold=0.9), "the cat sat", True),
        (RougeProbe(variant="rouge2", threshold=0.1), "sat cat the", False),
        (EditSimilarityProbe(), "the cat sa", True),
        (EditSimilarityProbe(), "cats everywhere", False),
        (F1Probe(reading="final", threshold=1), "Well. Final answer: the cat sat", True),
        (F1Probe(reading="final", threshold=1), "It was: the cat sat. Would you like to hear more?", True),
    ],
)
def test_a_similarity_passes_from_its_threshold_on(probe, answer, holds):
    assert passes(probe, example("the cat sat"), answer) is holds


SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}}


@pytest.mark.parametrize(
    ("answer", "holds", "says"),
    [
        ('{"name": "Ada"}', True, "matches the schema"),
        ('Here:\n```json\n{"name": "Ada"}\n```', True, "matches the schema"),
        ('{"name": ""}', False, "$.name"),
        ("{}", False, "'name' is a required property"),
        ('{"name": "Ada", "name": ""}', False, "occurs twice"),
        ("name: Ada", False, "is not JSON"),
        ("I cannot do that.", False, "is not JSON"),
        ('```\n{"name":"A"}\n```\n```\n{"name":"B"}\n```', False, "only one"),
        ("[" * 100_000, False, "nested too deeply"),
    ],
)
def test_json_schema(answer, holds, says):
    probe = JsonSchemaProbe(schema=SCHEMA)
    assert passes(probe, example(), answer) is holds
    assert says in probe.score(example(), Response(text=answer)).explanation


def test_a_schema_is_checked_and_never_fetched():
    with pytest.raises(ArgumentError, match="schema is"):
        JsonSchemaProbe(schema={"type": "objekt"})
    assert "a schema is" in JsonSchemaProbe().check_example(example(schema=3))
    far = JsonSchemaProbe(schema={"$ref": "http://127.0.0.1:9/schema.json"})
    assert "not part of it" in far.score(example(), Response(text="1")).explanation


@pytest.mark.parametrize(
    ("arguments", "expected", "answer", "holds"),
    [
        ({"path": "$.a.b"}, [1], '{"a": {"b": 1.0}}', True),
        ({"path": "$.a.b"}, [1], '{"a": {"b": "1"}}', False),
        ({"path": "$.a.b"}, [1, 2], '{"a": {"b": 2}}', True),
        ({"path": "$..id"}, [[1, 2]], '[{"id": 1}, {"id": 2}]', True),
        ({"values": {"$.a": 1, "$.b": None}}, [], '{"a": 1, "b": null}', True),
        ({"values": {"$.a": 1, "$.b": None}}, [], '{"a": 1}', False),
        ({"path": "$.a"}, [1], '{"a": 9007199254740993}', False),
        ({"path": "$.a"}, [1], '{"a": "\\ud800"}', False),
    ],
)
def test_json_path(arguments, expected, answer, holds):
    assert passes(JsonPathProbe(**arguments), example(*expected), answer) is holds


def test_the_share_of_values_that_hold_is_scored():
    scores = JsonPathProbe(values={"$.a": 1, "$.b": 2}).score(example(), Response(text='{"a": 1, "b": 3}'))
    assert scores.values == {"correct": 0.0, "is_json": 1.0, "held": 0.5}
    assert scores.explanation == "$.b is '3', expected '2'"


def test_a_function_scores_in_its_own_way():
    probe = FunctionProbe(function=lambda text, given: {"correct": given.expected[0] in text, "length": len(text) / 9})
    scores = probe.score(example("x"), Response(text="xyz"))
    assert scores.values == {"correct": 1.0, "length": 3 / 9}
    with pytest.raises(InsideLLMsError, match="finite"):
        FunctionProbe(function=lambda text, given: float("nan")).score(example(), Response(text=""))


@pytest.mark.parametrize(
    ("probe", "given", "says"),
    [
        (EqualsProbe(), example(), "nothing is expected"),
        (NumericProbe(), example("five"), None),
        (NumericProbe(), example("blue"), "is not a number"),
        (RegexProbe(), example(), "no pattern"),
        (RegexProbe(), example("("), "not valid"),
        (JsonSchemaProbe(), example(), "no schema"),
        (JsonPathProbe(path="$.a"), example(), "nothing to compare"),
        (JsonPathProbe(), example(values={"a": 1}), "malformed"),
    ],
)
def test_an_example_that_cannot_be_scored_is_told_before_any_call(probe, given, says):
    complaint = probe.check_example(given)
    assert complaint is None if says is None else says in complaint


@pytest.mark.parametrize(
    "make",
    [
        lambda: EqualsProbe(normalise="strict"),
        lambda: RegexProbe(pattern="(a+)+"),
        lambda: F1Probe(threshold=2),
        lambda: RougeProbe(variant="rouge9"),
        lambda: NumericProbe(tolerance=-1),
        lambda: JsonPathProbe(path="a"),
        lambda: UsageProbe(max_characters=-1),
        lambda: FunctionProbe(function="nothing"),
    ],
)
def test_a_wrong_argument_is_refused_when_the_probe_is_made(make):
    with pytest.raises(ArgumentError):
        make()


def test_a_template_that_an_example_cannot_fill_is_told_before_any_call():
    with pytest.raises(TemplateError, match=r"names \{\{ colour \}\}"):
        EqualsProbe(template="{{ colour }}").check_example(example("x"))


FEW_SHOT = [
    {"role": "system", "content": "Answer in {{ language }}."},
    {"role": "user", "content": "1+1?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "{{ question }}"},
]


@pytest.mark.parametrize("make", [EqualsProbe, ContainsProbe, LogicProbe, InstructionFollowingProbe])
def test_a_template_may_be_a_chat(make):
    request = make(template=FEW_SHOT).request(Example(id="1", input="2+2?", fields={"language": "French"}))
    assert [(message.role, message.text) for message in request.messages] == [
        ("system", "Answer in French."),
        ("user", "1+1?"),
        ("assistant", "2"),
        ("user", "2+2?"),
    ]


def test_a_chat_is_not_put_around_another_chat():
    chat = Example(id="1", input=(Message(role="system", content="s"), Message(role="user", content="u")))
    probe = FunctionProbe(function=lambda text, example: True, template=FEW_SHOT[3:])
    with pytest.raises(TemplateError, match="so is the example"):
        probe.check_example(chat)


@pytest.mark.parametrize("template", ["Always the same", [{"role": "user", "content": "Always the same"}]])
def test_a_template_that_names_no_field_is_refused_unless_it_is_constant(template):
    with pytest.raises(TemplateError, match="names no field") as caught:
        EqualsProbe(template=template)
    assert "constant: true" in str(caught.value)
    key = "text" if isinstance(template, str) else "messages"
    asked = EqualsProbe(template={key: template, "constant": True}).request(example("x"))
    assert asked.messages[0].text == "Always the same"


def test_constant_is_true_or_false():
    with pytest.raises(ArgumentError, match="constant is 'maybe'; it must be true or false"):
        EqualsProbe(template={"text": "{{ question }}", "constant": "maybe"})


@pytest.mark.parametrize(
    "template",
    [5, "", [], {"text": "{{ question }}"}, [{"role": "bot", "content": "{{ question }}"}], [{"content": "{{ n }}"}],
     [{"role": "user", "content": 5}], [{"role": "user", "content": "{{ n }}", "name": "x"}]],
)  # fmt: skip
def test_what_is_no_template_is_refused_by_name(template):
    with pytest.raises((ArgumentError, TemplateError)) as caught:
        EqualsProbe(template=template)
    assert "template" in str(caught.value)


def test_a_template_makes_the_prompt():
    probe = EqualsProbe(template="{{ question }} In {{ language }}.")
    assert probe.request(example("x", language="French")) == Request.of("Question? In French.")


def test_an_empty_answer_gets_the_worst_score_of_each_range():
    class Distance(EqualsProbe):
        score_ranges: ClassVar = {"correct": (0, 1), "distance": (100, 0)}

    assert Distance().score(example("Paris"), Response(text=" ")).values == {"correct": 0, "distance": 100}


def test_a_function_with_a_third_parameter_is_given_the_response() -> None:
    def cites(text: str, given: Example, response: Response) -> bool:
        return text == "4" and "u" in response.kept["sources"]

    probe = FunctionProbe(function=cites)
    assert probe.score(example(), Response(text="4", kept={"sources": ["u"]})).passed is True
    assert probe.score(example(), Response(text="4", kept={"sources": []})).passed is False
    assert FunctionProbe(function=lambda text, given, more=1: more == 1).score(example(), Response(text="4")).passed
