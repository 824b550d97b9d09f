"""The objects of a bucket: read whole, and written under a condition, so that two writers never overwrite each other.

Foreign errors end here. Their texts may repeat a signed URL, so that only the status and the store's own code of the
error are kept of them.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from insideLLMs.core.errors import RemoteError
from insideLLMs.remote.credentials import CREDENTIALS_FIX, store_for
from insideLLMs.remote.url import RemoteUrl

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion

Result = TypeVar("Result")
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>|\"code\": ?\"?(\w+)")
_MOST_TRIES = 50
_WAITS_S = (0.1, 0.4, 1.6, 6.4)
"""Before a write under a condition is made again; the client must not do that, as it would meet its own write."""
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")
_FIX_BUCKET = "check the bucket's name and your region, or make the bucket"
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_INVALID = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthenticationFailed"}
_REGION = {"AuthorizationHeaderMalformed", "PermanentRedirect"}
_METADATA_SERVICE = "169.254.169.254"
"""Where a machine of a cloud asks for its own credentials: the last place in which they are looked for."""


class _PassingError(RemoteError):
    """A fault after which nobody knows whether the store did what it was asked."""


class Expect(Enum):
    """What must be there for a write to happen."""

    ANYTHING = "anything"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Version:
    """Which version of an object was read or written."""

    e_tag: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was read; `changed` is when it was written, by the store's clock."""

    data: bytes
    version: Version
    changed: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing names it; `changed` is when it was written, by the store's clock."""

    name: str
    size_bytes: int
    changed: datetime


class Objects:
    """The objects below a URL, by their names there; the empty name is the URL itself. All raise RemoteError."""

    def __init__(self, url: RemoteUrl) -> None:
        self.url = url
        self._store = store_for(url)
        self._once = store_for(url, retries=False)

    def at(self, name: str) -> RemoteUrl:
        """Return where an object is."""
        return self.url / name if name else self.url

    def get(self, name: str) -> Stored | None:
        """Return an object, None where there is none."""
        import obstore  # noqa: PLC0415 - optional

        def ask() -> Stored:
            result = obstore.get(self._store, self.at(name).key)
            data = bytes(result.bytes())
            self._check_size(name, len(data), result.meta["size"])
            return Stored(data, _version(result.meta), result.meta["last_modified"])

        return self._asked(name, "read", ask)

    def download(self, name: str, write: Callable[[bytes], object], *, unless: Version | None = None) -> Version | None:
        """Hand an object to `write` in blocks; nothing where it is `unless` still. None where there is none."""
        import obstore  # noqa: PLC0415 - optional

        def ask() -> Version | None:
            known = {} if unless is None or unless.e_tag is None else {"if_none_match": unless.e_tag}
            try:
                result = obstore.get(self._store, self.at(name).key, options=known)  # type: ignore[arg-type] # a TypedDict
            except obstore.exceptions.NotModifiedError:
                return unless
            count = 0
            for block in result.stream():
                count += len(block)
                write(bytes(block))
            self._check_size(name, count, result.meta["size"])
            return _version(result.meta)

        return self._asked(name, "read", ask)

    def put(self, name: str, data: bytes | Path, *, expect: Version | Expect = Expect.ANYTHING) -> Version | None:
        """Write an object if what is there is what is expected, else return None."""
        import obstore  # noqa: PLC0415 - optional

        store = self._store if expect is Expect.ANYTHING else self._once

        def ask() -> Version:
            return _version(obstore.put(store, self.at(name).key, data, mode=_mode(expect)))

        conflicts = (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError)
        for wait_s in _WAITS_S if store is self._once else ():
            try:
                return self._asked(name, "written", ask, let_through=conflicts)
            except conflicts:
                return None
            except _PassingError:  # was it written before its answer was lost?
                there = self.get(name)
                if there is not None and there.data == data:
                    return there.version
                time.sleep(wait_s)
        written = self._asked(name, "written", ask)
        if written is None:
            raise RemoteError(f"{self.at(name)} cannot be written", fix=_FIX_BUCKET)
        return written

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        import obstore  # noqa: PLC0415 - optional

        self._asked(name, "removed", lambda: obstore.delete(self._store, self.at(name).key))

    def folders(self) -> list[str]:
        """Return the names that other objects lie below, sorted."""
        import obstore  # noqa: PLC0415 - optional

        prefix = f"{self.url.key}/" if self.url.key else None
        listed = self._asked("", "listed", lambda: obstore.list_with_delimiter(self._store, prefix))
        paths = listed["common_prefixes"] if listed is not None else []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def listed(self) -> list[Listed]:
        """Return all objects below the URL, with their names there, sorted."""
        import obstore  # noqa: PLC0415 - optional

        prefix = f"{self.url.key}/" if self.url.key else ""

        def ask() -> list[Listed]:
            return [
                Listed(meta["path"].removeprefix(prefix), meta["size"], meta["last_modified"])
                for chunk in obstore.list(self._store, prefix or None)
                for meta in chunk
            ]

        return sorted(self._asked("", "listed", ask) or [], key=lambda each: each.name)

    def change(self, name: str, edit: Callable[[bytes | None], bytes]) -> None:
        """Replace an object by what `edit` makes of it, again and again until nobody came between."""
        for _ in range(_MOST_TRIES):
            before = self.get(name)
            data = edit(None if before is None else before.data)
            if before is not None and data == before.data:
                return
            if self.put(name, data, expect=Expect.NOTHING if before is None else before.version) is not None:
                return
        raise RemoteError(
            f"{self.at(name)} was changed by others {_MOST_TRIES} times while it was written",
            fix="run the command again when fewer write there",
        )

    def _check_size(self, name: str, count: int, size: int) -> None:
        if count != size:
            raise RemoteError(
                f"{self.at(name)} was cut: {count:,} of its {size:,} bytes came", fix="run the command again"
            )

    def _asked(
        self,
        name: str,
        done: str,
        ask: Callable[[], Result],
        *,
        let_through: tuple[type[Exception], ...] = (),
    ) -> Result | None:
        """Return what the store answers, None for an object that is not there; what is `let_through` is no error."""
        from obstore import exceptions  # noqa: PLC0415 - optional

        url = self.at(name)
        try:
            return ask()
        except let_through:
            raise
        except FileNotFoundError as error:
            if any(told in str(error) for told in _NO_BUCKET):
                raise RemoteError(f"{url}: there is no bucket {url.bucket!r}", fix=_FIX_BUCKET) from None
            return None
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise _told(url, done, str(error), type(error).__name__) from None


