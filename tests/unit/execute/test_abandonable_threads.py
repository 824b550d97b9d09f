"""Calls of users' code on threads: what they raise is theirs, and ends nothing else."""

import asyncio
import sys

import pytest

from insideLLMs.execute.abandonable import AbandonableThreads


@pytest.mark.parametrize(
    ("call", "told"), [(lambda: sys.exit(5), "SystemExit"), (lambda: next(iter(())), "StopIteration")]
)
def test_what_would_end_the_process_or_the_task_is_an_error_of_the_call(call, told):
    with pytest.raises(RuntimeError, match=f"the call raised {told}"):
        asyncio.run(AbandonableThreads().run(call))
