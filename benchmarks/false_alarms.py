"""How often does the gate cry wolf, and what does it see? A simulation that drives the product's own statistics.

    python benchmarks/false_alarms.py            # about ten minutes on one core
    python benchmarks/false_alarms.py --quick    # under a minute, with wider Monte-Carlo error

Simulated items pass with a chance of their own. *hot*: half of the chances are Beta(20, .5), a fifth Beta(.5, 20),
the rest uniform (a model at temperature 1). *cold*: 65% are 1, a quarter 0, a tenth uniform (temperature 0). A
change is diffuse (``diff x``: all chances scaled so that their mean falls x points), hard (``flip x``: x% of the
items go from p > .9 to 1 - p), or sits in one probe. All numbers are percentages of simulated comparisons that
fail, ± the half width of their 95% interval.
"""

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from insideLLMs.compare.statistics import Assessment, Settings, Tally, assess
from insideLLMs.compare.statistics.confirmation import (
    Answers,
    confirm,
    first_pass_repeats,
    is_dropped,
    judge_pass,
    second_pass_repeats,
)

Chances = list[float]
ALPHA = 0.05
PROBES, ITEMS = 8, 60
RESULTS: list[dict[str, object]] = []


# The simulated world


def suite(kind: str, n: int, source: random.Random) -> Chances:
    """Draw each item's chance to pass."""
    return [_hot(source) if kind == "hot" else _cold(source) for _ in range(n)]


def _hot(source: random.Random) -> float:
    part = source.random()
    if part < 0.5:
        return source.betavariate(20, 0.5)
    return source.betavariate(0.5, 20) if part < 0.7 else source.random()


def _cold(source: random.Random) -> float:
    part = source.random()
    if part < 0.65:
        return 1.0
    return 0.0 if part < 0.9 else source.random()


def unchanged(chances: Chances, _: random.Random) -> Chances:
    return chances


def diffuse(drop: float) -> Callable[[Chances, random.Random], Chances]:
    def change(chances: Chances, _: random.Random) -> Chances:
        factor = max(0.0, 1.0 - drop / max(1e-9, sum(chances) / len(chances)))
        return [chance * factor for chance in chances]

    return change


def hard(share: float) -> Callable[[Chances, random.Random], Chances]:
    def change(chances: Chances, source: random.Random) -> Chances:
        sure = [place for place, chance in enumerate(chances) if chance > 0.9]
        broken = set(source.sample(sure, min(len(sure), max(1, round(share * len(chances))))))
        return [1.0 - chance if place in broken else chance for place, chance in enumerate(chances)]

    return change


def one_probe(drop: float) -> Callable[[Chances, random.Random], Chances]:
    def change(chances: Chances, source: random.Random) -> Chances:
        return [*diffuse(drop)(chances[:ITEMS], source), *chances[ITEMS:]]

    return change


CHANGES = {
    "null": unchanged,
    "diff1": diffuse(0.01),
    "diff2": diffuse(0.02),
    "diff5": diffuse(0.05),
    "flip1": hard(0.01),
    "flip.5": hard(0.005),
    "one probe -20": one_probe(0.20),
}


def answer_run(
    chances: Chances, repeats: int, source: random.Random, *, copies: bool = False
) -> list[tuple[float, ...]]:
    """Answer every item `repeats` times; with `copies`, the repeats of a run are one answer."""
    draw = source.random
    if copies:
        return [(float(draw() < chance),) * repeats for chance in chances]
    return [tuple([float(draw() < chance) for _ in range(repeats)]) for chance in chances]


Runs = Sequence[Sequence[tuple[float, ...]]]


