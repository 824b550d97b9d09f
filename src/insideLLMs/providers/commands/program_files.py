"""The files behind a command: where its program is, and the digests of what decides how it answers."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue
from insideLLMs.providers.commands.file_trees import tree_sha256


class ProgramFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What a command is made of: its `program` as written, `constants` of its arguments, and `files` that are named.

    It runs in `folder`; what is not found there may stand in `beside`, the experiment's. `copied` is the folder's
    name where each call gets a copy of it.
    """

    program: str
    constants: tuple[tuple[str, str], ...]
    files: tuple[str, ...]
    folder: Path
    beside: Path
    copied: str | None = None
    search_path: str = ""

    @property
    def is_of_machine(self) -> bool:
        """Whether the program is one that the machine has installed, such as python3."""
        return "/" not in self.program

    def find_program(self) -> Path | None:
        """Return the program's file, if it is there and may be run."""
        if self.is_of_machine:
            found = shutil.which(self.program, path=self.search_path)
            return Path(found).absolute() if found else None
        near = (self.folder / self.program, self.beside / self.program)
        return next((path.absolute() for path in near if path.is_file() and os.access(path, os.X_OK)), None)

    def program_in(self, folder: Path) -> str:
        """Return the file to run, which is the copy's where the program is in the folder that is copied."""
        found = self.find_program()
        if found is None:
            raise self._lacks_program()
        within = Path(os.path.normpath(found))
        here = Path(os.path.normpath(self.folder.absolute()))
        if self.copied is not None and within.is_relative_to(here):
            return str(folder / within.relative_to(here))
        return str(found)

    def facts(self, assumed: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
        """Return the digests of the program and of the files, by the names that the user wrote.

        Of what another machine has recorded, that is `assumed` which is not here, and of a program that the machine has
        installed its digest. Raises ArgumentError for what is missing.
        """
        known: Mapping[str, JsonValue] = assumed or {}
        if not known and not self.folder.is_dir():
            raise _missing("cwd", f"there is no folder {self.folder.name!r}", self.folder, "cwd is relative to")
        files = {**known, **dict(self.digests(known))}
        found = self.find_program()
        if found is not None and not (self.is_of_machine and self.program in known):
            files[self.program] = tree_sha256(found)
        elif self.program not in known:
            raise self._lacks_program()
        else:
            files[self.program] = known[self.program]
        return dict(sorted(files.items()))

    def digests(self, assumed: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
        """Yield the names and digests of the files among the arguments, and of those that are named."""
        for written, passed in self.constants:
            for name, text in ((written, passed), (written.partition("=")[2], passed.partition("=")[2])):
                if text and _is_file(self.folder / text):
                    yield name, tree_sha256(self.folder / text)
        named = (*self.files, *((self.copied,) if self.copied is not None else ()))
        for name in named:
            path = self.beside / name
            if self.beside.resolve().is_relative_to(path.resolve()):
                raise _holds_all("files" if name in self.files else "cwd", name)
            if path.exists():
                yield name, tree_sha256(path)
            elif name not in assumed:
                argument = "files" if name in self.files else "cwd"
                raise _missing(argument, f"there is no file or folder {name!r}", path, "paths are relative to")

    def _lacks_program(self) -> ArgumentError:
        written = self.program
        if self.is_of_machine:
            return _of_command(
                f"there is no program {written!r} in the folders of PATH",
                f"install it, or write ./{written} for one beside the experiment",
            )
        path = self.folder / written
        if path.is_dir():
            return _of_command(f"the program {written!r} is a folder", "name the file in it that is to run")
        if path.exists():
            return _of_command(f"the program {written!r} may not be run", f"chmod +x {written}, or name what runs it")
        if any(letter.isspace() for letter in written):
            return _of_command(
                f"there is no program {written!r}", "write the program and each argument as an item of its own"
            )
        return _missing("command", f"there is no program {written!r}", path, "it is looked for in cwd and beside")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text that is no path: too long, or with a NUL
        return False


def _missing(argument: str, what: str, path: Path, where: str) -> ArgumentError:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = nearest(path.name, siblings)
    error = ArgumentError(
        what,
        fix=f"did you mean {near!r}?" if near else f"check the name; {where} the experiment file",
    )
    error.argument = argument
    return error


def _holds_all(argument: str, name: str) -> ArgumentError:
    error = ArgumentError(
        f"{name!r} holds the experiment itself, and the runs beside it, which change with every run",
        fix="put what belongs to the command into a folder of its own",
    )
    error.argument = argument
    return error


def _of_command(message: str, fix: str) -> ArgumentError:
    error = ArgumentError(message, fix=fix)
    error.argument = "command"
    return error
