import random

import msgspec
import pytest

from insideLLMs.compare.statistics.assess import Assessment
from insideLLMs.compare.statistics.evidence import Background, minimum_detectable_drop
from insideLLMs.compare.statistics.items import ItemCounts
from insideLLMs.compare.statistics.noise import Disagreement
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec
from support.items import Item, assess


def verdicts(probe, down, up, same):
    tally = []
    for count, before, after in ((down, 1.0, 0.0), (up, 0.0, 1.0), (same, 1.0, 1.0)):
        tally += [(probe, before, after)] * count
    return [
        Item(probe=probe, id=f"{n}", baseline=((before,),), candidate=((after,),))
        for n, (_, before, after) in enumerate(tally)
    ]


def codes(found):
    return {(note.code, note.probe) for note in found.notes}


def test_nothing_at_all_is_inconclusive():
    found = assess([])
    assert (found.verdict, found.p_gate, found.probes) == ("inconclusive", 1.0, ())


def test_no_pair_is_inconclusive():
    found = assess([Item(probe="p", id="a", baseline=((1.0,),), candidate=())])
    assert found.verdict == "inconclusive"
    assert "no item has a score on both sides" in found.reasons[0]
    assert found.overall.missing.unpaired_items == 1


def test_one_item_can_be_assessed():
    found = assess(verdicts("p", 1, 0, 0))
    assert (found.verdict, found.overall.p_worse) == ("inconclusive", 0.25)
    assert -1.0 <= found.overall.low < found.overall.high <= 1.0
    assert found.overall.detectable is None


def test_few_items_are_said_whatever_the_verdict():
    assert ("few_items", "p") in codes(assess(verdicts("p", 0, 0, 9)))
    assert ("few_items", "p") not in codes(assess(verdicts("p", 0, 0, 10)))


def test_identical_runs_keep_an_interval_with_a_width():
    found = assess(verdicts("p", 0, 0, 20)).overall
    assert (found.delta, found.low, found.high) == (
        0.0,
        pytest.approx(-0.12599, abs=1e-5),
        pytest.approx(0.12599, abs=1e-5),
    )


def test_a_drop_fails_and_says_where():
    found = assess([*verdicts("good", 3, 3, 54), *verdicts("bad", 20, 2, 38)])
    assert found.verdict == "failed"
    assert {branch.probe for branch in found.branches if branch.fired} == {None, "bad"}
    assert any(reason.startswith("Probe bad got worse by 30.0 points") for reason in found.reasons)


def test_a_rise_passes():
    assert assess(verdicts("p", 2, 20, 38)).verdict == "passed"


def test_the_error_rate_is_shared_between_the_whole_and_the_probes():
    found = assess([*verdicts("a", 8, 2, 50), *verdicts("b", 4, 3, 53)])
    terms = {branch.probe: branch for branch in found.branches}
    assert terms[None].p_weighted == pytest.approx(found.overall.p_worse / 0.5)
    assert terms["a"].p_weighted == pytest.approx(found.probes[0].p_worse * 2 / 0.5)
    assert found.p_gate == min(branch.p_weighted for branch in found.branches)


def test_a_single_probe_asks_one_question_with_the_whole_error_rate():
    found = assess(verdicts("p", 4, 0, 56))
    assert [branch.kind for branch in found.branches] == ["overall"]
    assert (found.p_gate, found.verdict) == (0.03125, "failed")


def test_probes_that_nothing_could_change_are_no_questions():
    found = assess([*verdicts("moved", 4, 0, 56), *verdicts("still", 0, 0, 60)])
    assert [branch.probe for branch in found.branches] == ["moved"]
    assert found.p_gate == 0.03125
    assert found.probes[1].p_holm is None


def test_probes_that_vary_too_little_to_fail_leave_their_share_to_the_whole():
    found = assess([*verdicts("a", 3, 0, 57), *verdicts("b", 3, 1, 56)])
    assert [(branch.kind, branch.share) for branch in found.branches] == [("overall", 0.05)]
    assert (found.probes[0].p_holm, found.probes[0].q_value) == (None, pytest.approx(0.125))


