"""What is inside a network, and what goes through a proxy: exactly what has to do with Bitbucket or Port."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.utils import get_environ_proxies as proxies_of_botocore
from requests.utils import get_environ_proxies

from scripts.sam_template import Template, functions
from tests.template.cloudformation import resources

INSIDE = {"VpcSubnetIds": "subnet-1,subnet-2", "VpcSecurityGroupIds": "sg-1"}
SERVICES = ("sqs", "dynamodb", "secretsmanager")
"""What functions call; the one that sets up also S3, by a signed address."""
REGIONS = {"eu-west-1": "amazonaws.com", "us-gov-west-1": "amazonaws.com", "cn-north-1": "amazonaws.com.cn"}


def calling(template: Template) -> set[str]:
    """The functions that know where Bitbucket and Port are."""
    return {
        name
        for name, function in functions(template).items()
        if {"BITBUCKET_URL", "PORT_BASE_URL"} & function["Environment"]["Variables"].keys()
    }


def network_interfaces(template: Template, name: str, given: dict[str, str]) -> bool:
    """Whether the function's role lets Lambda put it into a network."""
    (policy,) = resources(template, given)[f"{name}Role"]["Properties"]["Policies"]
    return any(statement["Sid"] == "JoinNetwork" for statement in policy["PolicyDocument"]["Statement"])


def test_exactly_what_calls_bitbucket_or_port_joins_the_network(template: Template) -> None:
    found = resources(template, INSIDE)
    inside = {name for name in functions(template) if "VpcConfig" in found[name]["Properties"]}

    assert {"PushProcess", "ResyncWorker", "ResyncStart", "SetUpFunction"} < calling(template)
    assert not [name for name in calling(template) if name.endswith("Receive")]
    assert inside == calling(template)
    assert {name for name in functions(template) if network_interfaces(template, name, INSIDE)} == inside
    assert not [name for name in functions(template) if network_interfaces(template, name, {})]
    assert all(
        found[name]["Properties"]["VpcConfig"] == found["PushProcess"]["Properties"]["VpcConfig"] for name in inside
    )


def test_exactly_these_know_the_proxy_and_the_certificates(template: Template) -> None:
    wanted = {"HTTPS_PROXY": {"Ref": "HttpsProxy"}, "CA_BUNDLE_SECRET_ARN": {"Ref": "CaBundleSecretArn"}}
    known = {name: function["Environment"]["Variables"] for name, function in functions(template).items()}

    assert {name for name, variables in known.items() if "HTTPS_PROXY" in variables} == calling(template)
    for name in calling(template):
        assert {key: known[name][key] for key in wanted} == wanted
        assert known[name]["NO_PROXY"] == known["PushProcess"]["NO_PROXY"]


def left_out(template: Template, suffix: str, hosts: str) -> str:
    """What NO_PROXY is where AWS's names end like this."""
    text: str = functions(template)["PushProcess"]["Environment"]["Variables"]["NO_PROXY"]["Fn::Sub"]
    return text.replace("${AWS::URLSuffix}", suffix).replace("${NoProxy}", hosts)


def proxied(url: str, monkeypatch: pytest.MonkeyPatch, no_proxy: str) -> set[bool]:
    """Whether requests and botocore would send this through the proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    return {"https" in found(url) for found in (get_environ_proxies, proxies_of_botocore)}


@pytest.mark.parametrize("hosts", ["", "git.example.com"])
@pytest.mark.parametrize("region", REGIONS)
def test_aws_is_called_past_the_proxy_in_every_partition(
    template: Template, monkeypatch: pytest.MonkeyPatch, region: str, hosts: str
) -> None:
    no_proxy = left_out(template, REGIONS[region], hosts)
    clients: list[Any] = [
        boto3.client(service, region_name=region, aws_access_key_id="x", aws_secret_access_key="x")
        for service in SERVICES
    ]
    bucket = f"cloudformation-custom-resource-response-{region.replace('-', '')}"
    urls = [client.meta.endpoint_url for client in clients]
    urls += [f"https://{bucket}.s3.{region}.{REGIONS[region]}/key?X-Amz-Signature=x"]

    assert all(url.startswith("https://") for url in urls)
    for url in urls:
        assert proxied(url, monkeypatch, no_proxy) == {False}, url


@pytest.mark.parametrize("hosts", ["", "git.example.com", ".internal.example.com,10.0.0.0/8"])
def test_bitbucket_and_port_go_through_it_unless_left_out(
    template: Template, monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    no_proxy = left_out(template, "amazonaws.com", hosts)

    assert proxied("https://api.getport.io/v1", monkeypatch, no_proxy) == {True}
    assert proxied("https://api.bitbucket.org/2.0", monkeypatch, no_proxy) == {True}
    assert proxied("https://git.example.com", monkeypatch, no_proxy) == {hosts != "git.example.com"}