def _mode(expect: Version | Expect) -> "PutMode":
    if isinstance(expect, Version):
        known: UpdateVersion = {}  # it takes no None
        if expect.e_tag is not None:
            known["e_tag"] = expect.e_tag
        if expect.version is not None:
            known["version"] = expect.version
        return known
    return "create" if expect is Expect.NOTHING else "overwrite"


def _version(meta: Any) -> Version:  # a read and a write give two types of the same keys
    return Version(meta["e_tag"], meta["version"])


def _told(url: RemoteUrl, done: str, text: str, kind: str) -> RemoteError:
    """Say in our own words why an object cannot be read or written."""
    problem, fix = _reason(url, text, kind)
    kind_of_error = _PassingError if _may_pass(text) else RemoteError
    return kind_of_error(f"{url} cannot be {done}: {problem}", fix=fix)


def _may_pass(text: str) -> bool:
    """Whether the same request may succeed soon: a fault of the server, or none of its answers came."""
    status = _first(_STATUS, text)
    return status is None or status in {"429", "409"} or status.startswith("5")


def _reason(url: RemoteUrl, text: str, kind: str) -> tuple[str, str]:
    status, code = _first(_STATUS, text), _first(_CODE, text)
    return _of_credentials(url, status, code, kind) or _of_answer(url, status, code, text)


def _of_credentials(url: RemoteUrl, status: str | None, code: str | None, kind: str) -> tuple[str, str] | None:
    log_in = CREDENTIALS_FIX[url.scheme]
    if code in _EXPIRED:
        return "your credentials have expired", f"log in again, or {log_in}"
    if code in _INVALID or status == "401" or kind == "UnauthenticatedError":
        return f"the store does not accept your credentials ({code or status})", log_in
    if status == "403" or kind == "PermissionDeniedError":
        return f"your credentials may not do that ({code or 403})", "ask who owns the bucket for that right"
    return None


def _of_answer(url: RemoteUrl, status: str | None, code: str | None, text: str) -> tuple[str, str]:
    said = text.partition("Debug source")[0].lower()
    if status in {"301", "307"} or "redirect" in said or code in _REGION:
        return "its bucket is in another region", "set AWS_REGION to the bucket's region"
    if code in _NO_BUCKET:
        return f"there is no bucket {url.bucket!r}", _FIX_BUCKET
    if status is not None:
        told = f"the store answers {status}{f' ({code})' if code else ''}"
        return told, "run the command again later, or ask who runs the store"
    if "redential" in text or "metadata" in said or _METADATA_SERVICE in text:
        return "there are no credentials", CREDENTIALS_FIX[url.scheme]
    if "timed out" in said or "TimedOut" in text or "kind: Timeout" in text:
        return "no answer came in time", "check the network and the store, and run the command again"
    variable = ", and AWS_ENDPOINT_URL where it is set" if url.scheme == "s3" else ""
    return "the store cannot be reached", f"check the network{variable}"


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return None if found is None else next(filter(None, found.groups()), None)
