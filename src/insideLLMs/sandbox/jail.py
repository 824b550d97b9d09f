"""The inside of the sandbox: a program of the standard library alone, which locks itself in and starts another.

It is run as ``python -I -S jail.py``, gets its orders as JSON on descriptor 3, and reports on it. In order:
namespaces (user, where it is not root; process, network, mount, IPC, host name), a new root of empty memory with
the interpreter's files bound into it read-only, another user without any capability, limits, a filter of system
calls that allows no further process, and then the program, without the environment and without this
interpreter's state. Whatever of it fails ends in a report, never in a program that runs with less.
"""

from __future__ import annotations  # so that nothing of typing is imported here

import contextlib
import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Orders = dict[str, Any]  # JSON from the host's side of the sandbox

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER = 1, 24, 38, 22, 36
NOBODY = 65534
OWN_USERS = (61184, 4336)
"""The users of programs that root runs, the first and how many: systemd keeps them for services of a moment."""
REPORT = 3
GRACE_S = 5.0
_SYS: dict[str, dict[str, int]] = {
    "x86_64": {"place": 0, "clone": 56, "seccomp_arch": 0xC000003E},
    "aarch64": {"place": 1, "clone": 220, "seccomp_arch": 0xC00000B7},
}
# what a program has no business with: other processes, mounts, keys, tracing, kernel interfaces with a history, and
# memory that no limit of a process counts (System V's, message queues, nameless files); -1 is a call that an
# architecture does not have
_DENIED = {
    "add_key": (248, 217), "bpf": (321, 280), "chroot": (161, 51), "delete_module": (176, 106),
    "finit_module": (313, 273), "fork": (57, -1), "fsconfig": (431, 431), "fsmount": (432, 432), "fsopen": (430, 430),
    "fspick": (433, 433), "init_module": (175, 105), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425), "kcmp": (312, 272), "kexec_file_load": (320, 294), "kexec_load": (246, 104),
    "keyctl": (250, 219), "memfd_create": (319, 279), "memfd_secret": (447, 447), "mount": (165, 40),
    "mount_setattr": (442, 442), "move_mount": (429, 429), "mq_open": (240, 180), "msgget": (68, 186),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "open_tree": (428, 428),
    "perf_event_open": (298, 241), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434), "pivot_root": (155, 41),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117), "reboot": (169, 142),
    "request_key": (249, 218), "semget": (64, 190), "setns": (308, 268), "shmget": (29, 194), "swapoff": (168, 225),
    "swapon": (167, 224), "umount2": (166, 39), "unshare": (272, 97), "userfaultfd": (323, 282), "vfork": (58, -1),
}  # fmt: skip
_SOCKET_CALLS = {"socket": (41, 198), "socketpair": (53, 199)}
_FAMILIES = (1, 2, 10)
"""Local, IPv4 and IPv6; others reach past the namespaces: VSOCK the host of a virtual machine, netlink the kernel."""
_CLONE3 = 435
_CLONE_THREAD = 0x10000
_EPERM, _ENOSYS = 1, 38

libc = ctypes.CDLL(None, use_errno=True)


class JailError(Exception):
    """A step of the way in failed."""


def check(result: int, what: str) -> None:
    """Raise JailError with the system's reason if a call failed."""
    if result == -1:
        raise JailError(f"{what}: {os.strerror(ctypes.get_errno())}")


def number_of(name: str) -> int:
    """Return the number of a system call on this machine."""
    return {**_DENIED, **_SOCKET_CALLS}[name][_SYS[platform.machine()]["place"]]


