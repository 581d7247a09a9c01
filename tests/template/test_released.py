"""An upgrade from the released template loses nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from scripts.sam_template import Template
from tests.template.released import HOLDS, RELEASED, REPLACING, losses, released

BEFORE: dict[str, Any] = json.loads(RELEASED.read_text(encoding="utf-8"))
Change = Callable[[dict[str, Any]], None]


def test_an_upgrade_loses_nothing(template: Template) -> None:
    assert losses(BEFORE, released(template)) == []


def test_what_is_new_is_released_with_the_rest(template: Template) -> None:
    """Else the next release could lose it. ``python -m tests.template.released`` adds it."""
    now = released(template)

    assert set(now["resources"]) - set(BEFORE["resources"]) == set()
    assert set(now["paths"]) - set(BEFORE["paths"]) == set()


def test_all_that_holds_something_is_guarded() -> None:
    kinds = [one["type"] for one in BEFORE["resources"].values()]

    assert {kind: kinds.count(kind) for kind in REPLACING} == {
        "AWS::SQS::Queue": 10,
        "AWS::DynamoDB::Table": 1,
        "AWS::SecretsManager::Secret": 3,
        "AWS::ApiGatewayV2::Api": 1,
        "AWS::ApiGatewayV2::Stage": 1,
        "Custom::SetUp": 1,
    }
    assert set(HOLDS) == set(REPLACING)
    assert len(BEFORE["paths"]) == 5


def _rename(old: str, new: str) -> Change:
    def change(resources: dict[str, Any]) -> None:
        resources[new] = resources.pop(old)

    return change


def _set(name: str, key: str, value: Any) -> Change:
    def change(resources: dict[str, Any]) -> None:
        resources[name]["Properties"][key] = value

    return change


def _condition(resources: dict[str, Any]) -> None:
    resources["WebhookSecret"]["Condition"] = "HasKmsKey"


def _path(resources: dict[str, Any]) -> None:
    resources["PushReceive"]["Properties"]["Events"]["Webhook"]["Properties"]["Path"] = "/webhooks/pushes"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            _rename("PushDeadLetters", "PushFailures"),
            "PushDeadLetters (AWS::SQS::Queue) is gone, or has another name or type: "
            "an upgrade would lose the messages that wait in it.",
        ),
        (
            _set("Ledger", "KeySchema", [{"AttributeName": "PK", "KeyType": "HASH"}]),
            "Ledger has another KeySchema: an upgrade would replace it and lose "
            "all that the stack knows of Bitbucket's objects and of their entities in Port.",
        ),
        (
            _set("ResyncJobsQueue", "QueueName", "jobs"),
            "ResyncJobsQueue has another QueueName: an upgrade would replace it and lose the messages that wait in it.",
        ),
        (
            _set("WebhookSecret", "GenerateSecretString", {"PasswordLength": 32}),
            "WebhookSecret has another GenerateSecretString: an upgrade would replace it and lose "
            "its value, also one that was changed in Secrets Manager.",
        ),
        (
            _condition,
            "WebhookSecret has another condition: where it does not hold, an upgrade would lose "
            "its value, also one that was changed in Secrets Manager.",
        ),
        (_path, "The path /webhooks/push is gone: webhooks that are sent there would be lost."),
        (
            _set("SetUp", "ServiceToken", {"Fn::GetAtt": ["ResyncWorker", "Arn"]}),
            "SetUp has another ServiceToken: an upgrade would replace it and lose the webhooks in Bitbucket.",
        ),
    ],
)
def test_what_an_upgrade_would_lose_is_said(template: Template, change: Change, sentence: str) -> None:
    changed = copy.deepcopy(template)
    change(changed["Resources"])
    text = json.dumps(changed).replace('"PushDeadLetters"', '"PushFailures"')
    renamed = json.loads(text) if "PushFailures" in changed["Resources"] else changed

    assert losses(BEFORE, released(renamed)) == [sentence]


def test_what_can_be_changed_in_place_is_no_loss(template: Template) -> None:
    changed = copy.deepcopy(template)
    changed["Resources"]["PushQueue"]["Properties"]["VisibilityTimeout"] = 360
    changed["Resources"]["Ledger"]["Properties"]["TimeToLiveSpecification"]["Enabled"] = False
    changed["Resources"]["SetUp"]["Properties"]["Version"] = "9.9.9"

    assert losses(BEFORE, released(changed)) == []
