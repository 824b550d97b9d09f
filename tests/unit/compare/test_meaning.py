"""The semantic level: what is weighed, what never is, and what the gate makes of it."""

import msgspec
import pytest

from insideLLMs.compare.classify import classify, is_alike
from insideLLMs.compare.comparing import CompareOptions, compare
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.compare.gate.policies import ALIKE
from insideLLMs.compare.meaning import MIN_PAIRS, Meaning, lowest_own_similarity, own_similarities
from insideLLMs.core import canonical
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.record_views import Facts, read_record
from insideLLMs.core.types import EmbeddingModel
from insideLLMs.report.ci.junit import diff_junit
from insideLLMs.report.terminal import render_comparison
from support.compared_runs import record, view

MODEL = EmbeddingModel(name="fake", version="1", weights_sha256="w", tokenizer_sha256="t", algorithm="a")
PLAIN = "Sales went up."
REWORDED = "Sales increased."


def meaning(cosine: float = 0.95, threshold: float = 0.9) -> Meaning:
    return Meaning(model=MODEL, similarity=lambda one, two: cosine, threshold=threshold, threshold_from="given")


def run(text: str, count: int = 3, **fields):
    return view(record(example_id=f"e{number}", text=text, **fields) for number in range(count))


def compared(after: str, *, cosine: float = 0.95, before: str = PLAIN, **options):
    return compare(run(before), run(after), CompareOptions(meaning=meaning(cosine), **options))


def test_a_close_text_is_equivalent_and_the_comparison_says_by_what():
    found = compared(REWORDED)
    assert found.overall.classes["equivalent"] == 3
    assert found.overall.levels["normalised"] == 3
    assert found.semantic is not None
    assert (found.semantic.pairs, found.semantic.equivalent, found.semantic.below) == (3, 3, 0)
    assert found.semantic.model == MODEL
    assert found.changes.listed[0].similarity == 0.95
    assert found.changes.listed[0].note == "text differs, meaning does not: cosine 0.950, at least 0.900"
    assert "3 mean the same to fake 1" in " ".join(render_comparison(found).split())


def test_a_far_text_is_a_semantic_change():
    found = compared(REWORDED, cosine=0.5)
    assert found.overall.classes["changed"] == found.overall.levels["semantic"] == 3
    assert found.semantic is not None
    assert found.semantic.below == 3


def test_what_a_check_holds_apart_is_a_semantic_change_whatever_the_cosine():
    found = compared("Sales went down.", cosine=1.0)
    assert found.overall.classes["changed"] == found.overall.levels["semantic"] == 3
    assert found.semantic is not None
    assert found.semantic.held_apart == {"opposite": 3}
    assert found.changes.listed[0].note == "text differs: opposite, up -> down"


def test_without_the_option_nothing_is_weighed():
    found = compare(run(PLAIN), run(REWORDED))
    assert found.semantic is None
    assert found.overall.classes["changed"] == found.overall.levels["normalised"] == 3


def test_equal_texts_are_not_weighed():
    def never(one: str, two: str) -> float:
        raise AssertionError("asked")

    options = CompareOptions(meaning=Meaning(model=MODEL, similarity=never, threshold=0.9, threshold_from="given"))
    assert compare(run(PLAIN), run(PLAIN), options).overall.classes["unchanged"] == 3
    assert compare(run(PLAIN), run(f" {PLAIN}"), options).overall.classes["equivalent"] == 3


def test_the_gate_takes_equivalent_by_model_for_changed_unless_it_trusts_the_model():
    found = compared(REWORDED)
    verdict = decide(found, GateSpec(fail_on="changes"), GateEvidence())
    assert verdict.state == "failed"
    assert "3 equivalent by meaning" in verdict.reasons[0]
    assert diff_junit(found, verdict).count("<failure") == 4
    assert len(verdict.look_first) == 3
    trusting = decide(found, GateSpec(fail_on="changes", trust_semantic=True), GateEvidence())
    assert trusting.state == "passed"
    assert diff_junit(found, trusting).count("<failure") == 0


def test_a_waived_trial_is_not_counted_for_it():
    found = compared(REWORDED, waived=frozenset({(None, "e0")}))
    assert found.probes[0].alike == 2
    assert decide(found, GateSpec(fail_on="changes"), GateEvidence()).rules[0].counts[ALIKE] == 2


def test_no_other_policy_reads_it():
    with_it, without = compared(REWORDED), compare(run(PLAIN), run(REWORDED))
    for policy in ("regressions", "never"):
        spec = GateSpec(fail_on=policy)
        assert msgspec.structs.asdict(decide(with_it, spec, GateEvidence())) == msgspec.structs.asdict(
            decide(without, spec, GateEvidence())
        )


@pytest.mark.parametrize(("count", "expected"), [(MIN_PAIRS - 1, None), (MIN_PAIRS, 0.0), (200, 0.005)])
def test_the_threshold_is_the_first_percentile_of_enough_pairs(count, expected):
    assert lowest_own_similarity([number / count for number in range(count)][::-1]) == pytest.approx(expected)


def test_the_threshold_reads_only_pairs_that_a_model_would_be_asked_about():
    texts = [PLAIN, PLAIN, REWORDED, "Sales went down.", "Sales went up by 5 %."]
    assert list(own_similarities(texts, lambda one, two: 0.7)) == [0.7]


def test_is_alike_means_the_model_alone():
    facts = [classify_facts(text) for text in (PLAIN, REWORDED, f"{PLAIN}\n")]
    assert is_alike(classify(facts[0], facts[1], meaning=meaning()))
    assert not is_alike(classify(facts[0], facts[2], meaning=meaning()))


def classify_facts(text):
    return read_record(canonical.line(record(text=text)), Facts)
