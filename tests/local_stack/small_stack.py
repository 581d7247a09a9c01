"""A stack of a few resources, so that one of them can be changed and looked at."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from local.aws import Moto
from local.stack import Stack

PARAMETERS = {
    "BitbucketWorkspace": "acme",
    "BitbucketToken": "token",
    "PortClientId": "client",
    "PortClientSecret": "secret",
}
Resource = dict[str, Any]


def role(*statements: Resource, service: str = "lambda.amazonaws.com") -> Resource:
    """A role that a service may take on."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policies = [{"PolicyName": "access", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}]
    document = {"Version": "2012-10-17", "Statement": [trust]}
    properties = {"AssumeRolePolicyDocument": document, **({"Policies": policies} if statements else {})}
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def allow(actions: str | list[str], resource: Any) -> Resource:
    """One statement."""
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def function(role_name: str = "Role", **properties: Any) -> Resource:
    """The function of ``echo/``."""
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"S3Bucket": "bucket", "S3Key": "tests/local_stack/echo"},
            "Handler": "app.handler",
            "Runtime": "python3.13",
            "Timeout": 30,
            "Role": {"Fn::GetAtt": [role_name, "Arn"]},
            "Environment": {"Variables": {"GREETING": "hello"}},
            **properties,
        },
    }


def resources() -> dict[str, Resource]:
    """A queue with dead letters, a function that reads it, and one behind an API."""
    queue = {"Fn::GetAtt": ["Queue", "Arn"]}
    polling = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    integration = {
        "type": "aws_proxy",
        "uri": {
            "Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Echo.Arn}/invocations"
        },
        "payloadFormatVersion": "2.0",
    }
    source = {"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/POST/echo"}
    permission = {
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Ref": "Echo"},
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": source,
    }
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}, "maxReceiveCount": 3}
    mapping = {
        "EventSourceArn": queue,
        "FunctionName": {"Ref": "Worker"},
        "BatchSize": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }
    operation = {"x-amazon-apigateway-integration": integration}
    return {
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"VisibilityTimeout": 180, "RedrivePolicy": redrive},
        },
        "DeadLetters": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "Role": role(allow("sqs:SendMessage", queue)),
        "WorkerRole": role(allow(polling, queue)),
        "Echo": function(),
        "Worker": function("WorkerRole"),
        "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping},
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": {"paths": {"/echo": {"post": operation}}}}},
        "Permission": {"Type": "AWS::Lambda::Permission", "Properties": permission},
    }


def stack(
    moto: Moto, given: Mapping[str, Resource], *, also: Callable[[dict[str, Any]], None] | None = None, **more: Any
) -> Stack:
    """A stack of these resources, not started; the layers of the real template may be named.

    ``also`` changes the template besides.
    """

    def change(document: dict[str, Any]) -> None:
        layers = {
            name: resource
            for name, resource in document["Resources"].items()
            if resource["Type"] == "AWS::Lambda::LayerVersion"
        }
        document["Resources"] = {**layers, **copy.deepcopy(dict(given))}
        document["Outputs"] = {}
        if also:
            also(document)

    return Stack(PARAMETERS, moto=moto, change=change, **more)


def send(deployed: Stack, *bodies: Any) -> None:
    """Messages for the queue."""
    for body in bodies:
        deployed.sqs.send_message(QueueUrl=deployed.queue_url("Queue"), MessageBody=json.dumps(body))


def said(deployed: Stack, function_name: str, about: str) -> list[Any]:
    """What the function printed under a key, in order."""
    text = (deployed.logs_folder / f"{function_name}.log").read_text(encoding="utf-8")
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line[about] for line in found if about in line]
