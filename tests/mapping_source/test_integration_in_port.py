"""The integration in Port: registered once, changed only where it differs, and its mapping taken over."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from bitbucket_port.errors import TransientError
from bitbucket_port.objects import JsonObject
from bitbucket_port.port.client import PortClient
from bitbucket_port.port.integration import PortIntegration
from bitbucket_port.setup.findings import worst
from bitbucket_port.setup.integration import Integration
from tests.mapping_source.buttons import IDENTIFIER, MINUTE, Stack

BROKEN = ".id |"


def writes(stack: Stack) -> list[str]:
    return [f"{call.method} {call.path}" for call in stack.stand_in.calls() if call.method != "GET"]


def config_of(stack: Stack) -> JsonObject:
    integration = stack.stand_in.integration(IDENTIFIER)
    assert integration is not None
    config: JsonObject = integration["config"]
    return config


def title(config: JsonObject, index: int, jq: str) -> JsonObject:
    changed = copy.deepcopy(config)
    changed["resources"][index]["port"]["entity"]["mappings"]["title"] = jq
    return changed


def test_it_is_registered_with_the_packaged_mapping_and_not_touched_again(stack: Stack) -> None:
    (missing, _) = stack.integration.look()
    assert (missing.outcome, "not registered" in missing.text) == ("ok", True)
    assert writes(stack) == []
    assert [finding.outcome for finding in stack.integration.register()] == ["changed"]
    assert config_of(stack) == stack.mapping.packaged()
    integration = stack.stand_in.integration(IDENTIFIER)
    assert integration is not None
    assert (integration["installationAppType"], integration["version"]) == ("bitbucket-cloud", "1.0.0")
    for _ in range(2):
        assert [finding.outcome for finding in stack.integration.register()] == ["ok"]
    assert writes(stack) == ["POST /v1/integration"]
    assert [finding.outcome for finding in stack.integration.take_mapping()] == ["ok"]
    assert worst(stack.integration.look()) == "ok"


def test_only_what_differs_is_changed_and_a_mapping_never(stack: Stack) -> None:
    own = title(stack.mapping.packaged(), 0, ".key")
    stack.stand_in.put_integration(IDENTIFIER, app_type="bitbucket-cloud", config=own, version="0.9.0")
    (changed,) = stack.integration.register()
    assert (changed.outcome, changed.text) == ("changed", f"set for {IDENTIFIER!r} in Port: version.")
    assert config_of(stack) == own
    assert writes(stack) == [f"PATCH /v1/integration/{IDENTIFIER}"]
    assert [finding.outcome for finding in stack.integration.take_mapping()] == ["ok"]
    assert stack.active.document(stack.active.which()) == own


@pytest.mark.parametrize("config", [{}, None])
def test_an_integration_without_a_mapping_gets_the_packaged_one(stack: Stack, config: JsonObject | None) -> None:
    stack.stand_in.put_integration(IDENTIFIER, app_type="bitbucket-cloud", config={}, version="1.0.0")
    stack.stand_in.hold(config)
    (warned,) = stack.integration.take_mapping()
    assert (warned.outcome, "no mapping" in warned.text) == ("warning", True)
    stack.integration.register()
    assert config_of(stack) == stack.mapping.packaged()
    stack.tick()
    stack.work()
    assert len(stack.began) == 1


def test_an_integration_that_somebody_deleted_comes_back_with_the_mapping_in_use(stack: Stack) -> None:
    stack.set_up()
    stack.tick()
    stack.work()
    own = title(config_of(stack), 0, ".key")
    stack.stand_in.edit(own)
    stack.tick()
    stack.work()
    stack.client.call("DELETE", f"/v1/integration/{IDENTIFIER}")
    stack.tick()
    assert stack.stand_in.integration(IDENTIFIER) is None
    stack.set_up()
    assert config_of(stack) == own
    stack.tick()
    assert stack.active.document(stack.active.which()) == own
    assert len(stack.began) == 2


def test_an_integration_of_another_tool_is_left_alone(stack: Stack) -> None:
    stack.stand_in.put_integration(IDENTIFIER, app_type="github", config={"resources": []})
    for found in (stack.integration.register(), stack.integration.look()):
        assert [finding.outcome for finding in found] == ["warning"]
        assert "github" in found[0].text
        assert "IntegrationIdentifier" in found[0].fix
    stack.integration.take_mapping()
    stack.stand_in.press()
    stack.poll.look()
    assert writes(stack) == []
    assert stack.store.state().requested is None
    assert stack.active.which().hash == ""


def test_where_port_registers_nothing_that_is_said_and_the_packaged_mapping_counts(stack: Stack) -> None:
    stack.stand_in.documented_only = True
    (warned,) = stack.integration.register()
    assert warned.outcome == "warning"
    assert "packaged mapping is in use" in warned.fix
    (kept,) = stack.integration.take_mapping()
    assert kept.outcome == "warning"
    assert stack.active.which().hash == ""


def test_each_invalid_entry_is_named_and_keeps_its_last_good_form(stack: Stack) -> None:
    stack.set_up()
    stack.tick()
    good = stack.active.document(stack.active.which())
    stack.stand_in.edit(title(title(config_of(stack), 1, BROKEN), 0, ".key"))
    stack.tick()
    now = stack.active.document(stack.active.which())
    assert now["resources"][1] == good["resources"][1]
    assert now["resources"][0]["port"]["entity"]["mappings"]["title"] == ".key"
    found = stack.integration.take_mapping()
    (warned,) = [finding for finding in found if finding.outcome == "warning"]
    assert "resources[1] (user): title:" in warned.text
    assert "last good form of this entry stays in use" in warned.text
    assert warned.fix
    assert worst(stack.integration.look()) == "warning"


def test_an_edit_to_what_is_no_mapping_changes_nothing_and_is_named(stack: Stack) -> None:
    stack.set_up()
    before = stack.active.which()
    stack.stand_in.hold({"resources": "all of them"})
    found = stack.integration.take_mapping()
    assert all(finding.outcome == "warning" for finding in found)
    assert "last good" in found[0].text
    assert stack.active.which().hash == before.hash


@pytest.mark.parametrize("step", [lambda one: one.register(), lambda one: one.take_mapping(), lambda one: one.look()])
def test_port_being_down_is_trouble_that_may_pass_and_the_last_mapping_stays(
    stack: Stack, step: Callable[[Integration], object]
) -> None:
    stack.set_up()
    before = stack.active.which()
    stack.stand_in.fail_next(100, 503, "/v1/integration")
    with pytest.raises(TransientError):
        step(stack.integration)
    assert stack.active.which() == before


def test_a_registration_whose_answer_is_lost_is_one(stack: Stack) -> None:
    stack.stand_in.fail_next(1, 503, "POST /v1/integration", after=True)
    stack.integration.register()
    assert [finding.outcome for finding in stack.integration.register()] == ["ok"]
    assert len(stack.stand_in.integrations()) == 1


def test_an_edit_while_the_mapping_is_taken_over_is_not_lost(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.set_up()
    stack.tick()
    first, second = (title(config_of(stack), 0, jq) for jq in (".key", ".name + .key"))
    stack.stand_in.edit(first)
    read, meanwhile = PortClient.call, iter([second])

    def call(client: PortClient, method: str, path: str, **more: object) -> object:
        answer = read(client, method, path, **more)  # type: ignore[arg-type]
        if method == "GET" and path.endswith(f"/integration/{IDENTIFIER}"):
            for config in meanwhile:
                stack.wait(1)
                stack.stand_in.edit(config)
        return answer

    monkeypatch.setattr(PortClient, "call", call)
    stack.integration.take_mapping()
    assert stack.active.document(stack.active.which()) == second


def test_without_a_ledger_the_integration_is_registered_and_no_mapping_taken_over(stack: Stack) -> None:
    integration = Integration(
        PortIntegration(stack.client, IDENTIFIER), product="cloud", preset="default", source="port"
    )
    assert [finding.outcome for finding in integration.register()] == ["changed"]
    (said,) = integration.take_mapping()
    assert (said.outcome, "packaged" in said.text) == ("ok", True)
    stack.wait(MINUTE)
    assert worst(integration.look()) == "ok"
