"""A command as a model: any program, in any language, that answers on its standard output."""

import asyncio
import contextlib
import logging
import shlex
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, TypeVar

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.arguments import check_numbers, flag, refuse, text_list
from insideLLMs.core.describe import secret_texts, without_secrets
from insideLLMs.core.errors import (
    ArgumentError,
    ConnectionFailedError,
    ModelError,
    ModelUnavailableError,
    RequestRefusedError,
    TemplateError,
)
from insideLLMs.core.template import values_of
from insideLLMs.core.thoughts import read_tags, separate
from insideLLMs.core.types import Example, JsonValue, Request, Response
from insideLLMs.providers.applications.answer_paths import read_paths
from insideLLMs.providers.chat_model import RANGES
from insideLLMs.providers.commands.answers import CommandAnswers, read_statuses
from insideLLMs.providers.commands.environment import CommandEnv
from insideLLMs.providers.commands.file_trees import copy_tree
from insideLLMs.providers.commands.program_files import ProgramFiles
from insideLLMs.providers.commands.templates import CommandTemplates
from insideLLMs.providers.provider_model import ProviderModel
from insideLLMs.providers.redaction import Redactor
from insideLLMs.providers.request_options import merge_options
from insideLLMs.providers.transport import MAX_BODY_BYTES
from insideLLMs.sandbox.commands import Command, CommandEnd, CommandServer
from insideLLMs.sandbox.folders import program_folder

logger = logging.getLogger(__name__)
T = TypeVar("T")


class ExecModel(ProviderModel):
    """A command that is run for each question, without a shell; it answers on its standard output.

    `command` lists the program and its arguments, `stdin` is a text or a JSON body; ``{{ prompt }}``, ``{{ system }}``,
    ``{{ messages }}``, ``{{ seed }}`` and the example's fields are filled in. The answer is the whole output or, in
    JSON, the value at the path `answer`, with `trajectory`, `reads` and `keep` as for the type http. `exit_status`
    lists statuses that mean `answered`, `again` or `refused`; any other but 0 is an error. It runs in `cwd`, which is
    copied for each call if `fresh` is true. It gets a few variables that programs need, and those of `env`: a list of
    names, or a mapping. The bytes of the program, of files among its arguments and of `files` are part of the model's
    identity.
    """

    provider = "exec"

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        command: Sequence[str],
        *,
        stdin: JsonValue = None,
        answer: str | None = None,
        trajectory: str | None = None,
        reads: Mapping[str, str] | None = None,
        keep: Mapping[str, str] | None = None,
        exit_status: Mapping[str, Sequence[int]] | None = None,
        env: Sequence[str] | Mapping[str, str] | None = None,
        cwd: str | None = None,
        fresh: bool = False,
        files: Sequence[str] | None = None,
        model_name: str | None = None,
        seed: int | None = None,
        thought_tags: Sequence[Sequence[str]] | None = None,
        experiment_folder: Path = Path(),
    ) -> None:
        check_numbers({"seed": seed}, RANGES)
        self._env = CommandEnv(env)
        self._seed = {} if seed is None else {"seed": seed}
        beside = experiment_folder.absolute()
        label = _read_label(model_name, command)
        self._templates = CommandTemplates.of(
            command, stdin, self._env.written, label, {"experiment_folder": str(beside)}
        )
        super().__init__(label, label)
        paths = read_paths(answer, reads, keep, trajectory)
        who = f"the command {PurePath(command[0]).name!r}"
        self._answers = CommandAnswers(who=who, paths=paths, statuses=read_statuses(exit_status))
        self._files = ProgramFiles(
            program=self._templates.command[0].render(self._templates.given),
            constants=tuple(self._templates.constants()),
            files=_read_files(files),
            folder=_read_folder(cwd, beside),
            beside=beside,
            copied=_copied(cwd, fresh=fresh),
            search_path=self._env.values({}).get("PATH", ""),
        )
        self._parameters: dict[str, JsonValue] = {
            "command": shlex.join(command),
            **({} if stdin is None else {"stdin": stdin}),
            **({} if paths is None else paths.written),
            **({"exit_status": dict(exit_status)} if exit_status else {}),
            **({} if cwd is None else {"cwd": cwd}),
            **({"fresh": True} if fresh else {}),
            **self._seed,
        }
        self._thought_tags = read_tags(thought_tags)
        self._assumed: Mapping[str, JsonValue] | None = None
        self._redactor: Redactor | None = None
        self._server = CommandServer()
        self.variables, self.keeps = self._templates.variables, frozenset(keep or ())

    def identity(self) -> Mapping[str, JsonValue]:
        """Return the command as written, the digests of its files, and the names of variables that are passed on."""
        env = self._env.identity()
        return {
            "type": self.provider,
            "model_name": self.model_id,
            "parameters": without_secrets(self._parameters),
            **({"env": env} if env else {}),
            "files": dict(self.facts()),
            **({"thought_tags": [list(pair) for pair in self._thought_tags]} if self._thought_tags else {}),
        }

    def origin(self) -> str:
        """Identify what the user wrote."""
        written = {"type": self.provider, "parameters": without_secrets(self._parameters), "env": self._env.identity()}
        return canonical.identity("origin/1", written)

    def facts(self) -> Mapping[str, JsonValue]:
        """Return the digests of the program and of its files, by name. Raises ArgumentError where one is missing."""
        return self._files.facts(self._assumed)

    def assume(self, facts: Mapping[str, JsonValue]) -> None:
        """Take the facts of another machine for what is not here; an edited script is never taken for another."""
        self._assumed = facts

    def private_settings(self) -> tuple[str, ...]:
        """Return what tells this model from others and may not be written: values from the environment."""
        return self._env.private_settings()

    def check(self) -> None:
        """Raise the error that every call would meet: no such program, folder or variable."""
        self._env.check()
        self._files.program_in(self._files.folder)
        if not self._files.folder.is_dir():
            raise ModelUnavailableError(
                f"cwd is not a folder: {self._parameters.get('cwd')!r}", fix="make it, or name another"
            )

    def check_example(self, example: Example) -> None:
        """Raise TemplateError for an example from which the command cannot be filled."""
        self._templates.check({**values_of(example, self.variables), **self._seed})

    async def respond(self, request: Request, *, repeat: int = 0) -> Response:
        """Run the command once. One that is cut off is ended with all that it has started."""
        filled = self._filled(request, repeat)
        try:
            async with self._folder() as folder:
                command = Command(
                    program=self._files.program_in(folder),
                    arguments=filled.arguments,
                    environment=self._env.values(filled.env),
                    folder=str(folder),
                    stdin=filled.stdin,
                    output_bytes=MAX_BODY_BYTES,
                )
                end = await self._server.run(command)
        except ArgumentError as error:  # the program or its folder has changed meanwhile
            raise ModelUnavailableError(error.message, fix=error.fix) from error
        except OSError as error:
            raise ConnectionFailedError(
                f"{self._answers.who} cannot be started: {error.strerror or error}",
                fix="lower execution.concurrency, or raise the limit of open files (ulimit -n)",
            ) from error
        return self._read(end)

    async def aclose(self) -> None:
        """End the process that starts commands; a later call starts another."""
        self._server.close()

    _release = aclose

    def _filled(self, request: Request, repeat: int) -> "_Filled":
        try:
            options = {**request.variables, **merge_options(self._seed, request, repeat)}
            values = self._templates.values(request.messages, options)
            return _Filled(
                arguments=self._templates.filled_command(values),
                env=self._templates.filled_env(values),
                stdin=self._templates.filled_stdin(values),
            )
        except TemplateError as error:
            raise RequestRefusedError(error.message, fix=error.fix) from error

    def _read(self, end: CommandEnd) -> Response:
        """Read an answer from which every secret was blanked out, in its bytes and in what was decoded."""
        redactor = self._redactor = self._redactor or Redactor([*self._env.secrets(), *secret_texts(self._parameters)])
        clean = replace(end, stdout=redactor.blank(end.stdout), stderr=redactor.blank(end.stderr))
        try:
            return separate(redactor.response(self._answers.read(clean)), self._thought_tags)
        except ModelError as error:
            raise redactor.error(error) from error.__cause__

    @contextlib.asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        """Give the folder to run in: the user's, or a copy that is removed afterwards."""
        if self._files.copied is None:
            yield self._files.folder
            return
        with contextlib.ExitStack() as stack:
            try:
                yield await _wholly(lambda: self._copy(stack))
            finally:
                await _wholly(lambda: _remove(stack))

    def _copy(self, stack: contextlib.ExitStack) -> Path:
        copy = stack.enter_context(program_folder()) / self._files.folder.name
        copy_tree(self._files.folder, copy)
        return copy


