"""A stack in AWS, worked for by this process: its settings, secrets, ledger and lease, with the caller's credentials.

For a runner inside the network of a Data Center that AWS cannot reach. Needed rights: ``cloudformation:DescribeStacks``
and ``DescribeStackResources``, ``secretsmanager:GetSecretValue`` on the stack's secrets, and what the role of the
function ResyncWorker may do with the ledger's table; ``cloudformation:ListStackResources`` to find the queues.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bitbucket_port.catalog.held import Timing
from bitbucket_port.cli.queue import JobQueue
from bitbucket_port.cli.workplace import JOB_SECONDS, LEASE_SECONDS, PortIsTold
from bitbucket_port.errors import SettingsError
from bitbucket_port.resync.assembly import Parts, run_worker
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.runtime import Runtime
from bitbucket_port.secrets import SecretReader

_PARAMETERS = {
    "BitbucketProduct": "BITBUCKET_PRODUCT",
    "BitbucketWorkspace": "BITBUCKET_WORKSPACE",
    "BitbucketUrl": "BITBUCKET_URL",
    "BitbucketUsername": "BITBUCKET_USERNAME",
    "PortClientId": "PORT_CLIENT_ID",
    "PortBaseUrl": "PORT_BASE_URL",
    "CredentialsSecretArn": "CREDENTIALS_SECRET_ARN",
    "IntegrationIdentifier": "INTEGRATION_IDENTIFIER",
    "MappingPreset": "MAPPING_PRESET",
    "CaBundleSecretArn": "CA_BUNDLE_SECRET_ARN",
    "ScheduledResyncInterval": "SCHEDULED_RESYNC_INTERVAL",
    "ListInterval": "LIST_INTERVAL",
    "PortPollInterval": "PORT_POLL_INTERVAL",
    "LiveEvents": "LIVE_EVENTS",
    "BaseUrl": "BASE_URL",
    "BitbucketApi": "BITBUCKET_API",
    "BitbucketIsVersion8Point7OrOlder": "BITBUCKET_IS_VERSION_8_POINT_7_OR_OLDER",
    "InitializePortResources": "INITIALIZE_PORT_RESOURCES",
    "SendRawDataExamples": "SEND_RAW_DATA_EXAMPLES",
    "MappingSource": "MAPPING_SOURCE",
}
_RESOURCES = {
    "Ledger": "LEDGER_TABLE",
    "ResyncJobsQueue": "RESYNC_JOBS_QUEUE_URL",
    "WebhookSecret": "WEBHOOK_SECRET_ARN",
}
_STORED_SECRETS = {
    "StoredBitbucketToken": "BITBUCKET_TOKEN_SECRET_ARN",
    "StoredPortClientSecret": "PORT_CLIENT_SECRET_SECRET_ARN",
}


_ANY_EVENT = "/webhooks"
_QUEUE = "AWS::SQS::Queue"


def environment_of(name: str, *, as_deployed: bool = False) -> dict[str, str]:
    """The variables that a function of this stack would have; raises SettingsError when AWS does not tell.

    Unless ``as_deployed``, Bitbucket may be asked even where the stack itself may not: for a process that runs where it
    can be reached.
    """
    with _told_of(name):
        client: Any = boto3.client("cloudformation")
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
        given = {one["ParameterKey"]: one.get("ParameterValue", "") for one in stack.get("Parameters", [])}
        # Empty ones, too: what the caller has under these names in his own environment is about something else.
        found = {variable: given.get(parameter, "") for parameter, variable in _PARAMETERS.items()}
        wanted = dict(_RESOURCES)
        if not found["CREDENTIALS_SECRET_ARN"]:
            wanted |= _STORED_SECRETS
        for logical_id, variable in wanted.items():
            found[variable] = _physical(client, name, logical_id)
    if not found["BASE_URL"]:
        found["BASE_URL"] = _api_url(stack)
    found["STACK_ID"] = str(stack["StackId"]).split("/")[2]
    return found if as_deployed else {**found, "BITBUCKET_API": "full"}


def queues_of(name: str) -> dict[str, str]:
    """Logical id → URL of every queue of a stack; raises SettingsError when AWS does not tell."""
    with _told_of(name):
        pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
        resources = [one for page in pages for one in page["StackResourceSummaries"]]
    return {
        str(one["LogicalResourceId"]): str(one["PhysicalResourceId"])
        for one in resources
        if one["ResourceType"] == _QUEUE
    }


def _api_url(stack: Any) -> str:
    """The URL of the stack's API, as its outputs tell it; empty for one that has none."""
    outputs = {one["OutputKey"]: str(one.get("OutputValue", "")) for one in stack.get("Outputs", [])}
    return outputs.get("WebhookUrl", "").removesuffix(_ANY_EVENT)


