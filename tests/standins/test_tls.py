"""Stand-ins behind TLS with a private authority, and behind a forward proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.certificates import PrivateAuthority
from local.standins.forward_proxy import ForwardProxy
from local.standins.port import PortStandIn

PROPERTIES = "/rest/api/latest/application-properties"
NAME = "bitbucket.example.com"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> PrivateAuthority:
    return PrivateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def hidden(authority: PrivateAuthority) -> Iterator[BitbucketServerStandIn]:
    """A Data Center under a name that is only known to a proxy."""
    stand_in = BitbucketServerStandIn(seed=7)
    stand_in.start(tls=authority.server_context(NAME), name=NAME)
    yield stand_in
    stand_in.stop()


@pytest.fixture
def proxy(hidden: BitbucketServerStandIn) -> Iterator[ForwardProxy]:
    made = ForwardProxy({f"{NAME}:443": hidden.address})
    yield made
    made.stop()


@pytest.mark.parametrize(
    "stand_in", [BitbucketCloudStandIn(seed=7), BitbucketServerStandIn(seed=7), PortStandIn("me", "mine")]
)
def test_a_stand_in_is_trusted_only_with_its_authority(
    authority: PrivateAuthority, stand_in: BitbucketCloudStandIn | BitbucketServerStandIn | PortStandIn
) -> None:
    url = stand_in.start(tls=authority.server_context())
    try:
        assert url.startswith("https://127.0.0.1:")
        trusted = requests.get(f"{url}/nowhere", verify=str(authority.certificate_file), timeout=5)
        assert trusted.status_code in (401, 404)
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{url}/nowhere", timeout=5)
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(url.replace("https", "http"), timeout=5)
    finally:
        stand_in.stop()


def test_a_certificate_is_for_its_names_alone(authority: PrivateAuthority, tmp_path: Path) -> None:
    stand_in = PortStandIn("me", "mine")
    stand_in.start(tls=authority.server_context("api.example.com"))
    other = PrivateAuthority(tmp_path)
    try:
        for wrong in (authority, other):
            with pytest.raises(requests.exceptions.SSLError):
                requests.get(f"https://{stand_in.address}/", verify=str(wrong.certificate_file), timeout=5)
    finally:
        stand_in.stop()


def test_keys_are_their_owners_alone(authority: PrivateAuthority) -> None:
    authority.server_context("one.example.com")
    (*_, newest) = sorted(authority.certificate_file.parent.glob("server-*.pem"))
    assert newest.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" not in authority.certificate


def test_a_name_behind_a_proxy_is_reached_through_it(
    authority: PrivateAuthority, hidden: BitbucketServerStandIn, proxy: ForwardProxy
) -> None:
    assert hidden.url == hidden.world.style.base_url == f"https://{NAME}"
    answer = requests.get(
        hidden.url + PROPERTIES,
        proxies={"https": proxy.start()},
        verify=str(authority.certificate_file),
        timeout=5,
    )
    assert answer.json()["version"] == hidden.version
    assert proxy.requests == [("CONNECT", f"{NAME}:443", 200)]


def test_a_proxy_with_credentials_refuses_everybody_else(
    authority: PrivateAuthority, hidden: BitbucketServerStandIn, proxy: ForwardProxy
) -> None:
    proxy.credentials = "me:my word"
    url = proxy.start()
    verify = str(authority.certificate_file)
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get(hidden.url + PROPERTIES, proxies={"https": url}, verify=verify, timeout=5)
    with_word = url.replace("http://", "http://me:my%20word@")
    answer = requests.get(hidden.url + PROPERTIES, proxies={"https": with_word}, verify=verify, timeout=5)
    assert answer.status_code == 200
    assert [asked.status for asked in proxy.requests] == [407, 200]
    assert "my word" not in repr(proxy.requests)


def test_a_proxy_carries_plain_requests_with_body_query_and_headers() -> None:
    port = PortStandIn("me", "mine")
    port.start()
    proxy = ForwardProxy({"port.example.com:80": port.address})
    proxies = {"http": proxy.start()}
    try:
        body = {"clientId": "me", "clientSecret": "mine"}
        url = "http://port.example.com/v1"
        told = requests.post(f"{url}/auth/access_token", json=body, proxies=proxies, timeout=5)
        headers = {"Authorization": f"Bearer {told.json()['accessToken']}"}
        users = requests.get(f"{url}/users?fields=email", headers=headers, proxies=proxies, timeout=5)
        assert users.json() == {"ok": True, "users": []}
        assert users.headers["x-ratelimit-limit"] == "1000"
        assert proxy.requests == [("POST", f"{url}/auth/access_token", 200), ("GET", f"{url}/users", 200)]
    finally:
        proxy.stop()
        port.stop()


def test_a_proxy_leads_nowhere_but_to_this_machine() -> None:
    proxy = ForwardProxy({"gone.example.com:80": "127.0.0.1:1"})
    url = proxy.start()
    proxies = {"http": url, "https": url}
    try:
        assert requests.get("http://port.example.com/", proxies=proxies, timeout=5).status_code == 403
        assert requests.get("http://gone.example.com/x", proxies=proxies, timeout=5).status_code == 502
        with pytest.raises(requests.exceptions.ProxyError):
            requests.get("https://port.example.com/", proxies=proxies, timeout=5)
        assert [asked.status for asked in proxy.requests] == [403, 502, 403]
    finally:
        proxy.stop()
