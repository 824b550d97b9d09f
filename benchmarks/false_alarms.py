"""How often does the gate cry wolf, and what does it see? A simulation that drives the product's own statistics.

    python benchmarks/false_alarms.py            # about ten minutes on one core
    python benchmarks/false_alarms.py --quick    # about a minute, with wider Monte-Carlo error

The suites and changes are described in simulated_world.py. All numbers are percentages of simulated comparisons
that fail, ± the half width of their 95% interval. Exits 1 if the default gate's false alarms exceed 5% by more
than that.
"""

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator

from simulated_world import CHANGES, ITEMS, Lab, answer_run, compare, hard, logit_shift, suite

from insideLLMs.compare.statistics.assess import Assessment
from insideLLMs.compare.statistics.early_stop import LOOKS, look_at, schedule
from insideLLMs.compare.statistics.evidence import Background

ALPHA = 0.05
PROBES = 8
RESULTS: list[dict[str, object]] = []


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
    trials = int(3000 * scale)
    for kind in ("hot", "cold"):
        for runs in (1, 3, 5):
            plain = asked = 0
            for number in range(trials):
                one, other = _gate_trial(kind, runs, random.Random(f"gate|{kind}|{runs}|{number}"))
                plain, asked = plain + one, asked + other
            note("gate", suite=kind, runs=runs, confirm=False, hits=plain, trials=trials)
            note("gate", suite=kind, runs=runs, confirm=True, hits=asked, trials=trials)
            yield f"{kind:6}{runs:>15}{rate(plain, trials):>22}{rate(asked, trials):>22}"


def _gate_trial(kind: str, runs: int, source: random.Random) -> tuple[bool, bool]:
    chances = suite(kind, PROBES * ITEMS, source)
    baseline = [answer_run(chances, 1, source) for _ in range(runs)]
    candidate = [answer_run(chances, 1, source)]
    p = Lab(chances, chances, source).confirm(baseline[-1], candidate[0])
    plain = compare(baseline, candidate, per_probe=ITEMS)
    asked = compare(baseline, candidate, background=Background(confirmed_p=p), per_probe=ITEMS)
    return plain.verdict == "failed", asked.verdict == "failed"


GATES = ("any of 9 raw tests", "overall only", "overall + Holm", "+ confirmation", "+ retest")


def gates(scale: float) -> Iterator[str]:
    names = ("null", "diff2", "diff5", "flip1", "one probe -20")
    for kind, trials in (("hot", int(1000 * scale)), ("cold", int(500 * scale))):
        yield f"2. Gates, {PROBES} x {ITEMS} {kind} items: one baseline run (three); cost in candidate suites"
        yield f"{'gate':20}" + "".join(f"{name:>16}" for name in names) + f"{'cost at null':>14}"
        table = {(runs, name): _gates_cell(kind, runs, name, trials) for runs in (1, 3) for name in names}
        for place, gate in enumerate(GATES):
            shares = [[100 * table[runs, name][0][place] / trials for runs in (1, 3)] for name in names]
            cost = f"{table[1, 'null'][1]:.2f}" if place == 3 else ""
            yield f"{gate:20}" + "".join(f"{f'{one:.1f} ({three:.1f})':>16}" for one, three in shares) + f"{cost:>14}"
        yield f"each ±{196 * math.sqrt(0.25 / trials):.1f} at most, ±{196 * math.sqrt(0.05 * 0.95 / trials):.1f} near 5"


def _gates_cell(kind: str, runs: int, name: str, trials: int) -> tuple[list[int], float]:
    """Return how often each gate fails, and the mean cost in candidate suites."""
    hits, cost = [0] * len(GATES), 0.0
    for number in range(trials):
        fails, calls = _gates_trial(kind, runs, name, random.Random(f"gates|{kind}|{runs}|{name}|{number}"))
        hits = [count + fail for count, fail in zip(hits, fails, strict=True)]
        cost += calls / (PROBES * ITEMS) / trials
    note(
        "gates", suite=kind, runs=runs, change=name, trials=trials, hits=dict(zip(GATES, hits, strict=True)), cost=cost
    )
    return hits, cost


def _gates_trial(kind: str, runs: int, name: str, source: random.Random) -> tuple[tuple[bool, ...], int]:
    before = suite(kind, PROBES * ITEMS, source)
    after = CHANGES[name](before, source)
    baseline = [answer_run(before, 1, source) for _ in range(runs)]
    candidate = [answer_run(after, 1, source)]
    lab = Lab(before, after, source)
    p_item = lab.confirm(baseline[-1], candidate[0])
    plain = compare(baseline, candidate, per_probe=ITEMS)
    asked = compare(baseline, candidate, background=Background(confirmed_p=p_item), per_probe=ITEMS)
    raw = [plain.overall.p_worse, *(probe.p_worse for probe in plain.probes)]
    confirmed = any(branch.kind == "item" and branch.fired for branch in asked.branches)
    again = False
    if not confirmed and plain.p_gate <= 0.20:
        fresh = [[answer_run(chances, 1, source) for _ in range(3)] for chances in (before, after)]
        again = compare(fresh[0], fresh[1], per_probe=ITEMS).verdict == "failed"
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
    return compare(baseline, candidate).overall.p_worse <= ALPHA


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
            f"whole runs shift (logit sd .2), {runs:>2} baseline runs".ljust(44)
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
    answered = [answer_run(logit_shift(chances, [source.gauss(0, 0.2)] * 500), 1, source) for _ in range(runs + 1)]
    return compare(answered[:-1], answered[-1:])


