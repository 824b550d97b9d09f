import subprocess
import sys

import pytest

from insideLLMs.compare.statistics.items import ItemCounts
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec
from support.items import Item, assess, counted


def item(name, baseline, candidate, probe="p", cluster=None):
    return Item(probe=probe, id=name, baseline=baseline, candidate=candidate, cluster=cluster)


def test_only_the_first_repeats_that_every_run_has_are_averaged():
    found = assess([item("a", ((1.0, 0.0, 0.0),), ((1.0,),))]).overall
    assert (found.baseline_mean, found.candidate_mean, found.repeats) == (1.0, 1.0, 1.0)


def test_a_missing_repeat_shortens_the_item():
    found = assess([item("a", ((1.0, None, 0.0),), ((1.0, 1.0, 1.0),))]).overall
    assert (found.baseline_mean, found.repeats) == (0.5, 2.0)


def test_a_run_without_a_score_is_no_run():
    found = assess([item("a", ((1.0,), (None,), (0.0,)), ((1.0,),))]).overall
    assert (found.n_paired, found.baseline_runs, found.delta) == (1, 2.0, 0.5)


def test_an_item_without_a_score_on_one_side_is_left_out_and_counted():
    found = assess([item("a", ((1.0,),), ((None,),)), item("b", ((1.0,),), ((1.0,),))]).overall
    assert found.n_paired == 1
    assert found.n_items == 2
    assert found.missing.unpaired_items == 1
    assert found.missing.candidate == 1
    assert found.missing.delta_if_failed == -0.5


def test_a_score_that_is_not_a_number_is_missing():
    found = assess([item("a", ((1.0,),), ((float("nan"),),)), item("b", ((1.0,),), ((1.0,),))]).overall
    assert (found.n_paired, found.missing.candidate) == (1, 1)


def test_missing_can_count_as_fail():
    found = assess([item("a", ((1.0,),), ((None,),))], GateSpec(errors_as="fail")).overall
    assert (found.n_paired, found.delta, found.missing.unpaired_items) == (1, -1.0, 0)


def test_two_probes_may_share_an_id():
    tally = counted([item("a", ((1.0,),), ((1.0,),)), item("a", ((1.0,),), ((1.0,),), probe="q")])
    assert assess(tally).overall.n_paired == 2


def test_a_score_outside_its_range_is_refused_with_the_remedy():
    with pytest.raises(CompareError, match=r"score of 7.0, outside 0 to 1") as caught:
        assess([item("a", ((7.0,),), ((5.0,),))])
    assert "gate.probes.p.score_range" in str(caught.value)


def test_thirds_and_tenths_are_read_as_the_fractions_they_are():
    items = [item(str(n), ((0.1 + 0.2,),), ((0.3,),)) for n in range(5)]
    assert assess(items).verdict == "identical"


def test_items_of_one_cluster_are_relabelled_together():
    items = [item(str(n), ((1.0,),), ((0.0,),), cluster=f"template-{n // 5}") for n in range(20)]
    found = assess(items).overall
    assert (found.n_informative, found.n_clusters) == (4, 4)
    assert found.p_worse == 0.03125


def test_a_cluster_is_tested_on_the_runs_that_all_its_items_have():
    items = [
        item("a", ((1.0,), (1.0,)), ((0.0,),), cluster="t"),
        item("b", ((1.0,), (None,)), ((0.0,),), cluster="t"),
    ]
    found = assess(items).overall
    assert found.n_informative == 1
    assert found.p_exact == 0.5


def test_items_outside_every_cluster_stand_alone():
    items = [item(str(n), ((1.0,),), ((0.0,),), cluster="t" if n < 3 else None) for n in range(6)]
    found = assess(items).overall
    assert (found.n_informative, found.n_clusters) == (4, 4)


def test_a_rule_can_be_read_against_some_probes_alone():
    tally = counted([item("a", ((1.0,),), ((0.0,),)), item("b", ((1.0,),), ((None,),), probe="q")])
    assert assess(tally.select({"p"})) == assess([item("a", ((1.0,),), ((0.0,),))])
    assert assess(tally.select({"q"})).overall.missing.unpaired_items == 1


def test_the_statistics_load_without_any_numerical_package():
    code = (
        "import sys, insideLLMs.compare.statistics; print(*{'numpy', 'scipy', 'statistics', 'random'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_scores_on_no_grid_are_read_to_nine_decimals():
    found = assess([item("a", ((0.123456789,),), ((0.987654321,),)), item("b", ((0.5,),), ((0.2718281828,),))]).overall
    assert found.n_informative == 2
    assert found.delta == pytest.approx((0.864197532 + 0.271828183 - 0.5) / 2, abs=1e-12)


def test_the_worst_case_weighs_equal_items_by_their_number():
    tally = ItemCounts()
    tally.add_equal("p", ((1.0,),), ((None,),), count=3)
    tally.add_equal("p", ((0.5,),), ((1.0,),), count=2)
    assert assess(tally).overall.missing.delta_if_failed == pytest.approx((-3 + 2 * 0.5) / 5)
