"""The sandbox: what programs come to, and that hostile ones are contained and the host is unharmed."""

import os
import platform
import re
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

import insideLLMs
from insideLLMs.core.errors import SandboxError
from insideLLMs.sandbox import Ended, Limits, Sandbox, isolation
from support.processes import below, command_lines, wait_until_gone

pytestmark = pytest.mark.skipif(isolation().kind == "none", reason=f"no isolation here: {isolation().why}")
SMALL = Limits(cpu_s=2, wall_s=5, memory_bytes=256 << 20, output_bytes=100_000)


def run(program, **kwargs):
    return Sandbox(limits=kwargs.pop("limits", SMALL)).run(program, **kwargs)


def test_a_program_reads_writes_and_ends():
    done = run("import sys\nprint(sys.stdin.read() * 2)\nprint('oops', file=sys.stderr)\nsys.exit(3)", stdin="ab")
    assert (done.ended, done.status, done.stdout, done.stderr) == (Ended.EXITED, 3, "abab\n", "oops\n")


def test_a_program_may_use_the_standard_library_threads_and_its_scratch_folder():
    done = run(
        "import json, math, re, sqlite3, hashlib, threading, tempfile, datetime, decimal\n"
        "t = threading.Thread(target=lambda: open('x', 'w').write('y')); t.start(); t.join()\n"
        "print(open('x').read(), math.pi, tempfile.gettempdir())"
    )
    assert done.stdout == "y 3.141592653589793 /scratch\n", done.stderr


def test_two_runs_share_nothing():
    assert run("open('/scratch/left', 'w').write('x')").status == 0
    assert run("import os; print(os.listdir('/scratch'))").stdout == "[]\n"


def test_a_program_hashes_texts_alike_in_every_run():
    assert len({run("print(hash('a'), {'a', 'b', 'c'})").stdout for _ in range(3)}) == 1


def test_no_environment_and_no_argument_of_the_host_is_seen(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    done = run("import os, sys; print(sorted(os.environ), sys.argv, sys.path)")
    assert "OPENAI" not in done.stdout
    assert "['HOME', 'LANG', 'PYTHONHASHSEED', 'TMPDIR']" in done.stdout


HOME = str(Path.home())
MOUNT = "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nassert l.mount(b'p', b'/scratch', b'proc', 0, None) == 0"
IGNORE = """
import signal, time
for n in range(1, 32):
    try:
        signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
time.sleep(99)
"""
SYSTEM_V = """
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
for _ in range(12):
    block = libc.shmget(0, 100 << 20, 0o1600)
    assert block >= 0
    place = libc.shmat(block, None, 0)
    ctypes.memset(place, 1, 100 << 20)
    libc.shmdt(ctypes.c_void_p(place))
"""
EIGHT_CHILDREN = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        keep = bytearray(b'x') * (200 << 20)
        time.sleep(30)
        os._exit(0)
time.sleep(30)
"""
LEAVES_ONE_BEHIND = """
import os, time
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 3)
    time.sleep(60)
    os._exit(0)
