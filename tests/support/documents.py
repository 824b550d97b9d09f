"""Code blocks of Markdown files: `console` blocks are run as a session, `python` blocks as programs."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support.command import environment

ROOT = Path(__file__).resolve().parents[2]
UPDATE = os.environ.get("INSIDELLMS_UPDATE_DOCS") == "1"
"""Set to 1 to write what the commands print now into the documents."""

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path, language):
    """Return the code blocks of one language."""
    return [found["code"] for found in _BLOCK.finditer(path.read_text()) if found["language"] == language]


def session(code, folder, commands=Path(sys.executable).parent):
    """Run a console block in one shell; return the block with what its commands print now to stdout.

    A command is a line after `$ `, and the lines after `> ` that follow it. `commands` holds `insidellms`.
    """
    shown = re.findall(r"^\$ .*\n(?:> .*\n|>\n)*", code, re.MULTILINE)
    script = "".join(f"code=$?; printf '%s' {_quote(text)}; (exit $code)\n{_typed(text)}\n" for text in shown)
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env=environment(PATH=f"{commands}:{os.environ['PATH']}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def _typed(text):
    return "\n".join(line[2:] for line in text.splitlines())


def _quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def replace_block(path, old, new):
    """Write a block's new text into its document."""
    path.write_text(path.read_text().replace(old, new))
