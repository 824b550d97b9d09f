"""Dates as people write them -> year, month, day, as far as given: ISO, English month names, day.month.year."""

import re
from dataclasses import dataclass

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sept sep", "october oct", "november nov", "december dec"), 1
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"\b(?P<year>\d{4})-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?\b",
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<name>{_MONTH})\b\.?,?(?: (?P<year>\d{{3,4}}))?",
        rf"\b(?P<name>{_MONTH})\b\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\d),?(?: (?P<year>\d{{3,4}}))?",
        rf"\b(?P<name>{_MONTH})\b\.?,?(?: of)? (?P<year>\d{{3,4}})\b",
        r"\b(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})\b",
    )
)
_YEAR = re.compile(r"(?<![\d.,:/$€£])(?P<year>\d{3,4})(?![\d,:/%]|\.\d)(?: (?P<era>bce?|bc)\b)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Day:
    """A date, None where it says nothing; a year before our era is negative."""

    year: int | None
    month: int | None = None
    day: int | None = None


def dates(text: str) -> tuple[Day, ...]:
    """Return the dates in `text`: the full ones first, then years that are part of none of them."""
    found: list[Day] = []
    for form in _FORMS:
        for match in form.finditer(text):
            parts = match.groupdict()
            month = _MONTHS[parts["name"].casefold()] if parts.get("name") else _number(parts.get("month"))
            date = Day(_number(parts.get("year")), month, _number(parts.get("day")))
            if (date.month or 1) <= 12 and (date.day or 1) <= 31:
                found.append(date)
        text = form.sub(" ", text)
    for match in _YEAR.finditer(text):
        year = int(match["year"])
        found.append(Day(-year if match["era"] else year))
    return tuple(found)


def agrees(given: Day, expected: Day) -> bool:
    """Whether a date says all that is expected, and says it right; it may say more."""
    pairs = ((given.year, expected.year), (given.month, expected.month), (given.day, expected.day))
    return all(wanted is None or said == wanted for said, wanted in pairs)


def _number(text: str | None) -> int | None:
    return int(text) if text else None
