"""The laws of comparing two runs."""

from hypothesis import given, settings
from hypothesis import strategies as st

from insideLLMs.compare.answers.levels import differing_paths
from insideLLMs.compare.comparing import CompareOptions, compare
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.core.gate_spec import GateSpec
from support.compared_runs import record, view

MIRRORED = {
    "new": ("removed",),
    "removed": ("new",),
    "newly_failing": ("recovered",),
    "recovered": ("newly_failing",),
    "regressed": ("fixed", "improved"),
}
trials = st.builds(
    dict,
    example_id=st.sampled_from(["a", "b", "é", "c\U0001f600"]),
    probe=st.sampled_from(["logic", "other"]),
    model=st.sampled_from(["m", "n"]),
    repeat=st.integers(0, 2),
    dataset=st.sampled_from(["d1", "d2"]),
    status=st.sampled_from(["success", "success", "success", "error", "timeout", "skipped"]),
    passed=st.booleans(),
    values=st.none() | st.dictionaries(st.sampled_from(["f1", "bleu"]), st.floats(0, 1), max_size=2),
    text=st.sampled_from(["yes", "yes ", "no", '{"a":1}', '{"a": 1.0}', '{"a":2}', ""]),
    finish_reason=st.sampled_from(["stop", "length", None]),
    prompt=st.sampled_from(["same", "same", "same", "edited"]),
)


@st.composite
def runs(draw):
    drawn = [record(**fields) for fields in draw(st.lists(trials, max_size=12))]
    unique = {made.sort_key: made for made in drawn}
    return view(unique.values(), models=("m", "n"), datasets=dict.fromkeys(("logic", "other"), ("d1", "d2")))


@given(runs())
def test_a_run_against_itself_shows_no_change(run):
    comparison = compare(run, run)
    quiet = {"unchanged", "errored", "skipped"}
    assert all(kind in quiet or not count for kind, count in comparison.overall.classes.items())
    assert comparison.baseline.trials == comparison.candidate.trials == comparison.overall.trials


@given(runs(), runs())
def test_the_classes_add_up_to_the_outer_join(before, after):
    comparison = compare(before, after)
    left, right = (sum(1 for _ in run.records()) for run in (before, after))
    classes = comparison.overall.classes
    assert sum(classes.values()) == comparison.overall.trials
    assert left == comparison.overall.trials - classes["new"] == comparison.baseline.trials
    assert right == comparison.overall.trials - classes["removed"] == comparison.candidate.trials
    listed = (comparison.changes, comparison.edited, comparison.new, comparison.removed)
    assert sum(listing.total for listing in listed) == comparison.overall.trials - classes["unchanged"]
    for kind, count in classes.items():
        assert count == sum(probe.tally.classes[kind] for probe in comparison.probes)


@given(runs(), runs())
def test_swapping_the_sides_mirrors_the_comparison(before, after):
    there, back = compare(before, after), compare(after, before)
    for kind, mirrored in MIRRORED.items():
        assert there.overall.classes[kind] == sum(back.overall.classes[name] for name in mirrored)
    for kind in ("unchanged", "equivalent", "changed", "edited", "errored", "skipped"):
        assert there.overall.classes[kind] == back.overall.classes[kind]
    assert there.overall.baseline == back.overall.candidate
    assert there.overall.levels == back.overall.levels


@given(runs(), runs())
def test_no_similarity_of_texts_hides_a_flipped_verdict(before, after):
    flips = 0

    def observe(pair, finding):
        nonlocal flips
        if pair.baseline is None or pair.candidate is None or finding.kind == "edited":
            return
        if pair.baseline.passed is not None and pair.candidate.passed is not None:
            flipped = pair.baseline.passed != pair.candidate.passed
            assert flipped == (
                finding.kind == "fixed" or (finding.kind == "regressed" and pair.baseline.passed is True)
            )
            flips += flipped

    comparison = compare(before, after, observe=observe)
    assert flips <= comparison.changes.total


@given(runs(), runs(), st.integers(0, 3))
def test_bounding_the_lists_changes_no_count_and_keeps_the_head(before, after, listed):
    whole, bounded = compare(before, after), compare(before, after, CompareOptions(listed=listed))
    assert whole.overall == bounded.overall
    assert whole.changes.listed[:listed] == bounded.changes.listed
    assert whole.changes.total == bounded.changes.total


@given(runs(), runs(), st.sampled_from(["never", "changes", "regressions"]))
def test_only_a_comparison_with_aligned_trials_can_pass(before, after, fail_on):
    comparison = compare(before, after)
    verdict = decide(comparison, GateSpec(fail_on=fail_on), GateEvidence())
    assert verdict.exit_code == {"passed": 0, "failed": 3, "inconclusive": 4}[verdict.state]
    if not comparison.overall.aligned:
        assert verdict.state == "inconclusive"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=50)
@given(json_values, json_values)
def test_json_paths_are_the_same_from_either_side_and_none_for_a_value_and_itself(left, right):
    assert differing_paths(left, left) == ()
    assert differing_paths(left, right) == differing_paths(right, left)