def test_holms_family_counts_only_probes_that_could_fail():
    found = assess([*verdicts("a", 9, 0, 51), *verdicts("b", 2, 1, 57), *verdicts("c", 1, 1, 58)])
    shares = {branch.probe: branch.p for branch in found.branches}
    assert shares["a"] == found.probes[0].p_worse == found.probes[0].p_holm
    assert set(shares) == {None, "a"}


def test_what_could_fail_does_not_depend_on_which_side_is_the_candidate():
    items = [*verdicts("a", 9, 0, 51), *verdicts("b", 2, 1, 57), *verdicts("c", 1, 7, 52)]
    swapped = [Item(probe=item.probe, id=item.id, baseline=item.candidate, candidate=item.baseline) for item in items]
    asked = [{branch.probe for branch in assess(side).branches} for side in (items, swapped)]
    assert asked[0] == asked[1] == {None, "a", "c"}


def test_confirmed_items_fail_the_gate_alone():
    items = [*verdicts("a", 6, 6, 48), *verdicts("b", 6, 6, 48)]
    found = assess(items, background=Background(confirmed_p=0.004))
    assert (found.verdict, found.p_gate) == ("failed", pytest.approx(0.02))
    assert "confirmed by asking again" in found.reasons[0]
    assert {branch.kind: round(branch.share, 4) for branch in found.branches} == {
        "item": 0.01,
        "overall": 0.02,
        "probe": 0.02,
    }


def test_nothing_confirmed_leaves_the_other_branches_their_smaller_share():
    items = verdicts("a", 4, 0, 56)
    assert assess(items, background=Background(confirmed_p=1.0)).p_gate == pytest.approx(0.03125 / 0.8)


def test_a_drop_smaller_than_the_allowed_one_passes_and_says_so():
    items = verdicts("p", 10, 0, 990)
    assert assess(items).verdict == "failed"
    found = assess(items, GateSpec(min_effect=0.02))
    assert found.verdict == "passed"
    assert "smaller than the 2.0 points" in found.reasons[0]


def test_a_drop_fails_beside_many_missing_scores():
    tally = ItemCounts()
    tally.add_equal("p", ((1.0,),), ((0.0,),), count=50)
    tally.add_equal("p", ((1.0,),), ((None,),), count=50)
    found = assess(tally)
    assert found.verdict == "failed"
    assert "got worse" in found.reasons[0]
    assert ("missing", None) in codes(found)


def test_many_missing_scores_are_inconclusive_where_nothing_else_is_found():
    tally = ItemCounts()
    tally.add_equal("p", ((1.0,),), ((1.0,),), count=50)
    tally.add_equal("p", ((None,),), ((1.0,),), count=50)
    found = assess(tally)
    assert found.verdict == "inconclusive"
    assert "50 of 100 baseline trials have no score; 5% are allowed" in found.reasons[0]


def test_more_missing_than_is_allowed_counts_only_beyond_chance():
    """6% of 44 is within what 5% come to by chance; 18% is not."""

    def verdict(missing):
        tally = ItemCounts()
        tally.add_equal("p", ((1.0,),), ((1.0,),), count=44 - missing)
        tally.add_equal("p", ((None,),), ((1.0,),), count=missing)
        return assess(tally).verdict

    assert [verdict(3), verdict(8)] == ["identical", "inconclusive"]


def test_missing_scores_that_could_have_failed_the_gate_are_inconclusive():
    tally = ItemCounts()
    tally.add_equal("p", ((1.0,),), ((1.0,),), count=980)
    tally.add_equal("p", ((1.0,),), ((None,),), count=20)
    found = assess(tally)
    assert found.verdict == "inconclusive"
    assert "if they had failed, so would the gate" in found.reasons[0]
    assert assess(tally, GateSpec(accept_missing=True)).verdict == "identical"