class _Filled(msgspec.Struct, frozen=True):
    """What one call of a command is made of."""

    arguments: tuple[str, ...]
    env: Mapping[str, str]
    stdin: bytes | None


def _remove(stack: contextlib.ExitStack) -> None:
    try:
        stack.close()
    except OSError as error:
        logger.warning("a copy of the folder of a command could not be removed: %s", error.strerror)


async def _wholly(call: Callable[[], T]) -> T:
    """Run `call` on a thread; where this is cancelled, wait for its end first."""
    running = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _read_label(model_name: Any, command: Any) -> str:  # as they were written
    """Return what labels the model: by itself, the name of the program."""
    if model_name is None:
        return PurePath(str(command[0])).name if isinstance(command, list | tuple) and command else ""
    if not isinstance(model_name, str) or not model_name.strip():
        raise refuse("", "model_name", model_name, "a text that labels the model")
    return model_name


def _read_files(files: Any) -> tuple[str, ...]:  # as it was written
    named = text_list(() if files is None else files)
    if named is None:
        raise refuse("", "files", files, "a list of files and folders beside the experiment")
    return named


def _read_folder(cwd: Any, beside: Path) -> Path:  # as it was written
    if cwd is not None and (not isinstance(cwd, str) or not cwd.strip()):
        raise refuse("", "cwd", cwd, "a folder, by its path beside the experiment")
    return beside if cwd is None else beside / cwd


def _copied(cwd: str | None, *, fresh: bool) -> str | None:
    if not flag("", "fresh", fresh):
        return None
    if cwd is None:
        raise refuse("", "fresh", fresh, "beside cwd, which names the folder that is copied")
    return cwd