@contextmanager
def _told_of(name: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise SettingsError(f"the stack {name!r} cannot be read: {_told(error)}") from error


def _physical(client: Any, stack: str, logical_id: str) -> str:
    answer = client.describe_stack_resources(StackName=stack, LogicalResourceId=logical_id)
    resources = answer["StackResources"]
    if not resources:
        raise SettingsError(f"the stack {stack!r} has no resource {logical_id}: is it one of this project?")
    return str(resources[0]["PhysicalResourceId"])


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Bitbucket's token and Port's client secret, under the names that the command's settings have."""
    reader = SecretReader(boto3.client("secretsmanager"))
    own = environment.get("CREDENTIALS_SECRET_ARN")
    try:
        if own:
            token, secret = (reader.current_field(own, name) for name in ("bitbucketToken", "portClientSecret"))
        else:
            token, secret = (
                reader.current(environment[f"{name}_SECRET_ARN"]) for name in ("BITBUCKET_TOKEN", "PORT_CLIENT_SECRET")
            )
    except (BotoCoreError, ClientError) as error:
        raise SettingsError(f"the stack's secrets cannot be read: {_told(error)}") from error
    return {"BITBUCKET_TOKEN": token.value, "PORT_CLIENT_SECRET": secret.value}


class StackWorkplace:
    """A workplace over a stack's own parts; the jobs wait in this process all the same."""

    def __init__(self, environment: Mapping[str, str], queue: JobQueue) -> None:
        runtime = self._runtime = Runtime(environment)
        runtime.leaves_reserve = True
        if runtime.reader is None:
            raise SettingsError("the stack may not ask Bitbucket")
        self.store = DynamoDBRunStore(runtime.dynamodb, runtime.settings.ledger_table)
        self.mapping = runtime.engine.mapping
        self._worker = run_worker(
            Parts(
                store=self.store,
                ledger=runtime.ledger,
                engine=runtime.engine,
                bitbucket=runtime.reader,
                port=runtime.port,
                applier=lambda followers: runtime.applier(Timing(lease=LEASE_SECONDS), followers),
                source=runtime.source.of,
                send=queue.send,
                time_left=runtime.time_left,
                spent=runtime.spent,
                told=PortIsTold(runtime.port),
            )
        )

    def enter(self) -> None:
        """See Workplace."""
        self._runtime.begin(int(JOB_SECONDS * 1000))
        self._runtime.port.enter()

    def handle(self, message: str, receives: int, *, seconds: float) -> None:
        """See Workplace."""
        self._runtime.begin(int(seconds * 1000))
        self._worker.handle(message, receives)

    def hurry(self) -> None:
        """See Workplace."""
        self._runtime.begin(0)


def workplaces(environment: Mapping[str, str], queue: JobQueue, count: int) -> Sequence[StackWorkplace]:
    """One for each thread, made one after the other: boto3 makes clients in one thread only."""
    return [StackWorkplace(environment, queue) for _ in range(count)]


def _told(error: Exception) -> str:
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        return f"{said.get('Code', 'error')}: {said.get('Message', '')}"
    return str(error)
