"""Which rows wait for a person's review."""

import pytest

from insideLLMs.core.errors import DatasetError
from insideLLMs.datasets.reviews import review_of

DRAWN = {"id": "a", "traffic": {"weight": 2.0}}


@pytest.mark.parametrize(
    ("row", "review"),
    [
        (DRAWN, "pending"),
        ({**DRAWN, "review": "accepted"}, "accepted"),
        ({**DRAWN, "review": "rejected"}, "rejected"),
        ({"id": "a", "review": "rejected"}, None),
        ({"id": "a", "review": "A fine film.", "traffic": "heavy"}, None),
    ],
)
def test_a_row_that_was_drawn_from_traffic_waits_until_a_person_accepts_it(row, review):
    assert review_of(row) == review


@pytest.mark.parametrize("said", ["acepted", "", None, True, ["accepted"]])
def test_what_is_no_review_accepts_nothing(said):
    with pytest.raises(DatasetError, match="it is one of pending, accepted, rejected"):
        review_of({**DRAWN, "review": said})
