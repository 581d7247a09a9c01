"""Which resources and properties of the template run on this machine, and which are left out, with the reason.

Anything else stops the stack from starting: what is in the template and silently missing here would be proved by no
test.
"""

from __future__ import annotations

from collections.abc import Mapping

from local.template import Template

RUN: Mapping[str, frozenset[str]] = {
    "AWS::SQS::Queue": frozenset(
        {
            "QueueName",
            "VisibilityTimeout",
            "MessageRetentionPeriod",
            "DelaySeconds",
            "MaximumMessageSize",
            "ReceiveMessageWaitTimeSeconds",
            "RedrivePolicy",
            "RedriveAllowPolicy",
            "SqsManagedSseEnabled",
            "KmsMasterKeyId",
            "KmsDataKeyReusePeriodSeconds",
        }
    ),
    "AWS::DynamoDB::Table": frozenset(
        {
            "TableName",
            "AttributeDefinitions",
            "KeySchema",
            "BillingMode",
            "ProvisionedThroughput",
            "GlobalSecondaryIndexes",
            "LocalSecondaryIndexes",
            "TimeToLiveSpecification",
            "PointInTimeRecoverySpecification",
            "SSESpecification",
        }
    ),
    "AWS::SecretsManager::Secret": frozenset(
        {"Name", "Description", "SecretString", "GenerateSecretString", "KmsKeyId"}
    ),
    "AWS::IAM::Role": frozenset({"RoleName", "AssumeRolePolicyDocument", "Policies"}),
    "AWS::Lambda::Function": frozenset(
        {
            "FunctionName",
            "Handler",
            "Role",
            "Environment",
            "Timeout",
            "MemorySize",
            "Layers",
            "ReservedConcurrentExecutions",
        }
    ),
    "AWS::Lambda::LayerVersion": frozenset({"LayerName"}),
    "AWS::Lambda::EventSourceMapping": frozenset(
        {"EventSourceArn", "FunctionName", "BatchSize", "FunctionResponseTypes", "ScalingConfig", "Enabled"}
    ),
    "AWS::Lambda::Permission": frozenset({"Action", "FunctionName", "Principal", "SourceArn"}),
    "AWS::ApiGatewayV2::Api": frozenset({"Body"}),
    "AWS::ApiGatewayV2::Stage": frozenset({"ApiId", "StageName", "AutoDeploy"}),
    "AWS::Scheduler::Schedule": frozenset(
        {
            "Name",
            "ScheduleExpression",
            "ScheduleExpressionTimezone",
            "StartDate",
            "EndDate",
            "State",
            "Target",
            "FlexibleTimeWindow",
        }
    ),
}
"""Type → properties that have their effect here."""

CUSTOM = "Custom::"
"""How the types of custom resources begin, which run as ``local.custom_resources`` has it."""
_TAGS = {"Tags": "nobody asks for tags here"}
_TEXT = {"Description": "is read by people only"}

LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "AWS::SQS::Queue": _TAGS,
    "AWS::DynamoDB::Table": _TAGS,
    "AWS::SecretsManager::Secret": _TAGS,
    "AWS::IAM::Role": {
        **_TAGS,
        **_TEXT,
        "PermissionsBoundary": "is a policy of the user's organization, which this machine does not have",
    },
    "AWS::Lambda::Function": {
        **_TAGS,
        **_TEXT,
        "Code": "is the folder in the repository",
        "Runtime": "is the Python that runs this command; the tests of the build check the runtime",
        "Architectures": "is this machine's",
        "TracingConfig": "there is no X-Ray here",
        "LoggingConfig": "logs go to one file for each function",
        "VpcConfig": "there is one network here",
        "RecursiveLoop": "Lambda's guard against loops does not run here; jobs have a bound of their own",
    },
    "AWS::Lambda::LayerVersion": {
        **_TEXT,
        "Content": "is built from the folder in the repository",
        "CompatibleRuntimes": "is Lambda's own check",
        "CompatibleArchitectures": "is Lambda's own check",
    },
    "AWS::ApiGatewayV2::Stage": {
        **_TAGS,
        "AccessLogSettings": "the gateway keeps the last requests for the page",
        "DefaultRouteSettings": "nobody sends hundreds of webhooks a second to this machine",
    },
    "AWS::Scheduler::Schedule": _TEXT,
    "AWS::CloudWatch::Alarm": {"*": "nobody is called for a stack on this machine; the page shows dead letters"},
    "AWS::SNS::Topic": {"*": "nobody is called for a stack on this machine"},
    "AWS::Logs::LogGroup": {"*": "logs go to one file for each function and with the stack"},
}
"""Type → property (``*``: all of them) → why it has no effect here."""


def check(template: Template) -> None:
    """Raise NotImplementedError naming the resources and properties that would be missing here."""
    complaints = []
    for logical_id, kind in template.kinds().items():
        if kind.startswith(CUSTOM):
            continue  # Its properties are its provider's.
        left_out = LEFT_OUT.get(kind, {})
        if kind not in RUN and "*" not in left_out:
            complaints.append(f"{logical_id} ({kind})")
        elif "*" not in left_out:
            strange = set(template.properties(logical_id)) - RUN[kind] - set(left_out)
            complaints += [f"{name} of {logical_id} ({kind})" for name in sorted(strange)]
    if complaints:
        raise NotImplementedError(f"the local stack does not run {'; '.join(complaints)}")