def enter_namespaces(*, root: bool) -> None:
    """Leave the host's namespaces; somebody who is not root becomes root of a user namespace first."""
    uid, gid = os.getuid(), os.getgid()
    flags = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET
    check(libc.unshare(flags if root else flags | NEWUSER), "no namespaces for this user")
    if not root:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Mount, or raise JailError."""
    encoded = [None if text is None else text.encode() for text in (source, target, kind, data)]
    check(libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]), f"cannot mount {target}")


def build_root(orders: Orders) -> None:
    """Make the new root and move into it: what is bound is read-only, all else is empty, only /scratch is writable."""
    new = orders["root"]
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", new, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for path in orders["read_only"]:
        bind(path, new + path)
    for name in ("null", "zero", "urandom"):
        bind(f"/dev/{name}", f"{new}/dev/{name}", writable=True)
    scratch = f"{new}/scratch"
    os.mkdir(scratch)
    mount("tmpfs", scratch, "tmpfs", MS_NOSUID | MS_NODEV, f"size={orders['scratch_bytes']},nr_inodes=4096,mode=777")
    os.mkdir(f"{new}/old")
    check(libc.syscall(number_of("pivot_root"), new.encode(), f"{new}/old".encode()), "pivot_root")
    os.chdir("/")
    check(libc.umount2(b"/old", MNT_DETACH), "cannot leave the host's files")
    os.rmdir("/old")
    mount("none", "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def bind(source: str, target: str, *, writable: bool = False) -> None:
    """Show a file or folder of the host, and whatever is mounted below it, read-only unless `writable`."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    mount(source, target, None, MS_BIND | MS_REC)
    if not writable:
        read_only = struct.pack("=QQQQ", 1 | 2, 0, 0, 0)  # read-only, no set-user-id
        number = number_of("mount_setattr")
        check(
            libc.syscall(number, -100, target.encode(), 0x8000, read_only, len(read_only)), f"cannot protect {source}"
        )


def give_up_power(*, root: bool, user: int) -> None:
    """Become `user` where that can be, drop every capability, and forbid to gain any.

    The kernel counts processes by user, so programs that run at once need a user each; nobody is the user where a
    container does not have that many.
    """
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1:
            break
    if root:
        os.setgroups([])
        try:
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        except OSError:
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    header, nothing = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    check(libc.capset(header, nothing), "cannot drop capabilities")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "cannot forbid new privileges")


def set_limits(limits: dict[str, int], *, strictly: bool) -> None:
    """Set what the kernel enforces by itself; where not `strictly`, those limits that the system has."""
    for name, value in (
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, limits["threads"]),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.nullcontext() if strictly else contextlib.suppress(ValueError, OSError):
            resource.setrlimit(name, (value, value))


