"""The processes of a program, and how much memory they use together, as the kernel tells of each."""

import os
from pathlib import Path

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def program_processes(launcher: int) -> set[int]:
    """Return the processes below the launcher's child, which are the program and all that it has started."""
    parents = _parents()
    found: set[int] = set()
    seen = {process for process, parent in parents.items() if parent == launcher}
    while seen := {process for process, parent in parents.items() if parent in seen}:
        found |= seen
    return found


def program_bytes(launcher: int) -> int:
    """Return the memory of a program's processes together.

    What they share is divided among those who share it where the kernel tells (PSS), else counted for each (RSS).
    """
    return sum(map(_bytes, program_processes(launcher)))


def _parents() -> dict[int, int]:
    """Return the parent of every process that can be seen."""
    parents: dict[int, int] = {}
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if entry.name.isdigit():
            # the name of the program, in parentheses, may hold anything
            fields = _read(entry / "stat").rpartition(")")[2].split()
            if len(fields) > 1:
                parents[int(entry.name)] = int(fields[1])
    return parents


def _bytes(process: int) -> int:
    shared = [line for line in _read(_PROC / str(process) / "smaps_rollup").splitlines() if line.startswith("Pss:")]
    if shared:
        return int(shared[0].split()[1]) << 10
    pages = _read(_PROC / str(process) / "statm").split()
    return int(pages[1]) * _PAGE if len(pages) > 1 else 0


def _read(path: Path) -> str:
    """Read what the kernel tells; nothing of a process that has ended or is not ours."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