def compare(baseline: Runs, candidate: Runs, settings: Settings, *, per_probe: int = 0, cluster: int = 0) -> Assessment:
    """Assess runs; items go to probes of `per_probe` items, and to clusters of `cluster`, in order."""
    tally = Tally()
    for place, (before, after) in enumerate(
        zip(zip(*baseline, strict=True), zip(*candidate, strict=True), strict=True)
    ):
        probe = f"probe {place // per_probe}" if per_probe else "probe"
        tally.add_equal(probe, before, after, cluster=str(place // cluster) if cluster else None)
    return assess(tally, settings)


class Lab:
    """Item confirmation in the simulated world: asks again, and counts what it costs."""

    def __init__(self, before: Chances, after: Chances, source: random.Random, *, correlation: float = 0.0) -> None:
        self.chances = (before, after)
        self.source = source
        self.calls = 0
        self.stick = math.sqrt(correlation)

    def ask(self, side: int, place: int, repeats: int, *, stop: bool = False) -> tuple[int, int]:
        """Ask one item in one session; return passes and answers. Answers of a session correlate."""
        chance, draw = self.chances[side][place], self.source.random
        session = draw() < chance
        passes = asked = 0
        while asked < repeats and not (stop and is_dropped(passes)):
            passes += session if draw() < self.stick else draw() < chance
            asked += 1
        self.calls += asked
        return passes, asked

    def one_pass(self, places: Sequence[int], repeats: int, *, stop: bool) -> dict[str, Answers]:
        found = {}
        for place in places:
            after, asked_after = self.ask(1, place, repeats, stop=stop)
            survives = not (stop and is_dropped(after))
            before, asked_before = self.ask(0, place, repeats) if survives else (0, 0)
            found[str(place)] = Answers(
                baseline_passes=before, baseline_asked=asked_before, candidate_passes=after, candidate_asked=asked_after
            )
        return found

    def confirm(self, newest: Sequence[tuple[float, ...]], candidate: Sequence[tuple[float, ...]]) -> float:
        """Return the p of confirmed items."""
        selected = [place for place, (a, b) in enumerate(zip(newest, candidate, strict=True)) if a[0] > b[0]]
        if not selected:
            return 1.0
        first = self.one_pass(selected, first_pass_repeats(len(selected)), stop=True)
        survivors = [int(place) for place in judge_pass(first).confirmed]
        second = self.one_pass(survivors, second_pass_repeats(max(1, len(survivors))), stop=False)
        return confirm(first, second).p


# What is measured


def rate(hits: int, trials: int) -> str:
    share = hits / trials
    return f"{100 * share:5.1f} ±{196 * math.sqrt(max(share * (1 - share), 0.25 / trials) / trials):.1f}"


def note(section: str, **facts: object) -> None:
    RESULTS.append({"section": section, **facts})


def alarms(section: str, trials: int, trial: Callable[[random.Random], bool], **facts: object) -> str:
    """Count the failing trials; each has a seed of its own, so that a row does not depend on its neighbours."""
    label = json.dumps([section, facts], sort_keys=True)
    hits = sum(trial(random.Random(f"{label}|{number}")) for number in range(trials))
    note(section, hits=hits, trials=trials, **facts)
    return rate(hits, trials)


def default_gate(scale: float) -> Iterator[str]:
    yield f"1. False alarms of the default gate, {PROBES} probes x {ITEMS} items, nominal at most {ALPHA:.0%}"
    yield f"{'suite':6}{'baseline runs':>15}{'policy significant':>22}{'with confirmation':>22}"
    for kind in ("hot", "cold"):
        for runs in (1, 3, 5):
            trials = int(4000 * scale)
            plain = alarms(
                "gate", trials, lambda s, k=kind, r=runs: _gate_trial(k, r, s), suite=kind, runs=runs, confirm=False
            )
            asked = alarms(
                "gate",
                trials // 2,
                lambda s, k=kind, r=runs: _gate_trial(k, r, s, confirmed=True),
                suite=kind,
                runs=runs,
                confirm=True,
            )
            yield f"{kind:6}{runs:>15}{plain:>22}{asked:>22}"


def _gate_trial(kind: str, runs: int, source: random.Random, *, confirmed: bool = False) -> bool:
    chances = suite(kind, PROBES * ITEMS, source)
    baseline = [answer_run(chances, 1, source) for _ in range(runs)]
    candidate = [answer_run(chances, 1, source)]
    p = Lab(chances, chances, source).confirm(baseline[-1], candidate[0]) if confirmed else None
    return compare(baseline, candidate, Settings(confirmed_p=p), per_probe=ITEMS).verdict == "failed"


GATES = ("any of 9 raw tests", "overall only", "overall + Holm", "+ confirmation", "+ retest")


def gates(scale: float) -> Iterator[str]:
    names = ("null", "diff2", "diff5", "flip1", "one probe -20")
    yield f"2. Gates, {PROBES} x {ITEMS} hot items: one baseline run (three); cost in candidate suites"
    yield f"{'gate':22}" + "".join(f"{name:>18}" for name in names) + f"{'cost at null':>14}"
    trials = int(1000 * scale)
    table: dict[int, dict[str, tuple[list[int], float]]] = {}
    for runs in (1, 3):
        table[runs] = {}
        for name in names:
            hits, cost = [0] * len(GATES), 0.0
            for number in range(trials):
                fails, calls = _gates_trial(runs, name, random.Random(f"gates|{runs}|{name}|{number}"))
                hits = [count + fail for count, fail in zip(hits, fails, strict=True)]
                cost += calls / (PROBES * ITEMS)
            table[runs][name] = (hits, cost / trials)
            note(
                "gates",
                runs=runs,
                change=name,
                trials=trials,
                hits=dict(zip(GATES, hits, strict=True)),
                cost=cost / trials,
            )
    for place, gate in enumerate(GATES):
        cells = [
            f"{100 * table[1][name][0][place] / trials:.1f} ({100 * table[3][name][0][place] / trials:.1f})"
            for name in names
        ]
        cost = f"{table[1]['null'][1]:.2f}" if place == 3 else ""
        yield f"{gate:22}" + "".join(f"{cell:>18}" for cell in cells) + f"{cost:>14}"
    yield f"each ±{196 * math.sqrt(0.25 / trials):.1f} at most, ±{196 * math.sqrt(0.05 * 0.95 / trials):.1f} near 5"


def _gates_trial(runs: int, name: str, source: random.Random) -> tuple[tuple[bool, ...], int]:
    before = suite("hot", PROBES * ITEMS, source)
    after = CHANGES[name](before, source)
    baseline = [answer_run(before, 1, source) for _ in range(runs)]
    candidate = [answer_run(after, 1, source)]
    lab = Lab(before, after, source)
    p_item = lab.confirm(baseline[-1], candidate[0])
    plain = compare(baseline, candidate, Settings(), per_probe=ITEMS)
    asked = compare(baseline, candidate, Settings(confirmed_p=p_item), per_probe=ITEMS)
    raw = [plain.overall.p_worse, *(probe.p_worse for probe in plain.probes)]
    confirmed = any(branch.kind == "item" and branch.fired for branch in asked.branches)
    again = False
    if not confirmed and plain.p_gate <= 0.20:
        fresh = [[answer_run(chances, 1, source) for _ in range(3)] for chances in (before, after)]
        again = compare(fresh[0], fresh[1], Settings(), per_probe=ITEMS).verdict == "failed"
    fails = (
        min(raw) <= ALPHA,
        raw[0] <= ALPHA,
        plain.verdict == "failed",
        asked.verdict == "failed",
        confirmed or again,
    )
    return fails, PROBES * ITEMS + lab.calls


def _test_trial(
    kind: str,
    n: int,
    repeats: int,
    change: str,
    source: random.Random,
    *,
    copies: bool = False,
    runs: tuple[int, int] = (1, 1),
) -> bool:
    before = suite(kind, n, source)
    after = CHANGES[change](before, source)
    baseline = [answer_run(before, repeats, source, copies=copies) for _ in range(runs[0])]
    candidate = [answer_run(after, repeats, source, copies=copies) for _ in range(runs[1])]
    return compare(baseline, candidate, Settings()).overall.p_worse <= ALPHA


def run_label_test(scale: float) -> Iterator[str]:
    yield "3. The run-label test alone, p_worse <= .05, one run a side (k repeats)"
    cases = (
        ("hot", 500, 1, "null", False),
        ("hot", 500, 5, "null", False),
        ("cold", 100, 1, "null", False),
        ("cold", 500, 5, "null", True),
        ("hot", 500, 1, "diff2", False),
        ("hot", 500, 1, "diff5", False),
        ("hot", 500, 1, "flip1", False),
        ("hot", 500, 5, "diff1", False),
        ("hot", 500, 5, "diff2", False),
        ("hot", 500, 5, "flip1", False),
        ("cold", 500, 5, "flip1", False),
        ("hot", 100, 1, "diff5", False),
        ("hot", 100, 5, "diff5", False),
        ("cold", 500, 1, "diff2", False),
        ("hot", 2000, 1, "diff2", False),
        ("hot", 2000, 1, "flip1", False),
        ("cold", 2000, 1, "flip1", False),
    )
    yield f"{'suite':6}{'n':>6}{'k':>3}  {'change':8}{'repeats':>12}{'fails':>14}"
    for kind, n, repeats, change, copies in cases:
        trials = int((2000 if change == "null" else 1000) * scale * min(1.0, 1000 / n))
        cell = alarms(
            "test",
            trials,
            lambda s, c=(kind, n, repeats, change), d=copies: _test_trial(*c, s, copies=d),
            suite=kind,
            n=n,
            repeats=repeats,
            change=change,
            copies=copies,
        )
        yield f"{kind:6}{n:>6}{repeats:>3}  {change:8}{'copies' if copies else 'independent':>12}{cell:>14}"


def baseline_runs(scale: float) -> Iterator[str]:
    yield "4. Baseline runs against candidate runs, 500 hot items, k = 1"
    yield f"{'runs':>8}{'null':>14}{'diff2':>14}{'diff5':>14}"
    for runs in ((1, 1), (2, 1), (3, 1), (5, 1), (10, 1), (3, 3)):
        cells = [
            alarms(
                "runs",
                int((2000 if change == "null" else 800) * scale),
                lambda s, c=change, r=runs: _test_trial("hot", 500, 1, c, s, runs=r),
                runs=runs,
                change=change,
            )
            for change in ("null", "diff2", "diff5")
        ]
        yield f"{runs[0]:>4} v {runs[1]}" + "".join(f"{cell:>14}" for cell in cells)


def _logit_shift(chances: Chances, shifts: Sequence[float]) -> Chances:
    return [
        chance if chance in (0.0, 1.0) else 1.0 / (1.0 + (1.0 - chance) / chance * math.exp(-shift))
        for chance, shift in zip(chances, shifts, strict=True)
    ]


def shared_noise(scale: float) -> Iterator[str]:
    yield "5. Noise that items share, 500 hot items, nothing changed"
    yield f"{'world':44}{'item by item':>14}{'as gated':>14}"
    trials = int(1500 * scale)
    for runs in (3, 5, 10):
        naive, gated = 0, 0
        for number in range(trials):
            found = _drift_trial(runs, random.Random(f"drift|{runs}|{number}"))
            naive += found.overall.p_worse <= ALPHA
            gated += found.overall.p_used <= ALPHA
        note("drift", runs=runs, naive=naive, gated=gated, trials=trials)
        yield (
            f"whole runs drift (logit sd .2), {runs:>2} baseline runs".ljust(44)
            + f"{rate(naive, trials):>14}{rate(gated, trials):>14}"
        )
    naive = gated = 0
    for number in range(trials):
        one, other = _cluster_trial(random.Random(f"cluster|{number}"))
        naive, gated = naive + one, gated + other
    note("clusters", naive=naive, gated=gated, trials=trials)
    yield "25 clusters of 20 share noise (logit sd 1)".ljust(44) + f"{rate(naive, trials):>14}{rate(gated, trials):>14}"


def _drift_trial(runs: int, source: random.Random) -> Assessment:
    chances = suite("hot", 500, source)
    answered = [answer_run(_logit_shift(chances, [source.gauss(0, 0.2)] * 500), 1, source) for _ in range(runs + 1)]
    return compare(answered[:-1], answered[-1:], Settings())


def _cluster_trial(source: random.Random) -> tuple[bool, bool]:
    chances = suite("hot", 500, source)
    answered = []
    for _ in range(2):
        shifts = [source.gauss(0, 1) for _ in range(25)]
        answered.append(answer_run(_logit_shift(chances, [shifts[place // 20] for place in range(500)]), 1, source))
    plain = compare(answered[:1], answered[1:], Settings())
    clustered = compare(answered[:1], answered[1:], Settings(), cluster=20)
    return plain.overall.p_worse <= ALPHA, clustered.overall.p_worse <= ALPHA


def item_confirmation(scale: float) -> Iterator[str]:
    yield "6. Item confirmation alone, two passes: confirms at least one item; extra calls as a multiple of n"
    yield f"{'suite':6}{'n':>6}  {'change':8}{'correlation':>12}{'confirms':>14}{'calls':>8}"
    cases = (
        ("hot", 200, "null", 0.0),
        ("hot", 200, "flip.5", 0.0),
        ("hot", 200, "flip1", 0.0),
        ("hot", 500, "null", 0.0),
        ("hot", 500, "flip.5", 0.0),
        ("hot", 500, "flip1", 0.0),
        ("hot", 2000, "flip.5", 0.0),
        ("cold", 500, "flip.5", 0.0),
        ("cold", 500, "flip1", 0.0),
        ("cold", 500, "null", 0.0),
        ("cold", 500, "null", 0.1),
        ("cold", 500, "null", 0.2),
        ("cold", 500, "null", 0.5),
    )
    for kind, n, change, correlation in cases:
        trials, hits, calls = int(1000 * scale * min(1.0, 500 / n)), 0, 0
        for number in range(trials):
            source = random.Random(f"confirm|{kind}|{n}|{change}|{correlation}|{number}")
            before = suite(kind, n, source)
            after = CHANGES[change](before, source)
            lab = Lab(before, after, source, correlation=correlation)
            hits += lab.confirm(answer_run(before, 1, source), answer_run(after, 1, source)) <= 0.01
            calls += lab.calls
        note("confirmation", suite=kind, n=n, change=change, correlation=correlation, hits=hits, trials=trials)
        yield f"{kind:6}{n:>6}  {change:8}{correlation:>12}{rate(hits, trials):>14}{calls / trials / n:>8.2f}"


SECTIONS = (default_gate, gates, run_label_test, baseline_runs, shared_noise, item_confirmation)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulated comparisons")
    parser.add_argument("--section", type=int, choices=range(1, len(SECTIONS) + 1), help="only this section")
    parser.add_argument("--json", metavar="FILE", help="also write the counts as JSON")
    options = parser.parse_args()
    scale = 0.1 if options.quick else 1.0
    for number, section in enumerate(SECTIONS, start=1):
        if options.section in (None, number):
            started = time.perf_counter()
            for line in section(scale):
                print(line, flush=True)
            print(f"({time.perf_counter() - started:.0f} s)\n", flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(RESULTS, file, indent=2)
    worst = [
        fact
        for fact in RESULTS
        if fact["section"] == "gate" and not _within(int(str(fact["hits"])), int(str(fact["trials"])))
    ]
    for fact in worst:
        print(f"ABOVE THE NOMINAL RATE: {fact}")
    return 1 if worst else 0


def _within(hits: int, trials: int) -> bool:
    """Whether the false-alarm rate is at most nominal, given its Monte-Carlo error."""
    return hits / trials <= ALPHA + 1.96 * math.sqrt(ALPHA * (1 - ALPHA) / trials)


if __name__ == "__main__":
    sys.exit(main())
