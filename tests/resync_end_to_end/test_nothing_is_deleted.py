"""What looks like an empty Bitbucket, and is none, deletes nothing; nor does what this stack does not know of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.standins.http import Answer, Exchange
from tests.resync_end_to_end.conftest import Found
from tests.resync_end_to_end.rig import Place, Run
from tests.resync_end_to_end.worlds import SMALL

EMPTY = {"values": [], "pagelen": 100, "size": 0, "page": 1, "isLastPage": True, "limit": 1000, "start": 0}
LISTS = ("/projects", "/repos", "/repositories/acme", "/members", "/users", "/pullrequests", "/pull-requests")
FILE = """
  - kind: {kind}
    selector:
      query: "true"
    port:
      entity:
        mappings:
          identifier: .path
          blueprint: '"{blueprint}"'
"""


@pytest.fixture(scope="module", params=["cloud", "server"])
def resynced(request: pytest.FixtureRequest, found: Found, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A resynced place, without a threshold that could hide what a run wants to delete."""
    place: Place = found(request.param, size=SMALL)
    place.use_mapping(without_threshold(place), tmp_path_factory.mktemp("layers"))
    place.assert_right(place.resync())
    return place


@pytest.fixture
def place(resynced: Place) -> Iterator[Place]:
    """The same for all tests of a product; each must leave it right."""
    resynced.machine.stack.clock.advance(300.0)
    yield resynced
    resynced.machine.stack.clock.advance(300.0)
    run = resynced.resync()
    resynced.assert_right(run)
    assert not run.report["protected"]


def without_threshold(place: Place) -> str:
    text = place.mapping.replace("entityDeletionThreshold: 0.25", "entityDeletionThreshold: 1.0")
    assert text != place.mapping
    return text


@contextmanager
def answering(place: Place, answer: Callable[[Exchange], Answer | None]) -> Iterator[None]:
    """Have Bitbucket answer otherwise, where ``answer`` gives something."""
    place.machine.bitbucket.tap = lambda exchange: answer(exchange) or exchange.carry_out()
    try:
        yield
    finally:
        place.machine.bitbucket.tap = None


def assert_nothing_went(place: Place, before: Any, run: Run) -> None:
    assert place.port.catalog() == before
    assert not any(counts.get("deleted") for counts in run.report["kinds"].values())


def test_an_expired_credential_deletes_nothing(place: Place) -> None:
    before, stack = place.port.catalog(), place.machine.stack
    place.machine.bitbucket.token = "renewed"
    run = place.resync()
    stack.secrets.put_secret_value(SecretId=stack.secret_arn("StoredBitbucketToken"), SecretString="renewed")
    assert_nothing_went(place, before, run)
    assert run.status == "failed"


def test_an_empty_answer_to_every_list_deletes_nothing(place: Place) -> None:
    before = place.port.catalog()

    def empty(exchange: Exchange) -> Answer | None:
        return Answer(200, EMPTY) if exchange.request.path.endswith(LISTS) else None

    with answering(place, empty):
        run = place.resync()
    assert_nothing_went(place, before, run)


def test_a_404_on_everything_deletes_nothing(place: Place) -> None:
    """As Cloud answers for a workspace that a credential may not see any more, and a proxy for a wrong address."""
    before = place.port.catalog()
    with answering(place, lambda exchange: exchange.refuse(404, "not here")):
        run = place.resync()
    assert_nothing_went(place, before, run)
    assert run.status == "failed"


def test_lists_that_are_empty_while_everything_else_is_not_found_delete_nothing(place: Place) -> None:
    """An account that lost its access: its lists are empty, and whatever is asked for by name is not there."""
    before = place.port.catalog()

    def lost(exchange: Exchange) -> Answer:
        if exchange.request.path.endswith(LISTS):
            return Answer(200, EMPTY)
        return exchange.refuse(404, "not here")

    with answering(place, lost):
        run = place.resync()
    assert_nothing_went(place, before, run)


def test_kinds_that_are_not_built_yet_lose_nothing(place: Place, tmp_path: Path) -> None:
    product = "Cloud" if place.machine.product == "cloud" else "Server"
    repository, other = f"bitbucket{product}Repository", "bitbucketFile"
    whole = place.mapping
    ours = next(iter(place.port.entities(repository).values()))["$datasource"]
    place.port.put_blueprint({"identifier": other})
    left = [(other, "README.md"), (repository, "acme/made-of-a-file")]
    for key in left:
        place.port.put_entity(*key, datasource=ours)
    kinds = [("file", other), ("folder", other), ("file", repository)]
    place.use_mapping(whole + "".join(FILE.format(kind=k, blueprint=b) for k, b in kinds), tmp_path)
    for _ in range(3):
        before = place.port.catalog()
        assert_nothing_went(place, before, place.resync())
        place.machine.stack.clock.advance(300.0)
    for key in left:
        place.port.remove_entity(*key)
    place.use_mapping(whole, tmp_path)


def test_two_stacks_with_one_identifier_leave_each_other_alone(found: Found, tmp_path: Path) -> None:
    one = found("cloud", workspace="acme", seed=4, IntegrationIdentifier="shared")
    other = found("cloud", workspace="globex", seed=5, port=one.port, IntegrationIdentifier="shared")
    for place in (one, other):
        (tmp_path / place.machine.stack.name).mkdir()
        place.use_mapping(without_threshold(place), tmp_path / place.machine.stack.name)
    for _ in range(3):
        for place in (one, other):
            place.resync()
            place.machine.stack.clock.advance(300.0)
    assert set(one.port.catalog()) == set(one.right()) | set(other.right())
