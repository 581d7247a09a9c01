"""What the ledger in a file must do by itself where DynamoDB is trusted: steps that nobody comes between."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from bitbucket_port.catalog.items import Commit, Facts, Granted, Guard, ObjectItem
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.errors import TransientError
from bitbucket_port.objects import EntityKey, SourceKey
from bitbucket_port.sqlite import Database
from tests.catalog.ledgers import sqlite_ledger
from tests.catalog.rig import START

Answer = TypeVar("Answer")
THREADS = 6
ROUNDS = 30
KEY = SourceKey("repository", "{workspace}", "{one}")


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads change places so often that a step in two halves is found out."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    barrier = threading.Barrier(len(calls))

    def start(call: Callable[[], Answer]) -> Answer:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(start, calls))


@pytest.mark.usefixtures("hasty_threads")
def test_of_many_writers_at_once_one_gets_the_lease(tmp_path: Path) -> None:
    ledger = sqlite_ledger(tmp_path)
    tokens = [f"service#{number}" for number in range(THREADS)]
    for number in range(ROUNDS):
        item = ObjectItem(SourceKey("repository", "{workspace}", str(number)))
        take = partial(ledger.take_lease, item, now=START, until=START + 60, guard=Guard())
        answers = at_once([partial(take, token, intents=[token]) for token in tokens])
        winners = [token for token, answer in zip(tokens, answers, strict=True) if isinstance(answer, Granted)]
        assert len(winners) == 1
        assert set(ledger.read([item.key])[item.key].owns) == set(winners)


@pytest.mark.usefixtures("hasty_threads")
def test_no_source_is_lost_when_many_join_at_once_and_one_stays_when_all_leave(tmp_path: Path) -> None:
    ledger = sqlite_ledger(tmp_path)
    sources = [SourceKey("repository", "{workspace}", str(number)) for number in range(THREADS)]
    for number in range(ROUNDS):
        entity = EntityKey("service", str(number))
        at_once([partial(ledger.join, entity, source, now=START) for source in sources])
        joined = ledger.join(entity, sources[0], now=START)
        assert joined is not None
        assert joined.sources == {str(source) for source in sources}
        left = at_once([partial(ledger.leave, entity, source) for source in sources])
        stayed = [source for source, gone in zip(sources, left, strict=True) if not gone]
        assert len(stayed) == 1
        after = ledger.join(entity, stayed[0], now=START)
        assert after is not None
        assert after.sources == {str(stayed[0])}


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    database = Database(tmp_path / "ledger.sqlite")
    ledger = SQLiteLedger(database)
    with pytest.raises(RuntimeError), database.step():
        ledger.note("first", {"a": "1"})
        raise RuntimeError
    assert ledger.noted("first") == {}
    ledger.note("second", {"a": "2"})
    assert ledger.noted("second") == {"a": "2"}


def test_a_file_that_cannot_be_used_is_a_failure_that_may_pass(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="local database cannot be used"):
        Database(tmp_path / "no such folder" / "ledger.sqlite")


def test_a_listing_holds_only_a_part_of_a_long_list_in_memory(tmp_path: Path) -> None:
    ledger = sqlite_ledger(tmp_path)

    def peak_of(container: str, size: int) -> int:
        for number in range(size):
            key = SourceKey("pull-request", container, str(number))
            ledger.take_lease(ObjectItem(key), "writer", now=START, until=START + 60, guard=Guard())
            ledger.commit(key, "writer", Commit({f"pr#{number}": "hash"}, 1, START, START, START, Facts()), now=START)
        tracemalloc.start()
        try:
            assert sum(1 for _ in ledger.children(container)) == size
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_of("long", 4000) < 1.5 * peak_of("short", 400)