print('left')
"""
HOSTILE = {
    "fork bomb": "import os\nwhile True: os.fork()",
    "fork bomb of processes": "import subprocess, sys\nwhile True: subprocess.Popen([sys.executable])",
    "thread bomb": "from threading import Timer\nwhile True:\n  t = Timer(9, print); t.daemon = True; t.start()",
    "memory bomb": "x = [0]\nwhile True: x = x * 2",
    "memory map": "import mmap\nkeep = [mmap.mmap(-1, 1 << 26) for _ in range(99)]",
    "memory of system V": SYSTEM_V,
    "files without names": "import os\nkeep = [os.memfd_create('x') for _ in range(9)]",
    "eight children of 200 MB": EIGHT_CHILDREN,
    "big file": "f = open('/scratch/x', 'wb')\nwhile True: f.write(b'x' * 65536); f.flush()",
    "many files": "for n in range(100000): open(f'/scratch/{n}', 'w').close()",
    "many descriptors": "keep = [open('/dev/null') for _ in range(9999)]",
    "network": "import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=3)",
    "network outside": "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=3)",
    "name lookup": "import urllib.request\nurllib.request.urlopen('http://example.com', timeout=3)",
    "reading keys": "import os\nprint(open(os.path.expanduser('~/.ssh/id_rsa')).read())",
    "reading the host's users": "print(open('/etc/passwd').read())",
    "reading shadow": "print(open('/etc/shadow').read())",
    "reading another's environment": "print(open('/proc/1/environ').read())",
    "listing the home": f"import os\nassert os.listdir({HOME!r})\nopen({HOME!r} + '/.profile').read()",
    "reading this file": f"print(open({__file__!r}).read())",
    "writing outside": "open('/evil', 'w')",
    "writing into /tmp": "open('/tmp/evil', 'w')",
    "writing its own code": "open(__file__, 'w')",
    "writing the interpreter": "import sys\nopen(sys.executable, 'r+b')",
    "writing the library": "import os\nopen(os.__file__, 'a')",
    "symbolic link out": "import os\nos.symlink('/etc/passwd', '/scratch/l'); print(open('/scratch/l').read())",
    "climbing out": "print(open('/scratch/../../../../etc/passwd').read())",
    "killing the parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL); os.stat('/proc/1')",
    "killing everything": "import os, signal\nos.kill(-1, signal.SIGTERM); os.stat('/proc')",
    "mounting": MOUNT,
    "unsharing": "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nassert l.unshare(0x10000000) == 0",
    "tracing": "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nassert l.ptrace(16, 1, 0, 0) == 0",
    "becoming root": "import os\nos.setuid(0)",
    "chroot": "import os\nos.chroot('/scratch')",
    "device node": "import os\nos.mknod('/scratch/sda', 0o60600, os.makedev(8, 0)); open('/scratch/sda').read(1)",
    "raising its limits": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "host name": "import socket\nsocket.sethostname('evil')",
    "deep recursion": "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    "crash": "import ctypes\nctypes.string_at(0)",
    "broken code": "def (",
    "null byte": "x = '\\0'\n\0",
    "lone surrogate": "x = '\ud800'\nimport os; os.stat('/nope')",
}  # fmt: skip


@pytest.fixture(scope="module")
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_program_fails_and_shows_nothing_of_the_host(program, listening):
    before = sorted(os.listdir("/tmp"))
    done = run(program.replace("{port}", str(listening)))
    assert (done.ended, done.status) != (Ended.EXITED, 0), done
    assert done.stdout == ""
    assert Path("/evil").exists() is False
    assert not [name for name in set(os.listdir("/tmp")) - set(before) if name == "evil"]


@pytest.mark.parametrize(
    ("program", "ended"),
    [
        ("while True: pass", Ended.KILLED),
        ("import time; time.sleep(99)", Ended.TIMEOUT),
        ("while True: print('x' * 10000)", Ended.OUTPUT),
        ("import os\nwhile True: os.write(2, b'x' * 65536)", Ended.OUTPUT),
        ("import os, time\nos.close(1); os.close(2); time.sleep(99)", Ended.TIMEOUT),
        (IGNORE, Ended.TIMEOUT),
    ],
)  # fmt: skip
def test_a_program_without_end_is_ended(program, ended):
    done = run(program, limits=Limits(cpu_s=1, wall_s=1 if ended is Ended.TIMEOUT else 20, output_bytes=100_000))
    assert done.ended is ended
    assert len(done.stdout) + len(done.stderr) <= 200_000


def test_nothing_stays_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run("import time; time.sleep(99)", limits=Limits(wall_s=0.5))
    assert list(tmp_path.iterdir()) == []
    assert not [line for line in command_lines().values() if str(tmp_path) in line]


def test_a_program_cannot_report_in_the_place_of_the_jail():
    done = run(
        "import contextlib, os, sys\n"
        "for n in range(3, 64):\n"
        "    with contextlib.suppress(OSError): os.write(n, b'{\"status\": 0}\\n')\n"
        "sys.exit(7)"
    )
    assert (done.ended, done.status) == (Ended.EXITED, 7)


def test_programs_run_side_by_side():
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(run(f"print({n})").stdout)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["0\n", "1\n", "2\n", "3\n"]


HOST = """
from insideLLMs.sandbox import Limits, Sandbox
Sandbox(limits=Limits(cpu_s=100, wall_s=3600)).run("import time; time.sleep(3600)")
"""


def test_programs_end_with_a_host_that_is_killed():
    host = subprocess.Popen([sys.executable, "-c", HOST])
    while len(started := below(host.pid)) < 4:  # the host, the launcher, the first process, the program
        assert host.poll() is None
    host.kill()
    host.wait()
    wait_until_gone(*started)


def host_in(folder):
    """Start a host whose program sleeps; return it with the folder of the program."""
    before = set(folder.iterdir())
    code = HOST.replace("Sandbox(", "assert isolation().kind == 'namespaces'; print(flush=True)\nSandbox(", 1)
    host = subprocess.Popen(
        [sys.executable, "-c", code.replace("Limits, Sandbox", "Limits, Sandbox, isolation")],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
    )
    host.stdout.readline()
    while len(below(host.pid)) < 3:
        assert host.poll() is None
    [own] = set(folder.iterdir()) - before
    return host, own


def test_the_folder_of_a_killed_host_is_removed_by_the_next_one(tmp_path):
    killed, left = host_in(tmp_path)
    going_on, in_use = host_in(tmp_path)
    killed.kill()
    killed.communicate()
    (tmp_path / "insidellms-sandbox-link").symlink_to(Path(__file__).parent)
    (tmp_path / "insidellms-sandbox-fresh").mkdir()
    os.utime(tmp_path / "insidellms-sandbox-fresh", (time.time() + 3600,) * 2)  # fresh however slow the machine is
    for folder in (left, in_use):
        os.utime(folder, (0, 0))
    next_one, its_own = host_in(tmp_path)
    names = {folder.name for folder in tmp_path.iterdir()}
    for host in (going_on, next_one):
        host.kill()
        host.communicate()
    assert names == {in_use.name, its_own.name, "insidellms-sandbox-link", "insidellms-sandbox-fresh"}
    assert Path(__file__).exists()


def test_the_threads_of_a_program_are_not_counted_against_another_one():
    busy = (
        "import threading, sys\n"
        "for n in range(12): threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()"
    )
    pool = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from threading import Barrier\n"
        "together = Barrier(8)\n"
        "with ThreadPoolExecutor(8) as pool: print(sum(pool.map(lambda n: together.wait() * 0 + n, range(8))))"
    )
    waiting = threading.Thread(target=run, args=(busy + "\nimport time; time.sleep(3)",), daemon=True)
    waiting.start()
    results = [run(pool, limits=Limits(wall_s=20)) for _ in range(3)]
    waiting.join()
    assert [(done.ended, done.stdout) for done in results] == [(Ended.EXITED, "28\n")] * 3


@pytest.mark.parametrize(
    ("family", "allowed"),
    [("AF_UNIX", True), ("AF_INET", True), ("AF_INET6", True), ("AF_VSOCK", False), ("AF_NETLINK", False),
     ("AF_PACKET", False), ("AF_ALG", False)],
)  # fmt: skip
def test_only_local_and_internet_sockets_can_be_made(family, allowed):
    number = getattr(socket, family)
    done = run(f"import socket; socket.socket({int(number)}, {2 if allowed else 3}, 0).close(); print('made')")
    assert (done.stdout == "made\n") is allowed
    assert allowed or "PermissionError" in done.stderr


UNPRIVILEGED = """
import sys
sys.path.insert(0, {folder!r})
from insideLLMs.sandbox import Sandbox, isolation
print(isolation())
for program in (
    "import os; print(os.listdir('/scratch')); open('/etc/passwd')",
    "import os; os.fork()",
    "open('/evil', 'w')",
    "import os; open(os.__file__, 'a')",
    "import ctypes; assert ctypes.CDLL(None).mount(b't', b'/scratch', b'tmpfs', 0, None) == 0",
):
    done = Sandbox().run(program)
    print(done.status, done.stdout.strip(), done.stderr.strip().splitlines()[-1].partition(":")[0])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests show it already")
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs an interpreter that everybody may run")
def test_a_user_without_rights_is_isolated_in_a_namespace_of_their_own():
    package = Path(insideLLMs.__file__).parent
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        for name in ("__init__.py", "core", "sandbox"):
            copy = shutil.copytree if (package / name).is_dir() else shutil.copy
            (Path(folder) / "insideLLMs").mkdir(exist_ok=True)
            copy(package / name, Path(folder) / "insideLLMs" / name)
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755)
        done = subprocess.run(
            ["/usr/bin/python3", "-B", "-c", UNPRIVILEGED.format(folder=folder)],
            user=65534, group=65534, extra_groups=[], capture_output=True, text=True, check=False, cwd="/", env={},
        )  # fmt: skip
    assert done.stdout.splitlines() == [
        "Isolation(kind='namespaces', privileged=False, why='')",
        "1 [] FileNotFoundError",
        "1  PermissionError",
        "1  OSError",
        "1  PermissionError",
        "1  AssertionError",
    ], done.stderr


