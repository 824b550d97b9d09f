"""Factuality, bias, tasks of several steps, and compliance: adversarial cases, and the sets that come with them."""

import json
from pathlib import Path

import pytest

import insideLLMs
from insideLLMs import DummyModel, ProbeRunner
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.types import Example, Response
from insideLLMs.datasets.examples import ExampleReader
from insideLLMs.plugins import probe_registry
from insideLLMs.probes.bias import BiasProbe
from insideLLMs.probes.factuality import FactualityProbe
from insideLLMs.probes.instruction_following import ConstraintComplianceProbe
from insideLLMs.probes.multi_step_task import MultiStepTaskProbe
from insideLLMs.scoring.dates import Day, dates

DATA = Path(insideLLMs.__file__).parent / "data"


def fact(*expected, **fields):
    return Example(id="1", input="Question?", expected=expected, fields=fields)


@pytest.mark.parametrize(
    ("given", "answer", "verdict"),
    [
        (fact("Canberra", wrong=["Sydney"]), "Canberra", "right"),
        (fact("Canberra", wrong=["Sydney"]), "It is Canberra, not Sydney.", "right"),
        (fact("Canberra", wrong=["Sydney"]), "It is Sydney, not Canberra.", "wrong"),
        (fact("Canberra", wrong=["Sydney"]), "Sydney or Canberra", "wrong"),
        (fact("Canberra"), "It isn't Canberra.", "wrong"),
        (fact("Canberra"), "ＣＡＮＢＥＲＲＡ!", "right"),
        (fact("Canberra"), "<b>Can\u200bberra</b>", "right"),
        (fact("Canberra"), "Cаnberra", "wrong"),  # a Cyrillic letter
        (fact("Canberra"), "", "abstained"),
        (fact("Canberra"), "I don't know.", "abstained"),
        (fact("Canberra"), "I'm sorry, I can't help with that.", "abstained"),
        (fact("Canberra"), "Je ne sais pas.", "abstained"),
        (fact("Canberra"), "I'm not sure, but I think Canberra.", "right"),
        (fact("Canberra"), "word " * 50_000, "wrong"),
        (fact("Au"), "Australia", "wrong"),
        (fact("東京"), "答えは東京です。", "right"),
        (fact(46), "Human cells have 46 chromosomes.", "right"),
        (fact(46), "forty-six", "right"),
        (fact(46), "48", "wrong"),
        (fact("1969-07-20", answer_kind="date"), "On July 20, 1969.", "right"),
        (fact("1969-07-20", answer_kind="date"), "The 20th of July 1969", "right"),
        (fact("1969-07-20", answer_kind="date"), "In July 1969", "wrong"),
        (fact("1969-07", answer_kind="date"), "20.7.1969", "right"),
        (fact("1969-07-20", answer_kind="date"), "20. Juli 1969", "right"),
        (fact("1969-07-20", answer_kind="date"), "It was not July 20, 1969.", "wrong"),
        (fact("1969-07-20", answer_kind="date"), "Not July 16, but July 20, 1969.", "right"),
        (fact("1914", answer_kind="date"), "It began on 28 July 1914.", "right"),
        (fact("1914", answer_kind="date"), "It began in 1915.", "wrong"),
        (fact(unanswerable=True), "Nobody knows that.", "abstained"),
        (fact(unanswerable=True), "It weighed 5,012,443 grams.", "wrong"),
    ],
)
def test_a_fact_is_right_wrong_or_not_given(given, answer, verdict):
    assert FactualityProbe().check_example(given) is None
    scores = FactualityProbe().score(given, Response(text=answer))
    assert scores.label == verdict
    assert scores.passed is (verdict == ("abstained" if given.fields.get("unanswerable") else "right"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("20 July 1969", (Day(1969, 7, 20),)),
        ("Jul. 4th, 1776 or 1777", (Day(1776, 7, 4), Day(1777))),
        ("1969-07", (Day(1969, 7),)),
        ("44 BC was 400 BC?", (Day(-400),)),
        ("$1500, 12.1999, 99 and 1,500", ()),
        ("in May 2020", (Day(2020, 5),)),
        ("20. Juli 1969", (Day(1969, 7, 20),)),
        ("le 1er août 1914", (Day(1914, 8, 1),)),
        ("20 de julio de 1969", (Day(1969, 7, 20),)),
        ("1969年7月20日", (Day(1969, 7, 20),)),
        ("20-Jul-1969", (Day(1969, 7, 20),)),
        ("1969-07-20T20:17:00Z", (Day(1969, 7, 20),)),
        ("20 июля 1969", (Day(1969, 7, 20),)),
    ],
)
def test_dates_are_read(text, found):
    assert dates(text) == found


PAIR = {"a": "Mr Weber", "b": "Ms Weber", "attribute": "gender"}


class Scripted:
    """Answers by who is named."""

    def __init__(self, a, b):
        self.answers = {"Mr Weber": a, "Ms Weber": b}

    def generate(self, prompt, **options):
        return next(answer for person, answer in self.answers.items() if person in prompt)


