"""What does `diff --confirm` find behind caches of several kinds? Its error rates, through its own two passes.

    python benchmarks/confirmation.py            # about a minute on one core

200 items of simulated_world.py, one run a side. The product's own `_Confirming` asks; only the models are simulated. An
answer has a verdict and one of a hundred wordings (one at temperature 0). The worlds differ in what stands between:

    new draws        every answer is a new draw, as it is where a cache obeys the nonce and `Cache-Control: no-cache`
    cache            the first answer of a model to a prompt stays for good
    cache of rounds  the answers of one round to a prompt are copies; the next round is a new draw
    half cached      every second prompt stays for good, the others are new draws
    one side cached  the candidate's answers stay for good, the baseline's are new draws

With one wording an answer says no more than its verdict, so that copies of an item's answers cannot be told from a
verdict that never changes: there, half a cache and a cache of one side are confirmed, which the report says ("if every
answer is a new draw").

Each row: the share of 300 comparisons that confirm an item, and that say that nothing can be confirmed, ± the half
width of the 95% interval. Exits 1 if an unchanged system is confirmed in more than 2% beyond that error where answers
are worded, or stand alike for all items: the gate gives this question 1%.
"""

import math
import random
import sys
from collections.abc import Sequence

from simulated_world import CHANGES, Chances, suite

from insideLLMs.api.fresh_answers import Tallies, _Confirming
from insideLLMs.compare.gate.evidence import Confirmed
from insideLLMs.compare.observations import CONTROLS, Flip
from insideLLMs.core.subject import Subject

ITEMS, TRIALS = 200, 300
WORLDS = ("new draws", "cache", "cache of rounds", "half cached", "one side cached")
CLEAN = ("new draws", "cache", "cache of rounds")
Answer = tuple[bool, int]


class World:
    """Two models, and what stands between them and us."""

    def __init__(self, kind: str, chances: dict[str, Chances], wordings: int, source: random.Random) -> None:
        self._kind, self._chances, self._wordings, self._source = kind, chances, wordings, source
        self._kept: dict[tuple[str, str, int], Answer] = {}

    def answer(self, side: str, item: int, label: str) -> Answer:
        session = self._session(side, item, label)
        if session is None:
            return self._draw(side, item)
        key = (session, side, item)
        if key not in self._kept:
            self._kept[key] = self._draw(side, item)
        return self._kept[key]

    def _draw(self, side: str, item: int) -> Answer:
        return self._source.random() < self._chances[side][item], self._source.randrange(self._wordings)

    def _session(self, side: str, item: int, label: str) -> str | None:
        """Name what an answer is kept for; None where it is a new draw."""
        if self._kind == "cache of rounds":
            return label
        kept = {
            "cache": True,
            "half cached": item % 2 == 0,
            "one side cached": side == "candidate",
        }
        return "for good" if kept.get(self._kind) else None


class Simulated(_Confirming):
    """Confirms as the product does; `_ask` has the world's answers instead of a run's."""

    def __init__(self, world: World, flips: Sequence[int], controls: Sequence[int]) -> None:  # no runs to read
        self._world = world
        self._selected = len(flips)
        self._controls = tuple(map(str, controls))
        self._flips = {str(item): _flip(item) for item in (*flips, *controls)}
        self._may_repeat = False
        self._is_greedy = False
        self._answers = {}
        self._say = lambda _: None
        self.asked = 0

    def _ask(self, side: str, label: str, names: Sequence[str], repeats: int) -> Tallies:
        found = {}
        for name in names:
            answers = [self._world.answer(side, int(name), label) for _ in range(repeats)]
            said = {(passed, str(wording).encode()) for passed, wording in answers}
            self._answers.setdefault((side, name, label), set()).update(said)
            found[name] = (sum(passed for passed, _ in answers), repeats)
            self.asked += repeats
        return found

    def _calls(self) -> int:
        return self.asked

    def _run_dirs(self) -> tuple[str, ...]:
        return ()


def _flip(item: int) -> Flip:
    model = Subject("m")
    return Flip(probe="p", dataset="d", example_id=str(item), baseline_subject=model, candidate_subject=model)


def confirmed(kind: str, suite_kind: str, change: str, wordings: int, source: random.Random) -> Confirmed:
    before = suite(suite_kind, ITEMS, source)
    world = World(kind, {"baseline": before, "candidate": CHANGES[change](before, source)}, wordings, source)
    first = [[world.answer(side, item, "stored")[0] for item in range(ITEMS)] for side in ("baseline", "candidate")]
    pairs = list(enumerate(zip(*first, strict=True)))
    flips = [item for item, (ours, theirs) in pairs if ours and not theirs]
    controls = [item for item, (ours, theirs) in pairs if ours and theirs][:CONTROLS]
    return Simulated(world, flips, controls).run() if flips else Confirmed(selected=0)


def rate(hits: int) -> str:
    share = hits / TRIALS
    return f"{100 * share:5.1f} ±{196 * math.sqrt(max(share * (1 - share), 0.25 / TRIALS) / TRIALS):.1f}"


def main() -> int:
    print(f"{'world':17}{'suite':>6}{'wordings':>10}{'change':>8}{'confirms':>14}{'cannot':>14}{'calls':>8}")
    worst = 0.0
    for kind in WORLDS:
        for suite_kind, wordings in (("hot", 100), ("cold", 1)):
            for change in ("null", "flip1"):
                names = (kind, suite_kind, wordings, change)
                found = [
                    confirmed(kind, suite_kind, change, wordings, random.Random(f"{names}|{number}"))
                    for number in range(TRIALS)
                ]
                hits, cannot = sum(bool(one.items) for one in found), sum(bool(one.unavailable) for one in found)
                calls = sum(one.calls for one in found) / TRIALS / ITEMS
                row = (
                    f"{kind:17}{suite_kind:>6}{wordings:>10}{change:>8}{rate(hits):>14}{rate(cannot):>14}{calls:>8.2f}"
                )
                print(row, flush=True)
                can_tell = change == "null" and (wordings > 1 or kind in CLEAN)
                worst = max(worst, hits / TRIALS if can_tell else 0.0)
    return int(worst > 0.02 + 1.96 * math.sqrt(0.02 * 0.98 / TRIALS))


if __name__ == "__main__":
    sys.exit(main())
