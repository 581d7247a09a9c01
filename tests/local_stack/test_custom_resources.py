"""Custom resources are made, changed and deleted as CloudFormation does it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from local.aws import Moto
from local.provided import DeploymentFailedError
from local.stack import Stack
from tests.end_to_end.watching import until
from tests.local_stack.conftest import Make
from tests.local_stack.small_stack import Resource, function, role, said, stack

TICK = {
    "Type": "AWS::Scheduler::Schedule",
    "Properties": {
        "ScheduleExpression": "rate(1 minute)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": {"Fn::GetAtt": ["Echo", "Arn"]}, "RoleArn": {"Fn::GetAtt": ["TickRole", "Arn"]}},
    },
}


def resources(**properties: Any) -> dict[str, Resource]:
    """A custom resource, the function that provides it, and one that ticks when it is there."""
    code = {"S3Bucket": "bucket", "S3Key": "tests/local_stack/provider"}
    variables = {"Variables": {"GREETING": {"Ref": "BitbucketWorkspace"}}}
    given = {"ServiceToken": {"Fn::GetAtt": ["Provider", "Arn"]}, "ServiceTimeout": 600, "Size": 1, **properties}
    invoke = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": {"Fn::GetAtt": ["Echo", "Arn"]}}
    return {
        "Role": role(),
        "TickRole": role(invoke, service="scheduler.amazonaws.com"),
        "Provider": function(Code=code, Environment=variables, Timeout=300),
        "Echo": function(),
        "Tick": TICK,
        "Thing": {"Type": "Custom::Thing", "Properties": given},
    }


def with_properties(**properties: Any) -> Any:
    """A change of the template."""

    def change(document: dict[str, Any]) -> None:
        document["Resources"]["Thing"]["Properties"].update(properties)

    return change


def asked(deployed: Stack) -> list[str]:
    """What the provider was called for, in order."""
    return [call.event["RequestType"] for call in deployed.custom.asked]


def test_a_resource_is_created_before_the_schedules_begin_and_tells_its_attributes(make: Make) -> None:
    deployed = make(resources(Nested={"On": True, "List": [1, "two"]}))

    (call,) = deployed.custom.asked
    made = deployed.custom_resources["Thing"]
    assert call.event["RequestType"] == "Create"
    assert call.event["ResourceType"] == "Custom::Thing"
    assert call.event["StackId"] == deployed.template.stack_id
    assert "PhysicalResourceId" not in call.event
    # Every number, true and false is a text.
    expected = {"Size": "1", "ServiceTimeout": "600", "Nested": {"On": "true", "List": ["1", "two"]}}
    assert {name: made.properties[name] for name in expected} == expected
    assert made.properties["ServiceToken"].endswith("-Provider")
    assert deployed.template.resolve({"Fn::GetAtt": ["Thing", "Report"]}) == "Create of 1"
    assert deployed.template.resolve({"Ref": "Thing"}) == "the one"
    deployed.pass_time(61)
    assert deployed.functions["Echo"].invocations > 0


def test_an_update_calls_only_for_other_properties_and_has_the_functions_new_environment(make: Make) -> None:
    deployed = make(resources())

    deployed.update({"BitbucketWorkspace": "other"})
    assert asked(deployed) == ["Create"]
    deployed.update(change=with_properties(Size=2))

    call = deployed.custom.asked[-1]
    assert asked(deployed) == ["Create", "Update"]
    assert call.event["PhysicalResourceId"] == "the one"
    assert (call.event["OldResourceProperties"]["Size"], call.event["ResourceProperties"]["Size"]) == ("1", "2")
    assert deployed.template.resolve({"Fn::GetAtt": ["Thing", "Report"]}) == "Update of 2"
    assert said(deployed, "Provider", "says") == ["acme", "other"]


def test_a_resource_whose_id_changes_was_replaced_and_the_old_one_is_deleted(make: Make) -> None:
    deployed = make(resources())

    deployed.update(change=with_properties(PhysicalId="the other"))

    assert asked(deployed) == ["Create", "Update", "Delete"]
    assert deployed.custom.asked[-1].event["PhysicalResourceId"] == "the one"
    assert deployed.template.resolve({"Ref": "Thing"}) == "the other"


def test_a_failed_update_is_taken_back_by_another(make: Make) -> None:
    deployed = make(resources(OnUpdate="fail"))
    deployed.update(change=with_properties(OnUpdate="answer"))

    with pytest.raises(DeploymentFailedError) as failed:
        deployed.update({"BitbucketWorkspace": "other"}, change=with_properties(OnUpdate="fail", Size=2))

    assert failed.value.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "Message returned: The token was refused. (RequestId: " in failed.value.reasons["Thing"]
    back = deployed.custom.asked[-1].event
    assert asked(deployed)[-2:] == ["Update", "Update"]
    assert (back["OldResourceProperties"]["Size"], back["ResourceProperties"]["Size"]) == ("2", "1")
    assert said(deployed, "Provider", "says")[-2:] == ["other", "acme"]
    assert deployed.template.parameters["BitbucketWorkspace"] == "acme"


def test_a_failed_creation_is_told_to_delete_and_takes_the_stack_with_it(moto: Moto) -> None:
    deployed = stack(moto, {**resources(OnCreate="fail"), "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}}})
    try:
        with pytest.raises(DeploymentFailedError) as failed:
            deployed.start()
        calls = deployed.custom.asked
        assert failed.value.status == "ROLLBACK_COMPLETE"
        assert [(one.event["RequestType"], one.event.get("PhysicalResourceId")) for one in calls] == [
            ("Create", None),
            ("Delete", "the one"),
        ]
        assert deployed.sqs.list_queues(QueueNamePrefix=deployed.name).get("QueueUrls", []) == []
    finally:
        deployed.stop()


def test_without_rollback_the_rest_stays_and_the_next_deployment_creates_it(moto: Moto) -> None:
    deployed = stack(moto, resources(OnCreate="fail"))
    try:
        with pytest.raises(DeploymentFailedError) as failed:
            deployed.start(rollback=False)
        assert failed.value.status == "CREATE_FAILED"
        deployed.pass_time(120)
        assert deployed.functions["Echo"].invocations == 0

        deployed.update(change=with_properties(OnCreate="answer"))

        assert asked(deployed) == ["Create", "Create"]
        deployed.pass_time(61)
        assert deployed.functions["Echo"].invocations > 0
    finally:
        deployed.stop()


def test_deletion_calls_while_everything_works_and_then_nothing_is_left(make: Make) -> None:
    deployed = make({**resources(), "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}}})

    deployed.delete()

    assert asked(deployed) == ["Create", "Delete"]
    assert deployed.custom.asked[-1].event["PhysicalResourceId"] == "the one"
    assert deployed.custom_resources == {}
    assert deployed.sqs.list_queues(QueueNamePrefix=deployed.name).get("QueueUrls", []) == []


def test_a_deletion_that_fails_leaves_the_rest(make: Make) -> None:
    deployed = make({**resources(OnDelete="fail"), "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}}})

    with pytest.raises(DeploymentFailedError, match="DELETE_FAILED: Thing: Received response status"):
        deployed.delete()

    assert deployed.depths() == {"Queue": 0}


def test_no_answer_counts_as_failure_when_the_time_is_over(moto: Moto) -> None:
    deployed = stack(moto, resources(OnCreate="say nothing"))
    try:
        before = deployed.clock.now()
        with pytest.raises(DeploymentFailedError, match="did not receive a response from your Custom Resource"):
            deployed.start()
        assert deployed.clock.now() >= before + 600
    finally:
        deployed.stop()


def test_an_invocation_that_failed_comes_again_a_minute_later(make: Make) -> None:
    deployed = make(resources(OnCreate="raise once", Seconds="200"))

    assert asked(deployed) == ["Create"]
    assert said(deployed, "Provider", "asked") == ["Create", "Create"]


@pytest.mark.parametrize(
    ("types", "statuses"),
    [(["application/json", ""], [403, 200]), (["", ""], [200, 200])],
    ids=["a content type was not signed", "another is not read"],
)
def test_an_address_refuses_what_s3_would(make: Make, types: list[str], statuses: list[int]) -> None:
    deployed = make(resources(ContentTypes=types))

    # CloudFormation goes on with the first answer, so the second may still be on its way.
    answer = deployed.custom.asked[0].answer
    until(lambda: answer.statuses == statuses, lambda: str(answer.statuses))
    assert deployed.custom_resources["Thing"].data == {"Report": "Create of 1"}


def test_an_attribute_that_is_asked_for_and_missing_fails_the_resource(moto: Moto) -> None:
    def ask(document: dict[str, Any]) -> None:
        document["Outputs"] = {"More": {"Value": {"Fn::GetAtt": ["Thing", "More"]}}}

    deployed = stack(moto, resources(), also=ask)
    try:
        with pytest.raises(DeploymentFailedError, match="Vendor response doesn't contain More attribute"):
            deployed.start()
    finally:
        deployed.stop()


def test_what_cannot_be_changed_here_is_said_and_nothing_is_changed(make: Make) -> None:
    deployed = make(resources())

    def slower(document: dict[str, Any]) -> None:
        document["Resources"]["Provider"]["Properties"]["Timeout"] = 1
        document["Resources"]["Thing"]["Properties"]["Size"] = 2

    with pytest.raises(NotImplementedError, match="does not change Timeout of Provider"):
        deployed.update({"BitbucketWorkspace": "other"}, change=slower)

    assert asked(deployed) == ["Create"]
    assert deployed.template.parameters["BitbucketWorkspace"] == "acme"
    deployed.update(change=with_properties(Size=3))
    assert said(deployed, "Provider", "says") == ["acme", "acme"]


def test_whoever_stops_the_stack_waits_for_no_provider(moto: Moto) -> None:
    deployed = stack(moto, resources(OnCreate="say nothing"))
    failures: list[str] = []

    def start() -> None:
        try:
            deployed.start(jump=False)
        except DeploymentFailedError as error:
            failures.append(error.reasons["Thing"])

    starting = threading.Thread(target=start)
    starting.start()
    while not deployed.custom.asked:
        starting.join(0.01)
    deployed.stop()
    starting.join(60)

    assert not starting.is_alive()
    assert failures == ["The stack was stopped."]


def test_what_was_provided_before_is_not_created_again(moto: Moto, make: Make) -> None:
    first = make(resources())
    second = stack(moto, resources(), name=first.name)
    try:
        first.stop()
        second.custom_resources = first.custom_resources
        second.start()
        assert asked(second) == []
    finally:
        second.stop()
