"""A sign test that may be looked at after every pair: are those that differ as often one way as the other?

Each pair asks one example twice, with a change and without it. If the change does nothing, the two answers could be
swapped, so that a pair that differs is a fair coin. The wealth of a bet against that coin is above 1/p at any time
with a chance of at most p (Ville 1939; Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference",
2023), whatever was looked at before, and however the next example is chosen.
"""

import math

_BETS = (0.6, 0.7, 0.8, 0.9, 0.97)
"""Chances that a pair which differs does so the expected way; the wealth is the mean of a bet on each."""


class FairPairs:
    """Counts pairs that differ, `wins` the expected way; `p` holds at every look."""

    def __init__(self) -> None:
        self.wins = self.losses = 0
        self._most = 1.0

    def add(self, *, expected: bool) -> None:
        """Count a pair that differs."""
        self.wins += expected
        self.losses += not expected
        self._most = max(self._most, math.fsum(self._wealth(chance) for chance in _BETS) / len(_BETS))

    def _wealth(self, chance: float) -> float:
        return float((2 * chance) ** self.wins * (2 * (1 - chance)) ** self.losses)

    @property
    def p(self) -> float:
        """The chance of as much evidence, at any look until now, if the change does nothing."""
        return 1.0 / self._most


def share_of_alpha(alpha: float, number: int) -> float:
    """Return what the test of this number, from 1, may err by: all of them together err by `alpha` at most."""
    return alpha / (number * (number + 1))
