"""Where a command is given code to run: an example's field there would be run, whatever it holds."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

_INTERPRETER = re.compile(
    r"(?:ba|da|z|k|fi|c|tc)?sh|python[\d.]*|node|nodejs|deno|bun|perl|ruby|php|lua|Rscript|su|runuser"
)
_EDITOR = re.compile(r"[gmn]?awk|g?sed")
"""Their program is the first argument that is no option, unless a file has it."""
_REMOTE = frozenset({"ssh", "rsh", "mosh"})
"""They put their arguments together for a shell elsewhere."""
_WRAPPERS = _REMOTE | {
    "env", "nice", "timeout", "nohup", "setsid", "stdbuf", "time", "sudo", "doas", "xargs", "uv", "poetry", "pipenv",
    "docker", "podman", "kubectl", "busybox", "find", "parallel", "strace", "ionice", "taskset", "unshare", "chroot",
    "watch", "bundle", "pixi", "conda", "mamba", "hatch", "pdm", "flock", "systemd-run", "bwrap", "firejail",
}  # fmt: skip
"""Programs that run what their arguments name."""
_CODE_OPTION = re.compile(r"-[a-zA-Z]*[cerpE]|--(?:eval|print|run|command|expression)|eval")
_CODE_WITHIN = re.compile(r"--(?:eval|print|run|command|expression)=")
_SCRIPT = re.compile(r"-m$|--$|(?!-|\{).*[./]")
_FROM_FILE = re.compile(r"-f|--file(?:=.*)?")
_TAKES_VALUE = re.compile(r"-[vF]")


def code_places(texts: Sequence[str]) -> Iterator[int]:
    """Yield the places of arguments that are run as code, some of them behind the last one."""
    names = [PurePath(text).name for text in texts]
    if names[0] in _REMOTE:
        yield from range(1, len(texts))
    starts = range(1, len(texts)) if names[0] in _WRAPPERS else [0]
    for at in starts:
        if _INTERPRETER.fullmatch(names[at]):
            yield from _of_interpreter(texts, at)
            return
        if _EDITOR.fullmatch(names[at]):
            yield from _of_editor(texts, at)
            return


def reads_code(texts: Sequence[str]) -> bool:
    """Whether a command runs its standard input: an interpreter with neither code nor a script."""
    is_interpreter = _INTERPRETER.fullmatch(PurePath(texts[0]).name) is not None
    rest = texts[1:]
    return is_interpreter and all(text.startswith("-") for text in rest) and not any(map(_is_code_or_module, rest))


def _is_code_or_module(text: str) -> bool:
    return text == "-m" or bool(_CODE_OPTION.fullmatch(text) or _CODE_WITHIN.match(text))


def _of_interpreter(texts: Sequence[str], start: int) -> Iterator[int]:
    """Yield what stands behind ``-c`` and its kin, as far as no script comes first."""
    for at in range(start + 1, len(texts)):
        if _CODE_WITHIN.match(texts[at]):
            yield at
        elif _CODE_OPTION.fullmatch(texts[at]):
            yield at + 1
        elif _SCRIPT.match(texts[at]):
            return


def _of_editor(texts: Sequence[str], start: int) -> Iterator[int]:
    given = False
    for at in range(start + 1, len(texts)):
        if _FROM_FILE.fullmatch(texts[at]):
            return
        if texts[at] == "-e" or _CODE_WITHIN.match(texts[at]):
            given = True
            yield at + (texts[at] == "-e")
        elif not given and not texts[at].startswith("-") and not _TAKES_VALUE.fullmatch(texts[at - 1]):
            yield at
            return
