"""Requests of traffic without personal data: the same pseudonym for the same value over all files that are read."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.types import JsonValue
from insideLLMs.importers.foreign import ForeignTrial, Traffic
from insideLLMs.importers.log_file import LogFile
from insideLLMs.importers.traces.trial import named
from insideLLMs.report.pseudonyms import Pseudonyms

_SHORTEST_NAME = 3
_PSEUDONYM = r"\[[a-z]+-[a-p]{12}\]"
"""Placeholders, which are not names."""
_KINDS = {"role": ("system", "user", "assistant", "tool"), "type": ("text", "image")}
"""What messages say of themselves, which stays whatever a user is called."""
_WITH_TEXTS = ("example", "request", "response", "scores", "failure")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalDataOptions:
    """How personal data is replaced.

    `words` are further texts to replace, `region` is whose phone numbers lack a prefix. `salt` keeps pseudonyms the
    same from day to day. Without it they follow from the bytes of the files: the same files give the same ones, and
    those who lack the files cannot find out what is behind them.
    """

    salt: bytes | None = None
    words: tuple[str, ...] = ()
    region: str | None = None


class PersonalData:
    """Replaces personal data in requests, the names of who sent them included.

    Raises InsideLLMsError without the extra.
    """

    note = "personal data that was found is replaced; names only where a trace names its user"
    leaves_out = ""

    def __init__(self, options: PersonalDataOptions, logs: Sequence[LogFile]) -> None:
        try:
            self._pseudonyms = Pseudonyms(options.salt or b"", words=options.words, region=options.region)
        except InsideLLMsError as error:
            raise InsideLLMsError(error.message, fix=f"{error.fix}, or add --keep-personal-data") from error
        self._logs = logs
        self._is_salted = options.salt is not None

    def of(self, trial: ForeignTrial) -> ForeignTrial:
        """Return a request with pseudonyms in the place of personal data. The files must have been read."""
        self._add_salt()
        given = msgspec.to_builtins(trial)
        changed = self._replaced_in(trial.traffic)
        clean = {**given, **{name: changed(given[name]) for name in _WITH_TEXTS}}
        if trial.traffic is not None:
            clean["traffic"] = {**changed(given["traffic"]), **self._ids(trial.traffic)}
        return named(msgspec.convert(clean, ForeignTrial))

    def text(self, text: str) -> str:
        """Return a text that belongs to no single request with pseudonyms in the place of personal data."""
        self._add_salt()
        return self._pseudonyms.text(text)

    def identity(self) -> JsonValue:
        """Return what tells pseudonyms of one salt from those of another."""
        self._add_salt()
        return self._pseudonyms.pseudonym("salt", "")

    def _add_salt(self) -> None:
        if not self._is_salted:
            told = "\n".join(("insidellms/pseudonyms/1", *(log.sha256 for log in self._logs)))
            self._pseudonyms = self._pseudonyms.salted(hashlib.sha256(told.encode()).digest())
            self._is_salted = True

    def _replaced_in(self, traffic: Traffic | None) -> Callable[[JsonValue], JsonValue]:
        """Return what replaces personal data in a JSON value; the names of who sent the request are its own words."""
        names = [] if traffic is None else [name for name in traffic.persons if len(name) >= _SHORTEST_NAME]
        shape = re.compile("|".join((_PSEUDONYM, *map(_as_word, names))), re.IGNORECASE)

        def changed(value: JsonValue) -> JsonValue:
            if isinstance(value, str):
                text = self._pseudonyms.text(value)
                return shape.sub(self._person, text) if names else text
            if isinstance(value, dict):
                return {
                    self._pseudonyms.text(name): item if item in _KINDS.get(name, ()) else changed(item)
                    for name, item in value.items()
                }
            return (
                [changed(item) for item in value] if isinstance(value, list | tuple) else self._pseudonyms.value(value)
            )

        return changed

    def _person(self, found: re.Match[str]) -> str:
        is_one = found[0].startswith("[")
        return found[0] if is_one else self._pseudonyms.pseudonym("person", found[0].casefold())

    def _ids(self, traffic: Traffic) -> dict[str, JsonValue]:
        """Return what leads back to a request for those who have the traces, and the new name of its conversation."""
        said = traffic.conversation
        named_as = self._pseudonyms.pseudonym("conversation", said) if said else ""
        return {"trace": traffic.trace, "span": traffic.span, "conversation": named_as, "persons": []}


def _as_word(name: str) -> str:
    return rf"(?<![\w\[]){re.escape(name)}(?!\w)"
