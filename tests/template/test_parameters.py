"""A deployment is asked for little, in a sensible order, and refused before anything is made when it cannot work."""

from __future__ import annotations

import re

import pytest

from scripts.sam_template import Template
from tests.template.cloudformation import parameters, refusals

CLOUD = {"BitbucketWorkspace": "example"}
SERVER = {"BitbucketProduct": "server", "BitbucketUrl": "https://bitbucket.example.com"}
MINE = {"CredentialsSecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:mine-abcdef"}


def test_what_has_no_usable_default_is_asked_for_first(template: Template) -> None:
    names = list(template["Parameters"])
    required = {name for name, parameter in template["Parameters"].items() if "Default" not in parameter}

    assert names[:5] == ["BitbucketWorkspace", "BitbucketUrl", "BitbucketToken", "PortClientId", "PortClientSecret"]
    assert required == set(names[2:5])
    # What one product needs is no use to the other, so it has a default that the rules refuse.
    assert refusals(template, {}) == ["CloudNeedsWorkspace"]
    assert refusals(template, {"BitbucketProduct": "server"}) == ["ServerNeedsUrl"]


def test_two_values_are_secret_and_both_are_always_asked_for(template: Template) -> None:
    secret = {name for name, parameter in template["Parameters"].items() if parameter.get("NoEcho")}

    assert secret == {"BitbucketToken", "PortClientSecret"}
    assert all("Default" not in template["Parameters"][name] for name in secret)


def test_the_settings_of_this_path_are_all_there(template: Template) -> None:
    assert set(template["Parameters"]) == {
        "BitbucketProduct",
        "BitbucketWorkspace",
        "BitbucketUrl",
        "BitbucketUsername",
        "BitbucketToken",
        "PortClientId",
        "PortClientSecret",
        "PortBaseUrl",
        "CredentialsSecretArn",
        "IntegrationIdentifier",
        "BitbucketApi",
        "LiveEvents",
        "BaseUrl",
        "BitbucketIsVersion8Point7OrOlder",
        "MappingSource",
        "MappingPreset",
        "InitializePortResources",
        "SendRawDataExamples",
        "ScheduledResyncInterval",
        "ListInterval",
        "PortPollInterval",
        "ResyncConcurrency",
        "AlarmEmail",
        "AlarmTopicArn",
        "LogLevel",
        "LogRetentionDays",
        "Architecture",
        "VpcSubnetIds",
        "VpcSecurityGroupIds",
        "HttpsProxy",
        "NoProxy",
        "CaBundleSecretArn",
        "KmsKeyArn",
        "PermissionsBoundaryArn",
    }
    assert all(parameter["Description"] for parameter in template["Parameters"].values())


@pytest.mark.parametrize(
    ("given", "refused_by"),
    [
        (CLOUD, []),
        (SERVER, []),
        ({**CLOUD, "BitbucketToken": "-"}, ["TokenIsGiven"]),
        ({**CLOUD, "PortClientSecret": "-"}, ["PortClientSecretIsGiven"]),
        ({**CLOUD, **MINE, "BitbucketToken": "-", "PortClientSecret": "-"}, []),
        ({**CLOUD, **MINE}, []),
        ({**SERVER, "BitbucketApi": "none", "BitbucketToken": "-"}, []),
        ({**SERVER, "BitbucketApi": "none", "PortClientSecret": "-"}, ["PortClientSecretIsGiven"]),
        ({**CLOUD, "VpcSubnetIds": "subnet-1"}, ["SubnetsNeedSecurityGroups"]),
        ({**CLOUD, "VpcSecurityGroupIds": "sg-1"}, ["SecurityGroupsNeedSubnets"]),
        ({**CLOUD, "VpcSubnetIds": "subnet-1", "VpcSecurityGroupIds": "sg-1"}, []),
        ({"BitbucketToken": "-"}, ["CloudNeedsWorkspace", "TokenIsGiven"]),
    ],
)
def test_wrong_combinations_are_refused(template: Template, given: dict[str, str], refused_by: list[str]) -> None:
    assert refusals(template, given) == refused_by


def test_a_rule_says_what_to_do(template: Template) -> None:
    for rule in template["Rules"].values():
        for assertion in rule["Assertions"]:
            assert any(name in assertion["AssertDescription"] for name in template["Parameters"])


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        (
            "BitbucketUrl",
            ["https://api.bitbucket.org/2.0", "https://git.example.com", "http://git.example.com:7990/bitbucket/"],
            ["", "git.example.com", "https://git.example.com/rest/api", "https://git.example.com/rest/api/1.0"],
        ),
        (
            "PortBaseUrl",
            ["https://api.getport.io", "https://api.us.port.io/v1", "http://127.0.0.1:8000", "https://api.port.io/"],
            ["https://app.port.io", "https://app.getport.io/v1", "api.port.io"],
        ),
        (
            "CredentialsSecretArn",
            ["", "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:team/mine-AbCd12"],
            ["mine", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:mine"],
        ),
        ("BitbucketWorkspace", ["", "example-team", "{6e1f0f0e-0000-4000-8000-000000000001}"], ["a b", "bitbucket/x"]),
        ("VpcSubnetIds", ["", "subnet-0a1", "subnet-0a1,subnet-0b2"], ["subnet-0a1, subnet-0b2", "vpc-1"]),
        ("KmsKeyArn", [""], ["alias/mine", "arn:aws:kms:eu-west-1:111122223333:alias/mine"]),
        ("ListInterval", ["auto", "0", "15", "60", "525600"], ["", "00", "015", "-1", "1.5", "15m", "Auto"]),
        (
            "BaseUrl",
            ["", "https://hooks.example.com", "https://example.com:8443/bitbucket", "http://127.0.0.1:3000"],
            ["hooks.example.com", "https://hooks.example.com?x", "https://me@example.com", "ftp://example.com"],
        ),
        ("AlarmEmail", ["", "ops@example.com"], ["ops"]),
        (
            "HttpsProxy",
            ["", "http://proxy.example.com:3128", "https://proxy.example.com/", "http://10.0.0.1:8080"],
            ["proxy.example.com:3128", "http://clerk:word@proxy.example.com:3128", "http://clerk@proxy", "socks5://a"],
        ),
        (
            "NoProxy",
            ["", "git.example.com", ".example.com,10.0.0.0/8", "git.example.com:7990,fd00::1"],
            ["git.example.com, other.example.com", "https://git.example.com ", "a,,b", "clerk@git.example.com"],
        ),
    ],
)
def test_single_values_are_checked_before_anything_is_made(
    template: Template, name: str, accepted: list[str], refused: list[str]
) -> None:
    pattern = re.compile(template["Parameters"][name]["AllowedPattern"])

    assert [value for value in accepted if not pattern.fullmatch(value)] == []
    assert [value for value in refused if pattern.fullmatch(value)] == []


def test_defaults_pass_their_own_checks(template: Template) -> None:
    for name, value in parameters(template, {}).items():
        parameter = template["Parameters"][name]
        assert re.fullmatch(parameter.get("AllowedPattern", ".*"), value), name
        assert value in [str(choice) for choice in parameter.get("AllowedValues", [value])], name