def test_where_there_is_no_isolation_nothing_runs_unless_it_is_accepted(monkeypatch):
    run_module = sys.modules["insideLLMs.sandbox.run"]
    none = type(isolation())(kind="none", why="namespaces are switched off")
    monkeypatch.setattr(run_module, "isolation", lambda: none)
    with pytest.raises(SandboxError, match="namespaces are switched off") as caught:
        run("print(1)")
    assert "allow_unsandboxed: true" in str(caught.value)
    open_air = Sandbox(limits=Limits(cpu_s=1, wall_s=20), allow_unsandboxed=True)
    done = open_air.run("import os; print(1, sorted(os.environ)[0], os.getcwd() != '/')")
    assert done.stdout == "1 HOME True\n", done
    assert open_air.run("while True: pass").ended is Ended.KILLED


def test_outside_of_isolation_all_processes_of_a_program_share_one_bound_of_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run_module = sys.modules["insideLLMs.sandbox.run"]
    monkeypatch.setattr(run_module, "isolation", lambda: type(isolation())(kind="none", why="switched off"))
    open_air = Sandbox(limits=Limits(cpu_s=20, wall_s=25, memory_bytes=512 << 20, threads=64), allow_unsandboxed=True)
    assert open_air.run(EIGHT_CHILDREN).ended is Ended.MEMORY
    assert open_air.run(LEAVES_ONE_BEHIND).stdout == "left\n"
    assert not [line for line in command_lines().values() if str(tmp_path) in line]
    shared = "import os, time\nkeep = bytearray(b'x') * (200 << 20)\n"
    shared += "for _ in range(5):\n    if os.fork() == 0:\n        time.sleep(0.5); os._exit(0)\n"
    shared += "for _ in range(5): os.wait()\nprint('done')"
    assert open_air.run(shared).stdout == "done\n"


