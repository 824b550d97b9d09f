"""Threads for native calls: bounded, stoppable, and no hindrance to the end of the process."""

import asyncio
import subprocess
import sys
import threading

import pytest

from insideLLMs.core.errors import ServerError
from insideLLMs.core.user_code import UserCodeError
from insideLLMs.providers.in_process.native_threads import NativeThreads, Stop


def test_work_is_done_by_as_many_threads_as_there_are_slots() -> None:
    threads = NativeThreads(2, name="test")
    barrier = threading.Barrier(2, timeout=10)

    def work(stop: Stop) -> str:
        barrier.wait()
        return threading.current_thread().name

    names = [future.result(10) for future in [threads.submit(work) for _ in range(4)]]
    threads.close()
    assert len(set(names)) == 2


def test_a_typed_error_reaches_the_waiter_and_a_foreign_one_says_whose_it_is() -> None:
    threads = NativeThreads(1, name="the engine room")

    def typed(stop: Stop) -> None:
        raise ServerError("told so")

    def foreign(stop: Stop) -> None:
        raise LookupError("surprise")

    with pytest.raises(ServerError, match="told so"):
        threads.submit(typed).result(10)
    with pytest.raises(UserCodeError, match="the engine room raised LookupError: surprise"):
        threads.submit(foreign).result(10)
    assert threads.submit(lambda stop: 5).result(10) == 5
    threads.close()


def test_cancelling_tells_running_work_to_stop_and_frees_its_slot() -> None:
    threads = NativeThreads(1, name="test")
    started, stopped = threading.Event(), threading.Event()

    def endless(stop: Stop) -> None:
        started.set()
        while not stop.is_set():
            threading.Event().wait(0.001)
        stopped.set()

    async def main() -> int:
        running = asyncio.wrap_future(threads.submit(endless))
        await asyncio.to_thread(started.wait)
        running.cancel()
        return await asyncio.wrap_future(threads.submit(lambda stop: 7))

    assert asyncio.run(main()) == 7
    assert stopped.is_set()
    threads.close()


def test_work_that_is_cancelled_while_it_waits_is_never_begun() -> None:
    threads = NativeThreads(1, name="test")
    gate, begun = threading.Event(), []
    first = threads.submit(lambda stop: gate.wait(10))
    second = threads.submit(lambda stop: begun.append(1))
    second.cancel()
    gate.set()
    assert first.result(10)
    threads.close()
    assert begun == []


def test_dismissed_threads_finish_their_queue_and_go() -> None:
    threads = NativeThreads(1, name="dismissed")
    last = threads.submit(lambda stop: threading.current_thread())
    threads.dismiss()
    thread = last.result(10)
    thread.join(10)
    assert not thread.is_alive()


def test_the_process_ends_while_work_is_being_done() -> None:
    code = """
import threading
from insideLLMs.providers.in_process.native_threads import NativeThreads
started = threading.Event()
def endless(stop):
    started.set()
    while not stop.is_set():
        threading.Event().wait(0.001)
NativeThreads(1, name="test").submit(endless)
started.wait(10)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
