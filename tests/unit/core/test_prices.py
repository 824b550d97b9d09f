"""What an answer costs: unknown is never free."""

import pytest

from insideLLMs.core.experiment import PriceSpec
from insideLLMs.core.prices import cost_of, find_price, price_at
from insideLLMs.core.types import Usage

SPEC = PriceSpec(input=1.0, output=2.0, cached=0.1)
USAGE = Usage(input_tokens=1_000_000, output_tokens=500_000, cached_tokens=400_000)


def test_cached_input_has_a_price_of_its_own():
    assert price_at(SPEC)(USAGE) == pytest.approx(0.6 + 0.04 + 1.0)


def test_what_is_written_to_the_cache_costs_more_than_plain_input():
    usage = Usage(input_tokens=1_000_000, output_tokens=0, cached_tokens=400_000, cache_write_tokens=100_000)
    assert price_at(SPEC)(usage) == pytest.approx(0.5 + 0.04 + 0.125)
    given = PriceSpec(input=1.0, output=2.0, cache_write=3.0)
    assert price_at(given)(usage) == pytest.approx(0.5 + 0.4 + 0.3)


def test_what_was_noted_wins_over_a_price():
    assert cost_of(0.5, USAGE, price_at(SPEC)) == 0.5


@pytest.mark.parametrize("usage", [Usage(), Usage(input_tokens=3), Usage(output_tokens=3)])
def test_an_answer_whose_tokens_are_not_known_has_no_known_cost(usage):
    assert cost_of(None, usage, price_at(SPEC)) is None
    assert cost_of(None, usage, None) is None


def test_a_model_that_sends_no_bill_costs_nothing_even_where_tokens_are_not_known():
    assert cost_of(None, Usage(), find_price({"type": "ollama"})) == 0.0


def test_a_given_price_wins_over_the_table_and_a_free_provider():
    assert find_price({"type": "vllm"}, SPEC)(USAGE) == price_at(SPEC)(USAGE)
