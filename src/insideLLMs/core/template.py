"""Templates: text in which an example's fields are filled in, in the language of Jinja2.

A name is `input` (or `prompt`, `question`), the example's input as text, or one of the example's fields; `fields`
holds all of them, for names that are no words: ``{{ fields["customer-id"] }}``. Text is written as it is, any other
value as JSON. What a field holds is never a template. A lone ``{name}``, which other tools fill in and Jinja2 does
not, is an error, so that no model is ever sent a placeholder.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import TemplateError
from insideLLMs.core.types import EXPECTED_KEYS, Example, JsonValue, Message, Request, as_text
from insideLLMs.core.user_code import UserCodeError, calling_user_code

if TYPE_CHECKING:
    import jinja2

INPUT_NAMES = ("input", "prompt", "question")
"""What a template may call the example's input."""
_ALL = "fields"
_MARKS = re.compile(r"\{[{%#]")
_LONE = re.compile(
    r"\$?\{[^\S\n]*([^\W\d]\w*(?:\.\w+|-\w+|\[[^\[\]{}\n]*\])*)(?:![rsa])?(?::[-<>=^+#, 0-9.]*[a-zA-Z%]?)?[^\S\n]*\}"
)
_LATEX = re.compile(r"(?:\\[A-Za-z]+|[\^_])(?:\{[^{}]*\})*$")
_OTHERS = re.compile(r"\{([^{}\n]{1,80})\}|<<(\w+)>>|\[\[(\w+)\]\]|%(\w+)%|\$(\w+)")
"""How other tools write a field; an error where a field has that name. A lone tag is more often meant as a tag."""
_ADD_IT = (
    "fix the template, or give the example that field; one that only some have is tested with {% if name is defined %}"
)
_RAW = "for the text itself, write {% raw %}...{% endraw %} around it"


class Template(msgspec.Struct, frozen=True):
    """A template that was found well formed. Raises TemplateError, with the line within the text, otherwise."""

    text: str

    def __post_init__(self) -> None:
        _parsed(self.text)

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that it names, in order, each once."""
        return _parsed(self.text).names

    @property
    def is_filled(self) -> bool:
        """Whether it is more than text: it may compute something though it names no field."""
        return _parsed(self.text).whole is not None

    @property
    def needs_check(self) -> bool:
        """Whether an example can show a fault: it is filled, or may hold a field in the spelling of another tool."""
        return self.is_filled or bool(_parsed(self.text).others)

    @property
    def required(self) -> tuple[str, ...]:
        """Those that it names without asking whether they are there, as ``{% if name is defined %}`` does."""
        return tuple(_parsed(self.text).required)

    def check(self, example: Example, **extra: JsonValue) -> None:
        """Raise TemplateError for an example from which it cannot be filled; it names the nearest field."""
        if not example.fields and not extra and _parsed(self.text).fits_any_input:
            return
        values = values_of(example, self.names, **extra)
        self.check_names(values)
        self.render(values)

    def check_names(self, values: Mapping[str, JsonValue]) -> None:
        """Raise TemplateError for a name that `values` lack, also where it stands in a branch that is not taken."""
        parsed = _parsed(self.text)
        for name, line in parsed.required.items():
            if name not in values:
                raise TemplateError(_lacks(name, values), fix=_ADD_IT, line=line)
        for name, (written, line) in parsed.others.items():
            if name in values and name not in parsed.names:
                raise TemplateError(
                    f"the template holds {written!r}, and the example has a field {name!r}",
                    fix=f"write {_written(name)} for the field; {_RAW}",
                    line=line,
                )

    def fill(self, example: Example, **extra: JsonValue) -> str:
        """Return the text with every field filled in; `extra` fields take the place of the example's own.

        Raises TemplateError for what the example lacks.
        """
        try:
            return self.render(values_of(example, self.names, **extra))
        except TemplateError as error:
            raise TemplateError(f"example {example.id!r}: {error.message}", fix=error.fix, line=error.line) from error

    def render(self, values: Mapping[str, JsonValue]) -> str:
        """Return the text filled in from `values`. Raises TemplateError."""
        parsed = _parsed(self.text)
        if parsed.whole is None:
            return self.text
        plain = parsed.fill_plainly(values)
        if plain is not None:
            return plain
        from insideLLMs.core.template_sandbox import render  # noqa: PLC0415 - Jinja2 is imported when it is used

        with _explained(parsed, values):
            return render(parsed.whole, dict(values))

    def value(self, values: Mapping[str, JsonValue]) -> JsonValue:
        """Return the value itself, list or number, of a text that is one ``{{ field }}`` and nothing else."""
        parsed = _parsed(self.text)
        if parsed.alone is None:
            return self.render(values)
        with _explained(parsed, values):
            context = parsed.alone.new_context(dict(values))
            list(parsed.alone.root_render_func(context))
            found = context.vars["result"]
            str(found)  # raises for what is undefined
            return found

    def request(self, example: Example, **extra: JsonValue) -> Request:
        """Ask the filled template in place of the example's (last user) message; the rest of a chat stays."""
        return ask(example, self.fill(example, **extra))


