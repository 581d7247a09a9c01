"""A webhook gives the entity that reading the pull request gives: the whole way from the delivery, on both products."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from bitbucket_port.objects import JsonObject
from bitbucket_port.webhooks import cloud, server
from bitbucket_port.webhooks.delivery import Delivery
from tests.mappings.approval import approved
from tests.mappings.cases import CASES, Case
from tests.mappings.plain_jq import entity_of
from tests.mappings.server_shapes import SITE
from tests.mappings.shipped import resource
from tests.mappings.test_shipped_mappings import engine_of, spelled

CLOUD = [pytest.param(case, id=case.name) for case in CASES if case.product == "cloud" and "payload" in case.shapes]
SERVER = [pytest.param(case, id=case.name) for case in CASES if case.product == "server" and "payload" in case.shapes]


def delivery_of(case: Case, payload: JsonObject) -> Delivery:
    event_key = "pullrequest:updated" if case.product == "cloud" else "pr:modified"
    return Delivery(case.product, "d-1", event_key, 1_772_700_000.0, payload)


def as_version_10(value: Any) -> Any:
    """The payload as Data Center 10 writes it: times in ISO 8601 with an offset, links left empty."""
    if isinstance(value, list):
        return [as_version_10(item) for item in value]
    if not isinstance(value, dict):
        return value
    written = {name: as_version_10(item) for name, item in value.items()}
    for name in {"createdDate", "updatedDate", "closedDate"} & set(written):
        moment = datetime.fromtimestamp(value[name] / 1000, UTC).astimezone(timezone(timedelta(hours=2)))
        written[name] = moment.strftime("%Y-%m-%dT%H:%M:%S%z")
    return written | ({"links": {}} if "links" in written else {})


@pytest.mark.parametrize("case", CLOUD)
def test_on_cloud(case: Case) -> None:
    repository = case.shapes["payload"]["destination"]["repository"]
    payload = {"pullrequest": case.shapes["payload"], "repository": repository, "actor": None}
    (change,) = cloud.changes(delivery_of(case, payload), source="{workspace}", base_url=None)
    check(case, change.object)


@pytest.mark.parametrize("case", SERVER)
def test_on_data_center_up_to_9(case: Case) -> None:
    payload = {"eventKey": "pr:modified", "date": "2026-03-04T11:20:30+0100", "pullRequest": case.shapes["payload"]}
    (change,) = server.changes(delivery_of(case, payload), source=SITE, base_url=SITE)
    check(case, change.object)


@pytest.mark.parametrize("case", SERVER)
def test_on_data_center_10_with_its_own_times_and_without_links(case: Case) -> None:
    pull_request = as_version_10(case.shapes["payload"])
    assert isinstance(pull_request["createdDate"], str)
    payload = {"eventKey": "pr:modified", "date": "2026-03-04T11:20:30+0100", "pullRequest": pull_request}
    (change,) = server.changes(delivery_of(case, payload), source=SITE, base_url=SITE)
    check(case, change.object)


def check(case: Case, value: JsonObject | None) -> None:
    assert value is not None
    entry = resource(case.product, "default", "pull-request")
    assert entry is not None
    assert entity_of(entry, value) == approved(case, "default")
    engine = engine_of(case.product, "default", any_state=True)
    delivered = Case(case.product, case.kind, case.name, {"payload": value})
    assert spelled(engine, delivered, "payload") == approved(case, "default")
    assert engine.payload_gaps("pull-request", value) == []
