"""Integrations in the Port stand-in: what is documented, what asks for a resync, what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from local.standins.port import PortStandIn

Json = dict[str, Any]
Call = Callable[..., requests.Response]
NEW: Json = {"installationId": "mine", "installationAppType": "bitbucket-cloud", "version": "1.0.0", "config": {}}
RESOURCE: Json = {
    "kind": "repository",
    "selector": {"query": "true"},
    "port": {"entity": {"mappings": {"identifier": ".slug", "blueprint": '"repository"'}}},
}
ONE = "/integration/mine"


@pytest.fixture
def port() -> Iterator[PortStandIn]:
    stand_in = PortStandIn("me", "mine")
    stand_in.start()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def call(port: PortStandIn) -> Call:
    session = requests.Session()
    token = session.post(port.url + "/v1/auth/access_token", json={"clientId": "me", "clientSecret": "mine"}).json()
    session.headers["Authorization"] = f"Bearer {token['accessToken']}"

    def send(method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        return session.request(method, f"{port.url}/v1{path}", json=body, timeout=5, **options)

    return send


def test_a_registered_integration_is_shown_and_listed(port: PortStandIn, call: Call) -> None:
    made = call("POST", "/integration", NEW)
    assert made.status_code == 201
    shown = call("GET", ONE).json()["integration"]
    assert shown == made.json()["integration"] == port.integration("mine")
    assert (shown["installationAppType"], shown["version"], shown["config"]) == ("bitbucket-cloud", "1.0.0", {})
    port.put_integration("theirs", app_type="github")
    listed = call("GET", "/integration").json()["integrations"]
    assert [one["installationId"] for one in listed] == ["mine", "theirs"]
    assert call("GET", "/integration", params={"actionsProcessingEnabled": "true"}).json()["integrations"] == []
    assert call("GET", f"{ONE}/resync-request").json()["request"] == {}


def test_registering_may_ask_for_a_resync_too(port: PortStandIn, call: Call) -> None:
    port.resync_on_register = True
    call("POST", "/integration", NEW)
    assert call("GET", f"{ONE}/resync-request").json()["request"] == port.resync_requests("mine")[0]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "asks"),
    [
        ("PATCH", ONE, None, {}, True),
        ("PATCH", ONE, {}, {}, True),
        ("PATCH", ONE, {"version": "1.0.1"}, {}, True),
        ("PATCH", f"{ONE}/config", {"config": {"resources": [RESOURCE]}}, {}, True),
        ("PATCH", f"{ONE}/config", {"config": {"resources": [RESOURCE]}}, {"x-skip-resync": "true"}, False),
        ("PATCH", f"{ONE}/resync-state", {"status": "running"}, {}, False),
        ("POST", f"{ONE}/kinds/repository/examples", {"examples": [{"slug": "a"}]}, {}, False),
        ("GET", ONE, None, {}, False),
    ],
)
def test_a_change_asks_for_a_resync(
    port: PortStandIn, call: Call, method: str, path: str, body: Any, headers: Json, asks: bool
) -> None:
    port.put_integration("mine", app_type="bitbucket-cloud")
    assert call(method, path, body, headers=headers).status_code == 200
    assert len(port.resync_requests("mine")) == asks


def test_each_request_for_a_resync_is_another_and_later(port: PortStandIn, call: Call) -> None:
    now = port.now()
    port.now = lambda: now
    call("POST", "/integration", NEW)
    told = []
    for ask in (
        lambda: port.press_resync("mine"),
        lambda: port.edit_mapping("mine", {"resources": [RESOURCE]}),
        lambda: call("PATCH", ONE),
    ):
        ask()
        told.append(call("GET", f"{ONE}/resync-request").json()["request"])
    assert len({one["id"] for one in told}) == 3
    assert told == sorted(told, key=lambda one: one["updatedAt"])
    assert len({one["updatedAt"] for one in told}) == 3
    assert told == port.resync_requests("mine")
    assert call("GET", ONE).json()["integration"]["config"] == {"resources": [RESOURCE]}


def test_telling_the_state_of_a_resync_moves_the_integration(port: PortStandIn, call: Call) -> None:
    call("POST", "/integration", NEW)
    before = call("GET", ONE).json()["integration"]["updatedAt"]
    call("PATCH", f"{ONE}/resync-state", {"status": "running"})
    after = call("GET", ONE).json()["integration"]
    assert before < after["updatedAt"] == after["resyncState"]["updatedAt"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/integration", NEW, 409),
        ("POST", "/integration", {"installationId": "new"}, 422),
        ("PATCH", ONE, {"version": 1}, 422),
        ("PATCH", ONE, {"changelogDestination": {"type": "MAIL"}}, 422),
        ("PATCH", f"{ONE}/config", {}, 422),
        ("PATCH", f"{ONE}/config", {"config": {"resources": [{"kind": "repository"}]}}, 422),
        ("PATCH", f"{ONE}/config", {"config": {}, "version": "1"}, 422),
        ("POST", f"{ONE}/kinds/repository/examples", {"examples": [{}] * 6}, 422),
        ("POST", f"{ONE}/kinds/repository/examples", [], 422),
        ("POST", "/integration/none/kinds/repository/examples", {"examples": []}, 404),
        ("GET", f"{ONE}?byField=name", None, 422),
        ("GET", f"{ONE}?byField=logIngestId", None, 404),
        ("GET", "/integration?actionsProcessingEnabled=yes", None, 422),
        ("GET", "/integration/none", None, 404),
        ("PATCH", "/integration/none", {}, 404),
        ("PATCH", "/integration/none/config", {"config": {}}, 404),
        ("GET", "/integration/none/resync-request", None, 404),
        ("DELETE", "/integration/none", None, 404),
    ],
)
def test_what_port_refuses_changes_nothing(
    port: PortStandIn, call: Call, method: str, path: str, body: Any, status: int
) -> None:
    call("POST", "/integration", NEW)
    before = port.integrations()
    answer = call(method, path, body)
    assert (answer.status_code, answer.json()["ok"]) == (status, False)
    assert (port.integrations(), port.resync_requests("mine"), port.examples) == (before, [], [])


def test_examples_are_kept_as_shown(port: PortStandIn, call: Call) -> None:
    call("POST", "/integration", NEW)
    call("POST", f"{ONE}/kinds/pull-request/examples", {"examples": [{"id": 1}, {"id": 2}]})
    assert port.examples == [("mine", "pull-request", [{"id": 1}, {"id": 2}])]


def test_a_deleted_integration_is_gone(port: PortStandIn, call: Call) -> None:
    call("POST", "/integration", NEW)
    assert call("DELETE", ONE).status_code == 200
    assert port.integration("mine") is None
    assert call("GET", ONE).status_code == 404
    assert call("POST", "/integration", NEW).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/integration", NEW | {"installationId": "other"}),
        ("GET", f"{ONE}/resync-request", None),
        ("PATCH", f"{ONE}/resync-state", {"status": "running"}),
        ("POST", f"{ONE}/kinds/repository/examples", {"examples": []}),
    ],
)
def test_a_port_with_documented_operations_alone(
    port: PortStandIn, call: Call, method: str, path: str, body: Any
) -> None:
    port.put_integration("mine")
    port.documented_only = True
    answer = call(method, path, body)
    assert (answer.status_code, answer.json()["error"]) == (404, "route_not_found")
    assert call("PATCH", ONE, {"version": "2"}).status_code == 200


def test_another_stand_in_recalls_integrations(port: PortStandIn, call: Call) -> None:
    call("POST", "/integration", NEW)
    port.press_resync("mine")
    other = PortStandIn("me", "mine")
    other.recall(port.memory())
    assert other.integrations() == port.integrations()
    assert other.resync_requests("mine") == port.resync_requests("mine")


def test_the_organisation_is_told(call: Call) -> None:
    assert call("GET", "/organization").json()["organization"]["id"]
