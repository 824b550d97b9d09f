"""The program in an answer: which block it is, what of the prompt belongs to it, and what of it is only for show."""

import ast
import builtins
import re
import textwrap
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TypeGuard

from insideLLMs.scoring.json_values import fences
from insideLLMs.scoring.normalise import bounded

_MOST_CUTS = 30
_TURN = Lock()  # the filter of warnings is the process's
_STRONG_START = re.compile(r"^(?:def |class |import \w|from [\w.]+ import |@\w|async def )", re.MULTILINE)
_STARTS_CODE = re.compile(
    r"^(?:def |class |import |from \w|@|async def |if |for |while |return |with |try:"
    r"|[A-Za-z_]\w*\s*(?:[-+*/|&]?=[^=]|:\s*\w+\s*=))"
)
_OTHER_FENCES = re.compile(r"^(?:~~~|\[/?PYTHON\]|</?code>)|^([^`\n]*[^`\s])```[ \t]*$", re.MULTILINE)
_NO_CODE = re.compile(r"^\s*```.*$|^`(?=[^`\n]+`$)|(?<=\S)`$", re.MULTILINE)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Code out of a text, with its syntax tree; None where it has a syntax error."""

    text: str
    tree: ast.Module | None

    @property
    def binds(self) -> set[str]:
        """The names that it binds at its outer level."""
        return _bound(self.tree.body) if self.tree is not None else set()

    @property
    def does(self) -> set[str]:
        """The names that it binds to more than the beginning of a function."""
        begun = {one.name for one in self.tree.body if _is_begun(one)} if self.tree is not None else set()
        return self.binds - begun

    def source(self, statement: ast.stmt) -> str:
        """Return the lines of a statement."""
        first, last = _lines(statement)
        return "\n".join(self.text.split("\n")[first:last])


def find_program(answer: str, *, wanted: Collection[str] = (), given: Sequence[str] = ()) -> str | None:
    """Return the Python program of an answer, such that it binds the names `wanted` if it can; None where it has none.

    Of several blocks the last that binds the most of them is the program, with the imports and definitions of the
    others. So are those of `given`, the texts that the answer builds on: its prompt, or a program to fix. An answer
    that only continues a function of theirs is put behind it, even if its first line has lost its indent. Left out
    is what is for people: prose around bare code, a main block, what reads from the console, assertions and calls of
    the wanted names.
    """
    text = _OTHER_FENCES.sub(r"\1\n```", bounded(answer))
    pieces = list(_pieces(text))
    chosen = _last_with_most(pieces, wanted)
    others = [piece for one in given for piece in _pieces(one)] + [one for one in pieces if one is not chosen]
    if chosen is None or (wanted and not chosen.binds & {*wanted}):
        completed = next(
            (one for stub in _stubs(given, wanted) if (one := _completed(stub, text, pieces, wanted))), None
        )
        chosen = completed or chosen
    if chosen is None:
        started = _STRONG_START.search(text)
        return text[started.start() :] if started else None
    return chosen.text if chosen.tree is None else _assembled(chosen, chosen.tree, others, wanted)


def names_tested(test: str) -> frozenset[str]:
    """Return the names that test code uses and does not bind itself."""
    tree = _parsed(test)
    if tree is None:
        return frozenset()
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    inner = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return frozenset(used - inner - stored - _bound(tree.body) - {*dir(builtins)})


def _pieces(text: str) -> Iterator[_Piece]:
    """Yield the Python blocks of a text, closed or cut off; of one without them, the runs of lines that are code."""
    found = [one for one in fences(text) if one.language.strip("{}").startswith("py") or not one.language]
    readable = [_trimmed(one.body) if one.is_open else _exact(one.body) for one in found if one.body.strip()]
    if any(one is not None and (one.tree is None or one.binds) for one in readable):
        yield from (one for one in readable if one is not None)
        return
    lines = _NO_CODE.sub("", text).split("\n")
    at = 0
    for _ in range(_MOST_CUTS):
        at = next((number for number in range(at, len(lines)) if _STARTS_CODE.match(lines[number])), len(lines))
        piece = _trimmed("\n".join(lines[at:])) if at < len(lines) else None
        if piece is not None:
            yield piece
        at += piece.text.count("\n") + 1 if piece is not None else 1


def _exact(text: str) -> _Piece:
    text = textwrap.dedent(text) if _parsed(text) is None else text
    return _Piece(text, _parsed(text))


def _trimmed(text: str, *, keep: int = 0) -> _Piece | None:
    """Cut a text before its first syntax error until it parses; None where no more than `keep` lines are left."""
    lines = text.split("\n")
    for _ in range(_MOST_CUTS):
        found = _parse("\n".join(lines))
        if isinstance(found, ast.Module):
            return _Piece("\n".join(lines), found)
        lines = lines[: min(found, len(lines)) - 1]
        if len(lines) <= keep:
            return None
    return None


def _parsed(text: str) -> ast.Module | None:
    found = _parse(text)
    return found if isinstance(found, ast.Module) else None


def _parse(text: str) -> ast.Module | int:
    """Parse code, or return the line of its error, from 1."""
    try:
        with _TURN, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(bounded(text) + "\n")
    except SyntaxError as error:
        return error.lineno or 1
    except (ValueError, RecursionError, MemoryError):  # null bytes; nested too deeply
        return 1


def _last_with_most(pieces: Sequence[_Piece], wanted: Collection[str]) -> _Piece | None:
    ranked = [(len(one.does & {*wanted}), one.tree is None or bool(one.binds), at) for at, one in enumerate(pieces)]
    return pieces[max(ranked)[-1]] if ranked else None


def _stubs(given: Sequence[str], wanted: Collection[str]) -> Iterator[str]:
    """Yield the code of the given texts in which a wanted function is begun."""
    begun = re.compile(rf"^(?:async )?def (?:{'|'.join(map(re.escape, wanted)) or '$'})\b", re.MULTILINE)
    for text in given:
        started = _STRONG_START.search(text)
        bodies = [one.body for one in fences(text)] or ([text[started.start() :]] if started else [])
        yield from (body.rstrip() + "\n" for body in bodies if begun.search(body))


def _completed(stub: str, answer: str, pieces: Sequence[_Piece], wanted: Collection[str]) -> _Piece | None:
    """Put an answer that is the body of a function behind what begins it, indented as it has to be."""
    bare = _NO_CODE.sub("", answer)
    indented = re.search(r"^[ \t]+\S.*\Z", bare, re.MULTILINE | re.DOTALL)
    bodies = [one.body for one in fences(answer)] or [bare, *([indented.group()] if indented else [])]
    bodies += [one.text for one in pieces]
    for body in (body.strip("\n") for body in bodies):
        for variant in (body, f"    {body.lstrip()}", textwrap.indent(body, "    ")):
            piece = _trimmed(stub + variant, keep=stub.count("\n"))
            if piece is not None and piece.tree is not None and _has_body(piece.tree, wanted):
                return piece
    return None


def _has_body(tree: ast.Module, wanted: Collection[str]) -> bool:
    """Whether a wanted function does something, and nothing of its body was left outside."""
    named = [one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name in wanted]
    outside = any(isinstance(one, ast.Return) for one in tree.body)
    return not outside and any(not _is_begun(function) for function in named)


def _is_begun(statement: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Whether a statement is a function without a body, or with none but words, `pass` or an ellipsis."""
    return isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and all(
        isinstance(one, ast.Pass) or (isinstance(one, ast.Expr) and not isinstance(one.value, ast.Call))
        for one in statement.body
    )


