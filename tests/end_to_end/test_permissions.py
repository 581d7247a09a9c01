"""The roles of the template: what they allow is used, and nothing of it can be taken away.

Both are shown by what functions do, as it was recorded while the scenarios were played. The products share roles and
most of the code, so Data Center adds little. That it needs no more is shown by every other test, as permissions are
enforced in all of them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest

from local.aws import Moto
from local.concurrency import Concurrency
from local.deployment import POLLING, ROOT, Deployment
from local.machine import Machine
from local.roles import as_list
from local.stack import Stack
from local.template import Template, read, translate
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.scenarios import DATA_CENTER, OWN_SECRETS, SCENARIOS, SET_UP, Played, Scenario, Theatre
from tests.end_to_end.withholding import Permission, WithholdingMoto, allowed, names_of_resources, used
from tests.exhaustive import some_of

LAMBDA_ITSELF = {
    "logs:CreateLogStream": "Lambda writes what a function prints to its log group, with the function's role",
    "logs:PutLogEvents": "likewise",
    "xray:PutTraceSegments": "Lambda's tracing sends segments with the function's role (Tracing: Active)",
    "xray:PutTelemetryRecords": "likewise",
    "ec2:CreateNetworkInterface": "Lambda joins a function to the subnets of VpcSubnetIds with the function's role",
    "ec2:DescribeNetworkInterfaces": "likewise",
    "ec2:DescribeSubnets": "likewise",
    "ec2:DeleteNetworkInterface": "likewise",
    "ec2:AssignPrivateIpAddresses": "likewise",
    "ec2:UnassignPrivateIpAddresses": "likewise",
}
"""Action → why no call of a function is recorded for it. Polling is Lambda's as well, but runs here and is recorded."""
WITH_A_KEY = {
    "kms:Decrypt": "SQS, DynamoDB and Secrets Manager use the key of KmsKeyArn in the name of whoever calls them",
    "kms:GenerateDataKey": "likewise, to encrypt a message",
    "kms:Encrypt": "likewise, for DynamoDB (Developer Guide, encryption at rest usage notes)",
    "kms:DescribeKey": "likewise, for DynamoDB",
}
"""Action → why it is allowed where KmsKeyArn is set, and only there."""
FUNCTIONS = (
    "ProjectReceive",
    "RepositoryReceive",
    "PushReceive",
    "PullRequestReceive",
    "WebhookReceive",
    "ProjectProcess",
    "RepositoryProcess",
    "PushProcess",
    "PullRequestProcess",
    "ResyncWorker",
    "ResyncStart",
    "SetUpFunction",
)
CONSUMERS = FUNCTIONS[5:10]


class Recorded:
    """One stack: what each scenario used there. Those of ``complaints`` did not even keep their promise."""

    def __init__(self, machine: Machine, moto: WithholdingMoto, scenarios: tuple[Scenario, ...]) -> None:
        self.theatre, self.moto = Theatre(machine), moto
        self.complaints: dict[str, list[str]] = {}
        self.used: dict[Scenario, set[Permission]] = {}
        self._cost: dict[Scenario, int] = {}
        self.ever: set[Permission] = set()
        for scenario in scenarios:
            self._record(scenario)

    @property
    def stack(self) -> Stack:
        return self.theatre.machine.stack

    def _record(self, scenario: Scenario) -> None:
        played = Played.prepared(self.theatre, scenario)
        self.ever |= used(self.stack, self.moto.calls())  # Lambda looks at a queue once, when it first holds something.
        self.moto.forget_calls()
        if complaints := played.play():
            self.complaints[scenario.name] = complaints
        calls = self.moto.calls()
        self.used[scenario] = used(self.stack, [call for call in calls if not call.by_service])
        self._cost[scenario] = len(calls)
        self.ever |= used(self.stack, calls)

    def scenarios_of(self, permission: Permission) -> list[Scenario]:
        """Those that used it, the cheapest first."""
        found = [scenario for scenario, permissions in self.used.items() if permission in permissions]
        return sorted(found, key=lambda scenario: self._cost[scenario])

    def breaks_without(self, permission: Permission, scenario: Scenario) -> bool:
        """Whether the scenario visibly fails without it. With it given back, everything must come right by itself."""
        arns = {name: arn for arn, name in names_of_resources(self.stack.template).items()}
        function = self.stack.functions[permission.function].name
        played = Played.prepared(self.theatre, scenario)
        self.moto.forget_calls()
        self.moto.withhold(function, permission.action, arns[permission.resource])
        try:
            complaints = played.play()
        finally:
            self.moto.give_back()
        denied = [call for call in self.moto.calls() if call.outcome == "denied"]
        # A transaction takes several permissions; all of its actions are denied with one.
        assert all(permission in used(self.stack, [call]) for call in denied)
        assert played.again() == [], f"{permission}: {scenario.name} is not mended by giving it back"
        assert denied or not complaints, f"{scenario.name} fails for another reason: {complaints}"
        return bool(complaints)


