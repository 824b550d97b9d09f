"""The objects of a bucket: read whole, and written under a condition, so that two writers never overwrite each other.

Foreign errors end here: `refusals` puts them into our own words.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from insideLLMs.core.errors import RemoteError
from insideLLMs.remote.credentials import store_for
from insideLLMs.remote.refusals import FIX_BUCKET, PassingError, is_race, names_no_bucket, no_bucket, refusal
from insideLLMs.remote.url import RemoteUrl

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion
    from obstore.store import ObjectStore

Result = TypeVar("Result")
_MOST_TRIES = 50
_WAITS_S = (0.1, 0.4, 1.6, 6.4)
"""Before a write under a condition is made again; the client must not do that, as it would meet its own write."""
_MOST_AGAIN_BYTES = 1 << 20
_keeping: set[str] = set()
"""The buckets that were seen to keep the conditions of a write."""


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
        from obstore import exceptions  # noqa: PLC0415 - optional

        if expect is Expect.ANYTHING:
            return self._write(self._store, name, data, expect)
        conflicts = (exceptions.AlreadyExistsError, exceptions.PreconditionError)
        for wait_s in (*_WAITS_S, None):
            try:
                written = self._write(self._once, name, data, expect, let_through=conflicts)
                self._check_conditions(name, data, conflicts)
                return written
            except conflicts as error:
                if not is_race(str(error)):
                    return None
                failed = refusal(self.at(name), "written", str(error), type(error).__name__)
            except PassingError as error:
                failed = error
            there = self._after(failed, name)
            if there is not None and there.data == data:
                return there.version
            if wait_s is None:
                raise failed
            time.sleep(wait_s)
        return None

    def _write(
        self,
        store: "ObjectStore",
        name: str,
        data: bytes | Path,
        expect: Version | Expect,
        *,
        let_through: tuple[type[Exception], ...] = (),
    ) -> Version:
        import obstore  # noqa: PLC0415 - optional

        def ask() -> Version:
            return _version(obstore.put(store, self.at(name).key, data, mode=_mode(expect)))

        written = self._asked(name, "written", ask, let_through=let_through)
        if written is None:
            raise RemoteError(f"{self.at(name)} cannot be written", fix=FIX_BUCKET)
        return written

    def _check_conditions(self, name: str, data: bytes | Path, conflicts: tuple[type[Exception], ...]) -> None:
        """Write the same again as if nothing was there. Raises RemoteError where the store does that: none is safe.

        Each process asks a bucket once.
        """
        bucket = f"{self.url.scheme}://{self.url.bucket}"
        if bucket in _keeping or not isinstance(data, bytes) or len(data) > _MOST_AGAIN_BYTES:
            return
        try:
            self._write(self._once, name, data, Expect.NOTHING, let_through=conflicts)
        except conflicts:
            _keeping.add(bucket)
            return
        except RemoteError:  # which says nothing of conditions; the next write finds out
            return
        raise RemoteError(
            f"the store of {bucket} ignores the conditions of a write, so two writers would overwrite each other",
            fix="use a store that knows conditional writes (If-None-Match), or write to a path and copy the folder",
        )

    def _after(self, failed: RemoteError, name: str) -> Stored | None:
        """Return what is there: a write may have been done before its answer was lost."""
        try:
            return self.get(name)
        except RemoteError:
            raise failed from None

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
            if names_no_bucket(str(error)):
                raise no_bucket(url) from None
            return None
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise refusal(url, done, str(error), type(error).__name__) from None


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
