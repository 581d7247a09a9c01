"""The custom resource is called whenever set-up has something to do, and after all that a webhook needs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bitbucket_port import __version__
from scripts.sam_template import Template, functions, translate
from tests.template.cloudformation import resources

NEVER_CALLS = {
    "BitbucketToken": "rotated in Secrets Manager as often as here; the next check uses the new one",
    "PortClientSecret": "likewise",
    "ListInterval": "set-up says nothing about it",
    "PortPollInterval": "read at every tick",
    "SendRawDataExamples": "read with every full run",
    "ResyncConcurrency": "is Lambda's",
    "AlarmEmail": "is CloudWatch's",
    "AlarmTopicArn": "likewise",
    "LogLevel": "is the log's",
    "LogRetentionDays": "likewise",
    "Architecture": "is Lambda's",
    "KmsKeyArn": "is for what is stored",
    "PermissionsBoundaryArn": "is IAM's",
}
"""Parameter → why a change of it does not call set-up."""


def properties(template: Template, given: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = resources(template, given)["SetUp"]["Properties"]
    return found


def test_an_upgrade_calls_it_because_the_version_is_among_its_properties(template: Template) -> None:
    assert properties(template, {})["Version"] == __version__


def test_it_is_the_functions_and_is_waited_for_as_long_as_that_may_run(template: Template) -> None:
    made = properties(template, {})

    assert made["ServiceToken"] == {"Fn::GetAtt": ["SetUpFunction", "Arn"]}
    assert made["ServiceTimeout"] == functions(template)["SetUpFunction"]["Timeout"] == 900


@pytest.mark.parametrize("parameter", sorted(NEVER_CALLS))
def test_what_does_not_concern_it_does_not_call_it(template: Template, parameter: str) -> None:
    assert parameter in template["Parameters"]
    assert properties(template, {parameter: "another"}) == properties(template, {})


def test_every_other_parameter_calls_it_when_it_changes(template: Template) -> None:
    calling = {
        parameter
        for parameter in template["Parameters"]
        if properties(template, {parameter: "another"}) != properties(template, {})
    }

    assert calling == set(template["Parameters"]) - set(NEVER_CALLS)


def test_no_secret_is_among_its_properties(template: Template) -> None:
    text = json.dumps(template["Resources"]["SetUp"])

    assert not [name for name, parameter in template["Parameters"].items() if parameter.get("NoEcho") and name in text]


def reached(document: dict[str, Any], name: str) -> set[str]:
    """The resources that are made before this one, and deleted after it."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = document["Resources"][waiting.pop()]
        for other in {*_named(one.get("Properties", {})), *_as_list(one.get("DependsOn", []))}:
            if other in document["Resources"] and other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _named(value: Any) -> list[str]:
    """Logical ids that a value refers to."""
    if isinstance(value, list):
        return [name for item in value for name in _named(item)]
    if not isinstance(value, dict):
        return []
    found = [value["Ref"]] if "Ref" in value else []
    target = value.get("Fn::GetAtt", [])
    found += [target.split(".")[0]] if isinstance(target, str) else target[:1]
    if "Fn::Sub" in value:
        text = value["Fn::Sub"] if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"][0]
        found += [part.split("}")[0].split(".")[0] for part in text.split("${")[1:]]
    return found + [name for item in value.values() for name in _named(item)]


def test_all_that_takes_a_webhook_is_there_before_it_and_goes_after_it(template: Template) -> None:
    document = translate(template)
    before = reached(document, "SetUp")
    kinds = {name: resource["Type"] for name, resource in document["Resources"].items()}
    needed = {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Stage",
        "AWS::Lambda::Permission",
        "AWS::Lambda::EventSourceMapping",
        "AWS::SQS::Queue",
        "AWS::DynamoDB::Table",
        "AWS::SecretsManager::Secret",
    }
    # The tick comes after it; the function that it calls, and their roles, may come at any time.
    any_time = {"ResyncStart", "ResyncStartRole", "ResyncTickRole"}

    assert {name for name, kind in kinds.items() if kind in needed} - before == set()
    assert {
        name for name, kind in kinds.items() if kind in ("AWS::Lambda::Function", "AWS::IAM::Role")
    } - before == any_time
    assert "SetUp" in reached(document, "ResyncTick")


def test_the_report_is_an_output(template: Template) -> None:
    assert template["Outputs"]["SetUpReport"]["Value"] == {"Fn::GetAtt": ["SetUp", "Report"]}
    command = template["Outputs"]["SetUpCommand"]["Value"]["Fn::Sub"]
    assert "--function-name ${SetUpFunction} " in command
    assert """--payload '{"setup":"now"}'""" in command
