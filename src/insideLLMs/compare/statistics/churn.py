"""Churn in either direction: does the candidate differ from two baseline runs more than they do from each other?"""

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from insideLLMs.compare.statistics.distributions import binomial_chance, binomial_tail, normal_cdf


@dataclass(frozen=True, slots=True, kw_only=True)
class OddOneOut:
    """Of `n_odd` items where one of three runs differs from the other two, the candidate is it in `candidate_odd`."""

    n_odd: int
    candidate_odd: int
    p_mid: float
    p_exact: float


def odd_one_out(labels: Iterable[tuple[Hashable, Hashable, Hashable]]) -> OddOneOut:
    """Test the labels (baseline, baseline, candidate) of each item.

    Without a change each of the three runs is the odd one with chance 1/3: candidate_odd ~ Bin(n_odd, 1/3),
    upper tail, mid-p. Any label will do: a verdict, a hash of normalised text, a JSON value.
    """
    n_odd = candidate_odd = 0
    for first, second, candidate in labels:
        if first == second and candidate != first:
            candidate_odd += 1
            n_odd += 1
        elif first != second and candidate in (first, second):
            n_odd += 1
    return odd_one_out_of(n_odd, candidate_odd)


def odd_one_out_of(n_odd: int, candidate_odd: int) -> OddOneOut:
    """Test the counts themselves."""
    if not n_odd:
        return OddOneOut(n_odd=0, candidate_odd=0, p_mid=1.0, p_exact=1.0)
    exact = binomial_tail(candidate_odd, n_odd, 1.0 / 3.0)
    mid = exact - binomial_chance(candidate_odd, n_odd, 1.0 / 3.0) / 2.0
    return OddOneOut(n_odd=n_odd, candidate_odd=candidate_odd, p_mid=mid, p_exact=exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityChurn:
    """How much farther the candidate lies from the baseline runs than they from each other; negative is nearer."""

    excess: float
    z: float
    p_two: float


def similarity_churn(distances: Iterable[tuple[float, float, float]]) -> SimilarityChurn:
    """Test each item's distances (baseline to baseline, candidate to the first, candidate to the second).

    X = (d(B,A1) + d(B,A2))/2 - d(A1,A2); without a change the candidate is any of the three runs, and
    z = sum(X) / sqrt(sum of the mean of X^2 over the three roles).
    """
    rows = list(distances)
    total = math.fsum((to_first + to_second) / 2.0 - within for within, to_first, to_second in rows)
    square = math.fsum(((sum(row) - role) / 2.0 - role) ** 2 / 3.0 for row in rows for role in row)
    if square <= 0.0:
        return SimilarityChurn(excess=0.0, z=0.0, p_two=1.0)
    z = total / math.sqrt(square)
    return SimilarityChurn(excess=total / len(rows), z=z, p_two=2.0 * normal_cdf(-abs(z)))
