"""The response cache: one SQLite file that all runs and processes share.

An answer is found under the digest of the whole request: model with its parameters, messages, options, repeat. What
may not be written of a model (header values from the environment) enters by a digest that is keyed by a secret of the
cache's own.
The model's digest is stored beside it and compared once more, so that one model's answer can never pass for
another's. Writing happens on a thread, many answers in a transaction. A cache that fails never breaks a run.
"""

import contextlib
import fcntl
import hmac
import logging
import queue
import secrets
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from insideLLMs.core.errors import StorageError
from insideLLMs.core.types import Exchange, Response
from insideLLMs.remote.copies import cache_folder

logger = logging.getLogger(__name__)
FORMAT = 1
"""Raised whenever what is stored, or what it is stored under, changes its meaning."""
_BATCH = 256
_BUSY_S = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, model_digest TEXT NOT NULL, model TEXT NOT NULL, created REAL NOT NULL,
    response BLOB NOT NULL
) WITHOUT ROWID
"""
_SECRETS = "CREATE TABLE IF NOT EXISTS secret (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL)"
_FIND = "SELECT model_digest, response FROM answers WHERE key = ?"
_KEEP = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)"
_decode = msgspec.json.Decoder(Response).decode


def cache_path(environ: Mapping[str, str]) -> Path:
    """Return where the cache lies: in the folder of caches. Raises RemoteError where that is a URL."""
    return cache_folder(environ) / "answers.sqlite"


class AnswerCache:
    """Finds answers and keeps new ones. With `refresh`, finds none and replaces what is there."""

    closed = False
    batch = False
    takes_user_code = False

    def __init__(
        self, path: Path, *, refresh: bool = False, private: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.path = path
        self._private = {digest: values for digest, values in (private or {}).items() if values}
        self.finds_again = not refresh
        self._failed = False
        self._connection = _open(path)
        self._secret = b""
        if self._private:
            with contextlib.ExitStack() as on_error:
                on_error.callback(self._connection.close)
                self._secret = _read_secret(path, self._connection)
                on_error.pop_all()
        self._queue: queue.SimpleQueue[Exchange | None] = queue.SimpleQueue()
        self._unwritten: dict[str, Exchange] = {}
        self._writer = threading.Thread(target=self._write_all, name="insidellms-cache", daemon=True)
        self._writer.start()

    def find(self, key: str, model_digest: str) -> Response | None:
        """Return the answer to a request, if this very model gave one."""
        unwritten = self._unwritten.get(key)
        if self.finds_again and unwritten is not None and unwritten.model_digest == model_digest:
            return unwritten.response
        if self._failed or not self.finds_again:
            return None
        try:
            row = self._connection.execute(_FIND, (self._own_key(key, model_digest),)).fetchone()
            return None if row is None or row[0] != model_digest else _unpack(row[1], self.path)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            self._give_up(error)
            return None

    def keep(self, exchange: Exchange) -> None:
        """Store an answer soon; it is found at once."""
        self._unwritten[exchange.key] = exchange
        self._queue.put(exchange)

    def _own_key(self, key: str, model_digest: str) -> str:
        """Return what an answer is stored under: for a model with private settings, a digest keyed by our secret."""
        values = self._private.get(model_digest)
        if values is None:
            return key
        return hmac.new(self._secret, "\0".join((key, *values)).encode("utf-8", "replace"), "sha256").hexdigest()

    def close(self) -> None:
        """Store what is left, and close."""
        self._queue.put(None)
        self._writer.join()
        self._connection.close()

    def _write_all(self) -> None:
        """Write batches until told to end; runs on a thread of its own, with a connection of its own."""
        try:
            with contextlib.closing(_connect(self.path)) as connection:
                while batch := self._next_batch():
                    if not self._failed:
                        self._write(connection, batch)
        except sqlite3.Error as error:
            self._give_up(error)

    def _next_batch(self) -> list[Exchange]:
        """Wait for an answer and take what has come in since; nothing means the end."""
        first = self._queue.get()
        batch = [] if first is None else [first]
        while batch and len(batch) < _BATCH and not self._queue.empty():
            following = self._queue.get()
            if following is None:
                self._queue.put(None)  # the end comes after this batch
                break
            batch.append(following)
        return batch

    def _write(self, connection: sqlite3.Connection, batch: list[Exchange]) -> None:
        now = time.time()
        rows = [
            (
                self._own_key(each.key, each.model_digest),
                each.model_digest,
                each.model,
                now,
                _pack(each.response),
            )
            for each in batch
        ]
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_KEEP, rows)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)
        for each in batch:
            self._unwritten.pop(each.key, None)

    def _give_up(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            logger.warning("the cache %s is no longer used: %s", self.path, error)


def _pack(response: Response) -> bytes:
    """Spell an answer behind its CRC-32."""
    data = msgspec.json.encode(response)
    return b"%08x" % zlib.crc32(data) + data


def _unpack(stored: bytes, path: Path) -> Response | None:
    """Read an answer; None for one that was altered, which is then asked again. Earlier ones have no checksum."""
    data = stored if stored.startswith(b"{") else stored[8:]
    if data is not stored and stored[:8] != b"%08x" % zlib.crc32(data):
        logger.warning("an answer in the cache %s is damaged: it is asked again", path)
        return None
    return _decode(data)


def _read_secret(path: Path, connection: sqlite3.Connection) -> bytes:
    """Return the cache's own secret, made when it is first needed. Raises StorageError."""
    try:
        connection.execute(_SECRETS)
        connection.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", (secrets.token_bytes(32),))
        value: bytes = connection.execute("SELECT value FROM secret").fetchone()[0]
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    return value


class CacheStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a cache holds: answers by model label, its size, and the ages of its oldest and newest answer."""

    path: str
    answers: int
    size_bytes: int
    models: dict[str, int]
    oldest_s: float | None
    newest_s: float | None


def read_stats(path: Path) -> CacheStats:
    """Look at a cache; one that is not there is empty."""
    if not path.exists():
        return CacheStats(path=str(path), answers=0, size_bytes=0, models={}, oldest_s=None, newest_s=None)
    with _using(path) as connection:
        models = dict(connection.execute("SELECT model, COUNT(*) FROM answers GROUP BY model ORDER BY model"))
        oldest, newest = connection.execute("SELECT MIN(created), MAX(created) FROM answers").fetchone()
    now = time.time()
    return CacheStats(
        path=str(path),
        answers=sum(models.values()),
        size_bytes=sum(file.stat().st_size for file in _files(path) if file.exists()),
        models=models,
        oldest_s=None if oldest is None else now - oldest,
        newest_s=None if newest is None else now - newest,
    )


def prune(path: Path, *, older_than_s: float | None = None, model: str | None = None) -> int:
    """Remove answers that are older, and of `model` where one is named; return how many. Gives the space back."""
    if not path.exists():
        return 0
    conditions = {"created < ?": None if older_than_s is None else time.time() - older_than_s, "model = ?": model}
    wanted = {text: value for text, value in conditions.items() if value is not None}
    where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    with _using(path) as connection:
        removed = connection.execute(f"DELETE FROM answers{where}", tuple(wanted.values())).rowcount  # noqa: S608 - of our texts
        connection.execute("VACUUM")
    return removed


def _files(path: Path) -> tuple[Path, ...]:
    return path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


@contextlib.contextmanager
def _using(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(_open(path)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _open(path: Path) -> sqlite3.Connection:
    """Open or create the file. Raises StorageError.

    Processes that create it at once would meet `database is locked` in spite of the busy time-out, which does
    not cover the switch to WAL; so that is done behind a lock of our own.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f"{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with contextlib.ExitStack() as on_error:
                connection = _connect(path)
                on_error.callback(connection.close)
                _prepare(connection, path)
                path.chmod(0o600)  # answers may be confidential
                on_error.pop_all()
            return connection
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found not in {0, FORMAT}:
        raise StorageError(
            f"{path} is a cache of format {found}, and this version reads {FORMAT}",
            fix="remove the file, or set INSIDELLMS_CACHE to another folder",
        )
    if found == 0:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {FORMAT}")


def _unusable(path: Path, error: Exception) -> StorageError:
    told = error.strerror if isinstance(error, OSError) and error.strerror else error
    return StorageError(
        f"the cache {path} cannot be used: {told}", fix="run with --cache off, remove the file, or fix the disk"
    )
