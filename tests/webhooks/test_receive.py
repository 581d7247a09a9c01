"""The answer table: verified or refused, and acknowledged only when stored. On every route, body plain and base64."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from bitbucket_port import lambda_receive
from bitbucket_port.lambda_receive import Receiver
from bitbucket_port.webhooks.event_keys import KEYS, family_of
from bitbucket_port.webhooks.receive import SecretsUnavailableError
from bitbucket_port.webhooks.signature import sign
from tests.webhooks.doubles import SECRET, FixedSecrets, MemoryQueues, api_event, signed_headers, to_bytes

FUNCTIONS = ["project", "repository", "push", "pull_request", "webhook"]
BODY = to_bytes({"repository": {"uuid": "{aaa}", "full_name": "acme/api"}, "push": {"changes": []}})
RIGHT = sign(BODY, SECRET)
HEX = RIGHT.removeprefix("sha256=")


@pytest.fixture
def queues() -> MemoryQueues:
    return MemoryQueues()


class Route:
    """One route's handler, called as API Gateway calls it."""

    def __init__(self, function: str, *, encoded: bool) -> None:
        self.handler = importlib.import_module(f"functions.{function}.receive").handler
        self.encoded = encoded

    def post(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        answer = self.handler(api_event(body, headers, encoded=self.encoded), None)
        assert answer["headers"] == {"content-type": "application/json"}
        return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["plain", "base64"])
def route(
    request: pytest.FixtureRequest, function: str, queues: MemoryQueues, monkeypatch: pytest.MonkeyPatch
) -> Route:
    monkeypatch.setattr(lambda_receive, "_receiver", Receiver("cloud", FixedSecrets(), queues))
    return Route(function, encoded=request.param == "base64")


@pytest.fixture
def server_route(queues: MemoryQueues, monkeypatch: pytest.MonkeyPatch) -> Route:
    monkeypatch.setattr(lambda_receive, "_receiver", Receiver("server", FixedSecrets(), queues))
    return Route("webhook", encoded=False)


def test_a_right_signature_is_stored_and_acknowledged(route: Route, queues: MemoryQueues) -> None:
    status, answer = route.post(BODY, signed_headers(BODY, "repo:push", x_request_uuid="delivery-7"))
    assert (status, answer) == (202, {"status": "stored", "delivery": "delivery-7"})
    (stored,) = queues.deliveries
    assert (stored.id, stored.event_key, stored.payload) == ("delivery-7", "repo:push", json.loads(BODY))
    assert not stored.reduced


@pytest.mark.parametrize("event_key", KEYS["cloud"])
def test_the_event_key_and_not_the_path_chooses_the_queue(route: Route, queues: MemoryQueues, event_key: str) -> None:
    assert route.post(BODY, signed_headers(BODY, event_key))[0] == 202
    assert [family for family, _ in queues.sent] == [family_of("cloud", event_key)]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        RIGHT[:-1],
        "sha256=" + HEX.upper(),
        HEX,
        "sha256=",
        "sha1=" + HEX,
        sign(BODY, "another secret"),
        sign(BODY + b" ", SECRET),
    ],
    ids=["missing", "empty", "truncated", "upper-case", "no scheme", "no digest", "sha1", "other secret", "other body"],
)
def test_any_other_signature_is_refused_and_nothing_is_stored(
    route: Route, queues: MemoryQueues, header: str | None
) -> None:
    headers = {"x-event-key": "repo:push"} | ({} if header is None else {"x-hub-signature": header})
    status, answer = route.post(BODY, headers)
    assert status == 401
    assert set(answer) == {"error"}
    assert queues.sent == []


def test_a_body_changed_by_a_byte_is_refused(route: Route, queues: MemoryQueues) -> None:
    assert route.post(BODY.replace(b"acme", b"acne"), signed_headers(BODY, "repo:push"))[0] == 401
    assert queues.sent == []


