"""Spellings of the earlier insideLLMs' command line, which still work and say what they are called now."""

from collections.abc import Sequence

_FLAGS = {"--fail-on-changes": ("--fail-on", "changes"), "--fail-on-regressions": ("--fail-on", "regressions")}
_WITHOUT_FORMAT = frozenset({"diff", "doctor", "info", "list", "report", "run", "validate", "verify"})
"""Commands whose `--format json` is now `--json`; `export` and `import` have a `--format` of their own."""
_KINDS = {"models": "providers"}


def modern(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments as they are written now, and a line for each earlier spelling among them."""
    if not args or args[0] not in _WITHOUT_FORMAT:
        return list(args), []
    found: list[str] = [args[0]]
    notes: list[str] = []
    rest = list(args[1:])
    while rest:
        written, now = _next(args[0], rest)
        if now != written and "--" not in found:
            notes.append(f"{' '.join(written)} is now {' '.join(now)}")
            found += now
        else:
            found += written
        rest = rest[len(written) :]
    return found, list(dict.fromkeys(notes))


def _next(command: str, rest: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the first of the arguments, or the first two where they belong together, and what they are now."""
    first = rest[0]
    if command == "diff" and first in _FLAGS:
        return [first], list(_FLAGS[first])
    if first == "--format=json":
        return [first], ["--json"]
    if list(rest[:2]) == ["--format", "json"]:
        return ["--format", "json"], ["--json"]
    if command == "list" and first in _KINDS:
        return [first], [_KINDS[first]]
    return [first], [first]
