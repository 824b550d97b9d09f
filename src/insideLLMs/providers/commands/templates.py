"""What the `exec` provider fills in for each request: the arguments of a command, its input and its environment.

No shell is between: an argument stays one argument, whatever an example holds.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from insideLLMs.core.arguments import refuse
from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import ArgumentError, TemplateError
from insideLLMs.core.template import Template
from insideLLMs.core.types import JsonValue
from insideLLMs.providers.applications.call_templates import (
    CallTemplates,
    fill_templates,
    read_template,
    read_templates,
    templates_in,
)
from insideLLMs.providers.commands.code_places import code_places, reads_code
from insideLLMs.providers.lenient_json import write_json

_SHAPE = 'a list of texts, the program first: [./app, --ask, "{{ question }}"]'
_OF_A_SHELL = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>", "2>&1", "&>"})
_IN_BRACES = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
_VARIABLE = re.compile(r"(?:^|=)\$\{?([A-Za-z_]\w*)\}?$")


class CommandTemplates(CallTemplates, frozen=True, kw_only=True):
    """The templates of a command; `env` has those of its variables that do not come from this process's environment."""

    command: tuple[Template, ...]
    stdin: JsonValue
    env: Mapping[str, Template]

    @classmethod
    def of(
        cls,
        command: Sequence[str],
        stdin: JsonValue,
        env: Mapping[str, str],
        model_name: str,
        given: Mapping[str, JsonValue],
    ) -> "CommandTemplates":
        """Read the templates. Raises TemplateError or ArgumentError that names the argument."""
        check_command(command)
        named = {name: read_template(text, f"env.{name}") for name, text in env.items()}
        made = cls(
            command=tuple(template for at, text in enumerate(command) if (template := _argument(text, at))),
            stdin=read_templates(stdin, "stdin"),
            env={name: template for name, template in named.items() if template is not None},
            model_name=model_name,
            given=given,
        )
        made.require_names("command")
        made._check_code()
        return made

    def arguments(self) -> Iterator[tuple[str, Template]]:
        """Yield every template with the argument in which it stands."""
        yield from (("command", template) for template in self.command)
        yield from (("stdin", template) for template in templates_in(self.stdin))
        yield from (("env", template) for template in self.env.values())

    def constants(self) -> Iterator[tuple[str, str]]:
        """Yield the arguments behind the program that are the same for every example, as written and as passed."""
        for template in self.command[1:]:
            if self._is_constant(template):
                yield template.text, template.render(self.given)

    def check(self, options: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Raise TemplateError, as `CallTemplates` does, also for a NUL in an argument or a variable."""
        values = CallTemplates.check(self, options)
        self.filled_command(values)
        self.filled_env(values)
        return values

    def filled_command(self, values: Mapping[str, JsonValue]) -> tuple[str, ...]:
        """Return the arguments, as many as were written. Raises TemplateError for a NUL, which none can hold."""
        return tuple(
            _without_nul(template.render(values), f"command[{at}]") for at, template in enumerate(self.command)
        )

    def filled_env(self, values: Mapping[str, JsonValue]) -> dict[str, str]:
        """Return the variables that are written in the experiment. Raises TemplateError for a NUL."""
        return {name: _without_nul(template.render(values), f"env.{name}") for name, template in self.env.items()}

    def filled_stdin(self, values: Mapping[str, JsonValue]) -> bytes | None:
        """Return the input: text as it is, anything else as a line of JSON; None where there is none."""
        if self.stdin is None:
            return None
        if isinstance(self.stdin, Template):
            return self.stdin.render(values).encode()
        return write_json(fill_templates(self.stdin, values)) + b"\n"

    def _is_constant(self, template: Template) -> bool:
        return set(template.names) <= set(self.given)

    def _check_code(self) -> None:
        """Raise ArgumentError where what an example holds would be run as code, or would name the program."""
        if not self._is_constant(self.command[0]):
            raise _of_command("the program has a field", "write it out; an example never says what is run")
        texts = [template.text for template in self.command]
        for at in code_places(texts):
            if at < len(texts) and not self._is_constant(self.command[at]):
                raise _of_command(
                    f"command[{at}] is code with a field in it: what an example holds would be run",
                    'pass it as an argument of its own: [sh, -c, \'./app "$1"\', sh, "{{ question }}"]',
                )
        if reads_code(texts) and not all(map(self._is_constant, templates_in(self.stdin))):
            raise _of_command(
                f"{self.command[0].text} without a script runs its standard input: what an example holds would be run",
                "name the script: [python3, app.py]",
            )


def check_command(command: object) -> None:
    """Raise ArgumentError for what is no list of a program and its arguments."""
    if isinstance(command, str):
        shown = ", ".join(_yaml(word) for word in _words(command))
        raise _of_command(f"command is {command!r}; there is no shell to split it", f"write a list: [{shown}]")
    if not isinstance(command, Sequence) or not command:
        raise refuse("", "command", command, _SHAPE)
    for at, text in enumerate(command):
        if not isinstance(text, str):
            raise _of_command(f"command[{at}] is of type {type(text).__name__}; it must be text", "quote it")
        if text in _OF_A_SHELL:
            raise _of_command(
                f"command[{at}] is {text!r}, and there is no shell to read it",
                'write what the shell is to do into a script, or [sh, -c, \'./app "$1" | jq .\', sh, "{{ question }}"]',
            )
        if found := _VARIABLE.search(text):
            raise _of_command(
                f"command[{at}] is {text!r}, and there is no shell to fill it in",
                f"name the variable as env: [{found[1]}], where the program reads it; arguments can be seen by others",
            )
    if not command[0].strip():
        raise refuse("", "command", list(command), _SHAPE)


def _argument(text: str, at: int) -> Template | None:
    if isinstance(text, FromEnvironment):  # from Python; an experiment has none there
        raise _of_command(f"command[{at}] comes from the environment", "name the variable in env")
    return read_template(text, f"command[{at}]")


def _yaml(word: str) -> str:
    return word if re.fullmatch(r"[\w./-]+", word) else f'"{word}"'


def _of_command(message: str, fix: str) -> ArgumentError:
    error = ArgumentError(message, fix=fix)
    error.argument = "command"
    return error


def _without_nul(text: str, where: str) -> str:
    if "\0" in text:
        raise TemplateError(
            f"{where} would hold a NUL, which no argument and no variable can", fix="send it on stdin, or take it out"
        ).of(where.partition("[")[0].partition(".")[0])
    return text


def _words(command: str) -> list[str]:
    """Split a command as a shell does, each field of a template kept whole."""
    kept = _IN_BRACES.sub(lambda field: field[0].replace(" ", "\0"), command)
    try:
        words = shlex.split(kept)
    except ValueError:  # a quote that is not closed
        words = kept.split()
    return [word.replace("\0", " ") for word in words]