def test_the_signature_is_checked_before_anything_else(route: Route, queues: MemoryQueues) -> None:
    for body in (b"", b"not JSON", BODY):
        assert route.post(body, {"x-event-key": "no:such", "x-hub-signature": sign(b"other", SECRET)})[0] == 401
    assert queues.sent == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"not JSON",
        b'{"a": 1',
        b"[]",
        b'"text"',
        b"null",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"1" * 5_000 + b"}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}",
    ],
    ids=[
        "empty",
        "blank",
        "not JSON",
        "half",
        "list",
        "text",
        "null",
        "NaN",
        "-Infinity",
        "too large",
        "too long a number",
        "far too deep",
        "too deep",
    ],
)
def test_a_well_signed_body_that_is_no_webhook_is_malformed(route: Route, queues: MemoryQueues, body: bytes) -> None:
    status, answer = route.post(body, signed_headers(body, "repo:push"))
    assert status == 400
    assert set(answer) == {"error"}
    assert queues.sent == []


def test_a_well_signed_body_that_is_not_utf8_is_malformed(queues: MemoryQueues) -> None:
    # Such bytes reach a function only as base64.
    body = b'{"name": "caf\xe9"}'
    receiver = Receiver("cloud", FixedSecrets(), queues)
    answer = receiver.handle(api_event(body, signed_headers(body, "repo:push"), encoded=True))
    assert (answer["statusCode"], queues.sent) == (400, [])


def test_broken_base64_is_refused(queues: MemoryQueues) -> None:
    event = {**api_event(BODY, signed_headers(BODY, "repo:push"), encoded=True), "body": "%%%"}
    assert Receiver("cloud", FixedSecrets(), queues).handle(event)["statusCode"] == 401


def test_a_missing_body_and_missing_headers_are_refused(queues: MemoryQueues) -> None:
    assert Receiver("cloud", FixedSecrets(), queues).handle({"version": "2.0"})["statusCode"] == 401


@pytest.mark.parametrize("event_key", ["issue:created", "pr:opened", "no such thing"])
def test_an_unknown_event_is_acknowledged_but_not_stored(route: Route, queues: MemoryQueues, event_key: str) -> None:
    assert route.post(BODY, signed_headers(BODY, event_key)) == (202, {"status": "ignored"})
    assert queues.sent == []


def test_a_well_signed_body_without_an_event_key_is_malformed(route: Route, queues: MemoryQueues) -> None:
    assert route.post(BODY, signed_headers(BODY, None))[0] == 400
    assert queues.sent == []


def test_an_unavailable_queue_makes_bitbucket_try_again(route: Route, queues: MemoryQueues) -> None:
    queues.down = True
    assert route.post(BODY, signed_headers(BODY, "repo:push"))[0] == 503
    queues.down = False
    assert route.post(BODY, signed_headers(BODY, "repo:push", x_attempt_number="2"))[0] == 202
    assert [stored.attempt for stored in queues.deliveries] == [2]


@pytest.mark.parametrize("size", [1_000_000, 1_048_576, 3_000_000])
def test_a_large_body_is_stored(route: Route, queues: MemoryQueues, size: int) -> None:
    repository = {"uuid": "{aaa}", "full_name": "acme/api", "updated_on": "2026-11-20T09:00:00+00:00"}
    frame = to_bytes({"repository": {**repository, "description": ""}})
    body = frame.replace(b'"description": ""', b'"description": "' + b"d" * (size - len(frame)) + b'"')
    assert len(body) == size
    assert route.post(body, signed_headers(body, "repo:updated"))[0] == 202
    (stored,) = queues.deliveries
    assert {**stored.payload["repository"], "description": ""} == {**repository, "description": ""}
    assert stored.reduced == (size > 1_000_000)


