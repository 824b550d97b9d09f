"""A resumed run's budget counts all that was paid for, scored or not."""

import pytest

from insideLLMs.api.run import count_spent
from insideLLMs.core import canonical
from insideLLMs.core.errors import BudgetSpentError
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.core.types import Telemetry, Usage
from insideLLMs.execute.budget import Budget
from insideLLMs.store.journal import Journal
from support.engine import ScriptedModel, work_of
from support.stored_trials import header, unscored

USAGE = Usage(input_tokens=30, output_tokens=10)


@pytest.fixture
def journal(tmp_path):
    """A journal whose process died between an answer and its score."""
    journal = Journal(tmp_path / "journal.jsonl", header())
    journal.create()
    for index, (usage, cached) in enumerate([(USAGE, False), (None, False), (USAGE, True)]):
        journal.append_answer(index, canonical.line(unscored(index, usage=usage)), Telemetry(cached=cached))
    journal.close()
    journal = Journal(tmp_path / "journal.jsonl", header())
    journal.resume()
    yield journal
    journal.close()


def spend(journal, limit):
    plan = work_of({"m": ScriptedModel(None)}, ["a", "b", "c"]).plan
    budget = Budget(ExecutionSpec(max_tokens=limit), {"m": {}})
    count_spent(budget, journal, plan)
    return budget.tokens


def test_answers_that_were_not_scored_count_and_cached_ones_do_not(journal):
    counted = spend(journal, 1000)
    assert counted > 40
    assert counted < 80


def test_a_budget_that_such_answers_spent_is_spent(journal):
    with pytest.raises(BudgetSpentError):
        spend(journal, 40)
