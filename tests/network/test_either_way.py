"""What set-up sends to AWS itself goes past the proxy, and through it where there is no other way out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from bitbucket_port import lambda_setup
from bitbucket_port.errors import TransientError
from bitbucket_port.setup.either_way import send_either_way
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.certificates import PrivateAuthority
from local.standins.forward_proxy import ForwardProxy
from local.standins.port import PortStandIn
from tests.setup_run.checking import Notes, checks_of, settings_of
from tests.setup_run.response_endpoint import PATH, ResponseEndpoint

S3 = "cloudformation-custom-resource-response-euwest1.s3.invalid"
"""A name that nobody finds (RFC 2606): as S3 from subnets without a way to it."""


@pytest.fixture
def endpoint(authority: PrivateAuthority) -> Iterator[ResponseEndpoint]:
    """S3, with a certificate that is good for its name and for this machine's."""
    made = ResponseEndpoint(authority.server_context(S3, "localhost"))
    yield made
    made.stop()


@pytest.fixture
def cloud() -> Iterator[BitbucketCloudStandIn]:
    stand_in = BitbucketCloudStandIn("acme", seed=1)
    stand_in.start()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def to_s3(proxy: ForwardProxy, endpoint: ResponseEndpoint, monkeypatch: pytest.MonkeyPatch) -> ForwardProxy:
    """A started proxy by which S3 can be reached, and which AWS is kept off."""
    proxy.names[f"{S3}:443"] = f"127.0.0.1:{endpoint.server_port}"
    for name in ("HTTP_PROXY", "NO_PROXY", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy.start())
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1,169.254.169.254,.s3.invalid")
    return proxy


def put(url: str, authority: PrivateAuthority) -> int:
    verify = str(authority.certificate_file)
    return send_either_way("PUT", url, body=b"{}", headers={"Content-Type": ""}, verify=verify).status_code


def test_what_can_be_reached_directly_never_goes_through_the_proxy(
    to_s3: ForwardProxy, endpoint: ResponseEndpoint, authority: PrivateAuthority
) -> None:
    assert put(f"https://localhost:{endpoint.server_port}{PATH}", authority) == 200
    assert (to_s3.requests, endpoint.asked) == ([], 1)


def test_what_cannot_goes_through_it(
    to_s3: ForwardProxy, endpoint: ResponseEndpoint, authority: PrivateAuthority
) -> None:
    assert put(f"https://{S3}{PATH}", authority) == 200
    assert (to_s3.requests, endpoint.taken) == ([("CONNECT", f"{S3}:443", 200)], [{}])


def test_a_refusal_is_an_answer_and_not_asked_for_twice(
    to_s3: ForwardProxy, endpoint: ResponseEndpoint, authority: PrivateAuthority
) -> None:
    endpoint.trouble = [503]
    assert put(f"https://localhost:{endpoint.server_port}{PATH}", authority) == 503
    assert (to_s3.requests, endpoint.asked) == ([], 1)


def test_without_a_proxy_or_with_one_in_use_anyway_there_is_no_other_way(
    to_s3: ForwardProxy, authority: PrivateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    to_s3.names.clear()
    with pytest.raises(requests.exceptions.ProxyError):
        put(f"https://{S3}{PATH}", authority)
    assert len(to_s3.requests) == 1
    monkeypatch.delenv("HTTPS_PROXY")
    with pytest.raises(requests.ConnectionError):
        put(f"https://{S3}{PATH}", authority)
    assert len(to_s3.requests) == 1


def test_whether_the_api_answers_is_tried_either_way(
    to_s3: ForwardProxy, authority: PrivateAuthority, cloud: BitbucketCloudStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of an API has no endpoint in a network. What answers there is anything but it: Port."""
    api, port = "0a1b2c3d4e.execute-api.s3.invalid", PortStandIn("client", "secret")
    port.start(tls=authority.server_context(api), name=api)
    to_s3.names[f"{api}:443"] = port.address
    try:
        checks = checks_of(cloud, port, base_url=f"https://{api}")
        checks.trusted = str(authority.certificate_file)
        (finding,) = checks.reachability()
    finally:
        port.stop()
    assert finding.text == f"https://{api}/webhooks answered a connection test with 404 instead of 200."
    assert to_s3.requests == [("CONNECT", f"{api}:443", 200)]


class Context:
    """A Lambda context in which every look costs ten seconds."""

    def __init__(self) -> None:
        self.seconds = 100

    def get_remaining_time_in_millis(self) -> int:
        self.seconds -= 10
        return self.seconds * 1000


class Runtime:
    """Of a stack that finds nothing to do. ``trusted`` is an exception to be raised where there is no bundle."""

    trusted_file: Any = True

    def __init__(self) -> None:
        self.settings, self.ledger = settings_of(), Notes()

    @property
    def trusted(self) -> Any:
        if isinstance(self.trusted_file, Exception):
            raise self.trusted_file
        return self.trusted_file

    def begin(self, milliseconds_left: int) -> None:
        """Nothing."""

    def remove(self) -> list[Any]:
        return []


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> type[Runtime]:
    monkeypatch.setattr(lambda_setup, "Runtime", Runtime)
    monkeypatch.setattr(lambda_setup, "set_up_of", lambda runtime: runtime)
    monkeypatch.setattr("bitbucket_port.lambda_setup.time.sleep", lambda seconds: None)
    monkeypatch.setenv("CA_BUNDLE_SECRET_ARN", "arn:ca")
    monkeypatch.setattr(Runtime, "trusted_file", True)
    return Runtime


EVENT = {
    "RequestType": "Delete",
    "ResponseURL": f"https://{S3}{PATH}",
    "StackId": "arn:stack",
    "RequestId": "one",
    "LogicalResourceId": "SetUp",
    "PhysicalResourceId": lambda_setup.PHYSICAL_ID,
}


def test_cloudformation_is_told_through_a_proxy_that_opens_tls(
    to_s3: ForwardProxy, endpoint: ResponseEndpoint, authority: PrivateAuthority, stack: type[Runtime]
) -> None:
    stack.trusted_file = str(authority.certificate_file)
    lambda_setup.handle(EVENT, Context())
    assert [answer["Status"] for answer in endpoint.taken] == ["SUCCESS"]
    assert to_s3.requests == [("CONNECT", f"{S3}:443", 200)]


def test_a_bundle_that_cannot_be_had_keeps_nobody_from_trying(
    to_s3: ForwardProxy, endpoint: ResponseEndpoint, stack: type[Runtime], caplog: pytest.LogCaptureFixture
) -> None:
    stack.trusted_file = TransientError("AWS cannot be reached")
    with pytest.raises(TransientError, match="could not be told how set-up went: SSLError"):
        lambda_setup.handle(EVENT, Context())
    assert (len(to_s3.requests) > 1, endpoint.taken) == (True, [])
    assert "told without the certificates of CaBundleSecretArn" in caplog.text
    assert "sealed" not in caplog.text
