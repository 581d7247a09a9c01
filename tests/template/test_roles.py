"""Each function may do what it has to do, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.sam_template import Template, functions
from tests.template.cloudformation import resources

FAMILIES = ("Project", "Repository", "Push", "PullRequest")
RECEIVERS = (*(f"{family}Receive" for family in FAMILIES), "WebhookReceive")
CONSUMERS = (*(f"{family}Process" for family in FAMILIES), "ResyncWorker")
START = "ResyncStart"
SET_UP = "SetUpFunction"

KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"
EVERYTHING_OPTIONAL = {
    "BitbucketWorkspace": "example",
    "KmsKeyArn": KEY,
    "VpcSubnetIds": "subnet-1,subnet-2",
    "VpcSecurityGroupIds": "sg-1",
    "CaBundleSecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ca-abcdef",
    "PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/boundary",
}
CREDENTIALS = {"CredentialsSecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:mine-abcdef"}
DEPLOYMENTS = [{}, EVERYTHING_OPTIONAL, CREDENTIALS]

LAMBDA_ITSELF_ON_ANYTHING = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}
ATTRIBUTE = "Fn::GetAtt"


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def named(resource: Any) -> str:
    """A resource of a statement as a word: a logical id, or the literal ARN."""
    if isinstance(resource, dict):
        (target,) = resource.values()
        return str(target if isinstance(target, str) else target[0])
    return str(resource)


def statements(template: Template, function: str, given: dict[str, str] | None = None) -> list[dict[str, Any]]:
    role = resources(template, given or {})[f"{function}Role"]["Properties"]
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def grants(template: Template, function: str, given: dict[str, str] | None = None) -> set[tuple[str, str]]:
    """Pairs of action and resource, without what the Lambda service does with every role on its own behalf."""
    return {
        (action, named(resource))
        for statement in statements(template, function, given)
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        if action not in LAMBDA_ITSELF_ON_ANYTHING and not action.startswith("logs:")
    }


@pytest.mark.parametrize("given", DEPLOYMENTS, ids=["default", "everything", "own secret"])
def test_no_role_has_a_wildcard_action_or_a_condition(template: Template, given: dict[str, str]) -> None:
    for function in functions(template):
        for statement in statements(template, function, given):
            assert statement["Effect"] == "Allow"
            assert not any("*" in action for action in as_list(statement["Action"]))
            assert "Condition" not in statement
            assert "NotAction" not in statement


@pytest.mark.parametrize("given", DEPLOYMENTS, ids=["default", "everything", "own secret"])
def test_only_what_lambda_does_for_itself_is_allowed_on_every_resource(
    template: Template, given: dict[str, str]
) -> None:
    for function in functions(template):
        for statement in statements(template, function, given):
            if "*" in {named(resource) for resource in as_list(statement["Resource"])}:
                assert set(as_list(statement["Action"])) <= LAMBDA_ITSELF_ON_ANYTHING
            assert not any(named(resource).endswith("/*") for resource in as_list(statement["Resource"]))


def test_every_function_has_a_role_of_its_own_which_only_lambda_can_take(template: Template) -> None:
    roles = {name: function["Role"][ATTRIBUTE] for name, function in functions(template).items()}

    assert roles == {name: [f"{name}Role", "Arn"] for name in (*RECEIVERS, *CONSUMERS, START, SET_UP)}
    for name in roles:
        trust = template["Resources"][f"{name}Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust == [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]


def test_every_function_writes_to_its_own_log_group_only(template: Template) -> None:
    for name, function in functions(template).items():
        logging = [s for s in statements(template, name) if s["Sid"] == "Log"]
        assert function["LoggingConfig"]["LogGroup"] == {"Ref": f"{name}Logs"}
        assert [named(s["Resource"]) for s in logging] == [f"{name}Logs"]
        assert {action for s in logging for action in s["Action"]} == {"logs:CreateLogStream", "logs:PutLogEvents"}


@pytest.mark.parametrize("function", RECEIVERS)
def test_receive_may_read_the_webhook_secret_and_fill_the_live_queues(template: Template, function: str) -> None:
    assert grants(template, function) == {
        ("secretsmanager:GetSecretValue", "WebhookSecret"),
        *(("sqs:SendMessage", f"{family}Queue") for family in FAMILIES),
    }


def test_what_begins_a_resync_reads_ports_secret_and_not_bitbuckets_and_deletes_nothing(template: Template) -> None:
    table = ("GetItem", "Query", "PutItem", "UpdateItem", "BatchWriteItem")
    expected = {*((f"dynamodb:{action}", "Ledger") for action in table), ("sqs:SendMessage", "ResyncJobsQueue")}
    read = "secretsmanager:GetSecretValue"

    assert grants(template, START) == expected | {(read, "StoredPortClientSecret")}
    assert grants(template, START, CREDENTIALS) == expected | {(read, CREDENTIALS["CredentialsSecretArn"])}


def test_set_up_reads_every_secret_keeps_the_ledger_and_orders_jobs(template: Template) -> None:
    table = ("GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem")
    expected = {*((f"dynamodb:{action}", "Ledger") for action in table), ("sqs:SendMessage", "ResyncJobsQueue")}
    read = "secretsmanager:GetSecretValue"

    assert grants(template, SET_UP) == expected | {
        (read, "StoredBitbucketToken"),
        (read, "StoredPortClientSecret"),
        (read, "WebhookSecret"),
    }
    assert grants(template, SET_UP, CREDENTIALS) == expected | {
        (read, CREDENTIALS["CredentialsSecretArn"]),
        (read, "WebhookSecret"),
    }


def test_the_schedule_has_a_role_of_its_own_which_may_begin_resyncs_and_nothing_else(template: Template) -> None:
    role = template["Resources"]["ResyncTickRole"]["Properties"]
    (policy,) = role["Policies"]

    assert template["Resources"]["ResyncTick"]["Properties"]["Target"]["RoleArn"] == {
        ATTRIBUTE: ["ResyncTickRole", "Arn"]
    }
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Sid": "Tick",
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": {ATTRIBUTE: [START, "Arn"]},
        }
    ]
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
        }
    ]


def consumer_grants(queue: str) -> set[tuple[str, str]]:
    table = ["GetItem", "BatchGetItem", "Query", "UpdateItem", "DeleteItem"]
    if queue == "ResyncJobsQueue":
        table += ["PutItem", "BatchWriteItem"]
    own_queue = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility")
    return {
        *((f"dynamodb:{action}", "Ledger") for action in table),
        *((f"sqs:{action}", queue) for action in own_queue),
        ("sqs:SendMessage", "ResyncJobsQueue"),
    }


@pytest.mark.parametrize("function", CONSUMERS)
def test_process_may_read_both_credentials_keep_the_ledger_and_order_jobs(template: Template, function: str) -> None:
    queue = "ResyncJobsQueue" if function == "ResyncWorker" else function.replace("Process", "Queue")

    more = {("secretsmanager:GetSecretValue", "WebhookSecret")} if function == "ResyncWorker" else set()
    assert grants(template, function) == consumer_grants(queue) | more | {
        ("secretsmanager:GetSecretValue", "StoredBitbucketToken"),
        ("secretsmanager:GetSecretValue", "StoredPortClientSecret"),
    }
    assert grants(template, function, CREDENTIALS) == consumer_grants(queue) | more | {
        ("secretsmanager:GetSecretValue", CREDENTIALS["CredentialsSecretArn"]),
    }


@pytest.mark.parametrize("function", (*RECEIVERS, *CONSUMERS, START, SET_UP))
def test_a_key_a_certificate_and_a_network_add_just_what_they_need(template: Template, function: str) -> None:
    added = grants(template, function, EVERYTHING_OPTIONAL) - grants(template, function)
    network = {
        action
        for statement in statements(template, function, EVERYTHING_OPTIONAL)
        for action in as_list(statement["Action"])
        if action.startswith("ec2:")
    }

    encryption = {("kms:Decrypt", KEY), ("kms:GenerateDataKey", KEY)}
    if function in RECEIVERS:
        assert added == encryption
        assert network == set()
    else:
        certificates = ("secretsmanager:GetSecretValue", EVERYTHING_OPTIONAL["CaBundleSecretArn"])
        assert added == encryption | {("kms:Encrypt", KEY), ("kms:DescribeKey", KEY), certificates}
        assert network == {action for action in LAMBDA_ITSELF_ON_ANYTHING if action.startswith("ec2:")}


@pytest.mark.parametrize("given", [{}, EVERYTHING_OPTIONAL])
def test_the_boundary_is_on_every_role_where_one_is_given(template: Template, given: dict[str, str]) -> None:
    roles = [r["Properties"] for r in resources(template, given).values() if r["Type"] == "AWS::IAM::Role"]

    assert len(roles) == len(functions(template)) + 1
    assert {role.get("PermissionsBoundary") for role in roles} == {given.get("PermissionsBoundaryArn")}
