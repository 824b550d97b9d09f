"""Whether answers to unchanged requests moved: a test that may be looked at after every answer, and over many runs.

A request that was asked again and whose scores differ from the stored ones is a flip, for the worse or for the better.
Where nothing changed but chance, both are equally likely, whatever the temperature: both answers are draws of one
distribution. The capital is what a gambler has who starts with 1 and bets on each flip by a uniform mixture of all
odds, in both directions (Beta-binomial; Robbins 1970, doi:10.1214/aoms/1177696786):

    E = 2^(w+b) w! b! / (w+b+1)!

It ever reaches 1/alpha with a chance of at most alpha (Ville 1939), however often it is looked at.
"""

import math

WIDEN_AT = 5.0
"""Capital at which more is asked again; without a change that ever happens in at most 1 of 5 chains of runs."""
ALARM_AT = 20.0
"""Capital at which all is asked again; without a change that ever happens in at most 1 of 20."""
ENOUGH = 8
"""So many flips, if all go one way, reach ALARM_AT; of fewer canaries one that moved is looked into."""
WIDEN_BY = 4
"""So many times the share is asked again at WIDEN_AT."""


def capital(worse: int, better: int) -> float:
    """Return the capital after so many flips."""
    flips = worse + better
    logarithm = math.lgamma(worse + 1) + math.lgamma(better + 1) - math.lgamma(flips + 2) + flips * math.log(2.0)
    return math.exp(min(logarithm, 700.0))
