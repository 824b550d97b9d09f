"""Headers that ask for patience: how long to wait before the same call, and when a used-up limit is free again."""

import datetime as dt
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 120.0
"""A limit that is free again later than this is left to the answers (429) to tell."""
# remaining -> reset; https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers and
# https://docs.claude.com/en/api/rate-limits#response-headers
HEADERS = {
    "x-ratelimit-remaining-requests": "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-tokens": "x-ratelimit-reset-tokens",
    "x-ratelimit-remaining": "x-ratelimit-reset",
    "ratelimit-remaining": "ratelimit-reset",
    "anthropic-ratelimit-input-tokens-remaining": "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-requests-remaining": "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-remaining": "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-output-tokens-remaining": "anthropic-ratelimit-output-tokens-reset",
}
_DURATION = re.compile(
    r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?", re.IGNORECASE
)
_EPOCH_S = 1e9
"""A larger number is a time in seconds since 1970, and one 100 times larger in milliseconds, rather than a wait."""


def blocked_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return how long no call will be let through, None if some are; `now` is in seconds since the epoch."""
    waits = [
        wait
        for remaining, reset in HEADERS.items()
        if remaining in headers
        and _number(headers[remaining]) == 0
        and (wait := _wait_s(headers.get(reset), headers, now)) is not None
    ]
    return min(max(waits), LONGEST_WAIT_S) if waits else None


def retry_after_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return how long the server asks us to wait: `retry-after-ms`, or `Retry-After`; None for what makes no sense."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    return _wait_s(headers.get("Retry-After"), headers, now)


def _wait_s(text: str | None, headers: Mapping[str, str], now: float) -> float | None:
    """Read seconds, a duration (``6m0s``, ``20ms``), or a time: of HTTP, RFC 3339, or since the epoch.

    A time counts from the server's own `Date` where it sent one, so that its clock may differ from ours.
    """
    text = (text or "").strip()
    seconds = _number(text)
    if seconds is not None and seconds < _EPOCH_S:
        return seconds
    found = _DURATION.fullmatch(text)
    if text and found:
        days, hours, minutes, whole, milliseconds = (float(part or 0) for part in found.groups())
        return days * 86_400 + hours * 3600 + minutes * 60 + whole + milliseconds / 1000
    until = _timestamp(text) if seconds is None else seconds / (1000 if seconds > 100 * _EPOCH_S else 1)
    if until is None:
        return None
    sent = _timestamp(headers.get("Date", ""))
    return max(0.0, until - (now if sent is None else sent))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _timestamp(text: str) -> float | None:
    for read in (dt.datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
        except (ValueError, OverflowError):
            continue
    return None
