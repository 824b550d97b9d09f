"""Which requests a sample draws, in which order, and for how many others each stands.

Every request has a number that follows from its ids and the seed. In each stratum requests are drawn in the order of
their numbers, which is a simple random sample; strata take turns in proportion to their sizes, times the `boost` of
each. A stratum of N requests of which m were drawn gives each of them the weight N/m, so that weighted rates are those
of the traffic, whatever was over-represented.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence


def begin_of(values: Iterable[str]) -> float:
    """Return when the turn of the stratum with these values begins, between 0 and 1."""
    return number_of(0, *values) / (1 << 64)


def number_of(seed: int, *ids: str) -> int:
    """Return the number that puts a request into its place."""
    told = "\n".join((f"insidellms/sample/1\n{seed}", *ids)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little")


class Requests:
    """All requests, as columns: their numbers, traces, questions, strata, and whether they failed. 29 bytes each."""

    def __init__(self) -> None:
        self.numbers = array("Q")
        self.traces = array("Q")
        self.questions = array("Q")
        self.strata = array("I")
        self.failed = array("B")

    def add(self, number: int, trace: int, question: int, stratum: int, *, failed: bool) -> None:
        """Add one."""
        self.numbers.append(number)
        self.traces.append(trace)
        self.questions.append(question)
        self.strata.append(stratum)
        self.failed.append(failed)

    def __len__(self) -> int:
        return len(self.numbers)


def drawing_order(
    requests: Requests, sizes: Mapping[int, int], begins: Mapping[int, float], boost: Mapping[int, float], at_least: int
) -> "array[int]":
    """Return the places of requests in the order of drawing; the first `at_least` of each stratum come first.

    A stratum's turn `begins` between 0 and 1, so that small strata do not all come first, or all last.
    """
    ranked = sorted(range(len(requests)), key=requests.numbers.__getitem__)
    ranks: Counter[int] = Counter()
    turns = array("d", bytes(8 * len(requests)))
    for at in ranked:
        stratum = requests.strata[at]
        rank = ranks[stratum]
        ranks[stratum] = rank + 1
        turn = (rank + begins[stratum]) / (sizes[stratum] * boost.get(stratum, 1.0))
        turns[at] = rank - at_least if rank < at_least else turn
    ranked.sort(key=turns.__getitem__)
    return array("q", ranked)


def first_of_each(order: Iterable[int], questions: Sequence[int], count: int) -> Iterator[int]:
    """Yield the places at which the first `count` different questions are drawn."""
    seen: set[int] = set()
    for at in order:
        if questions[at] not in seen:
            if len(seen) == count:
                return
            seen.add(questions[at])
            yield at


def boost_for(share: float, sizes: Mapping[int, int], failed: Iterable[int]) -> dict[int, float]:
    """Return how much more often failed strata are drawn, so that they make up `share` of all draws."""
    strata = set(failed)
    bad = sum(size for stratum, size in sizes.items() if stratum in strata)
    good = sum(sizes.values()) - bad
    times = share * good / ((1 - share) * bad) if bad and good else 1.0
    return dict.fromkeys(strata, max(times, 1.0))
