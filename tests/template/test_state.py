"""Delete and deploy again, or two stacks in one account, just work; secrets and ledger are as the code expects."""

from __future__ import annotations

from typing import Any

from scripts.sam_template import Template
from tests.template.cloudformation import resources

STATEFUL = {
    "Ledger": "AWS::DynamoDB::Table",
    "StoredBitbucketToken": "AWS::SecretsManager::Secret",
    "StoredPortClientSecret": "AWS::SecretsManager::Secret",
    "WebhookSecret": "AWS::SecretsManager::Secret",
    **{
        f"{name}{part}": "AWS::SQS::Queue"
        for name in ("Project", "Repository", "Push", "PullRequest", "ResyncJobs")
        for part in ("Queue", "DeadLetters")
    },
}
NAMES = {
    "AlarmName",
    "FunctionName",
    "GroupName",
    "LayerName",
    "LogGroupName",
    "ManagedPolicyName",
    "Name",
    "QueueName",
    "RoleName",
    "TableName",
    "TopicName",
}


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_logical_ids_of_what_holds_state_never_change(template: Template) -> None:
    found = {
        name: resource["Type"]
        for name, resource in template["Resources"].items()
        if resource["Type"] in set(STATEFUL.values())
    }

    assert found == STATEFUL


def test_nothing_has_a_name_that_a_second_stack_would_want_too(template: Template) -> None:
    for logical_id, resource in template["Resources"].items():
        for name in NAMES & set(resource["Properties"]):
            assert "${AWS::StackName}" in str(resource["Properties"][name]), (logical_id, name)


def test_the_one_named_log_group_carries_the_stack_s_own_id(template: Template) -> None:
    name, variables = template["Resources"]["ApiAccessLogs"]["Properties"]["LogGroupName"]["Fn::Sub"]

    assert name.startswith("/aws/vendedlogs/")
    assert "${Id}" in name
    assert variables["Id"] == {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}


def test_no_partition_region_or_account_is_written_down(template: Template) -> None:
    for text in texts(template["Resources"]) + texts(template["Outputs"]):
        assert "arn:aws" not in text
        assert "amazonaws.com" not in text or text in ("lambda.amazonaws.com", "scheduler.amazonaws.com")


def test_nothing_is_left_behind_to_be_paid_for(template: Template) -> None:
    for name in STATEFUL:
        resource = template["Resources"][name]
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Delete"
    for name in ("DependenciesLayer", "BitbucketPortLayer"):
        assert template["Resources"][name]["Properties"]["RetentionPolicy"] == "Delete"


def test_the_ledger_is_paid_per_request_expires_items_and_can_be_restored(template: Template) -> None:
    ledger = resources(template, {})["Ledger"]["Properties"]

    assert ledger["BillingMode"] == "PAY_PER_REQUEST"
    assert {key["AttributeName"]: key["KeyType"] for key in ledger["KeySchema"]} == {"PK": "HASH", "SK": "RANGE"}
    assert {entry["AttributeName"]: entry["AttributeType"] for entry in ledger["AttributeDefinitions"]} == {
        "PK": "S",
        "SK": "S",
    }
    assert ledger["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert ledger["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert "SSESpecification" not in ledger


def test_each_secret_holds_one_value_as_it_was_typed(template: Template) -> None:
    deployed = resources(template, {"BitbucketToken": 'quote " and \\', "PortClientSecret": "other"})

    assert deployed["StoredBitbucketToken"]["Properties"]["SecretString"] == 'quote " and \\'
    assert deployed["StoredPortClientSecret"]["Properties"]["SecretString"] == "other"


def test_the_webhook_secret_is_generated_and_no_longer_than_bitbucket_takes(template: Template) -> None:
    secret = template["Resources"]["WebhookSecret"]["Properties"]

    assert 32 <= secret["GenerateSecretString"]["PasswordLength"] <= 128
    assert secret["GenerateSecretString"]["ExcludePunctuation"] is True
    assert "SecretString" not in secret


def test_the_outputs_tell_every_url_and_how_to_print_the_webhook_secret(template: Template) -> None:
    values = {name: output["Value"] for name, output in template["Outputs"].items()}
    urls = {value["Fn::Sub"] for name, value in values.items() if name.endswith("Url")}

    assert {url.split("${AWS::URLSuffix}")[1] for url in urls} == {
        "/webhooks",
        "/webhooks/project",
        "/webhooks/repository",
        "/webhooks/push",
        "/webhooks/pull-request",
    }
    command = values["WebhookSecretCommand"]["Fn::Sub"]
    assert command.startswith("aws secretsmanager get-secret-value ")
    assert "--secret-id ${WebhookSecret}" in command


def test_the_outputs_tell_how_to_begin_a_resync_by_hand(template: Template) -> None:
    command = template["Outputs"]["ResyncCommand"]["Value"]["Fn::Sub"]

    assert command.startswith("aws lambda invoke ")
    assert "--function-name ${ResyncStart}" in command
    assert """--payload '{"resync":"full"}'""" in command


def test_the_access_log_tells_the_outcome_and_no_header_or_body(template: Template) -> None:
    settings = template["Resources"]["WebhookApi"]["Properties"]["AccessLogSettings"]

    assert settings["DestinationArn"] == {"Fn::GetAtt": ["ApiAccessLogs", "Arn"]}
    assert '"status":"$context.status"' in settings["Format"]
    assert "\n" not in settings["Format"]