def _assembled(chosen: _Piece, tree: ast.Module, others: Sequence[_Piece], wanted: Collection[str]) -> str:
    """Put a program together: future imports, what else it needs, and itself without what is for show."""
    own = chosen.binds
    added = [
        other.source(statement)
        for other in others
        if other.tree is not None
        for statement in other.tree.body
        if not _is_future(statement) and _is_needed(statement, own, wanted)
    ]
    shown = list(_for_show(tree, wanted)) if wanted else []
    first = [one for one in tree.body if _is_future(one)] if added else []
    if not added and not shown:
        return chosen.text
    lines = chosen.text.split("\n")
    for start, end in map(_lines, (*shown, *first)):
        lines[start:end] = [""] * (end - start)
    return "\n".join([*map(chosen.source, first), *added, *lines])


def _is_needed(statement: ast.stmt, own: Collection[str], wanted: Collection[str]) -> bool:
    """Whether a statement of another block may be needed: an import, or what binds a name that is not bound here."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    bound = _bound([statement])
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} - bound
        return not used & {"input", *wanted} and bool(bound) and not bound & {*own}
    return isinstance(statement, _DEFINITIONS) and not bound & {*own}


def _for_show(tree: ast.Module, wanted: Collection[str]) -> Iterator[ast.stmt]:
    """Yield the outer statements that show a program to people, and those that depend on what they bind."""
    reading, calling = {"input"}, {*wanted}
    for statement in tree.body:
        names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        bound = _bound([statement])
        reads = bool(names & reading) or _reads_stdin(statement)
        calls = bool(names & calling) and not bound
        if isinstance(statement, _DEFINITIONS):
            reading |= bound - {*wanted} if reads else set()
            calling |= bound if names & calling else set()
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        elif reads or calls or _is_main_block(statement) or isinstance(statement, ast.Assert) or _is_idle(statement):
            reading |= bound
            yield statement


def _is_main_block(statement: ast.stmt) -> bool:
    tested = statement.test if isinstance(statement, ast.If) else None
    return isinstance(tested, ast.Compare) and "__name__" in {
        one.id for one in ast.walk(tested) if isinstance(one, ast.Name)
    }


def _reads_stdin(statement: ast.stmt) -> bool:
    return any(isinstance(one, ast.Attribute) and one.attr == "stdin" for one in ast.walk(statement))


def _is_idle(statement: ast.stmt) -> bool:
    """Whether a statement does nothing, as a word of prose that happens to parse."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    return isinstance(statement, ast.Expr) and not any(
        isinstance(one, ast.Call | ast.Await | ast.Constant) for one in ast.walk(statement.value)
    )


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _lines(statement: ast.stmt) -> tuple[int, int]:
    """Return the first line of a statement, with its decorators, from 0, and the line after its last."""
    marks = [one.lineno for one in getattr(statement, "decorator_list", [])]
    return min([statement.lineno, *marks]) - 1, statement.end_lineno or statement.lineno


def _bound(statements: Sequence[ast.stmt]) -> set[str]:
    """Return the names that statements bind, outside of functions and classes."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(statements)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _DEFINITIONS):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif not isinstance(node, ast.Lambda | ast.comprehension):
            waiting.extend(ast.iter_child_nodes(node))
    return names
