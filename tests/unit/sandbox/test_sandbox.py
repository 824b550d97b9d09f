"""The sandbox: what programs come to, and that hostile ones are contained and the host is unharmed."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import insideLLMs
from insideLLMs.core.errors import SandboxError
from insideLLMs.sandbox import Ended, Limits, Sandbox, isolation

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
HOSTILE = {
    "fork bomb": "import os\nwhile True: os.fork()",
    "fork bomb of processes": "import subprocess, sys\nwhile True: subprocess.Popen([sys.executable])",
    "thread bomb": "from threading import Timer\nwhile True:\n  t = Timer(9, print); t.daemon = True; t.start()",
    "memory bomb": "x = [0]\nwhile True: x = x * 2",
    "memory map": "import mmap\nkeep = [mmap.mmap(-1, 1 << 26) for _ in range(99)]",
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
    found = subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in found


def test_programs_run_side_by_side():
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(run(f"print({n})").stdout)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["0\n", "1\n", "2\n", "3\n"]


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
        Path(folder).chmod(0o755)
        for name in ("__init__.py", "core", "sandbox"):
            copy = shutil.copytree if (package / name).is_dir() else shutil.copy
            (Path(folder) / "insideLLMs").mkdir(exist_ok=True)
            copy(package / name, Path(folder) / "insideLLMs" / name)
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