def template_of(text: str, argument: str) -> Template:
    """Make the template that an argument holds. Raises TemplateError, which names the argument."""
    try:
        return Template(text)
    except TemplateError as error:
        raise error.of(argument) from None


class _Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """What a text comes to: what renders it, None where it is only text; and `alone` its one expression's value.

    `required` are names with the line of the text at which each stands first, `others` names that are written in
    another way, with that and the line. `pieces` are texts and names in turn, of a template that is nothing else.
    """

    names: tuple[str, ...] = ()
    required: Mapping[str, int] = {}
    others: Mapping[str, tuple[str, int]] = {}
    pieces: tuple[tuple[str, bool], ...] = ()
    whole: "jinja2.Template | None" = None
    alone: "jinja2.Template | None" = None

    @property
    def fits_any_input(self) -> bool:
        """Whether it is made of texts and the input alone, so that no example can fail to fill it."""
        return bool(self.pieces) and not self.others and all(name in INPUT_NAMES for name in self.names)

    def fill_plainly(self, values: Mapping[str, JsonValue]) -> str | None:
        """Fill a template of texts and names only, at a fifth of the time; None where that is not possible."""
        filled: list[str] = []
        for text, is_name in self.pieces:
            value = values.get(text) if is_name else text
            if value is None:
                return None
            filled.append(as_text(value))
        return "".join(filled) if filled else None


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> _Parsed:
    if not _MARKS.search(text):
        _refuse_lone(text)
        return _Parsed(others=_others(text))
    import jinja2  # noqa: PLC0415 - Jinja2 is imported when it is used

    env = _environment()
    try:
        tree = env.syntax(text)
        literals = _literals(text)
        _refuse_lone(literals)
        names, required = _names(text)
        others = _others(literals)
        return _Parsed(
            names=names,
            required=required,
            others=others,
            pieces=_pieces(text),
            whole=env.compiled(tree),
            alone=_alone(text),
        )
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"the template is not well formed at its line {error.lineno}: {str(error.message).rstrip('.')}",
            fix=f"write {{{{ name }}}} for a field; {_RAW}",
            line=error.lineno,
        ) from error


@functools.lru_cache(maxsize=1)
def _environment() -> Any:  # its class is known once Jinja2 is imported
    from insideLLMs.core.template_sandbox import TemplateEnvironment  # noqa: PLC0415 - see above

    return TemplateEnvironment()


def _names(text: str) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names that are looked up in an example, and of these the ones that have to be there, with lines."""
    from jinja2 import meta, nodes  # noqa: PLC0415 - see above

    tree = _environment().parse(text)
    free = meta.find_undeclared_variables(tree)
    named: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in free and node.ctx == "load":
            named.setdefault(node.name, node.lineno)
    asked = [node for node in tree.find_all(nodes.Test) if node.name in {"defined", "undefined"}]
    asked += [node for node in tree.find_all(nodes.Filter) if node.name in {"default", "d"}]
    optional = {node.node.name for node in asked if isinstance(node.node, nodes.Name)}
    return tuple(named), {name: line for name, line in named.items() if name not in optional}


def _pieces(text: str) -> tuple[tuple[str, bool], ...]:
    """Return the texts and names that a template is made of; nothing where there is anything else in it."""
    from jinja2 import nodes  # noqa: PLC0415 - see above

    found: list[tuple[str, bool]] = []
    for output in _environment().parse(text).body:
        for node in output.nodes if isinstance(output, nodes.Output) else (output,):
            if isinstance(node, nodes.TemplateData):
                found.append((node.data, False))
            elif isinstance(node, nodes.Name) and node.name not in {"range", "self"}:
                found.append((node.name, True))
            else:
                return ()
    return tuple(found)


def _alone(text: str) -> "jinja2.Template | None":
    """Return what computes the value of a text that is one expression."""
    from jinja2 import nodes  # noqa: PLC0415 - see above

    tree = _environment().parse(text.strip())
    printed = tree.body[0].nodes if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output) else ()
    if len(printed) != 1 or isinstance(printed[0], nodes.TemplateData):
        return None
    tree.body = [nodes.Assign(nodes.Name("result", "store"), printed[0], lineno=1)]
    made: jinja2.Template = _environment().compiled(tree)
    return made


def _literals(text: str) -> str:
    """Return the text without what is Jinja2's, on the same lines; what stands in {% raw %} is meant so."""
    pieces, lines, raw = [], 1, False
    for line, kind, piece in _environment().lex(text):
        raw = kind == "raw_begin" or (raw and kind != "raw_end")
        if kind == "data" and not raw:
            pieces.append("\0" + "\n" * (line - lines) + piece)
            lines = line + piece.count("\n")
    return "".join(pieces)


