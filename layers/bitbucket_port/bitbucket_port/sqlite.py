"""A database file that belongs to this process alone, for the command that runs without AWS.

Nothing in it outlives the process: whoever opens one puts it into a temporary directory. So the operating system may
keep what was written as long as it likes (``synchronous`` off), the undo journal stays in memory, and the file is
locked once for good instead of for each step (SQLite documentation, "PRAGMA Statements").
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from bitbucket_port.errors import TransientError

Row = tuple[Any, ...]

_NAMES_AT_ONCE = 500
"""SQLite takes 999 parameters at least."""

_PRAGMAS = ("journal_mode = MEMORY", "synchronous = OFF", "locking_mode = EXCLUSIVE", "temp_store = FILE")


class Database:
    """One SQLite file for the threads of one process; each step is atomic and seen whole by all others.

    Memory is SQLite's page cache (2 MB) whatever the file holds: results are read in pages, never all at once.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file; raises TransientError where that is impossible."""
        self._lock = threading.RLock()
        self._depth = 0
        with _classified():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")

    def create(self, schema: str) -> None:
        """Make the tables of ``schema`` (statements with ``IF NOT EXISTS``)."""
        with self._lock, _classified():
            self._connection.executescript(schema)

    def close(self) -> None:
        """Let the file go; later calls raise sqlite3.ProgrammingError."""
        with self._lock:
            self._connection.close()

    def step(self) -> AbstractContextManager[None]:
        """Everything inside is one transaction that no other thread comes between; an error undoes it all."""
        return _Step(self)

    def still(self) -> AbstractContextManager[object]:
        """No other thread comes between what is inside: enough for readings, and one change that they decide about."""
        return self._lock

    def one(self, statement: str, *parameters: Any) -> Row | None:
        """The first row of a query."""
        with self._lock:
            row: Row | None = self._execute(statement, parameters).fetchone()
            return row

    def page(self, statement: str, *parameters: Any) -> list[Row]:
        """All rows of a query that limits itself."""
        with self._lock, _classified():
            return self._connection.execute(statement, parameters).fetchall()

    def among(self, statement: str, parameters: Row, names: Sequence[str]) -> list[Row]:
        """All rows of a query that ends with ``IN``, for names of any number."""
        found: list[Row] = []
        for start in range(0, len(names), _NAMES_AT_ONCE):
            some = names[start : start + _NAMES_AT_ONCE]
            found += self.page(f"{statement} ({','.join('?' * len(some))})", *parameters, *some)
        return found

    def change(self, statement: str, *parameters: Any) -> bool:
        """Carry one statement out; whether it changed any row."""
        with self._lock:
            return self._execute(statement, parameters).rowcount > 0

    def change_many(self, statement: str, rows: Iterable[Row]) -> None:
        """Carry one statement out for each row, in one step."""
        with self.step(), _classified():
            self._connection.executemany(statement, rows)

    def _execute(self, statement: str, parameters: Row = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, parameters)
        except sqlite3.OperationalError as error:
            raise _unusable(error) from error

    def _enter(self) -> None:
        self._lock.acquire()
        try:
            if self._depth == 0:
                self._execute("BEGIN")
            self._depth += 1
        except BaseException:
            self._lock.release()
            raise

    def _leave(self, *, undo: bool) -> None:
        self._depth -= 1
        try:
            if self._depth == 0:
                self._end(undo=undo)
        finally:
            self._lock.release()

    def _end(self, *, undo: bool) -> None:
        try:
            if not undo:
                self._execute("COMMIT")
        finally:
            if self._connection.in_transaction:  # A full disk may have undone it already.
                self._execute("ROLLBACK")


class _Step:
    """A class, for every object of a run takes several steps, and a generator costs as much as what is inside."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database._enter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._database._leave(undo=kind is not None)


@contextmanager
def _classified() -> Iterator[None]:
    """A full disk or a folder that vanished may be mended from outside; a wrong statement is a fault of ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _unusable(error) from error


def _unusable(error: sqlite3.OperationalError) -> TransientError:
    return TransientError(f"The file of the local database cannot be used: {error}")
