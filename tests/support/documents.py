"""Code blocks of Markdown files: `console` blocks are run as a session, `python` blocks as programs.

On a page with a titled block, such as ```` ```yaml title="shop.yaml" ````, all blocks are one session in one folder: a
titled block is the file that it names. A block that is not run says so above it: `<!-- not run: REASON -->`.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from support.command import environment

ROOT = Path(__file__).resolve().parents[2]
UPDATE = os.environ.get("INSIDELLMS_UPDATE_DOCS") == "1"
"""Set to 1 to write what the commands print now into the documents."""

IS_INSTALLED = any(entry.name == "insidellms" for entry in entry_points(group="pytest11"))
PLUGIN = "" if IS_INSTALLED else "insideLLMs.pytest_plugin.hooks"
"""What pytest is to load where a checkout is used without being installed."""
_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n)?"
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<code>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_END_OF_BLOCK = "--- end of block ---"


@dataclass(frozen=True)
class Fence:
    """A code block of a page."""

    language: str
    title: str | None
    reason: str | None
    code: str


def fences(path):
    """Return all code blocks of a page."""
    found = _BLOCK.finditer(path.read_text())
    return [Fence(each["language"], each["title"], each["reason"], each["code"]) for each in found]


def recipe(page, part):
    """Return the one code block of a page of docs/ that has `part` in it."""
    (found,) = [fence.code for fence in fences(ROOT / "docs" / page) if part in fence.code]
    return found


def typed(code):
    """Return the words of each command of a block; comments are left out."""
    return [words for line in code.splitlines() if (words := shlex.split(line, comments=True))]


def blocks(path, language):
    """Return the code blocks of one language that are no files and may be run."""
    return [each.code for each in fences(path) if each.language == language and not each.title and not each.reason]


def is_one_session(path):
    return any(fence.title for fence in fences(path))


def session(code, folder, commands=Path(sys.executable).parent):
    """Run a console block in one shell; return the block with what its commands print now to stdout.

    `commands` is the folder of `insidellms`.
    """
    return _run(_script(code), folder, commands)


def page_session(path, folder, commands=Path(sys.executable).parent):
    """Run a whole page in one shell; return its console blocks with what their commands print now."""
    script = ""
    for fence in fences(path):
        if fence.title:
            quoted = _quote(fence.title)
            script += f'mkdir -p "$(dirname {quoted})"; printf %s {_quote(fence.code)} > {quoted}\n'
        elif fence.language == "console":
            script += f"{_script(fence.code)}echo '{_END_OF_BLOCK}'\n"
    return _run(script, folder, commands).split(f"{_END_OF_BLOCK}\n")[:-1]


def _script(code):
    lines = [line[2:] for line in code.splitlines() if line.startswith("$ ")]
    return "".join(f"code=$?; printf '%s\\n' {_quote('$ ' + line)}; (exit $code)\n{line}\n" for line in lines)


def _run(script, folder, commands):
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env=environment(PATH=f"{commands}:{os.environ['PATH']}", PYTEST_PLUGINS=PLUGIN, CI=""),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=240,
        check=False,
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def _quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def replace_block(path, old, new):
    """Write a block's new text into its document."""
    path.write_text(path.read_text().replace(f"\n{old}```\n", f"\n{new}```\n", 1))
