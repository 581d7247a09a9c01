"""Values that do not go together are refused with the sentence that helps, and those that do are not."""

from __future__ import annotations

from typing import Any

import pytest

from local.rules import broken
from scripts.sam_template import Template
from tests.template.cloudformation import parameters

CLOUD = {"BitbucketWorkspace": "acme"}
SERVER = {"BitbucketProduct": "server", "BitbucketUrl": "https://bitbucket.example.com"}
SECRET = {"CredentialsSecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:mine-abcdef"}
DASHES = {"BitbucketToken": "-", "PortClientSecret": "-"}

WORKSPACE = "BitbucketProduct cloud needs BitbucketWorkspace, the part after bitbucket.org/ in its address."
URL = "BitbucketProduct server needs BitbucketUrl, the address of your Data Center without /rest/api."
TOKEN = "BitbucketToken can be a dash only with CredentialsSecretArn or with BitbucketApi none."
CLIENT_SECRET = "PortClientSecret can be a dash only with CredentialsSecretArn."
SECURITY_GROUPS = "VpcSubnetIds needs VpcSecurityGroupIds."
SUBNETS = "VpcSecurityGroupIds needs VpcSubnetIds."


def judged(template: Template, given: dict[str, str]) -> list[str]:
    return broken(template["Rules"], parameters(template, given))


@pytest.mark.parametrize(
    ("given", "sentences"),
    [
        ({}, [WORKSPACE]),
        ({"BitbucketUrl": "https://bitbucket.example.com"}, [WORKSPACE]),
        ({"BitbucketProduct": "server"}, [URL]),
        ({**CLOUD, "BitbucketProduct": "server"}, [URL]),
        ({**CLOUD, "BitbucketToken": "-"}, [TOKEN]),
        ({**SERVER, "BitbucketToken": "-"}, [TOKEN]),
        ({**CLOUD, "PortClientSecret": "-"}, [CLIENT_SECRET]),
        ({**CLOUD, **DASHES}, [TOKEN, CLIENT_SECRET]),
        ({**SERVER, **DASHES, "BitbucketApi": "none"}, [CLIENT_SECRET]),
        ({**CLOUD, "VpcSubnetIds": "subnet-0a1"}, [SECURITY_GROUPS]),
        ({**CLOUD, "VpcSecurityGroupIds": "sg-0a1"}, [SUBNETS]),
        ({**DASHES, "VpcSubnetIds": "subnet-0a1"}, [WORKSPACE, TOKEN, CLIENT_SECRET, SECURITY_GROUPS]),
    ],
)
def test_a_wrong_combination_is_refused_with_what_to_do(
    template: Template, given: dict[str, str], sentences: list[str]
) -> None:
    assert judged(template, given) == sentences


def test_every_rule_of_the_template_is_seen_to_refuse(template: Template) -> None:
    assertions = [assertion for rule in template["Rules"].values() for assertion in rule["Assertions"]]
    sentences = [assertion["AssertDescription"] for assertion in assertions]

    assert sorted(sentences) == sorted([WORKSPACE, URL, TOKEN, CLIENT_SECRET, SECURITY_GROUPS, SUBNETS])


@pytest.mark.parametrize(
    "given",
    [
        CLOUD,
        SERVER,
        {**CLOUD, **SERVER},
        {**CLOUD, "BitbucketUrl": "https://proxy.example.com/2.0"},
        {**CLOUD, **SECRET},
        {**CLOUD, **SECRET, **DASHES},
        {**SERVER, **SECRET, **DASHES},
        {**SERVER, "BitbucketApi": "none"},
        {**SERVER, "BitbucketApi": "none", "BitbucketToken": "-"},
        {**CLOUD, "VpcSubnetIds": "subnet-0a1,subnet-0b2", "VpcSecurityGroupIds": "sg-0a1"},
    ],
)
def test_a_right_combination_is_accepted(template: Template, given: dict[str, str]) -> None:
    assert judged(template, given) == []


# --- the functions ---------------------------------------------------------------------------------------------------

VALUES = {"Size": "small", "Empty": "", "Count": "2", "Zones": ["a", "b"], "Same": ["a", "a"]}
TRUE = {"Fn::Equals": ["x", "x"]}
FALSE = {"Fn::Equals": ["x", "y"]}


