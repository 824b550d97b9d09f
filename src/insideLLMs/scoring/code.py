"""The program in an answer: its fenced block, or what of a bare answer is code."""

import re

from insideLLMs.scoring.json_values import fenced_blocks
from insideLLMs.scoring.normalise import answer_part

_PYTHON = ("python", "py", "python3", "")
_OPEN_FENCE = re.compile(r"```[ \t]*(?:python3?|py)?[ \t]*\n", re.IGNORECASE)
_STARTS_CODE = re.compile(
    r"^(?:def |class |import |from \w|@|async def |if |for |while |return |[A-Za-z_]\w*\s*=)", re.MULTILINE
)


def find_code(answer: str, *, defines: str | None = None) -> str | None:
    """Return the Python program of an answer: of its fenced blocks the last that defines what is asked for.

    A block that is still open is read to its end, as a cut answer leaves it. An answer without blocks is code from
    its first line that looks like it; None where nothing does.
    """
    text = answer_part(answer)
    blocks = [body for language, body in fenced_blocks(text) if language in _PYTHON and body.strip()]
    if not blocks and (opened := _OPEN_FENCE.search(text)):
        blocks = [text[opened.end() :].replace("```", "")]
    if defines is not None:
        blocks = [block for block in blocks if is_defined(defines, block)] or blocks
    if blocks:
        return blocks[-1]
    started = _STARTS_CODE.search(text)
    return text[started.start() :] if started else None


def is_defined(name: str, code: str) -> bool:
    """Whether code defines a function or class of this name at its outer level, or assigns to it."""
    return (
        re.search(rf"^(?:(?:async )?def|class)\s+{re.escape(name)}\b|^{re.escape(name)}\s*=", code, re.MULTILINE)
        is not None
    )


def continues(answer: str) -> bool:
    """Whether an answer only continues a prompt: its first line that says anything is indented."""
    first = next((line for line in answer_part(answer).split("\n") if line.strip()), "")
    return first.startswith((" ", "\t"))
