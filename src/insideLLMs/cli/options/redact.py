"""Options that replace secrets and personal data in what is exported; the function gets them as one argument."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli.options.group import Command, Given, option_group
from insideLLMs.cli.places import LOCAL
from insideLLMs.core.errors import InsideLLMsError

if TYPE_CHECKING:
    from insideLLMs.api.personal_data import PersonalDataOptions
    from insideLLMs.compare.sides import RunView
    from insideLLMs.report.pseudonyms import Pseudonyms
    from insideLLMs.report.records_table import Table

_SHORTEST_SALT = 16
_DETAILS = (
    click.option(
        "--redact-words",
        type=LOCAL,
        help="A file with further texts to replace, such as names, one per line.",
    ),
    click.option(
        "--salt-env",
        metavar="NAME",
        help="The environment variable with a secret; the same secret gives the same pseudonyms in every export.",
    ),
    click.option(
        "--phone-region",
        metavar="CODE",
        help="The country of phone numbers without a country code, e.g. DE.  [default: none]",
    ),
)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is exported in the place of records and tables."""

    pseudonyms: "Pseudonyms"

    def line(self, line: bytes) -> bytes:
        """Return a record without what was found."""
        from insideLLMs.report.redacted import redact_line  # noqa: PLC0415 - slow

        return redact_line(line, self.pseudonyms)

    def table(self, table: "Table", runs: Sequence["RunView"]) -> "Table":
        """Return a table without what was found."""
        from insideLLMs.report.redacted import redact_table  # noqa: PLC0415 - slow

        return redact_table(table, runs, self.pseudonyms)


def redact_options(function: Command) -> Command:
    """Add the options to a command."""
    options = (
        click.option("--redact", is_flag=True, help="Replace secrets and personal data by pseudonyms."),
        *_DETAILS,
    )
    return option_group(function, "redaction", options, _redaction)


def _redaction(given: Given) -> Redaction | None:
    is_wanted = given.pop("redact")
    words, salt_env, region = (given.pop(name) for name in ("redact_words", "salt_env", "phone_region"))
    if not is_wanted:
        if words or salt_env or region:
            raise click.UsageError("--redact-words, --salt-env and --phone-region need --redact.")
        return None
    from insideLLMs.report.pseudonyms import Pseudonyms  # noqa: PLC0415 - slow

    listed = () if words is None else _lines(Path(str(words)))
    return Redaction(Pseudonyms(_salt(salt_env), words=listed, region=None if region is None else str(region)))


def personal_data_options(function: Command) -> Command:
    """Add the options of commands that read traces; personal data is replaced unless the user keeps it."""
    options = (
        click.option(
            "--keep-personal-data", is_flag=True, help="For traces: keep personal data; secrets are still removed."
        ),
        *_DETAILS,
    )
    return option_group(function, "personal_data", options, _personal_data)


def _personal_data(given: Given) -> "PersonalDataOptions | None":
    from insideLLMs.api.personal_data import PersonalDataOptions  # noqa: PLC0415 - slow

    is_kept = given.pop("keep_personal_data")
    words, salt_env, region = (given.pop(name) for name in ("redact_words", "salt_env", "phone_region"))
    if is_kept:
        if words or salt_env or region:
            raise click.UsageError(
                "--redact-words, --salt-env and --phone-region cannot be combined with --keep-personal-data."
            )
        return None
    return PersonalDataOptions(
        salt=None if salt_env is None else _salt(salt_env),
        words=() if words is None else tuple(_lines(Path(str(words)))),
        region=None if region is None else str(region),
    )


def _salt(name: object) -> bytes:
    if name is None:
        return secrets.token_bytes(32)
    salt = os.environ.get(str(name), "")
    if len(salt) < _SHORTEST_SALT:
        raise InsideLLMsError(
            f"{name} is not set to a secret of at least {_SHORTEST_SALT} letters",
            fix="anybody who guesses the salt can guess the replaced values; `openssl rand -hex 32` makes a good one",
        )
    return salt.encode()


def _lines(path: Path) -> list[str]:
    try:
        found = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InsideLLMsError(f"{path} cannot be read: {error}", fix="give a text file, one text a line") from error
    if not any(line.strip() for line in found):
        raise InsideLLMsError(f"{path} lists no words to replace", fix="write one on each line, or leave it out")
    return found
