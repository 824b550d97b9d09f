"""Calls of users' code, on threads and in tasks: what they raise is theirs, and ends nothing else."""

import asyncio
import signal
import sys

import pytest

from insideLLMs.execute.abandonable import AbandonableThreads, in_own_task


def raising(error):
    def call():
        raise error

    return call


def exiting():
    sys.exit(5)


ENDS = {
    "SystemExit": exiting,
    "StopIteration": lambda: next(iter(())),
    "KeyboardInterrupt": raising(KeyboardInterrupt),
    "GeneratorExit": raising(GeneratorExit),
}


@pytest.mark.parametrize("told", ENDS)
def test_what_would_end_the_process_or_the_task_is_an_error_of_the_call(told):
    with pytest.raises(RuntimeError, match=f"the call raised {told}"):
        asyncio.run(AbandonableThreads().run(ENDS[told]))


@pytest.mark.parametrize("told", ENDS)
def test_a_coroutine_ends_no_more_than_a_thread_does(told):
    async def call():
        ENDS[told]()

    with pytest.raises(RuntimeError, match=f"raised {told}"):
        asyncio.run(in_own_task(call()))


def test_a_second_ctrl_c_gets_through_a_coroutine_that_keeps_the_loop():
    """The first one cancels the task; where that is not heard, `asyncio.run` raises KeyboardInterrupt."""

    async def call():
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(in_own_task(call()))
