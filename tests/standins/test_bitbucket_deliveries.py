"""Webhooks are sent as each product sends them."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.webhook import Webhook, deliver
from tests.standins.receiver import Receiver

SECRET = "a secret of this test"


def cloud_push() -> Webhook:
    world = BitbucketCloudStandIn(seed=7).world
    world.create_project("PAY")
    world.create_repository("PAY", "Zürich", readme="x")
    return world.push("zurich")[0]


def server_ping() -> Webhook:
    return BitbucketServerStandIn(seed=7).world.ping()[0]


def test_cloud_signs_the_bytes_it_sends(receiver: Receiver) -> None:
    webhook = cloud_push()
    assert deliver(receiver.url, SECRET, webhook, path="/webhooks/push") == [202]
    ((path, headers, body),) = receiver.arrived
    assert path == "/webhooks/push"
    assert headers["x-hub-signature"] == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert (headers["x-event-key"], headers["x-attempt-number"]) == ("repo:push", "1")
    assert headers["x-request-uuid"] == webhook.delivery_id
    assert headers["x-hook-uuid"]
    assert json.loads(body) == webhook.payload
    assert "Zürich".encode() in body


def test_cloud_tries_a_5xx_twice_more_with_the_same_delivery_id(receiver: Receiver) -> None:
    receiver.statuses = [503, 500, 202]
    assert deliver(receiver.url, SECRET, cloud_push()) == [503, 500, 202]
    assert [headers["x-attempt-number"] for _, headers, _ in receiver.arrived] == ["1", "2", "3"]
    assert len({headers["x-request-uuid"] for _, headers, _ in receiver.arrived}) == 1
    receiver.statuses = [503]
    assert deliver(receiver.url, SECRET, cloud_push()) == [503, 503, 503]


@pytest.mark.parametrize("status", [401, 429, 400])
def test_cloud_does_not_try_a_4xx_again(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    assert deliver(receiver.url, SECRET, cloud_push()) == [status]


def test_data_center_sends_once_with_its_own_headers(receiver: Receiver) -> None:
    receiver.statuses = [503]
    webhook = server_ping()
    assert deliver(receiver.url, None, webhook) == [503]
    ((path, headers, body),) = receiver.arrived
    assert (path, headers["x-event-key"], headers["x-request-id"]) == (
        "/webhooks",
        "diagnostics:ping",
        webhook.delivery_id,
    )
    assert json.loads(body) == {"test": True}
    assert not {"x-hub-signature", "x-attempt-number", "x-request-uuid"} & set(headers)


def test_nobody_there_is_no_answer_and_no_second_try() -> None:
    assert deliver("http://127.0.0.1:1", SECRET, cloud_push()) == [None]
