"""Commands that a user names: what comes of them, and that nothing of them outlives its call."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from insideLLMs.sandbox import commands
from insideLLMs.sandbox.commands import Command, CommandServer
from support.processes import CHILD_OF_ITS_OWN, PYTHON, children_of, descriptors, is_there, wait_until_gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def server():
    made = CommandServer()
    yield made
    made.close()


def command(folder, *arguments, stdin=None, output_bytes=1 << 20):
    return Command(
        program=arguments[0], arguments=arguments, environment={"PATH": os.environ["PATH"], "ONLY": "this"},
        folder=str(folder), stdin=stdin, output_bytes=output_bytes,
    )  # fmt: skip


def run(server, folder, *arguments, **more):
    return asyncio.run(server.run(command(folder, *arguments, **more)))


def python(server, folder, program, **more):
    return run(server, folder, PYTHON, "-S", "-c", program, **more)


def test_a_command_reads_writes_and_ends(server, tmp_path):
    end = run(server, tmp_path, "/bin/sh", "-c", "cat; echo oops >&2; pwd; exit 3", stdin=b"in ")
    assert (end.status, end.stdout, end.stderr) == (3, f"in {tmp_path}\n".encode(), b"oops\n")


def test_a_command_has_its_own_environment_and_no_other_descriptor(server, tmp_path):
    seen = run(server, tmp_path, "/usr/bin/env").stdout.splitlines()
    assert {line.partition(b"=")[0] for line in seen} == {b"ONLY", b"PATH"}
    end = python(server, tmp_path, "import os; print(os.listdir('/proc/self/fd'))")
    assert end.stdout == b"['0', '1', '2', '3']\n"  # the last is that of the listing


def test_signals_are_as_for_any_program(server, tmp_path):
    told = python(server, tmp_path, "print(open('/proc/self/status').read())").stdout.decode()
    by_python = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1  # by the Python that was started
    inherited = ignored_signals(Path("/proc/self/status").read_text())
    assert ignored_signals(told) & ~(by_python | inherited) == 0
    assert run(server, tmp_path, "/bin/sh", "-c", "yes | head -1; kill -s PIPE $$").status == -signal.SIGPIPE


def ignored_signals(status):
    return int(next(line for line in status.splitlines() if line.startswith("SigIgn")).split()[1], 16)


@pytest.mark.parametrize("stdin", [b"", b"x", b"\0\xff" * 1_000_000])
def test_input_of_any_size_comes_through(server, tmp_path, stdin):
    end = run(server, tmp_path, "/bin/cat", stdin=stdin, output_bytes=1 << 22)
    assert (end.status, end.stdout) == (0, stdin)


def test_a_large_input_that_nobody_reads_is_no_failure(server, tmp_path):
    end = run(server, tmp_path, "/bin/sh", "-c", "echo done", stdin=b"x" * 3_000_000)
    assert (end.status, end.stdout) == (0, b"done\n")


def test_a_slow_reader_gets_all_of_it(server, tmp_path):
    slow = "import sys\nn = 0\nwhile piece := sys.stdin.buffer.read(977): n += len(piece)\nprint(n)"
    assert python(server, tmp_path, slow, stdin=b"x" * 2_000_000).stdout == b"2000000\n"


def test_no_input_is_an_empty_one(server, tmp_path):
    assert run(server, tmp_path, "/bin/cat").stdout == b""


def test_output_without_end_is_cut_and_the_command_ended(server, tmp_path):
    end = run(server, tmp_path, "/bin/sh", "-c", "echo $$ > pid; exec yes", output_bytes=100_000)
    assert (end.stdout_is_cut, len(end.stdout)) == (True, 100_000)
    assert not is_there(int((tmp_path / "pid").read_text()))


def test_of_errors_without_end_the_end_is_kept(server, tmp_path):
    end = run(server, tmp_path, "/bin/sh", "-c", "yes first | head -c 3000000 >&2; echo last >&2")
    assert end.stderr.endswith(b"\nlast\n")
    assert len(end.stderr) == commands.STDERR_BYTES
    assert end.stderr_is_cut


def test_what_a_command_leaves_behind_is_ended_with_it(server, tmp_path):
    end = python(server, tmp_path, f"{CHILD_OF_ITS_OWN}\nprint('answer')")
    assert (end.status, end.stdout) == (0, b"answer\n")
    assert not is_there(int((tmp_path / "daemon").read_text()))


BOMB = """
import os, time
first = os.getpid()
for _ in range(6):
    if os.fork() == 0:
        os.setsid()
open("all", "a").write(f"{os.getpid()}\\n")
while os.getpid() == first and len(open("all").readlines()) < 64:
    pass
