"""What the stand-ins hold before the story: something of everything that is listed, and nothing in the story's way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from local import story
from local.machine import Product
from local.standins.cloud.pull_requests import CloudWorld
from local.standins.server.pull_requests import ServerWorld
from local.workspace import furnish

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCENES = {"cloud": story._CLOUD, "server": story._SERVER}


@pytest.fixture(params=["cloud", "server"])
def product(request: pytest.FixtureRequest) -> Product:
    return cast("Product", request.param)


@pytest.fixture
def world(product: Product) -> Any:
    made = CloudWorld("acme", seed=1) if product == "cloud" else ServerWorld(seed=1)
    made.now = lambda: NOON
    furnish(made)
    return made


def pull_requests(world: Any) -> list[Any]:
    return [pull for repository in world.repositories for pull in repository.pull_requests.values()]


def test_there_is_something_of_everything(world: Any) -> None:
    assert len(world.projects) >= 2
    assert len(world.repositories) >= 3
    assert len(world.users) >= 3
    assert {pull.state for pull in pull_requests(world)} == {"OPEN", "MERGED"}


def test_it_happened_in_the_last_weeks_and_now_is_now(world: Any) -> None:
    for pull in pull_requests(world):
        created = pull.created_on if hasattr(pull, "created_on") else pull.created
        assert NOON - timedelta(days=21) < created < NOON
    assert world.now() == NOON


def test_the_whole_story_can_be_told_after_it(world: Any, product: Product) -> None:
    before = {id(one) for one in (*world.projects, *world.users)}

    for text, act in SCENES[product]:
        assert list(act(world)), text

    assert {id(one) for one in (*world.projects, *world.users)} == before  # The story takes those that are there.
