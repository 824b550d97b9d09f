"""JSON of strangers, decoded strictly: a key given twice is an error, and secrets are remembered to be blanked out."""

import functools
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

import msgspec

from insideLLMs.config.secrets import holds_secret, is_secret_key
from insideLLMs.core.errors import DatasetError
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
        self._keys: list[str] = []
        self._split = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=self._key).decode

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
        self._keys.clear()
        found = self._split(data)
        if len(found) != len(self._keys):
            _refuse_twice(self._keys)
        return {str(key): value for key, value in found.items()}

    def _key(self, _: type, key: str) -> "_Key":
        self._keys.append(key)
        return _Key(key)

    def _object(self, pairs: Sequence[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        found = dict(pairs)
        if len(found) != len(pairs):
            _refuse_twice([key for key, _ in pairs])
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


class _Key(str):
    """A key of an object that is split; a type of its own, so that every one is seen."""

    __slots__ = ()


_is_secret = functools.lru_cache(maxsize=4096)(is_secret_key)


def _refuse_twice(keys: Sequence[str]) -> NoReturn:
    twice = next(key for key, count in Counter(keys).items() if count > 1)
    raise DatasetError(f"has the key {twice[:80]!r} twice in one object", fix=_FIX)


def byte_of(error: Exception, size: int) -> int:
    """Return the position that a msgspec error names; the end, where the text was cut."""
    found = _BYTE.search(str(error))
    return int(found[1]) if found else size
