"""An upgrade in the middle of a run, a rollback, and the upgrade again: nothing is lost and nothing is done halfway."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bitbucket_port.catalog import item_version
from bitbucket_port.resync import jobs
from tests.resync.rig import Rig, World
from tests.resync.stores import dynamodb_store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def deploy(release: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this release handles messages; it writes messages and items of its own version."""
    monkeypatch.setattr(jobs, "MESSAGE_VERSION", release)
    monkeypatch.setattr(item_version, "ITEM_VERSION", release)


def work(rig: Rig, steps: int) -> None:
    for _ in range(steps):
        ready = [one for one in rig.queue if one.visible <= rig.now]
        if not ready:
            rig.now = min(one.visible for one in rig.queue)
            continue
        rig.step(ready[0])


def versions(rig: Rig) -> list[int]:
    return [json.loads(one.message)["v"] for one in rig.queue]


@pytest.mark.parametrize("before", [0, 2, 5])
@pytest.mark.parametrize("between", [1, 3])
def test_a_run_survives_an_upgrade_and_a_rollback(
    before: int, between: int, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(World().fill(4, 5), store=dynamodb_store(dynamodb))
    rig.most_pages = 1
    deploy(1, monkeypatch)
    rig.begin()
    work(rig, before)
    assert set(versions(rig)) == {1}
    deploy(2, monkeypatch)
    work(rig, between)
    newer = [one for one in rig.queue if json.loads(one.message)["v"] == 2]
    assert newer, "the newer release ordered nothing: the rollback would be no test"
    deploy(1, monkeypatch)
    work(rig, 10)
    assert all(one in rig.queue for one in newer)
    deploy(2, monkeypatch)
    report = rig.run()
    assert rig.port == rig.world.expected()
    assert report["status"] == "complete", report
    assert report["kinds"]["pull-request"]["listed"] == 20