def holds(condition: Any) -> bool:
    return broken({"Rule": {"Assertions": [{"Assert": condition, "AssertDescription": "no"}]}}, VALUES) == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"Fn::Equals": [{"Ref": "Size"}, "small"]}, True),
        ({"Fn::Equals": [{"Ref": "Size"}, "Small"]}, False),
        ({"Fn::Equals": [{"Ref": "Count"}, 2]}, True),
        ({"Fn::Equals": ["true", True]}, True),
        ({"Fn::Equals": [{"Ref": "Zones"}, ["a", "b"]]}, True),
        ({"Fn::Not": [TRUE]}, False),
        ({"Fn::Not": [FALSE]}, True),
        ({"Fn::And": [TRUE, TRUE]}, True),
        ({"Fn::And": [TRUE, TRUE, FALSE]}, False),
        ({"Fn::Or": [FALSE, TRUE]}, True),
        ({"Fn::Or": [FALSE, FALSE]}, False),
        ({"Fn::Contains": [["small", "large"], {"Ref": "Size"}]}, True),
        ({"Fn::Contains": [["large"], {"Ref": "Size"}]}, False),
        ({"Fn::Contains": [{"Ref": "Zones"}, "b"]}, True),
        ({"Fn::EachMemberEquals": [{"Ref": "Same"}, "a"]}, True),
        ({"Fn::EachMemberEquals": [{"Ref": "Zones"}, "a"]}, False),
        ({"Fn::EachMemberIn": [{"Ref": "Zones"}, ["c", "b", "a"]]}, True),
        ({"Fn::EachMemberIn": [["a", "d"], {"Ref": "Zones"}]}, False),
    ],
)
def test_rule_functions_are_judged_as_cloudformation_does(condition: Any, expected: bool) -> None:
    assert holds(condition) is expected


def test_a_rule_applies_only_where_its_condition_holds_and_always_without_one() -> None:
    assertion = {"Assert": FALSE, "AssertDescription": "refused"}

    assert broken({"Rule": {"RuleCondition": FALSE, "Assertions": [assertion]}}, VALUES) == []
    assert broken({"Rule": {"RuleCondition": TRUE, "Assertions": [assertion]}}, VALUES) == ["refused"]
    assert broken({"Rule": {"Assertions": [assertion]}}, VALUES) == ["refused"]


def test_an_assertion_without_a_description_is_named_by_its_rule() -> None:
    assert broken({"SizeIsLarge": {"Assertions": [{"Assert": FALSE}]}}, VALUES) == [
        "an assertion of the rule SizeIsLarge does not hold"
    ]


@pytest.mark.parametrize("function", ["Fn::If", "Condition", "Fn::Sub", "Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"])
def test_a_function_that_cannot_be_judged_is_refused_even_where_nobody_would_ask_for_it(function: str) -> None:
    unreached = {"Fn::And": [FALSE, {"Fn::Equals": [{function: "Size"}, "small"]}]}
    rules = {"Rule": {"RuleCondition": FALSE, "Assertions": [{"Assert": unreached}]}}

    with pytest.raises(NotImplementedError, match=f"the rule Rule uses {function}"):
        broken(rules, VALUES)


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ({"Ref": "Size"}, "true or false"),
        ("true", "true or false"),
        ({"Fn::Equals": ["a"]}, "two arguments, not 1"),
        ({"Fn::Equals": [{"Ref": "Nothing"}, ""]}, "a parameter's value"),
        ({"Fn::Equals": [TRUE, "true"]}, "a parameter's value"),
        ({"Fn::Not": [TRUE, FALSE]}, "one condition, not 2"),
        ({"Fn::And": [TRUE]}, "two to ten conditions, not 1"),
        ({"Fn::Or": [TRUE] * 11}, "two to ten conditions, not 11"),
        ({"Fn::Contains": [{"Ref": "Size"}, "s"]}, "a list of strings, not 'small'"),
        ({"Fn::EachMemberIn": [["a"], "abc"]}, "a list of strings, not 'abc'"),
    ],
)
def test_a_rule_that_cloudformation_would_not_accept_is_an_error(condition: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        holds(condition)