@pytest.fixture(scope="module")
def moto() -> Iterator[WithholdingMoto]:
    server = WithholdingMoto()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def plain(deploy: Deploy, moto: WithholdingMoto) -> Recorded:
    return Recorded(deploy("cloud"), moto, SCENARIOS)


@pytest.fixture(scope="module")
def data_center(deploy: Deploy, moto: WithholdingMoto) -> Recorded:
    return Recorded(deploy("server"), moto, DATA_CENTER)


@pytest.fixture(scope="module")
def set_up(deploy: Deploy, moto: WithholdingMoto) -> Recorded:
    """A stack that sets itself up, and begins nothing by the clock."""
    machine = deploy("cloud", change=silence, set_up=True)
    machine.stack.settle()
    return Recorded(machine, moto, SET_UP)


def silence(document: dict[str, Any]) -> None:
    """Let no tick come: whoever needs one makes it."""
    document["Resources"]["ResyncTick"]["Properties"]["State"] = "DISABLED"


@pytest.fixture(scope="module")
def own_secrets(deploy: Deploy, moto: WithholdingMoto, plain: Recorded) -> Recorded:
    """Another one with everything optional, and secrets of the user's instead of the stack's."""
    first, client = plain.stack, moto.client("secretsmanager")
    values = {
        "bitbucketToken": plain.theatre.machine.bitbucket.token,
        "portClientSecret": str(
            client.get_secret_value(SecretId=first.secret_arn("StoredPortClientSecret"))["SecretString"]
        ),
    }
    certificates = "".join(Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----")[:2])
    secrets = {
        "CredentialsSecretArn": client.create_secret(Name="own-credentials", SecretString=json.dumps(values))["ARN"],
        "CaBundleSecretArn": client.create_secret(Name="own-certificates", SecretString=certificates)["ARN"],
    }
    machine = deploy("cloud", change=silence, set_up=True, **secrets, **EVERYTHING_ELSE)
    machine.stack.settle()
    return Recorded(machine, moto, OWN_SECRETS)


EVERYTHING_ELSE = {
    "KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-4000-8000-000000000000",
    "VpcSubnetIds": "subnet-1,subnet-2",
    "VpcSecurityGroupIds": "sg-1",
    "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
}


def excused(permission: Permission) -> bool:
    """Whether it is one of the fixed exceptions."""
    with_the_key = permission.resource == "KmsKeyArn" and permission.action in WITH_A_KEY
    return permission.action in LAMBDA_ITSELF or with_the_key


def unused(template: Template, ever: set[Permission]) -> list[Permission]:
    """What roles allow and nothing used, but for the exceptions."""
    return sorted(one for one in allowed(template) - ever if not excused(one))


def test_the_scenarios_keep_their_promises_with_what_the_roles_allow(
    plain: Recorded, data_center: Recorded, set_up: Recorded, own_secrets: Recorded
) -> None:
    assert [recorded.complaints for recorded in (plain, data_center, set_up, own_secrets)] == [{}, {}, {}, {}]
    assert set(FUNCTIONS) == set(plain.stack.functions)


def test_no_role_allows_what_nothing_uses(plain: Recorded, set_up: Recorded, own_secrets: Recorded) -> None:
    """What the last stack uses the others use too, but for the secrets of the user's."""
    ever = plain.ever | set_up.ever
    assert unused(plain.stack.template, ever) == []
    assert unused(own_secrets.stack.template, ever | own_secrets.ever) == []


def test_every_exception_is_of_some_role_and_keys_only_where_one_is_set(plain: Recorded, own_secrets: Recorded) -> None:
    """Else the list would excuse what does not exist, and one day something that should not."""
    with_all = {one.action for one in allowed(own_secrets.stack.template) if excused(one)}
    assert with_all == set(LAMBDA_ITSELF) | set(WITH_A_KEY)
    without_key = {one.action for one in allowed(plain.stack.template)}
    assert not any(action.startswith(("kms:", "ec2:")) for action in without_key)


def test_an_action_and_a_resource_too_many_would_be_found(
    plain: Recorded, set_up: Recorded, translated: dict[str, Any]
) -> None:
    changed = copy.deepcopy(translated)
    statement(changed, "PushProcess", "KeepLedger")["Action"].append("dynamodb:PutItem")
    statement(changed, "WebhookReceive", "StoreDeliveries")["Resource"].append(
        {"Fn::GetAtt": ["ResyncJobsQueue", "Arn"]}
    )
    assert unused(like(plain.stack, changed), plain.ever | set_up.ever) == [
        Permission("PushProcess", "dynamodb:PutItem", "Ledger"),
        Permission("WebhookReceive", "sqs:SendMessage", "ResyncJobsQueue"),
    ]


# --- taking away ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_whatever_is_taken_from_a_role_breaks_a_scenario(
    plain: Recorded, data_center: Recorded, set_up: Recorded, own_secrets: Recorded, function: str
) -> None:
    """One action on one resource at a time; whole statements allow more than that. A third of them stands for all.

    What a function copes with for a while (it keeps a secret that it cannot read anew) has to break another scenario.
    """
    spared = []
    for permission in some_of(own(plain, function), every=3, beginning=FUNCTIONS.index(function)):
        if not broken_without(permission, plain, data_center, set_up):
            spared.append(str(permission))
    for permission in own(own_secrets, function):
        if permission.resource.endswith("SecretArn") and not broken_without(permission, own_secrets):
            spared.append(str(permission))
    assert spared == []


