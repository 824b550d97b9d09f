"""JSON of strangers, decoded strictly: a key given twice is an error, and secrets are remembered to be blanked out."""

import functools
import json
import re
from collections.abc import Sequence

import msgspec

from insideLLMs.config.secrets import holds_secret, is_secret_key
from insideLLMs.core.errors import DatasetError
from insideLLMs.core.repeated_keys import first_repeated, split_object
from insideLLMs.core.types import JsonValue

_BYTE = re.compile(r"\(byte (\d+)\)")
_SCHEME = re.compile(r"^(?:bearer|basic|token)\s+", re.IGNORECASE)
_FIX = "export the log again with its own tool"
_SHORT_SECRET, _LONG_SECRET = 8, 16
_MOST_SECRETS = 1_000


class StrictDecoder:
    """Decodes JSON. `secrets` gathers what stands under names that say secret, wherever that is."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self._decode = json.JSONDecoder(object_pairs_hook=self._object).decode

    def decode(self, data: bytes) -> JsonValue:
        """Decode a whole text. Raises DatasetError that says what is wrong, without the place."""
        try:
            return self._decode(data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise DatasetError("is not valid UTF-8", fix="save the log as UTF-8") from error
        except json.JSONDecodeError as error:
            raise DatasetError(f"is not valid JSON: {error.msg} (column {error.colno})", fix=_FIX) from error
        except RecursionError as error:
            raise DatasetError("is nested too deeply", fix=_FIX) from error
        except ValueError as error:  # a number of thousands of digits
            raise DatasetError("holds a number that is too long", fix=_FIX) from error

    def members(self, data: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
        """Split an object into its members, undecoded. Raises DatasetError or msgspec.DecodeError."""
        members, twice = split_object(data)
        if twice is not None:
            raise _repeated(twice)
        return members

    def _object(self, pairs: Sequence[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise _repeated(first_repeated([key for key, _ in pairs]) or "")
        for key, value in pairs:
            if type(value) is str and _is_secret(key) and holds_secret(key, value):
                self._keep(_SCHEME.sub("", value.strip()))
        return found

    def _keep(self, secret: str) -> None:
        """Remember a secret that is long enough not to be a word; a token of a log probability stands under `token`."""
        mixed = any(map(str.isdigit, secret)) and any(map(str.isalpha, secret))
        if len(secret) >= (_SHORT_SECRET if mixed else _LONG_SECRET) and " " not in secret:
            if len(self.secrets) >= _MOST_SECRETS and secret not in self.secrets:
                raise DatasetError(
                    f"holds more than {_MOST_SECRETS:,} secrets, which cannot all be blanked out",
                    fix="remove the keys from the log, and import it again",
                )
            self.secrets.add(secret)


_is_secret = functools.lru_cache(maxsize=4096)(is_secret_key)


def _repeated(key: str) -> DatasetError:
    return DatasetError(f"has the key {key[:80]!r} twice in one object", fix=_FIX)


def byte_of(error: Exception, size: int) -> int:
    """Return the position that a msgspec error names; the end, where the text was cut."""
    found = _BYTE.search(str(error))
    return int(found[1]) if found else size