def filter_system_calls() -> None:
    """Allow no further process (threads may be), no socket of another family, and none of the calls in _DENIED.

    Another architecture is killed.
    """
    machine = platform.machine()
    load, jump_equal, jump_set, jump_from, give = 0x20, 0x15, 0x45, 0x35, 0x06
    allow, kill = 0x7FFF0000, 0x80000000
    refuse = 0x00050000
    code = [
        (load, 0, 0, 4),
        (jump_equal, 1, 0, _SYS[machine]["seccomp_arch"]),
        (give, 0, 0, kill),
        (load, 0, 0, 0),
        (jump_from, 0, 1, 0x40000000),  # the x32 calls, which would slip by
        (give, 0, 0, kill),
        (jump_equal, 0, 1, _CLONE3),
        (give, 0, 0, refuse | _ENOSYS),  # so that the C library falls back to clone, whose flags can be seen
        (jump_equal, 0, 4, _SYS[machine]["clone"]),
        (load, 0, 0, 16),
        (jump_set, 1, 0, _CLONE_THREAD),
        (give, 0, 0, refuse | _EPERM),
        (give, 0, 0, allow),
    ]
    for name in _SOCKET_CALLS:
        families = [(jump_equal, len(_FAMILIES) - place, 0, family) for place, family in enumerate(_FAMILIES)]
        code += [
            (jump_equal, 0, len(families) + 3, number_of(name)),
            (load, 0, 0, 16),
            *families,
            (give, 0, 0, refuse | _EPERM),
            (give, 0, 0, allow),
        ]
    for name in _DENIED:
        if (number := number_of(name)) >= 0:
            code += [(jump_equal, 0, 1, number), (give, 0, 0, refuse | _EPERM)]
    code.append((give, 0, 0, allow))
    packed = b"".join(struct.pack("=HBBI", *step) for step in code)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    program = struct.pack("@HP", len(code), ctypes.addressof(buffer))
    check(libc.prctl(PR_SET_SECCOMP, 2, program, 0, 0), "cannot filter system calls")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, where the system can."""
    if sys.platform == "linux":
        check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "cannot be bound to the parent")


def gather_orphans() -> None:
    """Become the parent of what the processes below this one leave behind, so that it can be found."""
    if sys.platform == "linux":
        check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "cannot gather processes that are left behind")


def be_the_program(orders: Orders) -> None:
    """Lock in, and become the program; returns only by raising."""
    die_with_parent()
    if orders["isolated"]:
        os.setsid()
        give_up_power(root=orders["privileged"], user=orders["user"])
        die_with_parent()  # becoming another user has undone it
    set_limits(orders["limits"], strictly=orders["isolated"])
    os.chdir(orders["cwd"])
    if orders["isolated"]:
        filter_system_calls()
    os.set_inheritable(REPORT, False)  # noqa: FBT003 - os has no keyword for it
    os.execve(orders["command"][0], orders["command"], orders["environment"])  # noqa: S606 - no shell is meant


def first_process(orders: Orders) -> None:
    """As the first process of its namespace: start the program, gather what ends, report how the program did.

    Without a namespace, too, what the program leaves behind becomes its child, so that it can be found.
    """
    die_with_parent()
    gather_orphans()
    if orders["isolated"]:
        build_root(orders)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end_in_time(orders)
    program = os.fork()
    if program == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        guarded(lambda: be_the_program(orders))
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    while True:
        ended, status = os.wait()
        if ended == program:
            report({"status": os.waitstatus_to_exitcode(status)})
            if not orders["isolated"]:
                end_what_is_left()
            os._exit(0)


def end_in_time(orders: Orders) -> None:
    """End with all that is started, even where the host that keeps the time has gone."""

    def end(*_: object) -> None:
        if not orders["isolated"]:
            end_what_is_left()
        os._exit(1)

    signal.signal(signal.SIGALRM, end)  # the first process of a namespace gets no signal without a handler
    signal.setitimer(signal.ITIMER_REAL, orders["limits"]["wall_s"] + GRACE_S)


def end_what_is_left() -> None:
    """End the processes that the program leaves behind, which the kernel does where there is a namespace."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # raises where nothing is left, so that nothing has to be looked for
        while True:
            for name in os.listdir("/proc") if sys.platform == "linux" else ():
                with (
                    contextlib.suppress(OSError),
                    open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file,
                ):
                    if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                        os.kill(int(name), signal.SIGKILL)
            os.waitpid(-1, 0)


def report(what: dict[str, object]) -> None:
    """Tell the host."""
    os.write(REPORT, json.dumps(what).encode() + b"\n")


def guarded(step: Callable[[], object]) -> None:
    """Take a step that does not come back; report why, if it does."""
    try:
        step()
    except (JailError, OSError, ValueError) as error:
        report({"error": str(error)})
    finally:
        os._exit(1)


def main() -> None:
    """Read the orders, enter, and wait for the end."""
    orders = json.loads(sys.argv[1])
    die_with_parent()
    if os.getppid() != orders["host"]:
        raise JailError("the host has ended")
    orders["user"] = OWN_USERS[0] + os.getpid() % OWN_USERS[1]
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # if memory runs out, this goes first
    if orders["isolated"]:
        enter_namespaces(root=orders["privileged"])
        die_with_parent()  # becoming another user has undone it
    first = os.fork()
    if first == 0:
        guarded(lambda: first_process(orders))
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    os.waitpid(first, 0)
    os._exit(0)


if __name__ == "__main__":
    guarded(main)