def broken_without(permission: Permission, *where: Recorded) -> bool:
    """Whether any scenario that used it fails when it is taken away."""
    return any(
        recorded.breaks_without(permission, scenario)
        for recorded in where
        for scenario in recorded.scenarios_of(permission)
    )


def own(recorded: Recorded, function: str) -> list[Permission]:
    """What a function itself needs on this stack."""
    mine = (one for one in allowed(recorded.stack.template) if one.function == function)
    return sorted(one for one in mine if not excused(one) and one.action not in POLLING)


def test_what_nobody_uses_can_be_taken_away(plain: Recorded) -> None:
    """Else the test above would call everything needed."""
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == "pull request while Port fails")
    for action in ("dynamodb:PutItem", "dynamodb:DeleteItem"):
        assert not plain.breaks_without(Permission("PullRequestProcess", action, "Ledger"), scenario)


@pytest.mark.parametrize("action", POLLING)
@pytest.mark.parametrize("function", CONSUMERS)
def test_without_what_polling_takes_lambda_does_not_begin_to_poll(
    plain: Recorded, moto: Moto, translated: dict[str, Any], function: str, action: str
) -> None:
    changed = copy.deepcopy(translated)
    statement(changed, function, "ConsumeOwnQueue")["Action"].remove(action)
    deployment = Deployment(
        like(plain.stack, changed),
        moto=moto,
        logs=plain.stack.logs_folder,
        concurrency=Concurrency(),
        after=lambda: None,
    )
    deployment.functions()
    with pytest.raises(ValueError, match=f"does not allow {action} on "):
        deployment.pollers()


@pytest.fixture(scope="module")
def translated() -> dict[str, Any]:
    return translate(read(ROOT / "template.yaml"))


def statement(document: dict[str, Any], function: str, sid: str) -> dict[str, Any]:
    """A statement of a function's role in a translated template, to be changed."""
    (policy,) = document["Resources"][f"{function}Role"]["Properties"]["Policies"]
    found: dict[str, Any]
    (found,) = (one for one in policy["PolicyDocument"]["Statement"] if one.get("Sid") == sid)
    for name in ("Action", "Resource"):
        found[name] = as_list(found[name])
    return found


def like(stack: Stack, document: dict[str, Any]) -> Template:
    """Another document with the same parameters and resources as a stack's."""

    def attribute(logical_id: str, name: str) -> str:
        return str(stack.template.resolve({"Fn::GetAtt": [logical_id, name]} if name else {"Ref": logical_id}))

    return Template(document, stack.template.parameters, attribute, stack_name=stack.name)