def test_a_few_missing_scores_are_noted():
    tally = ItemCounts()
    tally.add_equal("p", ((1.0,),), ((1.0,),), count=980)
    tally.add_equal("p", ((None,),), ((None,),), count=20)
    found = assess(tally)
    assert found.verdict == "identical"
    assert ("missing", None) in codes(found)


def test_power_can_be_required():
    items = verdicts("p", 3, 3, 54)
    assert assess(items).verdict == "passed"
    found = assess(items, GateSpec(require_power=True, wanted_drop=0.02))
    assert found.verdict == "inconclusive"
    assert "Too few examples to detect a drop" in found.reasons[0]


def runs_of(source, n, runs, shift):
    """Items of `runs` baseline runs and one candidate run; `shift` moves each whole run."""
    chances = [source.uniform(0.2, 0.8) for _ in range(n)]
    columns = [[float(source.random() < chance + move) for chance in chances] for move in shift]
    return [
        Item(
            probe="p",
            id=str(place),
            baseline=tuple((columns[run][place],) for run in range(runs)),
            candidate=((columns[runs][place],),),
        )
        for place in range(n)
    ]


def test_runs_that_shift_as_a_whole_are_held_against_the_spread_of_runs():
    items = runs_of(random.Random(4), 500, 4, [0.1, -0.1, 0.08, -0.1, -0.12])
    found = assess(items)
    assert found.run_shift.is_seen
    assert ("run_shift", None) in codes(found)
    assert found.overall.p_mean == max(found.overall.p_worse, found.overall.p_run) == found.overall.p_run
    assert found.overall.p_worse < 0.05 < found.overall.p_run
    assert found.verdict == "passed"


def test_runs_that_do_not_shift_are_tested_item_by_item():
    found = assess(runs_of(random.Random(2), 500, 3, [0, 0, 0, 0]))
    assert not found.run_shift.is_seen
    assert found.overall.p_mean == found.overall.p_worse


def test_the_run_level_test_can_be_demanded():
    items = runs_of(random.Random(2), 500, 3, [0, 0, 0, 0])
    found = assess(items, GateSpec(run_level=True)).overall
    assert found.p_mean == max(found.p_worse, found.p_run)
    assert assess(verdicts("p", 1, 1, 50), GateSpec(run_level=True)).verdict == "inconclusive"


def test_several_baseline_runs_measure_the_noise_themselves():
    found = assess(runs_of(random.Random(2), 500, 3, [0, 0, 0, 0]))
    assert found.noise.across == pytest.approx(0.44, abs=0.05)
    assert not found.overall.detectable_is_upper
    assert ("single_baseline", None) not in codes(found)


def test_a_single_baseline_run_is_warned_of_and_its_noise_is_an_upper_estimate():
    found = assess(verdicts("p", 3, 3, 54))
    assert ("single_baseline", None) in codes(found)
    assert found.overall.detectable_is_upper
    assert found.noise is None


def test_a_noise_measurement_sets_what_could_be_seen():
    items = verdicts("p", 3, 3, 494)
    floors = (Background(noise=Disagreement(n=500, across=share)) for share in (0.01, 0.3))
    quiet, loud = (assess(items, background=floor).overall for floor in floors)
    assert quiet.detectable < loud.detectable
    assert not quiet.detectable_is_upper


def test_repeats_that_never_differ_are_said():
    items = [
        Item(probe="p", id=str(n), baseline=((float(n % 2),) * 2, (1.0, 1.0)), candidate=((1.0, 1.0),))
        for n in range(20)
    ]
    assert ("pseudo_repeats", None) in codes(assess(items))


