"""A delivery survives its queue: as it was where it fits, and as what identifies it where it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitbucket_port.catalog.attributes import number
from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.webhooks import cloud
from bitbucket_port.webhooks.delivery import MESSAGE_LIMIT, Delivery
from tests.webhooks.doubles import delivery

ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)
ANY_OBJECT = st.dictionaries(ANY_TEXT, ANY_JSON, max_size=6)


def accepted_by_sqs(text: str) -> bool:
    """The rule of SendMessage's documentation."""

    def allowed(code: int) -> bool:
        return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000

    return all(allowed(ord(character)) for character in text)


@given(payload=ANY_OBJECT, delivery_id=ANY_TEXT, attempt=st.integers(1, 9))
def test_any_payload_arrives_as_it_was_sent(payload: dict[str, Any], delivery_id: str, attempt: int) -> None:
    sent = replace(delivery("repo:push", payload), id=delivery_id, attempt=attempt)
    message = sent.to_message()
    assert accepted_by_sqs(message)
    assert Delivery.from_message(message) == sent


def test_characters_that_sqs_refuses_travel_encoded() -> None:
    awkward = "\x00\x08\x7f\ud800\ufffe\uffff\U0001f600"
    message = delivery("repo:push", {awkward: awkward}).to_message()
    assert accepted_by_sqs(message)
    assert Delivery.from_message(message).payload == {awkward: awkward}


@given(received=st.floats(min_value=1_700_000_000, max_value=4_000_000_000))
def test_the_time_of_receipt_is_as_precise_as_the_ledger_keeps_it(received: float) -> None:
    """Otherwise the second copy of a delivery would look later than itself, and be tried again for ever."""
    arrived = Delivery.from_message(replace(delivery("repo:push", {}), received=received).to_message())
    assert float(number(arrived.received)["N"]) == arrived.received
    assert abs(arrived.received - received) < 1e-6


def test_a_message_says_its_version() -> None:
    assert json.loads(delivery("repo:push", {}).to_message())["v"] == 1


PULL_REQUEST: dict[str, Any] = {
    "id": 7,
    "state": "OPEN",
    "title": "A change",
    "updated_on": "2026-11-20T09:00:00+00:00",
    "destination": {"repository": {"uuid": "{aaa}", "full_name": "acme/api"}, "branch": {"name": "main"}},
    "participants": [{"user": {"uuid": "{bbb}"}, "approved": True, "state": "approved"}],
}


@pytest.mark.parametrize(
    "ballast",
    [
        {"description": "é" * 600_000},
        {"description": "\ufffe" * 300_000},
        {"rendered": {"description": {"html": "x" * 3_000, "raw": "y" * 3_000}}, "activity": ["z" * 2_000] * 600},
        {"commits": [{"hash": str(number), "message": "m" * 100} for number in range(20_000)]},
        {f"field {number}": number for number in range(100_000)},
        {"destinationx": {str(number): "w" * 200 for number in range(9_000)}},
    ],
    ids=[
        "long text",
        "long text of refused characters",
        "many middling texts",
        "long list",
        "many fields",
        "many texts",
    ],
)
def test_what_is_too_long_for_the_queue_is_left_out_and_the_object_stays_known(ballast: dict[str, Any]) -> None:
    sent = delivery(
        "pullrequest:approved",
        {"pullrequest": {**PULL_REQUEST, **ballast}, "approval": {"date": "2026-11-20T09:05:00+00:00"}},
    )
    message = sent.to_message()
    assert len(message.encode()) <= MESSAGE_LIMIT
    received = Delivery.from_message(message)
    assert received.reduced
    (change,) = cloud.changes(received, source="{ws}")
    (whole,) = cloud.changes(sent, source="{ws}")
    assert change.reduced
    assert (change.key, change.address, change.version, change.event_time) == (
        whole.key,
        whole.address,
        whole.version,
        whole.event_time,
    )


def test_only_as_much_is_left_out_as_needed() -> None:
    sent = delivery("pullrequest:updated", {"pullrequest": {**PULL_REQUEST, "description": "x" * 2_000_000}})
    kept = Delivery.from_message(sent.to_message()).payload["pullrequest"]
    assert kept == PULL_REQUEST


def test_a_text_is_left_out_rather_than_cut() -> None:
    sent = delivery("pullrequest:updated", {"pullrequest": {**PULL_REQUEST, "description": "x" * 2_000_000}})
    assert "description" not in Delivery.from_message(sent.to_message()).payload["pullrequest"]


@settings(max_examples=25, deadline=None)
@given(payload=ANY_OBJECT)
def test_whatever_is_too_long_ends_within_the_limit(payload: dict[str, Any]) -> None:
    nested = {"repository": {"repository": payload, "old": {"name": "n" * 1_000, "list": ["m" * 500] * 4_000}}}
    message = delivery("repo:push", {**payload, **nested}).to_message()
    assert len(message.encode()) <= MESSAGE_LIMIT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "[]",
        "null",
        "{}",
        '{"v": 0}',
        '{"v": "1"}',
        '{"v": true}',
        '{"v": 1}',
        '{"v": 1, "product": "gitea", "id": "x", "eventKey": "k", "received": 1, "payload": {}}',
        '{"v": 1, "product": "cloud", "id": "x", "eventKey": "k", "received": "soon", "payload": {}}',
        '{"v": 1, "product": "cloud", "id": "x", "eventKey": "k", "received": 1, "payload": []}',
        "[" * 100_000,
    ],
)
def test_a_message_that_is_no_delivery_is_a_permanent_error(text: str) -> None:
    with pytest.raises(PermanentError):
        Delivery.from_message(text)


def test_a_message_of_a_newer_release_waits_for_that_release() -> None:
    message = json.loads(delivery("repo:push", {}).to_message())
    with pytest.raises(TransientError, match="version 2"):
        Delivery.from_message(json.dumps({**message, "v": 2}))