def _refuse_lone(text: str) -> None:
    found = next((one for one in _LONE.finditer(text) if not _LATEX.search(text, 0, one.start())), None)
    if found:
        raise TemplateError(
            f"the template holds {found[0]!r}, which would be sent literally",
            fix=f"write {{{{ {found[1]} }}}} for the field; {_RAW}",
            line=text.count("\n", 0, found.start()) + 1,
        )
    stray = _stray(text)
    if stray is not None:
        raise TemplateError(
            "the template holds }} that nothing opens",
            fix=f"write {{{{ name }}}} for a field; {_RAW}",
            line=text.count("\n", 0, stray) + 1,
        )


def _others(text: str) -> dict[str, tuple[str, int]]:
    """Find names in the spellings of other tools, but for the lone ones, which are errors whatever they name."""
    found: dict[str, tuple[str, int]] = {}
    for one in _OTHERS.finditer(text):
        name = next(group for group in one.groups() if group is not None).strip()
        if not (one[1] and name.isidentifier()):
            found.setdefault(name, (one[0], text.count("\n", 0, one.start()) + 1))
    return found


def _written(name: str) -> str:
    return f"{{{{ {name} }}}}" if name.isidentifier() else f'{{{{ {_ALL}["{name}"] }}}}'


def _stray(text: str) -> int | None:
    """Return where ``}}`` or ``%}`` stands that no brace opens."""
    depth = 0
    for brace in re.finditer(r"[{}]", text):
        at = brace.start()
        depth += 1 if brace[0] == "{" else -1
        if depth < 0 and (text[at : at + 2] == "}}" or text[at - 1 : at + 1] in {"}}", "%}"}):
            return at
        depth = max(depth, 0)
    return None


class _explained:  # noqa: N801 - reads as a statement
    """Turn what rendering raises into a TemplateError that names the line and the nearest field."""

    def __init__(self, parsed: _Parsed, values: Mapping[str, JsonValue]) -> None:
        self._parsed, self._values = parsed, values
        self._calling = calling_user_code("the template")

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            return
        lacking = [name for name in self._parsed.names if name not in self._values]
        try:
            self._calling.__exit__(kind, error, at)
        except UserCodeError as raised:
            said = next((_lacks(name, self._values) for name in lacking if f"{name!r} is undefined" == str(error)), "")
            message = said or f"the template cannot be filled: {str(error) or raised.type_name}{self._nulls(error)}"
            raise TemplateError(message, fix=_ADD_IT, line=_line(self._parsed, at)) from error

    def _nulls(self, error: BaseException) -> str:
        names = [name for name in self._parsed.names if self._values.get(name, "") is None]
        return f" ({', '.join(names)} is null in this example)" if names and "null" in str(error).lower() else ""


def _lacks(name: str, values: Mapping[str, JsonValue]) -> str:
    if name in EXPECTED_KEYS:
        told = "; a rubric may name {{ expected }}" if name != "expected" else ""
        return f"the template names {{{{ {name} }}}}, but what an example expects is not for the model{told}"
    known = list(values)
    near = nearest(name, known)
    hint = f"; did you mean {{{{ {near} }}}}?" if near else ""
    return f"the template names {{{{ {name} }}}}, which this example does not have{hint}"


def _line(parsed: _Parsed, at: TracebackType | None) -> int | None:
    """Return the line of the template in which an error was raised."""
    line = None
    while at is not None:
        for made in (parsed.whole, parsed.alone):
            if made is not None and at.tb_frame.f_globals is made.root_render_func.__globals__:
                line = made.get_corresponding_lineno(at.tb_lineno)
        at = at.tb_next
    return line


def values_of(example: Example, names: Iterable[str], **extra: JsonValue) -> dict[str, JsonValue]:
    """Return what a template may name of an example; those of `names` that are mappings are in the order of their keys.

    The order in which a file writes keys is no part of an example, so nothing that is sent may depend on it.
    """
    text = example.text
    values = {**dict.fromkeys(INPUT_NAMES, text), **example.fields, **extra}
    for name in names:
        if name == _ALL and name not in values:
            values[name] = _in_order(example.fields)
        elif isinstance(values.get(name), dict | list | tuple):
            values[name] = _in_order(values[name])
    return values


def _in_order(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(item) for item in value] if isinstance(value, list | tuple) else value


def ask(example: Example, text: str) -> Request:
    """Return a request of the example with `text` in place of its (last user) message."""
    if isinstance(example.input, str):
        return Request.of(text)
    messages = list(example.input)
    place = next((at for at in range(len(messages) - 1, -1, -1) if messages[at].role == "user"), None)
    if place is None:
        return Request.of([*messages, Message(role="user", content=text)])
    return Request.of([*messages[:place], Message(role="user", content=text), *messages[place + 1 :]])
