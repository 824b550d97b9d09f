"""Rate-limit headers of the providers: whether a limit is used up, and when it will be free again."""

import datetime as dt
import re
from collections.abc import Mapping

LONGEST_WAIT_S = 120.0
"""A limit that is free again later than this is left to the answers (429) to tell."""
# remaining -> reset; https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers and
# https://docs.claude.com/en/api/rate-limits#response-headers
HEADERS = {
    "x-ratelimit-remaining-requests": "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-tokens": "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-remaining": "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-remaining": "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-output-tokens-remaining": "anthropic-ratelimit-output-tokens-reset",
}
_DURATION = re.compile(r"^(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$")


def blocked_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return how long no call will be let through, None if some are; `now` is in seconds since the epoch."""
    waits = [
        wait
        for remaining, reset in HEADERS.items()
        if headers.get(remaining) == "0" and (wait := _wait_s(headers.get(reset, ""), now)) is not None
    ]
    return min(max(waits), LONGEST_WAIT_S) if waits else None


def _wait_s(text: str, now: float) -> float | None:
    """Read a duration (``6m0s``, ``20ms``, ``1.5``) or a time (RFC 3339)."""
    found = _DURATION.match(text)
    if text and found:
        hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    try:
        return max(0.0, dt.datetime.fromisoformat(text).timestamp() - now)
    except ValueError:
        return None
