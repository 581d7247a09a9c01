"""A stand-in that was shown a webhook answers for its objects with what the webhook told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from local.standins.cloud import learning as cloud_learning
from local.standins.cloud.pull_requests import CloudWorld
from local.standins.server import learning as server_learning
from local.standins.server.pull_requests import ServerWorld
from scripts.sign_events import EVENTS

Json = dict[str, Any]
WHEN = datetime(2026, 11, 20, 9, tzinfo=UTC)
MADE_ANEW = {"links", "rendered", "summary", "comment_count", "task_count", "hierarchyId", "sync_strategies", "owner"}
GONE = {"repo-deleted", "repo-transfer", "pr-deleted"}


def told_of(product: str) -> Iterator[tuple[str, str, Json]]:
    """Name, event key and payload of every example event."""
    for path in sorted((EVENTS / product).glob("*.json")):
        event = json.loads(path.read_text(encoding="utf-8"))
        yield path.stem, event["headers"]["x-event-key"], json.loads(event["body"])


CLOUD, SERVER = list(told_of("cloud")), list(told_of("server"))


def differences(told: Any, answered: Any, where: str = "") -> list[str]:
    """Where an answer lacks or contradicts what was told; it may say more."""
    if isinstance(told, Mapping) and isinstance(answered, Mapping):
        pairs = [(name, value) for name, value in told.items() if name not in MADE_ANEW]
        return [line for name, value in pairs for line in differences(value, answered.get(name), f"{where}.{name}")]
    if isinstance(told, list) and isinstance(answered, list) and len(told) == len(answered):
        both = enumerate(zip(told, answered, strict=True))
        return [line for number, pair in both for line in differences(*pair, f"{where}[{number}]")]
    same = told == answered or (where.endswith(".hash") and str(answered).startswith(told))
    return [] if same else [f"{where}: {told!r} became {answered!r}"]


@pytest.mark.parametrize(("name", "key", "payload"), CLOUD, ids=[name for name, _, _ in CLOUD])
def test_cloud_answers_with_what_a_webhook_told(name: str, key: str, payload: Json) -> None:
    world = CloudWorld("not-known-yet")
    cloud_learning.learn(world, key, payload, WHEN)

    if name in GONE:
        assert world.repositories == []
        assert world.workspace.slug == "acme"
        return
    if "project" in payload:
        (project,) = world.projects
        assert differences(payload["project"], world.write.project(project, world.workspace)) == []
        return
    repository = world.repository(payload["repository"]["uuid"])
    assert differences(payload["repository"], world.write.repository(repository)) == []
    if "fork" in payload:
        fork = world.repository(payload["fork"]["uuid"])
        assert differences(payload["fork"], world.write.repository(fork)) == []
    if "pullrequest" in payload:
        pull = repository.pull_requests[payload["pullrequest"]["id"]]
        assert differences(payload["pullrequest"], world.write.pull_request(pull)) == []
    if "push" in payload:
        heads = {change["new"]["name"]: change["new"]["target"]["hash"] for change in payload["push"]["changes"]}
        assert repository.git.branches == heads
        assert repository.main_branch in heads


@pytest.mark.parametrize(("name", "key", "payload"), SERVER, ids=[name for name, _, _ in SERVER])
def test_data_center_answers_with_what_a_webhook_told(name: str, key: str, payload: Json) -> None:
    world = ServerWorld()
    server_learning.learn(world, key, payload, WHEN)

    if key == "diagnostics:ping":
        assert world.projects == []
    elif key == "project:modified":
        assert differences(payload["new"], world.write.project(world.projects[0])) == []
    elif "pullRequest" in payload:
        told = payload["pullRequest"]
        place = told["toRef"]["repository"]
        repository = world.repository(f"{place['project']['key']}/{place['slug']}")
        assert differences(place, world.write.repository(repository)) == []
        if name in GONE:
            assert repository.pull_requests == {}
        else:
            assert differences(told, world.write.pull_request(repository.pull_requests[told["id"]])) == []
    else:
        told = payload.get("new") or payload["repository"]
        repository = world.repository(f"{told['project']['key']}/{told['slug']}")
        assert differences(told, world.write.repository(repository)) == []
        for change in payload.get("changes", []):
            assert repository.git.branches[change["ref"]["displayId"]] == change["toHash"]


@pytest.mark.parametrize(
    ("told", "learn", "world"),
    [(CLOUD, cloud_learning.learn, CloudWorld("acme")), (SERVER, server_learning.learn, ServerWorld())],
    ids=["cloud", "server"],
)
def test_whatever_is_told_again_is_not_known_twice(told: list[Any], learn: Callable[..., None], world: Any) -> None:
    for _ in range(2):
        for name, key, payload in told:
            if name not in GONE:
                learn(world, key, payload, WHEN)

    for things in (world.projects, world.repositories, world.users):
        names = [getattr(thing, "uuid", None) or thing.id for thing in things]
        assert len(names) == len(set(names))


def test_a_fork_that_is_gone_leaves_its_pull_request_readable() -> None:
    payload = next(payload for name, _, payload in CLOUD if name == "pullrequest-created")
    payload = {**payload, "pullrequest": {**payload["pullrequest"]}}
    payload["pullrequest"]["source"] = {**payload["pullrequest"]["source"], "repository": None}
    world = CloudWorld("acme")

    cloud_learning.learn(world, "pullrequest:created", payload, WHEN)

    (repository,) = world.repositories
    (pull,) = repository.pull_requests.values()
    assert world.write.pull_request(pull)["source"]["repository"] is None
