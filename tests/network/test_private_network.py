"""CA bundle and proxy as settings of a deployed stack: what is reached how, and what happens when it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bitbucket_port.secrets import KEEP_SECONDS
from local.aws import Moto
from local.stack import DeploymentFailedError
from local.standins.certificates import PrivateAuthority
from local.standins.forward_proxy import ForwardProxy
from tests.network.private_network import BITBUCKET, PORT, PrivateNetwork

PASSWORD = "hush-hush"
ONLY_THESE = {("CONNECT", f"{BITBUCKET}:443", 200), ("CONNECT", f"{PORT}:443", 200)}


@pytest.fixture(scope="module")
def network(authority: PrivateAuthority) -> Iterator[PrivateNetwork]:
    moto = Moto()
    moto.start()
    made = PrivateNetwork(moto, authority)
    made.machine.start()
    made.stack.settle()
    yield made
    made.stop()
    moto.stop()


def report(network: PrivateNetwork) -> dict[str, Any]:
    """What set-up told CloudFormation last."""
    body = network.stack.custom.asked[-1].answer.body
    assert body is not None
    found: dict[str, Any] = json.loads(body)
    return found


def test_set_up_and_the_first_resync_reach_both_through_the_proxy_and_aws_past_it(network: PrivateNetwork) -> None:
    assert report(network)["Status"] == "SUCCESS"
    assert "warning" not in report(network)["Data"]["Report"]
    assert [hook.url for hook in network.bitbucket.hooks] == [f"{network.stack.url}/webhooks"]
    assert [*network.port.entities("bitbucketServerRepository")] == ["PAY/ledger"]
    assert network.proxied() == ONLY_THESE


def test_a_webhook_is_applied_through_the_proxy(network: PrivateNetwork) -> None:
    network.assert_in_port(network.open_pull_request("one"))
    assert network.proxied() == ONLY_THESE


def test_without_the_bundle_nothing_is_written_or_deleted_and_what_to_do_is_said(network: PrivateNetwork) -> None:
    before, sent = network.port.catalog(), len(network.bitbucket.requests) + len(network.port.requests)
    network.name_bundle("")
    found = network.stack.functions["SetUpFunction"].invoke({"setup": "now"})["findings"]
    told = {one["about"]: one["outcome"] for one in found if "CaBundleSecretArn" in one["text"]}
    assert told == dict.fromkeys(["Port credentials", "Bitbucket credentials", "Reachability"], "warning")
    assert network.stack.functions["ResyncStart"].invoke({"resync": "full"})["did"] == "began"
    pull = network.open_pull_request("two")
    network.put_off("authority that is not trusted here")
    network.stack.pass_time(60)
    assert network.port.catalog() == before
    assert len(network.bitbucket.requests) + len(network.port.requests) == sent
    network.name_bundle(network.bundle)
    network.assert_in_port(pull)
    assert set(before) < set(network.port.catalog())
    assert network.leaks() == []


def test_a_bundle_that_changed_counts_as_soon_as_another_secret_would(network: PrivateNetwork, tmp_path: Path) -> None:
    another = PrivateAuthority(tmp_path)
    network.serve(another)
    pull = network.open_pull_request("three")
    network.put_off("authority that is not trusted here")
    network.secrets.put_secret_value(SecretId=network.bundle, SecretString="not a certificate")
    network.stack.pass_time(KEEP_SECONDS)
    network.put_off("holds no certificate")
    network.secrets.put_secret_value(SecretId=network.bundle, SecretString=another.certificate)
    network.assert_in_port(pull)
    assert network.leaks() == []


def test_a_new_stack_is_not_made_with_a_bundle_that_is_none(network: PrivateNetwork) -> None:
    useless = network.secrets.create_secret(Name="useless", SecretString=f"{PASSWORD} is no certificate")["ARN"]
    stack = network.machine.another_stack(CaBundleSecretArn=useless)
    with pytest.raises(DeploymentFailedError, match="CaBundleSecretArn holds no certificate: store them as") as raised:
        stack.start()
    assert raised.value.status == "ROLLBACK_COMPLETE"
    assert PASSWORD not in str(raised.value) + stack.logs()


def test_a_proxy_that_asks_for_credentials_or_is_down_only_delays(network: PrivateNetwork) -> None:
    network.proxy.credentials = f"clerk:{PASSWORD}"
    for function in network.stack.functions.values():
        function.cool()  # Connections that the proxy made before go on.
    pull = network.open_pull_request("four")
    network.put_off("the proxy asks for credentials (407)")
    network.proxy.stop()
    network.stack.pass_time(30)
    network.put_off("the proxy cannot be reached")
    other = ForwardProxy(network.proxy.names)
    try:
        network.stack.update({"HttpsProxy": other.start()})
        network.assert_in_port(pull)
        assert set(other.requests) == ONLY_THESE
    finally:
        other.stop()
