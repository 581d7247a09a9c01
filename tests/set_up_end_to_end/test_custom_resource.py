"""Creating, updating and deleting stacks sets them up and tidies up after them, whatever comes in between."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from bitbucket_port.webhooks.event_keys import FAMILIES
from local.aws import Fault, Moto
from local.machine import Machine
from local.outside import Outside
from local.stack import DeploymentFailedError, Stack
from local.standins.cloud.model import Hook
from tests.set_up_end_to_end.conftest import Deploy

BLUEPRINTS = ["bitbucketCloudProject", "bitbucketCloudPullRequest", "bitbucketCloudRepository", "bitbucketCloudUser"]


@pytest.fixture(scope="module")
def cloud(machine_of: Deploy) -> Machine:
    """A deployed stack. Its workspace has a repository, and more webhooks of others than fit on two pages."""
    machine = machine_of("cloud")
    machine.cloud.world.create_project("PAY", "Payments")
    machine.cloud.world.create_repository("PAY", "ledger")
    machine.cloud.hook_page_size = 10
    machine.cloud.add_foreign_hooks(24)
    machine.cloud.add_foreign_hooks(2, "ledger")
    machine.start()
    machine.stack.settle()
    return machine


def ours(machine: Machine, stack: Stack) -> list[Hook]:
    """The webhooks of a stack, by its own name."""
    name = f"bitbucket-port/{stack.template.stack_id.split('/')[2]}"
    return [hook for hook in machine.cloud.hooks if hook.settings["description"] == name]


def foreign(machine: Machine) -> list[dict[str, Any]]:
    return [
        copy.deepcopy({"id": hook.uuid, "secret": hook.secret, **hook.settings})
        for hook in machine.cloud.hooks
        if not hook.settings["description"].startswith("bitbucket-port/")
    ]


def assert_right(machine: Machine, stack: Stack) -> None:
    """One webhook for each family, as they should be, and nothing else of this stack."""
    hooks = ours(machine, stack)
    assert {hook.url for hook in hooks} == {f"{stack.url}/webhooks/{family}" for family in FAMILIES}
    assert len(hooks) == len(FAMILIES)
    assert all(hook.active and hook.subject is None and hook.secret == stack.webhook_secret for hook in hooks)
    keys = {key for hook in hooks for key in hook.settings["events"]}
    assert {"repo:push", "pullrequest:fulfilled", "repo:updated", "project:updated"} <= keys


def assert_works(machine: Machine, stack: Stack, description: str) -> None:
    """An event that Bitbucket sends through its webhooks reaches Port by way of this stack."""
    sent = machine.cloud.send_through_hooks(machine.cloud.world.change_repository("ledger", description=description))
    mine = [one for one in sent if one.hook in ours(machine, stack)]
    assert [one.status for one in mine] == [202]
    stack.settle()
    assert machine.port.entities("bitbucketCloudRepository")["acme/ledger"]["properties"]["description"] == description


def requested(stack: Stack) -> list[str]:
    """What CloudFormation asked of set-up so far; every request got an answer that it took."""
    assert all(200 in call.answer.statuses for call in stack.custom.asked)
    return [call.event["RequestType"] for call in stack.custom.asked]


def answer(stack: Stack) -> dict[str, Any]:
    """The last answer that CloudFormation got."""
    body = stack.custom.asked[-1].answer.body
    assert body is not None
    found: dict[str, Any] = json.loads(body)
    return found


def runs(machine: Machine) -> int:
    """Full resyncs that were begun, as Port was told of them."""
    return sum(state["status"] == "running" for states in machine.port.resync_states.values() for state in states)


def test_a_creation_does_everything(cloud: Machine) -> None:
    assert sorted(blueprint["identifier"] for blueprint in cloud.port.blueprints()) == BLUEPRINTS
    integration = cloud.port.integration("bitbucket-cloud-acme")
    assert integration is not None
    assert integration["installationAppType"] == "bitbucket-cloud"
    assert integration["config"]["resources"]
    assert_right(cloud, cloud.stack)
    assert len(foreign(cloud)) == 26
    assert requested(cloud.stack) == ["Create"]
    assert "failed" not in cloud.stack.outputs()["SetUpReport"]
    assert "warning" not in cloud.stack.outputs()["SetUpReport"]
    cloud.stack.pass_time(61)
    cloud.stack.settle()
    assert runs(cloud) == 1
    assert [*cloud.port.entities("bitbucketCloudRepository")] == ["acme/ledger"]
    shown = {
        one.kind: [example["name"] for example in one.objects] for one in cloud.port.examples if one.kind != "user"
    }
    assert shown == {"project": ["Payments"], "repository": ["ledger"]}
    assert_works(cloud, cloud.stack, "sent through the webhooks")


def test_an_update_repairs_at_once_what_somebody_changed_and_starts_no_resync(cloud: Machine) -> None:
    others, before = foreign(cloud), runs(cloud)
    disabled, narrowed, resecreted, removed = ours(cloud, cloud.stack)
    cloud.cloud.disable_hook(disabled)
    cloud.cloud.change_hook_events(narrowed, ["repo:fork"])
    cloud.cloud.change_hook_secret(resecreted, "somebody's own")
    cloud.cloud.remove_hook(removed)
    cloud.stack.update({"ScheduledResyncInterval": "720"})
    cloud.stack.settle()
    hooks = ours(cloud, cloud.stack)
    assert {hook.url for hook in hooks} == {f"{cloud.stack.url}/webhooks/{family}" for family in FAMILIES}
    assert all(hook.active for hook in hooks)
    assert narrowed.settings["events"] != ["repo:fork"]
    assert foreign(cloud) == others
    assert requested(cloud.stack)[-1] == "Update"
    cloud.stack.pass_time(61)
    assert runs(cloud) == before


def test_an_update_while_port_is_down_is_a_success_with_a_warning(cloud: Machine) -> None:
    cloud.port.down = True
    try:
        cloud.stack.update({"ScheduledResyncInterval": "700"})
    finally:
        cloud.port.down = False
    assert (answer(cloud.stack)["Status"], "Port credentials: " in answer(cloud.stack)["Data"]["Report"]) == (
        "SUCCESS",
        True,
    )
    assert "1 warning" in answer(cloud.stack)["Data"]["Report"]
    again = cloud.stack.functions["SetUpFunction"].invoke({"setup": "now"})
    assert again["outcome"] in ("ok", "changed", "skipped"), again


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (
            {"BitbucketToken": "nobodys-token"},
            "Correct BitbucketToken: without BitbucketUsername it has to be an access",
        ),
        ({"PortClientSecret": "nobodys-secret"}, "Take PortClientId and PortClientSecret from Port's menu"),
        ({"BitbucketWorkspace": "nobodys"}, "Correct BitbucketWorkspace: the part after bitbucket.org/"),
    ],
)
def test_a_stack_that_cannot_work_fails_with_the_sentence_and_leaves_nothing(
    parameters: dict[str, str], sentence: str, cloud: Machine
) -> None:
    hooks, integrations = len(cloud.cloud.hooks), cloud.port.integrations()
    stack = cloud.another_stack(**{"IntegrationIdentifier": "failing", **parameters})
    with pytest.raises(DeploymentFailedError) as raised:
        stack.start()
    assert sentence in str(raised.value)
    assert "nobodys-" not in str(raised.value)
    assert (raised.value.status, requested(stack)) == ("ROLLBACK_COMPLETE", ["Create", "Delete"])
    assert (len(cloud.cloud.hooks), cloud.port.integrations()) == (hooks, integrations)


def test_another_workspace_is_refused_and_rolled_back_and_the_same_by_another_name_is_not(cloud: Machine) -> None:
    before, others = len(requested(cloud.stack)), foreign(cloud)
    with pytest.raises(DeploymentFailedError, match="deploy a second stack") as raised:
        cloud.stack.update({"BitbucketWorkspace": "elsewhere"})
    assert "this stack is of the workspace 'acme'" in str(raised.value)
    assert requested(cloud.stack)[before:] == ["Update", "Update"]
    assert answer(cloud.stack)["Status"] == "SUCCESS"
    cloud.stack.settle()
    assert (len(ours(cloud, cloud.stack)), foreign(cloud)) == (4, others)
    uuid = cloud.cloud.world.workspace.uuid
    cloud.stack.update({"BitbucketWorkspace": uuid})
    assert answer(cloud.stack)["Status"] == "SUCCESS"
    cloud.stack.update({"BitbucketWorkspace": "acme"})
    cloud.stack.settle()
    assert len(ours(cloud, cloud.stack)) == 4


def test_stacks_come_and_go_beside_each_other_also_when_interrupted_and_repeated(cloud: Machine, moto: Moto) -> None:
    others = foreign(cloud)
    second = cloud.another_stack(IntegrationIdentifier="second")
    outside = Outside(moto, second.environments)
    outside.watch("port", cloud.port)
    outside.watch("bitbucket", cloud.bitbucket)
    # The call of CloudFormation dies in Port, a job in the middle of its webhooks: both begin again.
    outside.fault(Fault("kill after", service="port", action="POST /v1/integration"))
    outside.fault(Fault("kill after", service="bitbucket", action="POST */hooks", nth=2))
    second.start()
    second.settle()
    assert outside.faults_left() == []
    outside.unwatch(cloud.port)
    outside.unwatch(cloud.bitbucket)
    assert requested(second) == ["Create"]
    assert_right(cloud, second)

    # Lambda repeats an asynchronous call now and then.
    before = [hook.uuid for hook in cloud.cloud.hooks], cloud.port.blueprints()
    second.functions["SetUpFunction"].invoke(second.custom.asked[0].event)
    second.settle()
    assert ([hook.uuid for hook in cloud.cloud.hooks], cloud.port.blueprints()) == before

    entities = cloud.port.catalog()
    first = ours(cloud, cloud.stack)
    cloud.stack.delete()
    assert [hook for hook in cloud.cloud.hooks if hook in first] == []
    assert foreign(cloud) == others
    assert cloud.port.catalog() == entities
    assert_right(cloud, second)
    assert_works(cloud, second, "sent to the second alone")

    again = cloud.another_stack()
    again.start()
    again.settle()
    assert_right(cloud, again)
    assert_works(cloud, again, "sent to both")
    second.delete()
    again.delete()
    assert foreign(cloud) == others
    assert len(cloud.cloud.hooks) == len(others)


def test_a_data_center_is_set_up_while_port_is_down_and_port_when_it_is_back(machine_of: Deploy) -> None:
    machine = machine_of("server")
    server = machine.server
    for key in ("PAY", "SHOP"):
        server.world.create_project(key, key.title())
        server.world.create_repository(key, "ledger")
        server.add_foreign_hooks(2, key)
    machine.port.down = True
    machine.start()
    report = answer(machine.stack)["Data"]["Report"]
    assert answer(machine.stack)["Status"] == "SUCCESS"
    assert "Port credentials: " in report
    assert machine.port.blueprints() == []

    # The first resync begins with a set-up of its own.
    machine.port.down = False
    machine.stack.settle()
    machine.stack.pass_time(61)
    machine.stack.settle()
    mine = [hook for hook in server.hooks if hook.url.startswith(machine.stack.url)]
    assert [hook.settings["name"].split("/")[0] for hook in mine] == ["bitbucket-port"] * 2
    assert len(machine.port.blueprints()) >= 3
    assert machine.port.integrations() != []

    # A deletion that cannot reach Bitbucket does not fail; it says what is left.
    server.down = True
    machine.stack.delete()
    assert answer(machine.stack)["Status"] == "SUCCESS"
    assert "by hand" in answer(machine.stack)["Data"]["Report"]
    assert len(server.hooks) == 6