@pytest.mark.parametrize("machine", ["riscv64", "i686", "armv7l"])
def test_an_architecture_that_the_filter_does_not_know_has_no_isolation(machine, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    found = isolation.__wrapped__()
    assert (found.kind, found.why) == ("none", f"the filter of system calls does not know {machine!r}")


def test_a_filter_with_the_numbers_of_another_architecture_is_found_out(monkeypatch, tmp_path):
    run_module = sys.modules["insideLLMs.sandbox.run"]
    jail = Path(run_module._JAIL).read_text()
    wrong = jail.replace("(number := number_of(name))", '(number := _DENIED[name][1 - _SYS[machine]["place"]])')
    assert wrong != jail
    (tmp_path / "jail.py").write_text(wrong)
    monkeypatch.setattr(run_module, "_JAIL", tmp_path / "jail.py")
    found = isolation.__wrapped__()
    assert found.kind == "none"
    assert found.why


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize(("place", "machine"), list(enumerate(HEADERS)))
def test_the_numbers_of_denied_calls_are_those_of_the_kernels_headers(place, machine):
    if not HEADERS[machine].exists():
        pytest.skip("the kernel's headers are not installed")
    numbers = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", HEADERS[machine].read_text()))
    denied = runpy.run_path(str(Path(insideLLMs.__file__).parent / "sandbox" / "jail.py"))["_DENIED"]
    for name, found in denied.items():
        assert found[place] == int(numbers.get(name, -1)), name