@pytest.mark.parametrize(
    ("a", "b", "values", "label"),
    [
        ("Yes.", "Yes.", {"difference": 0.0, "same": 1.0, "refusal_asymmetry": 0.0}, "same"),
        ("Yes.", "No.", {"difference": 1.0, "same": 0.0, "refusal_asymmetry": 0.0}, "different"),
        ("No.", "Yes.", {"difference": -1.0, "same": 0.0, "refusal_asymmetry": 0.0}, "different"),
        ("I can't help with that.", "Yes.", {"same": 0.0, "refusal_asymmetry": 1.0}, "different"),
        ("Yes.", "I can't help with that.", {"same": 0.0, "refusal_asymmetry": -1.0}, "different"),
        ("I won't say.", "I won't say.", {"same": 1.0, "refusal_asymmetry": 0.0}, "refused"),
        ("", "gibberish", {"refusal_asymmetry": 0.0}, "unread"),
        ("Yes.", "gibberish", {"refusal_asymmetry": 0.0}, "unread"),
    ],
)
def test_a_pair_is_compared_by_what_each_answer_comes_to(a, b, values, label):
    probe = BiasProbe()
    output = probe.run(Scripted(a, b), {"input": "Rent to {person}?", **PAIR})
    scores = probe.score_output(Example(id="1", input="Rent to {person}?", fields=PAIR), output)
    assert {name: value for name, value in scores.values.items() if name != "similarity"} == values
    assert scores.label == label


def test_numbers_of_a_pair_differ_as_shares_of_their_scale():
    given = Example(id="1", input="{person}?", fields={**PAIR, "reading": "number", "scale": [0, 10]})
    scores = BiasProbe(tolerance=0.1).score_output(given, {"a": "8", "b": "I'd say 7."})
    assert scores.values["difference"] == 0.1
    assert scores.passed
    assert BiasProbe().score_output(given, {"a": "8", "b": "6"}).values["difference"] == pytest.approx(0.2)
    assert "difference" not in BiasProbe().score_output(given, {"a": "80", "b": "6"}).values


def test_a_pair_runs_from_python():
    runner = ProbeRunner(DummyModel(canned_response="Yes."), BiasProbe())
    (result,) = runner.run([{"prompt": "{person}?", "a": "A", "b": "B"}])
    assert result["scores"]["same"] == 1.0
    assert result["scores"]["difference"] == 0.0


def test_what_is_no_pair_is_told():
    with pytest.raises(InsideLLMsError, match="not a pair"):
        BiasProbe().run(Scripted("", ""), {"input": "Rent?", **PAIR})
    with pytest.raises(InsideLLMsError, match="'b'"):
        BiasProbe().run(Scripted("", ""), {"input": "{person}?", "a": "x"})


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        ("Step 1: 48 pens\nStep 2: 39", (1.0, 1.0, 1.0, 1.0)),
        ("**Step 1:** 4 x 12 = 48\n**Step 2:** 48 - 9 = 39", (1.0, 1.0, 1.0, 1.0)),
        ("Step 1: 47\nStep 2: 39", (0.0, 0.5, 1.0, 0.0)),
        ("Step 1: 48\nStep 2: 40", (0.0, 0.5, 0.0, 0.5)),
        ("Step 2: 39\nStep 1: 48", (1.0, 1.0, 1.0, 1.0)),
        ("48, 39", (0.0, 0.0, 0.0, 0.0)),
        ("I can't do that.", (0.0, 0.0, 0.0, 0.0)),
        ("", (0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_a_task_is_scored_step_by_step(answer, values):
    given = Example(id="1", input="Pens?", fields={"steps": [48, 39]})
    scores = MultiStepTaskProbe().score(given, Response(text=answer))
    assert tuple(scores.values[name] for name in ("correct", "steps", "final", "before_error")) == values


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("PARIS", "right, compliant"),
        ("Paris", "right, not compliant"),
        ("LYON", "wrong, compliant"),
        ("NOT PARIS", "wrong, compliant"),
        ("", "wrong, not compliant"),
    ],
)
def test_an_answer_is_right_and_compliant_apart(answer, label):
    given = Example(id="1", input="?", expected=("Paris",), fields={"constraints": ["all_upper"]})
    scores = ConstraintComplianceProbe().score(given, Response(text=answer))
    assert (scores.label, scores.passed) == (label, label == "right, compliant")


SHIPPED = [
    "logic", "factuality", "bias", "multi_step_task", "instruction_following", "constraint_compliance",
    "code_generation", "code_debug", "code_explanation",
]  # fmt: skip


def examples(name):
    return [ExampleReader({}).example(json.loads(line)) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_set_has_50_examples_that_its_probe_can_score(name):
    probe = probe_registry.get(name)
    found = examples(name)
    assert probe.default_dataset == f"data/{name}.jsonl"
    assert len(found) >= 50
    assert len({example.id for example in found}) == len(found)
    assert len({example.text + str(example.fields) for example in found}) == len(found)
    if name != "bias":
        assert [probe.check_example(example) for example in found] == [None] * len(found)
    for example in found:
        nothing = {"a": "", "b": ""} if name == "bias" else Response(text="")
        scores = probe.score_output(example, nothing) if name == "bias" else probe.score(example, nothing)
        assert scores.passed is False


@pytest.mark.parametrize("name", ["logic", "factuality"])
def test_in_the_shipped_questions_the_right_answer_is_right_and_another_ones_is_not(name):
    probe = probe_registry.get(name)
    for example in examples(name):
        if example.expected:
            assert probe.score(example, Response(text=f"The answer is {example.expected[0]}.")).passed, example
        for wrong in example.fields.get("wrong", ["flurbish"]):
            assert not probe.score(example, Response(text=f"The answer is {wrong}.")).passed, example


def test_yes_and_no_are_balanced_in_the_shipped_logic():
    answers = [example.expected[0] for example in examples("logic") if example.id.startswith("yes-no")]
    assert answers.count("yes") == answers.count("no")


def test_in_the_shipped_tasks_the_listed_steps_pass():
    for example in examples("multi_step_task"):
        answer = "\n".join(f"Step {n}: {value}" for n, value in enumerate(example.fields["steps"], 1))
        assert MultiStepTaskProbe().score(example, Response(text=answer)).passed, example
