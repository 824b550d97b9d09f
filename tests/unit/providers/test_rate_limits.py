"""Rate-limit headers: whether a limit is used up, and for how long."""

import pytest

from insideLLMs.providers.rate_limits import LONGEST_WAIT_S, blocked_s, retry_after_s

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("1s", 1), ("6m0s", LONGEST_WAIT_S), ("20ms", 0.02), ("1m2.5s", 62.5), ("1h", LONGEST_WAIT_S), ("7.66s", 7.66)],
)
def test_a_used_up_limit_of_openai_blocks_until_its_reset(reset, seconds):
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
    assert blocked_s(headers, now=NOW) == pytest.approx(seconds)


def test_a_used_up_limit_of_anthropic_blocks_until_a_time():
    headers = {
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "2027-01-15T08:00:30Z",
    }
    assert blocked_s(headers, now=NOW) == 30


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "1s"},
        {"x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "-5"},
    ],
)
def test_calls_go_on_where_some_are_left_or_the_reset_makes_no_sense(headers):
    assert blocked_s(headers, now=NOW) is None


def test_the_later_of_two_resets_counts():
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "3s",
    }
    assert blocked_s(headers, now=NOW) == 3


@pytest.mark.parametrize(
    "reset",
    ["1800000030", "1800000030000", "2027-01-15T08:00:30Z", "Fri, 15 Jan 2027 08:00:30 GMT", "30", "30s"],
)
def test_a_reset_may_be_a_time_in_every_form(reset):
    assert blocked_s({"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}, now=NOW) == 30
    assert retry_after_s({"Retry-After": reset}, now=NOW) == 30


def test_a_time_counts_from_the_servers_own_clock():
    headers = {"Retry-After": "1800000030", "Date": "Fri, 15 Jan 2027 08:00:20 GMT"}
    assert retry_after_s(headers, now=NOW + 999) == 10
