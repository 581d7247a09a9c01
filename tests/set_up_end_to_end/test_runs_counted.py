"""On a whole stack whose Port requests a resync for every PATCH: the runs that are due or wanted, and no other."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from local.machine import Machine
from tests.set_up_end_to_end.conftest import Deploy

IDENTIFIER = "bitbucket-cloud-acme"
REPOSITORY = "bitbucketCloudRepository"
MINUTE = 60.0
INTERVAL = 8
"""Minutes between two scheduled runs: ticks are what this test spends its time with."""


@pytest.fixture(scope="module")
def machine(machine_of: Deploy) -> Machine:
    """A deployed stack with a tiny workspace and an eager Port."""
    made = machine_of("cloud", ScheduledResyncInterval=str(INTERVAL), ListInterval="0")
    request_for_every_patch(made.port)
    made.cloud.world.create_project("PAY", "Payments")
    made.cloud.world.create_repository("PAY", "ledger")
    made.start()
    made.stack.settle()
    return made


def request_for_every_patch(port: Any) -> None:
    """Have even what tells of a resync's state request one, which Port's own page does not."""
    tell = port.tell_resync_state

    def tell_and_request(request: Any) -> Any:
        answer = tell(request)
        port._request_resync(request.variables["identifier"])
        return answer

    port.tell_resync_state = tell_and_request


def reports(machine: Machine) -> list[JsonObject]:
    """Reports of the runs that ended, the first one first; none goes on."""
    stack = machine.stack
    store = DynamoDBRunStore(stack.dynamodb, stack.table, clock=stack.clock.now)
    assert store.state().run is None
    return store.last_reports(50)[::-1]


def release(machine: Machine, version: str, folder: Path) -> None:
    """Deploy another release: its package travels in a layer, its version is a property of the custom resource."""
    changed: dict[Path, Path] = {}
    for function in machine.stack.functions.values():
        for layer in function.layers:
            source = Path("python", "bitbucket_port", "__init__.py")
            if layer not in changed and (layer / source).is_file():
                changed[layer] = folder / f"layer-{len(changed)}"
                shutil.copytree(layer, changed[layer])
                text = (layer / source).read_text(encoding="utf-8")
                written = re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', text)
                (changed[layer] / source).write_text(written, encoding="utf-8")
        function.layers = [changed.get(layer, layer) for layer in function.layers]
        function.cool()
    assert changed

    def upgrade(document: dict[str, Any]) -> None:
        document["Resources"]["SetUp"]["Properties"]["Version"] = version

    machine.stack.update(change=upgrade)


def integration(machine: Machine) -> JsonObject:
    found = machine.port.integration(IDENTIFIER)
    assert found is not None
    return found


def test_10_scheduled_runs_2_redeploys_and_an_upgrade_are_10_runs_and_the_first(
    machine: Machine, tmp_path: Path
) -> None:
    stack = machine.stack
    stack.pass_time(2 * MINUTE)
    assert len(reports(machine)) == 1
    requested = len(machine.port.resync_requests(IDENTIFIER))
    for number in range(1, 11):
        if number in (3, 6):
            stack.update({"InitializePortResources": "false" if number == 3 else "true"})
        if number == 8:
            release(machine, "99.0.0", tmp_path)
        stack.pass_time(INTERVAL * MINUTE, timeout=300)
    assert [(report["kind"], report["reason"], report["status"]) for report in reports(machine)] == [
        ("full", "interval", "complete")
    ] * 11
    assert [call.event["RequestType"] for call in stack.custom.asked] == ["Create", "Update", "Update", "Update"]
    assert integration(machine)["version"] == "99.0.0"
    assert len(machine.port.resync_requests(IDENTIFIER)) - requested == 2 * 10 + 1


def test_an_edit_of_the_mapping_in_port_counts_within_two_ticks_and_starts_one_run(machine: Machine) -> None:
    stack, world = machine.stack, machine.cloud.world
    stack.update({"ScheduledResyncInterval": "10000"})
    stack.pass_time(2 * MINUTE)
    before = len(reports(machine))
    config = copy.deepcopy(integration(machine)["config"])
    (entry,) = (one for one in config["resources"] if one["kind"] == "repository")
    entry["port"]["entity"]["mappings"]["title"] = '"Repository " + .name'
    machine.port.edit_mapping(IDENTIFIER, config)
    stack.pass_time(2 * MINUTE)
    statuses = machine.send(world.change_repository("ledger", description="told live"))
    assert statuses == [202]
    stack.settle()
    entity = machine.port.entities(REPOSITORY)["acme/ledger"]
    assert (entity["title"], entity["properties"]["description"]) == ("Repository ledger", "told live")
    stack.pass_time(5 * MINUTE)
    assert [report["reason"] for report in reports(machine)[before:]] == ["the mapping changed"]
    machine.port.press_resync(IDENTIFIER)
    stack.pass_time(5 * MINUTE)
    assert [report["reason"] for report in reports(machine)[before + 1 :]] == ["asked for in Port"]