time.sleep(0 if os.getpid() == first else 600)
"""


def test_a_bomb_of_processes_in_sessions_of_their_own_is_ended(server, tmp_path):
    assert python(server, tmp_path, BOMB).status == 0
    assert not [pid for pid in (tmp_path / "all").read_text().split() if is_there(int(pid))]


@pytest.mark.parametrize("number", ["KILL", "SEGV", "TERM"])
def test_death_by_a_signal_is_told(server, tmp_path, number):
    end = run(server, tmp_path, "/bin/sh", "-c", f"echo half; kill -s {number} $$")
    assert (end.status, end.stdout) == (-getattr(signal, f"SIG{number}"), b"half\n")


@pytest.mark.parametrize(
    ("program", "content", "number"),
    [("none", None, "ENOENT"), ("plain", "echo x", "EACCES"), ("none/", None, "ENOENT")],
)
def test_what_cannot_be_started_is_told(server, tmp_path, program, content, number):
    if content:
        (tmp_path / program).write_text(content)
    end = run(server, tmp_path, f"{tmp_path}/{program}")
    assert (end.status, end.at, end.errno) == (None, "program", getattr(errno, number))


def test_a_missing_folder_is_told(server, tmp_path):
    assert run(server, tmp_path / "none", "/bin/true").at == "folder"


IGNORES = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
TIDIES = """
import signal, time
def tidy(*_):
    open("tidied", "w")
    raise SystemExit
signal.signal(signal.SIGTERM, tidy)
"""


async def cancelled(server, asked, started):
    task = asyncio.ensure_future(server.run(asked))
    while not (started.exists() and started.read_text()):  # noqa: ASYNC110 - another process sets it
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("beginning", "grace_s"), [(TIDIES, 60), (IGNORES, 0.5)])
def test_a_command_whose_call_is_cancelled_is_ended_with_all_that_it_started(
    server, tmp_path, monkeypatch, beginning, grace_s
):
    monkeypatch.setattr(commands, "GRACE_S", grace_s)
    program = f"{beginning}{CHILD_OF_ITS_OWN}\nopen('pid', 'w').write(str(os.getpid()))\nwhile True: time.sleep(60)"
    asyncio.run(cancelled(server, command(tmp_path, PYTHON, "-S", "-c", program), tmp_path / "pid"))
    assert not is_there(int((tmp_path / "pid").read_text()))
    assert not is_there(int((tmp_path / "daemon").read_text()))
    assert (tmp_path / "tidied").exists() == (beginning is TIDIES)


HOST = """
import asyncio, sys
sys.path.insert(0, {src!r})
from insideLLMs.sandbox.commands import Command, CommandServer
asked = Command(program={python!r}, arguments=({python!r}, "-S", "-c", {program!r}), environment={{}}, folder=".",
                stdin=None, output_bytes=99)
async def main():
    server = CommandServer()
    await asyncio.gather(*(server.run(asked) for _ in range(3)))
asyncio.run(main())
"""


LEAVES_ITS_GROUP = """
import os, time
mine = f"{os.getpid()}-{os.fork()}"
if mine.endswith("-0"):
    os.setsid()
else:
    os.rename(open("new" + mine, "w").name, "pids" + mine)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_commands_end_with_a_host_that_ends_in_whatever_way(tmp_path, number):
    source = HOST.format(src=str(Path(commands.__file__).parents[2]), python=PYTHON, program=LEAVES_ITS_GROUP)
    host = subprocess.Popen([PYTHON, "-c", source], cwd=tmp_path, stderr=subprocess.DEVNULL)
    while len(started := list(tmp_path.glob("pids*"))) < 3:
        assert host.poll() is None
    below = [int(pid) for path in started for pid in path.name.removeprefix("pids").split("-")]
    host.send_signal(number)
    host.wait()
    wait_until_gone(*below)


def test_many_at_once_leave_no_process_and_no_descriptor(server, tmp_path):
    async def many():
        free = asyncio.Semaphore(16)

        async def once(number):
            async with free:
                return await server.run(command(tmp_path, "/bin/echo", str(number)))

        return await asyncio.gather(*(once(number) for number in range(200)))

    below_us = children_of(os.getpid())
    helper = started_helper(server, tmp_path)
    before = descriptors()
    ends = asyncio.run(many())
    assert [end.stdout for end in ends] == [f"{number}\n".encode() for number in range(200)]
    assert descriptors() <= before  # what earlier tests left may be closed meanwhile
    assert set(children_of(os.getpid())) <= {*below_us, helper}
    server.close()
    assert not is_there(helper)


def started_helper(server, folder):
    """Have the server start its helper, and return its number."""
    before = children_of(os.getpid())
    run(server, folder, "/bin/true")
    (helper,) = [pid for pid in children_of(os.getpid()) if pid not in before]
    return helper


def test_a_server_that_somebody_ended_is_started_again(server, tmp_path):
    helper = started_helper(server, tmp_path)
    os.kill(helper, signal.SIGKILL)
    wait_until_gone(helper)
    assert run(server, tmp_path, "/bin/echo", "again").stdout == b"again\n"


def test_descriptors_that_run_out_are_an_error_and_stay_closed(server, tmp_path, monkeypatch):
    run(server, tmp_path, "/bin/true")
    before = descriptors()

    def none_left():
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(commands.os, "pipe", none_left)
    with pytest.raises(OSError, match="Too many open files"):
        run(server, tmp_path, "/bin/true")
    assert descriptors() <= before