@pytest.mark.parametrize("signature", [None, RIGHT, "sha256=" + "0" * 64], ids=["none", "of another body", "wrong"])
@pytest.mark.parametrize("body", [b'{"test": true}', b"", b"not JSON"])
def test_a_connection_test_is_answered_and_does_nothing(
    route: Route, queues: MemoryQueues, body: bytes, signature: str | None
) -> None:
    headers = {"x-event-key": "diagnostics:ping"} | ({"x-hub-signature": signature} if signature else {})
    assert route.post(body, headers) == (200, {"status": "ok"})
    assert queues.sent == []


def test_a_connection_test_in_the_body_alone_needs_a_signature(server_route: Route, queues: MemoryQueues) -> None:
    body = to_bytes({"eventKey": "diagnostics:ping", "test": True})
    assert server_route.post(body, {})[0] == 401
    assert server_route.post(body, signed_headers(body, None))[0] == 200
    assert queues.sent == []


@pytest.mark.parametrize("event_key", KEYS["server"])
def test_data_center_events_find_their_queue_by_header_or_body(
    server_route: Route, queues: MemoryQueues, event_key: str
) -> None:
    body = to_bytes({"eventKey": event_key})
    assert server_route.post(body, signed_headers(body, event_key, x_request_id="one"))[0] == 202
    assert server_route.post(body, signed_headers(body, None, x_request_id="two"))[0] == 202
    assert [(stored.id, stored.event_key) for stored in queues.deliveries] == [("one", event_key), ("two", event_key)]
    assert {family for family, _ in queues.sent} == {family_of("server", event_key)}


def test_the_other_spellings_are_stored_under_the_usual_one(
    route: Route, server_route: Route, queues: MemoryQueues
) -> None:
    assert server_route.post(BODY, signed_headers(BODY, "proj:modified"))[0] == 202
    assert queues.deliveries[0].event_key == "project:modified"


def test_mirror_events_are_politely_ignored(server_route: Route, queues: MemoryQueues) -> None:
    body = to_bytes({"eventKey": "mirror:repo_synchronized"})
    assert server_route.post(body, signed_headers(body, "mirror:repo_synchronized"))[0] == 202
    assert queues.sent == []


def test_header_names_may_be_written_in_any_case(route: Route, queues: MemoryQueues) -> None:
    assert route.post(BODY, {"X-Event-Key": "repo:push", "X-HUB-SIGNATURE": RIGHT, "X-Request-UUID": "d"})[0] == 202
    assert queues.deliveries[0].id == "d"


def test_a_delivery_without_an_id_gets_one_of_its_own(route: Route, queues: MemoryQueues) -> None:
    for _ in range(2):
        assert route.post(BODY, signed_headers(BODY, "repo:push"))[0] == 202
    one, other = queues.deliveries
    assert one.id
    assert one.id != other.id


@pytest.mark.parametrize("attempt", ["", "0x1", "9" * 30, "-1", "½"])
def test_a_senseless_attempt_number_counts_as_the_first(route: Route, queues: MemoryQueues, attempt: str) -> None:
    assert route.post(BODY, signed_headers(BODY, "repo:push", x_attempt_number=attempt))[0] == 202
    assert queues.deliveries[0].attempt == 1


class UnreadableSecrets(FixedSecrets):
    """Secrets Manager is down."""

    def known(self) -> tuple[str, ...]:
        raise SecretsUnavailableError("down for the test")


def test_without_a_readable_secret_bitbucket_tries_again(queues: MemoryQueues) -> None:
    receiver = Receiver("cloud", UnreadableSecrets(), queues)
    assert receiver.handle(api_event(BODY, signed_headers(BODY, "repo:push")))["statusCode"] == 503
    assert receiver.handle(api_event(BODY, {"x-event-key": "repo:push"}))["statusCode"] == 401
    assert receiver.handle(api_event(BODY, {"x-event-key": "diagnostics:ping"}))["statusCode"] == 200
    assert queues.sent == []


def test_an_answer_never_shows_what_went_wrong_inside(route: Route, queues: MemoryQueues) -> None:
    queues.down = True
    _, answer = route.post(BODY, signed_headers(BODY, "repo:push"))
    assert "down for the test" not in json.dumps(answer)
