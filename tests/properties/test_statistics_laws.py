"""The laws of an assessment: what must not matter, what must mirror, and what must only dilute."""

from itertools import combinations, product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from insideLLMs.compare.statistics.distributions import benjamini_hochberg, holm
from insideLLMs.compare.statistics.evidence import Background
from insideLLMs.compare.statistics.items import ItemCounts, Shape
from insideLLMs.compare.statistics.permutation import permutation_test
from insideLLMs.compare.statistics.stable_items import combined_p, stable_items
from support.items import Item, assess, relabelled

verdict = st.sampled_from([0.0, 1.0])
graded = st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.7, 1.0])
fine = st.floats(0, 1)
missing = st.none() | verdict


def items_of(score, *, max_runs=3, clusters=False):
    @st.composite
    def build(draw):
        runs, others = draw(st.integers(1, max_runs)), draw(st.integers(1, 2))
        repeats = draw(st.integers(1, 2))
        run = st.tuples(*[score] * repeats)
        rows = draw(
            st.lists(
                st.tuples(
                    st.sampled_from("pqr"),
                    st.tuples(*[run] * runs),
                    st.tuples(*[run] * others),
                    st.sampled_from([None, "c", "d", "e"]) if clusters else st.none(),
                ),
                min_size=1,
                max_size=25,
            )
        )
        return [
            Item(probe=probe, id=str(place), baseline=before, candidate=after, cluster=cluster)
            for place, (probe, before, after, cluster) in enumerate(rows)
        ]

    return build()


any_items = items_of(verdict) | items_of(graded) | items_of(fine) | items_of(missing) | items_of(verdict, clusters=True)
RUNS = Background(baseline_runs=("run-a",), candidate_runs=("run-b",))
few = settings(max_examples=60, deadline=None)


@few
@given(any_items, st.randoms())
def test_the_order_of_items_does_not_matter(items, source):
    shuffled = list(items)
    source.shuffle(shuffled)
    assert assess(shuffled, background=RUNS) == assess(items, background=RUNS)


@few
@given(any_items)
def test_the_names_of_items_do_not_matter(items):
    renamed = [msgspec.structs.replace(item, id=f"another {item.id}") for item in items]
    one, other = assess(items, background=RUNS), assess(renamed, background=RUNS)
    assert (other.verdict, other.p_gate, other.overall.delta) == (one.verdict, one.p_gate, one.overall.delta)
    assert [probe.p_worse for probe in other.probes] == [probe.p_worse for probe in one.probes]


@few
@given(any_items)
def test_swapping_the_sides_mirrors_everything(items):
    swapped = [msgspec.structs.replace(item, baseline=item.candidate, candidate=item.baseline) for item in items]
    back = Background(baseline_runs=RUNS.candidate_runs, candidate_runs=RUNS.baseline_runs)
    one, other = assess(items, background=RUNS), assess(swapped, background=back)
    for here, there in zip((one.overall, *one.probes), (other.overall, *other.probes), strict=True):
        assert there.p_worse == pytest.approx(here.p_better, abs=1e-12)
        assert there.p_better == pytest.approx(here.p_worse, abs=1e-12)
        assert there.p_two == pytest.approx(here.p_two, abs=1e-12)
        assert (there.n_worse, there.n_better) == (here.n_better, here.n_worse)
        if here.delta is not None:
            assert there.delta == pytest.approx(-here.delta, abs=1e-12)
            assert (there.low, there.high) == pytest.approx((-here.high, -here.low), abs=1e-12)


@few
@given(items_of(verdict) | items_of(graded), st.integers(1, 50))
def test_adding_unchanged_items_leaves_the_test_alone_and_shrinks_the_effect(items, extra):
    runs = len(items[0].baseline), len(items[0].candidate), len(items[0].baseline[0])
    same = [
        Item(probe="p", id=f"same {n}", baseline=((1.0,) * runs[2],) * runs[0], candidate=((1.0,) * runs[2],) * runs[1])
        for n in range(extra)
    ]
    one, other = assess(items, background=RUNS).overall, assess([*items, *same], background=RUNS).overall
    assert (other.p_worse, other.p_better, other.n_informative) == (one.p_worse, one.p_better, one.n_informative)
    assert other.delta == pytest.approx(one.delta * one.n_paired / (one.n_paired + extra), abs=1e-12)


@few
@given(any_items)
def test_p_values_and_intervals_stay_within_their_bounds(items):
    found = assess(items, background=RUNS)
    for evidence in (found.overall, *found.probes):
        assert 0.0 <= evidence.p_worse <= 1.0
        assert evidence.p_worse <= evidence.p_exact + 1e-12
        assert evidence.p_mean >= evidence.p_worse
        assert 0.0 <= evidence.p_used <= 1.0
        if evidence.n_informative:
            assert evidence.p_worse + evidence.p_better == pytest.approx(1.0, abs=1e-9)
        if evidence.delta is not None:
            assert -1.0 <= evidence.low < evidence.high <= 1.0


