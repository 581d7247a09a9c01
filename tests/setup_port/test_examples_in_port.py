"""A full run shows Port at most five masked objects of each kind, and goes on whatever Port says."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from bitbucket_port.objects import JsonObject
from bitbucket_port.port.client import PortClient
from bitbucket_port.resync.run import Turn
from bitbucket_port.resync.sqlite import SQLiteRunStore
from bitbucket_port.resync.store import Run, RunKind
from bitbucket_port.setup.examples import MOST, Examples
from bitbucket_port.setup.masking import REDACTED
from bitbucket_port.sqlite import Database
from local.standins.port import PortStandIn
from tests.setup_port.conftest import Connect

START = 1_800_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> SQLiteRunStore:
    return SQLiteRunStore(Database(tmp_path / "runs"))


@pytest.fixture(autouse=True)
def integration(port: PortStandIn) -> None:
    port.put_integration("orchard", app_type="bitbucket-cloud")


def turn(store: SQLiteRunStore, run: str = "run-1", kind: RunKind = "full") -> Turn:
    return Turn(Run(run, kind, 1, "listing", "hash", START, "test", START + 900), store, lambda _messages, _delay: None)


def objects(count: int, first: int = 0) -> list[JsonObject]:
    return [{"id": number, "author": "jane@example.org"} for number in range(first, first + count)]


def shown(port: PortStandIn, kind: str) -> list[int]:
    return [one["id"] for examples in port.examples if examples.kind == kind for one in examples.objects]


def test_of_a_long_page_the_first_five_are_shown_masked(
    port: PortStandIn, client: PortClient, store: SQLiteRunStore
) -> None:
    Examples(client, "orchard").show(turn(store), "repository", objects(100))

    (one,) = port.examples
    assert (one.identifier, one.kind) == ("orchard", "repository")
    assert one.objects == [{"id": number, "author": f"{REDACTED}@example.org"} for number in range(MOST)]


def test_short_pages_together_give_five_and_each_kind_has_its_own(
    port: PortStandIn, client: PortClient, store: SQLiteRunStore
) -> None:
    examples = Examples(client, "orchard")
    for first in range(0, 20, 2):
        examples.show(turn(store), "pull-request", objects(2, first))
    examples.show(turn(store), "user", [])
    examples.show(turn(store), "user", objects(1))

    assert shown(port, "pull-request") == [0, 1, 2, 3, 4]
    assert shown(port, "user") == [0]


def test_what_was_shown_costs_nothing_more(port: PortStandIn, client: PortClient, store: SQLiteRunStore) -> None:
    examples = Examples(client, "orchard")
    for _ in range(50):
        examples.show(turn(store), "repository", objects(10))

    assert len(port.calls()) == 1


def test_many_functions_together_show_five_of_a_run_and_the_next_run_five_again(
    port: PortStandIn, connect: Connect, store: SQLiteRunStore
) -> None:
    for run in ("run-1", "run-2"):
        ready = threading.Barrier(6)

        def work(number: int, run: str = run, ready: threading.Barrier = ready) -> None:
            examples = Examples(connect(), "orchard")
            ready.wait()
            for first in range(3):
                examples.show(turn(store, run), "repository", objects(2, 10 * number + 2 * first))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(shown(port, "repository")) == 2 * MOST


def test_a_run_of_lists_only_shows_nothing(port: PortStandIn, client: PortClient, store: SQLiteRunStore) -> None:
    Examples(client, "orchard").show(turn(store, kind="list"), "repository", objects(5))

    assert port.calls() == []


@pytest.mark.parametrize("trouble", ["undocumented", "no integration", "503", "403", "wrong secret"])
def test_a_failure_is_one_warning_and_nothing_more(
    port: PortStandIn, connect: Connect, store: SQLiteRunStore, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    port.documented_only = trouble == "undocumented"
    if trouble.isdigit():
        port.fail_next(99, int(trouble), match="POST /v1/integration")
    client = connect(secret="wrong") if trouble == "wrong secret" else connect()
    examples = Examples(client, "elsewhere" if trouble == "no integration" else "orchard")

    with caplog.at_level(logging.WARNING):
        for kind in ("repository", "repository", "user"):
            examples.show(turn(store), kind, objects(3))

    assert len([one for one in caplog.records if "examples of repository" in one.message]) == len(caplog.records) == 1
    assert "jane" not in caplog.text
    assert port.examples == []
    assert len(port.calls()) <= 1


def test_it_is_tried_again_with_the_next_run(port: PortStandIn, client: PortClient, store: SQLiteRunStore) -> None:
    examples = Examples(client, "orchard")
    port.fail_next(1, 503, match="POST /v1/integration")
    examples.show(turn(store), "repository", objects(3))
    examples.show(turn(store, "run-2"), "repository", objects(3))

    assert shown(port, "repository") == [0, 1, 2]


def test_our_own_credentials_are_masked_wherever_they_stand(
    port: PortStandIn, client: PortClient, store: SQLiteRunStore
) -> None:
    examples = Examples(client, "orchard", secrets=lambda: ["apple pie"])
    examples.show(turn(store), "repository", [{"description": "it is apple pie, really", "apple pie": 1}])

    assert port.examples[0].objects == [{"description": f"it is {REDACTED}, really", REDACTED: 1}]
