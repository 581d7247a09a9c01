"""Being let in: one token, refreshed when it ends, never a loop, never a secret in a text."""

from __future__ import annotations

import time

import pytest

from bitbucket_port.errors import CredentialsRefusedError, SettingsError, TransientError
from bitbucket_port.http import Deadline
from bitbucket_port.objects import EntityKey
from bitbucket_port.port.base_url import api_root
from bitbucket_port.port.client import PortClient
from local.standins.port import PortStandIn
from local.standins.port_routes import TOKEN_PATH
from tests.port.conftest import SECRET, Connect

KEY = EntityKey("repository", "a")


def token_requests(port: PortStandIn) -> int:
    return port.count(lambda request: request.path == TOKEN_PATH)


def test_one_token_serves_many_requests(port: PortStandIn, client: PortClient) -> None:
    for _ in range(5):
        client.get(KEY)
    assert (token_requests(port), client.requests) == (1, 5)


def test_a_token_refused_before_its_time_is_replaced_once(port: PortStandIn, client: PortClient) -> None:
    client.get(KEY)
    port.expire_token()
    assert client.get(KEY) is None
    assert token_requests(port) == 2


def test_a_token_is_replaced_before_it_ends(port: PortStandIn) -> None:
    now = [0.0]
    client = PortClient(
        port.url,
        client_id="client",
        client_secret=lambda: SECRET,
        integration_type="bitbucket-cloud",
        integration_identifier="orchard",
        version="1",
        deadline=Deadline.after(60),
        clock=lambda: now[0],
    )
    client.get(KEY)
    now[0] = 10_700
    client.get(KEY)
    assert token_requests(port) == 1
    now[0] = 10_790
    client.get(KEY)
    assert token_requests(port) == 2
    assert port.count(lambda request: request.status == 401) == 0


def test_a_server_that_refuses_every_token_is_asked_twice_not_for_ever(port: PortStandIn, client: PortClient) -> None:
    port.fail_next(99, 401, "GET")
    with pytest.raises(CredentialsRefusedError):
        client.get(KEY)
    assert len(port.calls()) == 2


def test_a_wrong_secret_is_tried_exactly_once(port: PortStandIn, connect: Connect) -> None:
    client = connect(lambda: "a-wrong-secret")
    for _ in range(3):
        with pytest.raises(CredentialsRefusedError) as refused:
            client.get(KEY)
        assert "a-wrong-secret" not in str(refused.value)
    assert [request.path for request in port.requests] == [TOKEN_PATH]


def test_a_new_secret_is_tried_at_once(port: PortStandIn, connect: Connect) -> None:
    secret = ["a-wrong-secret"]
    client = connect(lambda: secret[0])
    with pytest.raises(CredentialsRefusedError):
        client.get(KEY)
    secret[0] = SECRET + "\n"
    assert client.get(KEY) is None


def test_a_secret_changed_while_we_run_shows_at_the_next_token(port: PortStandIn, client: PortClient) -> None:
    client.get(KEY)
    port.client_secret = "a-new-one"
    assert client.get(KEY) is None
    port.expire_token()
    with pytest.raises(CredentialsRefusedError):
        client.get(KEY)
    assert token_requests(port) == 2


def test_no_error_text_holds_a_secret_or_a_token(port: PortStandIn, connect: Connect) -> None:
    client = connect()
    client.get(KEY)
    token = port._token
    texts = [repr(client), repr(client._token), str(vars(client))]
    for status in (400, 401, 403, 422, 429, 500):
        port.fail_next(9, status, "search")
        with pytest.raises(Exception) as failed:
            client.ours("repository", ["a"])
        texts.append(str(failed.value) + repr(failed.value))
        port._failures.clear()
    assert not [text for text in texts if SECRET in text or token in text]


def test_a_throttled_port_names_the_time_to_come_back(port: PortStandIn, client: PortClient) -> None:
    client.get(KEY)
    port.rate_limit_reset = time.time() + 240
    port.fail_next(1, 429, "GET")
    with pytest.raises(TransientError) as throttled:
        client.get(KEY)
    assert 200 < (throttled.value.retry_after or 0) <= 240
    assert port.count(lambda request: request.status == 429) == 1


def test_no_request_is_sent_when_no_time_is_left(port: PortStandIn, connect: Connect) -> None:
    client = connect(seconds=0)
    with pytest.raises(TransientError):
        client.get(KEY)
    assert port.requests == []
    client.deadline = Deadline.after(60)
    assert client.get(KEY) is None


def test_a_wrong_address_is_no_missing_entity(port: PortStandIn) -> None:
    client = PortClient(
        port.url + "/somewhere",
        client_id="client",
        client_secret=lambda: SECRET,
        integration_type="bitbucket-cloud",
        integration_identifier="orchard",
        version="1",
        deadline=Deadline.after(60),
    )
    with pytest.raises(TransientError, match="PortBaseUrl"):
        client.get(KEY)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://api.getport.io", "https://api.getport.io"),
        (" https://api.us.getport.io/v1/ ", "https://api.us.getport.io"),
        ("https://api.port.io/", "https://api.port.io"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"),
        ("https://proxy.example/port", "https://proxy.example/port"),
    ],
)
def test_an_address_may_be_written_in_several_ways(written: str, meant: str) -> None:
    assert api_root(written) == meant


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("https://app.getport.io", "https://api.getport.io"),
        ("https://app.us.port.io/v1", "https://api.us.port.io"),
        ("api.getport.io", "https://api.getport.io"),
        ("", "https://api.getport.io"),
    ],
)
def test_a_wrong_address_is_refused_with_the_right_one(written: str, right: str) -> None:
    with pytest.raises(SettingsError, match=right):
        api_root(written)


def test_an_identifier_no_header_can_hold_is_refused() -> None:
    with pytest.raises(SettingsError, match="INTEGRATION_IDENTIFIER"):
        PortClient(
            "https://api.getport.io",
            client_id="client",
            client_secret=lambda: SECRET,
            integration_type="bitbucket-cloud",
            integration_identifier="two words",
            version="1",
            deadline=Deadline.after(60),
        )


def test_the_users_addresses_are_told_in_one_request(port: PortStandIn, client: PortClient) -> None:
    assert client.user_emails() == []
    port.user_emails = ["ann@example.com", "ben@example.com"]
    assert client.user_emails() == ["ann@example.com", "ben@example.com"]
    assert client.requests == 2