@few
@given(items_of(verdict) | items_of(graded))
def test_counting_items_is_the_same_as_listing_them(items):
    tally = ItemCounts()
    for item in items:
        tally.add_equal(item.probe, item.baseline, item.candidate, cluster=item.cluster)
    assert assess(tally, background=RUNS) == assess(items, background=RUNS)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.randoms())
def test_corrections_are_monotone_and_follow_their_p_values(p_values, source):
    for correct in (holm, benjamini_hochberg):
        adjusted = correct(p_values)
        assert all(before <= after <= 1.0 for before, after in zip(p_values, adjusted, strict=True))
        places = list(range(len(p_values)))
        source.shuffle(places)
        assert sorted(correct([p_values[place] for place in places])) == pytest.approx(sorted(adjusted))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_false_discovery_rate_agrees_with_scipy(p_values):
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values), abs=1e-12)


@few
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_bonferroni_on_every_subset(p_values):
    places = range(len(p_values))
    subsets = [chosen for size in range(1, len(p_values) + 1) for chosen in combinations(places, size)]
    closed = [
        max(min(1.0, len(chosen) * min(p_values[place] for place in chosen)) for chosen in subsets if here in chosen)
        for here in places
    ]
    assert holm(p_values) == pytest.approx(closed, abs=1e-12)


verdicts_of_a_pool = st.lists(
    st.tuples(st.sampled_from("pq"), st.lists(verdict, min_size=4, max_size=4), st.sampled_from([None, None, "c"])),
    min_size=1,
    max_size=30,
)


def pool_of(rows, order=(0, 1, 2)):
    return [
        Item(
            probe=probe,
            id=str(place),
            baseline=tuple((scores[run],) for run in order),
            candidate=((scores[3],),),
            cluster=cluster,
        )
        for place, (probe, scores, cluster) in enumerate(rows)
    ]


@few
@given(verdicts_of_a_pool, st.permutations([0, 1, 2]))
def test_which_baseline_run_came_first_does_not_matter(rows, order):
    one, other = assess(pool_of(rows)), assess(pool_of(rows, order))
    assert other.p_gate == pytest.approx(one.p_gate, rel=1e-9)
    assert other.overall.stable == one.overall.stable


@few
@given(verdicts_of_a_pool, st.integers(1, 50), verdict)
def test_items_that_never_vary_do_not_change_the_stable_items(rows, extra, score):
    same = [("p", [score] * 4, None)] * extra
    one, other = assess(pool_of(rows)).overall, assess(pool_of([*rows, *same])).overall
    assert (other.stable, other.p_worse) == (one.stable, one.p_worse)
    assert other.p_used == one.p_used or other.p_run is not None  # a drift of whole runs is judged over all items


@few
@given(st.lists(st.lists(verdict, min_size=4, max_size=4), min_size=1, max_size=4))
def test_over_all_choices_of_the_candidates_runs_the_combined_p_is_a_half_on_average(rows):
    p_values = []
    for candidates in product(range(4), repeat=len(rows)):
        sides = [
            ([int(score) for run, score in enumerate(scores) if run != chosen], [int(scores[chosen])], 1)
            for scores, chosen in zip(rows, candidates, strict=True)
        ]
        units, observed, broken = relabelled(sides)
        found = stable_items(units, broken)
        if found is None:
            return
        p_values.append(combined_p(units, observed, found, permutation_test(units, observed)))
    assert sum(p_values) / len(p_values) == pytest.approx(0.5, abs=1e-9)


def judged_alike(items, copies):
    """Return the tally of `copies` probes that judge the answers of `items` alike."""
    tally = ItemCounts()
    for item in items:
        shapes = []
        for number in range(copies):
            name = f"{item.probe}{number}"
            tally.add_equal(name, item.baseline, item.candidate)
            shapes.append(Shape(probe=name, cluster=None, baseline=item.baseline, candidate=item.candidate))
        tally.move_together(tuple(shapes))
    return tally


@few
@given(items_of(verdict) | items_of(graded) | items_of(missing))
def test_eight_checks_that_judge_one_answer_alike_prove_no_more_than_one(items):
    one, eight = assess(judged_alike(items, 1)).overall, assess(judged_alike(items, 8)).overall
    assert (eight.n_informative, eight.delta) == (one.n_informative, pytest.approx(one.delta))
    for name in ("p_worse", "p_better", "p_two", "p_used"):
        assert getattr(eight, name) == pytest.approx(getattr(one, name), rel=1e-6), name
