"""What a person said of an example that was drawn from traffic: accepted, rejected, or nothing yet."""

from collections.abc import Mapping
from typing import Literal

from insideLLMs.core.errors import DatasetError

Review = Literal["pending", "accepted", "rejected"]
PENDING: Review = "pending"
_KNOWN: dict[object, Review] = {"pending": "pending", "accepted": "accepted", "rejected": "rejected"}


def review_of(row: object) -> Review | None:
    """Return the review of a row that was drawn from traffic; None of any other row, whatever its `review` says.

    Raises DatasetError for an unknown review.
    """
    if not is_drawn(row):
        return None
    given = row.get("review", PENDING) if isinstance(row, Mapping) else None
    review = _KNOWN.get(given) if isinstance(given, str) else None
    if review is None:
        raise DatasetError(f"its review is {given!r}; it is one of {', '.join(_KNOWN.values())}")
    return review


def is_drawn(row: object) -> bool:
    """Whether a row was drawn from traffic: it says how many requests it stands for."""
    traffic = row.get("traffic") if isinstance(row, Mapping) else None
    return isinstance(traffic, Mapping) and "weight" in traffic