def test_repeats_count_as_runs_only_when_they_are_known_to_be_independent():
    with pytest.raises(CompareError, match="independent_repeats needs a noise measurement"):
        assess([], GateSpec(independent_repeats=True))
    known = Disagreement(n=5000, across=0.1, within=0.1, correlation=0.0, correlation_high=0.05)
    items = [Item(probe="p", id=str(n), baseline=((1.0, 1.0, 1.0),), candidate=((0.0, 0.0, 1.0),)) for n in range(4)]
    found = assess(items, GateSpec(independent_repeats=True), Background(noise=known)).overall
    assert (found.baseline_runs, found.candidate_runs, found.repeats) == (3.0, 3.0, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.0},
        {"alpha": 1.5},
        {"margin": 0.0},
        {"min_effect": -0.1},
        {"max_missing": 2.0},
        {"score_range": (1.0, 1.0)},
        {"score_range": (0.0, float("inf"))},
        {"probes": {"p": {"score_range": (1.0, 1.0)}}},
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(wrong):
    with pytest.raises(msgspec.ValidationError, match=next(iter(wrong))):
        msgspec.convert(wrong, GateSpec)


def test_an_assessment_is_json_at_full_precision():
    found = assess([*verdicts("a", 15, 5, 40), *verdicts("b", 2, 3, 5)])
    assert msgspec.json.decode(msgspec.json.encode(found), type=Assessment) == found
    assert msgspec.json.schema(Assessment)["$ref"].endswith("Assessment")


def test_a_million_items_are_assessed_by_their_counts():
    tally = ItemCounts()
    tally.add_equal("p", ((1.0,),), ((1.0,),), count=990_000)
    tally.add_equal("p", ((1.0,),), ((0.0,),), count=5_200)
    tally.add_equal("p", ((0.0,),), ((1.0,),), count=4_800)
    found = assess(tally)
    assert (found.overall.n_paired, found.overall.n_informative, found.verdict) == (1_000_000, 10_000, "failed")


def test_a_retest_is_worth_its_price_only_near_the_line():
    assert assess(verdicts("p", 8, 4, 48)).wants_retest
    assert not assess(verdicts("p", 4, 4, 52)).wants_retest


@pytest.mark.parametrize(
    ("down", "up", "words"),
    [
        (0, 0, "None of 60 items changed"),
        (3, 0, "3 of 60 items got worse and 0 better: down 5.0 points"),
        (0, 6, "0 of 60 items got worse and 6 better: up 10.0 points"),
        (4, 4, "4 of 60 items got worse and 4 better: no change on average"),
    ],
)
def test_the_message_says_what_happened(down, up, words):
    assert words in assess(verdicts("p", down, up, 60 - down - up)).overall.message


def test_clusters_that_move_together_raise_what_could_have_been_seen():
    rows = [(place, 1.0, float(place // 10 not in (0, 3))) for place in range(100)]
    items = [
        Item(probe="p", id=str(n), baseline=((before,),), candidate=((after,),), cluster=str(n // 10))
        for n, before, after in rows
    ]
    alone = [msgspec.structs.replace(item, cluster=None) for item in items]
    together, apart = assess(items).overall, assess(alone).overall
    plain = (20 / 100 - 0.04) / 100
    inflated = 2 * (8**2) + 8 * (2**2)
    factor = inflated / 100**2 * 10 / 9 / plain
    expected = minimum_detectable_drop(100, 0.01 * factor)
    assert apart.detectable == minimum_detectable_drop(100, 0.01)
    assert together.detectable == (None if expected is None else pytest.approx(expected, rel=1e-9))


def test_what_could_have_been_seen_is_told_at_each_questions_share_of_alpha():
    found = assess([*verdicts("a", 9, 6, 285), *verdicts("b", 9, 6, 285)])
    assert found.overall.detectable == minimum_detectable_drop(600, 25 / 600, alpha=0.025)
    assert found.probes[0].detectable == minimum_detectable_drop(300, 13 / 300, alpha=0.0125)


def test_items_with_unequal_numbers_of_runs_are_counted_by_whole_runs():
    """Found by a property test: one baseline run beside one and a half candidate runs gave a division by zero."""
    items = [
        Item(probe="p", id="0", baseline=((None, None),), candidate=((None, None), (None, None))),
        Item(probe="p", id="1", baseline=((None, 0.0),), candidate=((None, None), (None, 0.0))),
        Item(probe="p", id="2", baseline=((None, 0.0),), candidate=((None, 0.0), (None, 0.0))),
    ]
    assert assess(items).overall.passes_needed == 4
