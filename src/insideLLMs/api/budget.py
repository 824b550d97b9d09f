"""The budget of a run, with what earlier processes spent of it."""

import msgspec

from insideLLMs.api.prepare import Prepared
from insideLLMs.core.types import Telemetry, Usage
from insideLLMs.execute.budget import Budget
from insideLLMs.store.journal import Journal, decode_record


def make_budget(prepared: Prepared) -> Budget | None:
    """Return the run's budget, None if nothing bounds it. Raises OptionError if a price is needed and not known."""
    execution = prepared.experiment.execution
    if execution.max_tokens is None and execution.max_cost_usd is None:
        return None
    return Budget(execution, prepared.identities)


def count_spent(budget: Budget | None, journal: Journal) -> Budget | None:
    """Count what the journal's answers cost. Raises BudgetSpentError if that is all there was."""
    if budget is None or not journal.resumed:
        return budget
    for entry in journal.entries():
        record = decode_record(entry.record)
        telemetry = msgspec.json.decode(entry.telemetry, type=Telemetry)
        if record.response is not None and not telemetry.cached:
            budget.spend(record.model, record.response.usage)
        for call in telemetry.judges:
            if not call.cached:
                budget.spend(call.model, Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens))
    spent = budget.reached()
    if spent is not None:
        raise spent
    return budget
