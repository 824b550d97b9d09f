"""Dates as people write them -> year, month, day, as far as given: ISO, names of months, day.month.year."""

import calendar
import re
from dataclasses import dataclass

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan januar janvier enero gennaio janeiro januari января",
         "february feb februar février febrero febbraio fevereiro februari февраля",
         "march mar märz mars marzo março maart марта", "april apr avril abril aprile апреля",
         "may mai mayo maggio maio mei мая", "june jun juni juin junio giugno junho июня",
         "july jul juli juillet julio luglio julho июля", "august aug août agosto augustus августа",
         "september sept sep septembre septiembre settembre setembro сентября",
         "october oct oktober octobre octubre ottobre outubro октября",
         "november nov novembre noviembre novembro ноября",
         "december dec dezember décembre diciembre dicembre dezembro декабря"), 1
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_OF_YEAR = r"(?:(?: del?)?[ -](?P<year>\d{3,4}))?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"\b(?P<year>\d{4})-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?(?:\b|(?=T\d))",
        r"(?<!\d)(?P<year>\d{4})\s?年\s?(?P<month>\d{1,2})\s?月(?:\s?(?P<day>\d{1,2})\s?日)?",
        r"\b(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})\b",
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?(?: of| de)?[ -](?P<name>{_MONTH})\b\.?,?{_OF_YEAR}",
        rf"\b(?P<name>{_MONTH})\b\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\d),?(?: (?P<year>\d{{3,4}}))?",
        rf"\b(?P<name>{_MONTH})\b\.?,?(?: of| del?)? (?P<year>\d{{3,4}})\b",
        r"\b(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})\b",
        r"\b(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})\b",
    )
)
_YEAR = re.compile(
    r"(?<![\w.,:/$€£#])(?P<year>\d{3,4})(?![\d:/%]|[.,]\d|s\b)(?: (?P<era>bce?|bc|ad|ce)\b)?", re.IGNORECASE
)
_DATING = re.compile(
    r"\b(?:in|since|year|by|until|till|from|of|around|about|circa|ca?\.|ad|anno|to|before|after|was|is)\s$",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r" (?:[a-z-]+ )?(?:[a-z-]*[a-rt-z]s|people|men|women|children|staff|crew|personnel|police|cattle|sheep"
    r"|feet|percent|km|m|kg|dollars?|euros?)\b"
)
_OTHER_EVENT = re.compile(
    r"\b(?:born|b\.|birth|died|d\.|death|after|since|before|than|until|prior to|following|unlike|not)\b[^.;,()]{0,12}$",
    re.IGNORECASE,
)
_DENIED = re.compile(r"(?:\bnot|\bnever|n't)(?: (?:on|in|the))* $", re.IGNORECASE)
_FOUNDED = re.compile(r"\b(?:founded|established|incorporated)\b[^.;,()]{0,12}$", re.IGNORECASE)
_FOUNDING = re.compile(
    r"\b(?:found|establish|incorporat|creat|start|form|beg[aiu]n|origin|set up|buil|old)", re.IGNORECASE
)
_LIFESPAN = re.compile(r"\([^()]{0,40}\d{3,4}\s?[-–]\s?[^()]{0,30}\d{3,4}\)")


@dataclass(frozen=True, slots=True)
class Day:
    """A date, None where it says nothing; a year before our era is negative."""

    year: int | None
    month: int | None = None
    day: int | None = None


def dates(text: str) -> tuple[Day, ...]:
    """Return the dates in `text`: the full ones first, then years that are part of none of them."""
    return tuple(day for _, day in _placed(text))


def claimed_dates(text: str, question: str) -> tuple[Day, ...]:
    """Return the dates in `text`; without those of other events, such as a birth not asked for, if any are left."""
    asked = re.search(r"\b(?:born|birth|die[ds]?|death)\b", question, re.IGNORECASE) is not None
    told = _LIFESPAN.sub(lambda span: " " * len(span.group()), text)
    found = _claimed(text if asked else told) or _claimed(text)
    others = [] if asked else [_OTHER_EVENT]
    others += [] if _FOUNDING.search(question) else [_FOUNDED]
    own = [day for place, day in found if not any(one.search(text[max(0, place - 40) : place]) for one in others)]
    return tuple(own or [day for _, day in found])


def _claimed(text: str) -> list[tuple[int, Day]]:
    return [(place, day) for place, day in _placed(text) if not _DENIED.search(text[max(0, place - 20) : place])]


def _placed(text: str) -> list[tuple[int, Day]]:
    """Return the dates in `text` with their places: the full ones first, then years that are part of none of them."""
    found: list[tuple[int, Day]] = []
    for form in _FORMS:
        for match in form.finditer(text):
            date = _read(match.groupdict())
            if date is not None:
                found.append((match.start(), date))
        text = form.sub(lambda match: " " * len(match.group()), text)
    found.sort(key=lambda one: one[0])
    for match in _YEAR.finditer(text):
        if not _counts(match, text):
            era = (match["era"] or "").casefold()
            found.append((match.start(), Day(-int(match["year"]) if era.startswith("b") else int(match["year"]))))
    return found


def _read(parts: dict[str, str | None]) -> Day | None:
    """Make a date; None for one that no calendar has. Month and day that could be either are left out."""
    name = parts.get("name")
    year, day = _number(parts.get("year")), _number(parts.get("day"))
    month = _MONTHS[name.casefold()] if name else _number(parts.get("month"))
    if list(parts) == ["month", "day", "year"]:  # slashes
        if month is not None and day is not None and month > 12:
            month, day = day, month
        elif day is not None and day <= 12 and month != day:
            return Day(year)
    if month is not None and not 1 <= month <= 12:
        return None
    if day is not None and not 1 <= day <= (calendar.monthrange(year or 2000, month)[1] if month else 31):
        return None
    return Day(year, month, day)


def _counts(match: re.Match[str], text: str) -> bool:
    """Whether a number counts things, or is too small for a year that nothing marks as one."""
    if match["era"] or match.group() == text.strip():
        return False
    marked = _DATING.search(text[max(0, match.start() - 12) : match.start()]) is not None
    if _COUNTED.match(text[match.end() : match.end() + 40]):
        return not marked or len(match["year"]) < 4
    return len(match["year"]) < 4 and not marked


def agrees(given: Day, expected: Day) -> bool:
    """Whether a date says all that is expected, and says it right; it may say more."""
    pairs = ((given.year, expected.year), (given.month, expected.month), (given.day, expected.day))
    return all(wanted is None or said == wanted for said, wanted in pairs)


def _number(text: str | None) -> int | None:
    return int(text) if text else None
