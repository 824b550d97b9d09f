"""The strata of requests, also where there are more kinds than a person reads."""

from collections import Counter

import pytest

from insideLLMs.api.traffic.drawing import boost_for
from insideLLMs.api.traffic.strata import Strata
from insideLLMs.core.types import Example, ResultStatus
from insideLLMs.importers.foreign import ForeignTrial


def request(model, status=ResultStatus.SUCCESS):
    return ForeignTrial(line=1, example=Example(id="", input="Why?"), model=model, status=status)


def test_the_rarest_of_very_many_are_one_which_is_called_other_and_keeps_failures_apart():
    strata = Strata(("model", "error"))
    requests = [request(f"model {n}") for n in range(999) for _ in range(2)]
    requests += [request("a failing model", ResultStatus.TIMEOUT)] * 2
    requests += [request(f"rare {n}", ResultStatus.ERROR if n % 2 else ResultStatus.SUCCESS) for n in range(20)]
    numbers = [strata.number(each) for each in requests]
    sizes = Counter(numbers)
    merged = strata.merged([sizes[number] for number in range(len(sizes))])
    found = Counter(merged[number] for number in numbers)
    assert len(found) == 1_002
    rest = {number for number, size in found.items() if size == 10}
    told = [(strata.values(number), strata.failed(number)) for number in sorted(rest)]
    assert sorted(told, key=str) == [
        ({"model": "other", "error": "error"}, True),
        ({"model": "other", "error": "no error"}, False),
    ]
    assert all(strata.values(number)["model"] != "other" for number in found.keys() - rest)


@pytest.mark.parametrize(
    ("share", "sizes", "failed", "boost"),
    [
        (0.5, {0: 90, 1: 10}, [1], {1: 9.0}),
        (0.05, {0: 90, 1: 10}, [1], {1: 1.0}),
        (0.5, {0: 90, 1: 6, 2: 4}, [1, 2], {1: 9.0, 2: 9.0}),
        (0.5, {1: 10}, [1], {1: 1.0}),
        (0.5, {0: 90}, [], {}),
    ],
)
def test_failed_requests_are_drawn_more_often_than_they_come_but_never_less(share, sizes, failed, boost):
    assert boost_for(share, sizes, failed) == boost
