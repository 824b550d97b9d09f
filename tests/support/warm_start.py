"""Start commands from a process that has imported the libraries already.

Four fifths of what a short command costs is importing the standard library and third-party packages, the same in every
test. A server imports them once and forks; each command then runs in a process of its own, which imports the package
itself and ends as any interpreter does.
"""

import array
import atexit
import functools
import importlib
import itertools
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from pathlib import Path

LIBRARIES = ("aiohttp", "click", "jinja2", "msgspec", "orjson", "yaml")
AT_START = ("PYTHON", "LC_", "LANG", "TZ")
"""What the environment says to an interpreter before it runs anything: only a cold start obeys it."""
_MESSAGE = 200_000  # bytes
_hash_seeds = itertools.cycle(("1", "4242"))  # sets have another order in each command than in the one before it


def is_warm(changed):
    """Whether a command in an environment with these variables changed may start from the server."""
    return sys.platform == "linux" and not any(name.startswith(AT_START) for name in changed)


def run(args, *, cwd, env, timeout):
    """Run ``python -m insideLLMs ARGS``; return the code and what it wrote. Raises subprocess.TimeoutExpired."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pipes = [os.pipe(), os.pipe()]
    order = json.dumps({"args": args, "cwd": os.fspath(cwd), "env": env}).encode()
    assert len(order) < _MESSAGE
    given = [theirs.fileno(), *(write for _, write in pipes)]
    _server(next(_hash_seeds)).sendmsg([order], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", given))])
    for fd in given[1:]:
        os.close(fd)
    theirs.close()
    with ours, ThreadPoolExecutor(2) as readers:
        process = int(ours.recv(_MESSAGE))
        out, err = (readers.submit(_read, read) for read, _ in pipes)
        try:
            texts = [each.result(timeout) for each in (out, err)]
        except Late:
            os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired(args, timeout) from None
        return int(ours.recv(_MESSAGE)), *texts


def _read(fd):
    with open(fd, encoding="utf-8") as pipe:
        return pipe.read()


@functools.cache
def _server(hash_seed):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.warm_start", str(theirs.fileno())],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,  # the streams are made for pipes, as those of a command are
            stderr=subprocess.PIPE,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(orders):
    """Fork for each order; return it in the process that is to carry it out."""
    for name in LIBRARIES:
        importlib.import_module(name)
    while True:
        order, ancillary, _, _ = orders.recvmsg(_MESSAGE, socket.CMSG_SPACE(3 * array.array("i").itemsize))
        if not order:
            sys.exit()
        ((_, _, fds),) = ancillary
        reply, out, err = array.array("i", fds)
        if os.fork() == 0:
            orders.close()
            return _keep(json.loads(order), socket.socket(fileno=reply), out, err)
        for fd in (reply, out, err):
            os.close(fd)
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(order, reply, out, err):
    """Fork again, and tell the test of the process and of its end."""
    process = os.fork()
    if process == 0:
        reply.close()
        for fd, place in ((out, 1), (err, 2)):
            os.dup2(fd, place)
            os.close(fd)
        return order
    os.close(out)
    os.close(err)
    reply.send(str(process).encode())
    _, status = os.waitpid(process, 0)
    reply.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(order):
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.path[0] = order["cwd"]
    sys.argv[1:] = order["args"]
    runpy.run_module("insideLLMs", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _become(_serve(socket.socket(fileno=int(sys.argv[1]))))
