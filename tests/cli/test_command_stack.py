"""The command working for a stack in AWS: its table, secrets, mapping and lease, found by the stack's name."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bitbucket_port.catalog.dynamodb import DynamoDBLedger
from bitbucket_port.catalog.items import Granted, Guard, ObjectItem
from bitbucket_port.objects import SourceKey
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.store import Run
from local.aws import Moto
from tests.aws import moto_of
from tests.cli.conftest import IDENTIFIER, Site

NAME = "bitbucket-port-test"
LEDGER = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": one, "AttributeType": "S"} for one in ("PK", "SK")],
        "KeySchema": [{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
    },
}
TEMPLATE: dict[str, Any] = {
    "Parameters": {
        name: {"Type": "String", "Default": ""}
        for name in (
            "BitbucketProduct",
            "BitbucketWorkspace",
            "BitbucketUrl",
            "PortClientId",
            "PortBaseUrl",
            "CredentialsSecretArn",
            "IntegrationIdentifier",
            "MappingPreset",
        )
    },
    "Resources": {
        "Ledger": LEDGER,
        "ResyncJobsQueue": {"Type": "AWS::SQS::Queue"},
        "WebhookSecret": {"Type": "AWS::SNS::Topic"},  # Moto's CloudFormation makes no secrets; an ARN is enough here.
    },
    "Outputs": {"WebhookUrl": {"Value": "https://api.example.com/webhooks"}},
}
AWS = {
    "AWS_ACCESS_KEY_ID": "operator",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "eu-west-1",
}


moto = moto_of("module")


@pytest.fixture
def stack(site: Site, moto: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDBRunStore]:
    """The stack's run store; the command finds everything else by itself."""
    for name, value in {**AWS, "AWS_ENDPOINT_URL": moto.url}.items():
        monkeypatch.setenv(name, value)
    secrets = moto.client("secretsmanager")
    values = {"bitbucketToken": site.bitbucket.token, "portClientSecret": site.port.client_secret}
    secret = secrets.create_secret(Name=f"own-{time.monotonic_ns()}", SecretString=json.dumps(values))["ARN"]
    ours = site.settings
    parameters = {
        "BitbucketProduct": site.product,
        "BitbucketWorkspace": ours.get("BITBUCKET_WORKSPACE", ""),
        "BitbucketUrl": ours["BITBUCKET_URL"],
        "PortClientId": ours["PORT_CLIENT_ID"],
        "PortBaseUrl": ours["PORT_BASE_URL"],
        "CredentialsSecretArn": secret,
        "IntegrationIdentifier": IDENTIFIER,
        "MappingPreset": "default",
    }
    formation = moto.client("cloudformation")
    formation.create_stack(
        StackName=NAME,
        TemplateBody=json.dumps(TEMPLATE),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )
    yield DynamoDBRunStore(moto.client("dynamodb"), table_of(moto))
    formation.delete_stack(StackName=NAME)


def table_of(moto: Moto) -> str:
    formation = moto.client("cloudformation")
    found = formation.describe_stack_resources(StackName=NAME, LogicalResourceId="Ledger")["StackResources"][0]
    return str(found["PhysicalResourceId"])


def run(site: Site, *arguments: str) -> int:
    """Nothing but the stack's name; real time, since the stack's functions share its table."""
    return site.run("--stack", NAME, *arguments, environment={})


def test_it_fills_the_catalog_and_the_stacks_ledger(site: Site, stack: DynamoDBRunStore) -> None:
    assert run(site) == 0
    assert len(site.entities("repository")) == 5
    assert stack.last_reports(1)[0]["status"] == "complete"
    assert stack.state().run is None
    assert site.writes(lambda: run(site)) == []
    assert site.total("unchanged") == len(site.port.catalog())


def age(moto: Moto) -> None:
    """Let two minutes pass: what was read within one is left to live events, which may know more than a list."""
    client, table = moto.client("dynamodb"), table_of(moto)
    for item in client.scan(TableName=table)["Items"]:
        if "read_at" in item:
            client.update_item(
                TableName=table,
                Key={name: item[name] for name in ("PK", "SK")},
                UpdateExpression="SET read_at = read_at - :two",
                ExpressionAttributeValues={":two": {"N": "120"}},
            )


def test_a_renamed_repository_keeps_what_people_added(site: Site, stack: DynamoDBRunStore, moto: Moto) -> None:
    run(site)
    old = next(name for name in site.entities("repository") if name.endswith("press-0"))
    site.port.put_entity(site.blueprint("repository"), old, team=["Cider"])
    age(moto)
    site.world.rename_repository("press-0" if site.product == "cloud" else "FRUIT/press-0", "Mill")
    assert run(site) == 0
    assert old not in site.entities("repository")
    assert site.entities("repository")[old.replace("press-0", "mill")]["team"] == ["Cider"]


def test_what_a_live_event_is_writing_is_left_to_it(site: Site, stack: DynamoDBRunStore, moto: Moto) -> None:
    """Also where Port shows it as it should be, and the stack's ledger does not know it yet."""
    run(site)
    client, table = moto.client("dynamodb"), table_of(moto)
    items = client.scan(TableName=table)["Items"]
    pull = next(one for one in items if one["PK"]["S"].startswith("object#pull-request#"))
    key = SourceKey("pull-request", pull["PK"]["S"].split("#", 2)[2], pull["SK"]["S"])
    client.delete_item(TableName=table, Key={name: pull[name] for name in ("PK", "SK")})
    ledger, now = DynamoDBLedger(client, table), time.time()
    granted = ledger.take_lease(ObjectItem(key), "his", now=now, until=now + 300, guard=Guard())
    assert isinstance(granted, Granted)
    age(moto)
    run(site, "--time-limit", "0.1")  # It would look again, and wait for that.
    assert site.report["kinds"]["pull-request"]["listed"]
    found = ledger.read([key])[key]
    assert found.lease is not None
    assert (found.lease.token, found.applied) == ("his", False)


def test_a_dry_run_writes_neither_to_port_nor_to_the_stack(site: Site, stack: DynamoDBRunStore) -> None:
    assert site.writes(lambda: run(site, "--dry-run")) == []
    assert stack.last_reports(1) == []
    assert site.total("created")


def test_while_another_resync_goes_on_it_does_not_begin(
    site: Site, stack: DynamoDBRunStore, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.time()
    other = Run("other", "full", 1, "listing", "hash", now, "interval", now + 600)
    assert stack.begin(other, [])
    assert run(site) == 2
    assert "goes on" in capsys.readouterr().err
    assert stack.state().run is not None


def test_a_run_that_is_ended_early_leaves_no_lease(site: Site, stack: DynamoDBRunStore) -> None:
    assert run(site, "--time-limit", "0.000001") == 1
    assert stack.state().run is None
    assert run(site) == 0


def test_a_stack_that_is_not_there_is_named(
    site: Site, moto: Moto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**AWS, "AWS_ENDPOINT_URL": moto.url}.items():
        monkeypatch.setenv(name, value)
    assert site.run("--stack", "nowhere", environment={}) == 2
    assert "the stack 'nowhere' cannot be read" in capsys.readouterr().err