def _cluster_trial(source: random.Random) -> tuple[bool, bool]:
    chances = suite("hot", 500, source)
    answered = []
    for _ in range(2):
        shifts = [source.gauss(0, 1) for _ in range(25)]
        answered.append(answer_run(logit_shift(chances, [shifts[place // 20] for place in range(500)]), 1, source))
    plain = compare(answered[:1], answered[1:])
    clustered = compare(answered[:1], answered[1:], cluster=20)
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


def early_stop(scale: float) -> Iterator[str]:
    yield "7. Early stop, k = 1, four looks with futility; share of items asked, and how often the whole run fails"
    yield f"{'suite':6}{'items':>6}{'change':>9}{'fails':>14}{'asked':>8}{'whole run':>14}"
    for kind, n, name in (
        ("hot", 500, "null"), ("hot", 500, "diff5"), ("hot", 500, "diff10"), ("cold", 44, "null"),
        ("cold", 44, "diff10"), ("cold", 44, "diff15"), ("cold", 100, "diff5"), ("hot", 100, "diff10"),
        ("hot", 100, "diff15"),
    ):  # fmt: skip
        trials, hits, whole, asked = int((3000 if name == "null" else 1000) * scale), 0, 0, 0.0
        for number in range(trials):
            failed, share, full = _early_trial(kind, n, name, random.Random(f"early|{kind}|{n}|{name}|{number}"))
            hits, asked, whole = hits + failed, asked + share, whole + full
        note("early", suite=kind, n=n, change=name, hits=hits, trials=trials, asked=asked / trials, whole=whole)
        yield f"{kind:6}{n:>6}{name:>9}{rate(hits, trials):>14}{asked / trials:>8.2f}{rate(whole, trials):>14}"


def _early_trial(kind: str, n: int, name: str, source: random.Random) -> tuple[bool, float, bool]:
    before = suite(kind, n, source)
    after = CHANGES[name](before, source)
    answered = [answer_run(before, 1, source), answer_run(after, 1, source)]
    whole = compare(answered[:1], answered[1:]).verdict == "failed"
    order = [int(item) for batch in schedule({"p": [str(at) for at in range(n)]}, seed="run") for _, item in batch]
    for place, share in enumerate(LOOKS):
        seen = order[: round(share * n)]
        found = compare([[answered[0][at] for at in seen]], [[answered[1][at] for at in seen]])
        finding = look_at(place, found.overall, wanted_drop=0.05, alpha=ALPHA)
        if finding != "go_on":
            return finding == "fail", share, whole
    raise AssertionError("the last look decides")


def missing(scale: float) -> Iterator[str]:
    yield "8. Missing answers of hot and cold suites, k = 1: share of comparisons that fail, and that are inconclusive"
    yield f"{'suite':6}{'items':>6}{'broken':>8}{'errors of both':>16}{'hidden':>8}{'fails':>14}{'inconclusive':>14}"
    for kind, n, broken, errors, hidden in (
        ("hot", 44, 0.0, 0.0275, 0.0), ("hot", 100, 0.0, 0.0275, 0.0), ("hot", 300, 0.0, 0.0275, 0.0),
        ("cold", 44, 0.0, 0.0275, 0.0), ("cold", 100, 0.06, 0.0, 0.0), ("cold", 100, 0.06, 0.0, 0.3),
        ("cold", 100, 0.06, 0.0, 0.5), ("cold", 100, 0.06, 0.0, 0.7),
    ):  # fmt: skip
        trials = int(1000 * scale)
        counts = {"failed": 0, "inconclusive": 0, "passed": 0, "identical": 0}
        for number in range(trials):
            source = random.Random(f"missing|{kind}|{n}|{broken}|{errors}|{hidden}|{number}")
            counts[_missing_trial(kind, n, broken, errors, hidden, source)] += 1
        note("missing", suite=kind, n=n, broken=broken, errors=errors, hidden=hidden, trials=trials, **counts)
        shown = rate(counts["failed"], trials), rate(counts["inconclusive"], trials)
        yield f"{kind:6}{n:>6}{broken:>8}{errors:>16}{hidden:>8}{shown[0]:>14}{shown[1]:>14}"


def _missing_trial(kind: str, n: int, broken: float, errors: float, hidden: float, source: random.Random) -> str:
    """Break a share of sure items; `hidden` of the broken answers time out, and `errors` of all on either side."""
    before = suite(kind, n, source)
    after = hard(broken)(before, source) if broken else before
    runs = [answer_run(before, 1, source), answer_run(after, 1, source)]
    lost = [
        [
            (None,) if source.random() < errors or (side and old != new and source.random() < hidden) else answer
            for answer, old, new in zip(run, before, after, strict=True)
        ]
        for side, run in enumerate(runs)
    ]
    return compare(lost[:1], lost[1:]).verdict


SECTIONS = (default_gate, gates, run_label_test, baseline_runs, shared_noise, item_confirmation, early_stop, missing)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulated comparisons")
    parser.add_argument("--section", type=int, choices=range(1, len(SECTIONS) + 1), help="only this section")
    parser.add_argument("--json", metavar="FILE", help="also write the counts as JSON")
    options = parser.parse_args()
    scale = 0.1 if options.quick else 1.0
    for number, section in enumerate(SECTIONS, start=1):
        if options.section in (None, number):
            started = time.process_time()
            for line in section(scale):
                print(line, flush=True)
            print(f"({time.process_time() - started:.0f} s of CPU)\n", flush=True)
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
