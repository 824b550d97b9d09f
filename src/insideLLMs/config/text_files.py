"""Texts that stand in files of their own: plain text, Markdown with front matter, or a chat as YAML or JSON."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path, PurePath

import msgspec

from insideLLMs.config.secrets import references
from insideLLMs.config.shape import Findings, suggestion
from insideLLMs.core.documents import Document, FieldPath, Format, read_document
from insideLLMs.core.errors import Problem
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.source import missing_fix, shown

LARGEST_BYTES = 10_000_000
_MARKDOWN = frozenset({".md", ".markdown"})
_TEMPLATES = frozenset({".j2", ".jinja", ".jinja2"})
_TEXT = _MARKDOWN | _TEMPLATES | {".txt", ".text", ".prompt", ".xml", ".html", ""}
_CHATS: Mapping[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}
SUFFIXES = (*sorted(_TEXT - {""}), *_CHATS)
_ROLES = ("system", "user", "assistant")
_FENCE = "---\n"


class TextFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read: its text, or its messages; what its front matter says; and where the text begins."""

    path: str
    content: str | list[dict[str, JsonValue]]
    front: Mapping[str, JsonValue] = {}
    first_line: int = 1
    turn_lines: tuple[int, ...] = ()


def read_text_file(given: str, at: FieldPath, folder: Path, findings: Findings) -> TextFile | None:
    """Read the file that the experiment names at `at`; None where that is not possible, which is reported."""
    path = folder / given
    if references(given):
        findings.add(at, "may not refer to the environment", "paths are relative to the experiment file")
        return None
    data = _bytes(path, given, at, findings)
    if data is None:
        return None
    problems: list[Problem] = []
    found = _parse(data, path, problems)
    findings.problems.extend(replace(problem, file=shown(path)) for problem in problems)
    return None if problems else found


def _bytes(path: Path, given: str, at: FieldPath, findings: Findings) -> bytes | None:
    suffix = PurePath(given).suffix.lower()
    try:
        if path.is_dir():
            findings.add(at, f"{given!r} is a folder; a text is one file", "name a file in it")
        elif not path.exists():
            findings.add(at, f"there is no file {given!r}", missing_fix(path))
        elif suffix not in _TEXT and suffix not in _CHATS:
            findings.add(at, f"{given!r} is no text by its name", f"texts end in {', '.join(SUFFIXES)}")
        elif not path.is_file():
            findings.add(at, f"{given!r} is no regular file", "name a text file")
        elif path.stat().st_size > LARGEST_BYTES:
            findings.add(at, f"{given!r} has more than {LARGEST_BYTES:,} bytes", "data belongs into a dataset")
        else:
            return path.read_bytes()
    except (OSError, ValueError) as error:
        findings.add(
            at, f"{given!r} cannot be read: {getattr(error, 'strerror', None) or error}", "check its permissions"
        )
    return None


def _parse(data: bytes, path: Path, problems: list[Problem]) -> TextFile | None:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(Problem("is not valid UTF-8", line=line, hint="save it as UTF-8"))
        return None
    if "\0" in text:
        problems.append(Problem("is not text: it contains a NUL", line=text.count("\n", 0, text.index("\0")) + 1))
    if not text.strip():
        problems.append(Problem("is empty", line=1, hint="write the text into it"))
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _CHATS:
        return _chat(text, path, _CHATS[suffixes[-1]], problems)
    is_markdown = bool(
        _MARKDOWN & set(suffixes[-2:] if suffixes[-1:] and suffixes[-1] in _TEMPLATES else suffixes[-1:])
    )
    if is_markdown and text.startswith(_FENCE):
        return _with_front_matter(text, path, problems)
    return TextFile(path=shown(path), content=text.removesuffix("\n"))


def _with_front_matter(text: str, path: Path, problems: list[Problem]) -> TextFile | None:
    end = text.find(f"\n{_FENCE}", len(_FENCE) - 1)
    if end < 0:
        problems.append(
            Problem(
                "begins with front matter that has no end",
                line=1,
                hint="close it with ---, or begin with an empty line",
            )
        )
        return None
    document = read_document(text[len(_FENCE) : end + 1].encode(), "yaml")
    problems.extend(replace(problem, line=(problem.line or 1) + 1) for problem in document.problems)
    body = text[end + 1 + len(_FENCE) :]
    blank = len(body) - len(body.lstrip("\n"))
    if document.value is not None and not isinstance(document.value, dict):
        problems.append(Problem("has front matter that is not a mapping", line=2, hint="write it as key: value"))
    elif not body.strip():
        problems.append(Problem("has no text behind its front matter", line=text.count("\n", 0, end) + 2))
    return TextFile(
        path=shown(path),
        content=body.strip("\n"),
        front=document.value or {},
        first_line=text.count("\n", 0, end) + 3 + blank,
    )


def _chat(text: str, path: Path, kind: Format, problems: list[Problem]) -> TextFile | None:
    """Read a list of messages, or a mapping with `messages` and what front matter may say."""
    document = read_document(text.encode(), kind)
    problems.extend(document.problems)
    value = document.value
    front = {key: item for key, item in value.items() if key != "messages"} if isinstance(value, Mapping) else {}
    turns = value.get("messages") if isinstance(value, Mapping) else value
    holder: FieldPath = ("messages",) if isinstance(value, Mapping) else ()
    if not problems and (not isinstance(turns, list) or not turns):
        problems.append(
            Problem("is not a list of messages", line=1, hint="write - {role: user, content: ...}, or name it .txt")
        )
    if problems or not isinstance(turns, list):
        return None
    for at, turn in enumerate(turns):
        _check_turn(turn, (*holder, at), document, problems)
    lines = tuple(document.place((*holder, at, "content"))[0] for at in range(len(turns)))
    return TextFile(path=shown(path), content=turns, front=front, turn_lines=lines)


def _check_turn(turn: JsonValue, at: FieldPath, document: Document, problems: list[Problem]) -> None:
    def report(message: str, hint: str | None = None, key: str = "") -> None:
        line, column = document.place((*at, key) if key else at)
        problems.append(Problem(message, line=line, column=column, hint=hint))

    if not isinstance(turn, Mapping):
        report("a message is no mapping", "write {role: user, content: ...}")
        return
    for key in turn:
        if key not in {"role", "content"}:
            report(f"{key!r} is no part of a message", suggestion(str(key), ("role", "content")), str(key))
    if turn.get("role") not in _ROLES:
        report(f"role is {turn.get('role')!r}", suggestion(str(turn.get("role")), _ROLES), "role")
    if not isinstance(turn.get("content"), str) or not turn["content"]:
        report("content is no text", "write content: ...", "content")


def check_front(found: TextFile, known: Collection[str], findings: Findings) -> None:
    """Report what the front matter says that means nothing in this place."""
    for key in found.front:
        if key not in known:
            hint = suggestion(str(key), sorted(known)) if known else "a text in this place has no front matter"
            findings.problems.append(
                Problem(f"front matter has {key!r}, which means nothing here", file=found.path, line=1, hint=hint)
            )
