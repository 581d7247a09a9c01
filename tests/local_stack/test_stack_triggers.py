"""The API's routes and schedules: whatever invokes functions is the template's, and asks for permission."""

from __future__ import annotations

from typing import Any

import pytest

from local.aws import Moto
from tests.local_stack.conftest import Make
from tests.local_stack.small_stack import Resource, allow, resources, role, said, stack

# --- the API ---------------------------------------------------------------------------------------------------------


def test_the_routes_are_those_of_the_template(make: Make) -> None:
    given = resources()
    paths = given["Api"]["Properties"]["Body"]["paths"]
    paths["/another"] = paths["/echo"]
    given["Permission"]["Properties"]["SourceArn"] = {
        "Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"
    }
    deployed = make(given)
    assert deployed.post("/echo", b"{}", {}).json()["route"] == "POST /echo"
    assert deployed.post("/another", b"{}", {}).json() == {"route": "POST /another", "api": f"{deployed.name}-Api"}
    assert deployed.post("/elsewhere", b"{}", {}).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"Principal": "scheduler.amazonaws.com"},
        {"Action": "lambda:GetFunction"},
        {"FunctionName": {"Ref": "Worker"}},
        {"SourceArn": {"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/GET/echo"}},
        {"SourceArn": {"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:another/*/POST/echo"}},
    ],
    ids=["of another service", "for another action", "of another function", "for another route", "of another API"],
)
def test_the_api_may_invoke_only_what_permits_it(make: Make, change: dict[str, Any]) -> None:
    given = resources()
    given["Permission"]["Properties"] |= change
    deployed = make(given)
    answer = deployed.post("/echo", b"{}", {})
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
    assert deployed.functions["Echo"].invocations == 0


def test_a_request_is_remembered_with_its_delivery_and_its_answer(make: Make) -> None:
    deployed = make(resources())
    deployed.post("/echo", b"{}", {"X-Request-UUID": "delivery", "X-Event-Key": "repo:push"})
    deployed.settle()
    (received,) = deployed.received
    assert (received.path, received.status, received.product) == ("/echo", 200, "cloud")
    assert (received.delivery_id, received.event_key) == ("delivery", "repo:push")
    assert 0 < received.milliseconds < 60_000
    assert 0 < deployed.clock.now() - received.at < 60


# --- schedules -------------------------------------------------------------------------------------------------------


def scheduled(**more: Any) -> dict[str, Resource]:
    """The resources with a schedule for the function."""
    target = {"Arn": {"Fn::GetAtt": ["Echo", "Arn"]}, "RoleArn": {"Fn::GetAtt": ["SchedulerRole", "Arn"]}}
    properties = {
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {**target, "Input": '{"by": "schedule"}'},
        **more,
    }
    return {
        **resources(),
        "SchedulerRole": role(
            allow("lambda:InvokeFunction", {"Fn::GetAtt": ["Echo", "Arn"]}), service="scheduler.amazonaws.com"
        ),
        "Schedule": {"Type": "AWS::Scheduler::Schedule", "Properties": properties},
    }


def test_a_schedule_fires_at_the_moments_of_the_template_with_its_event(make: Make) -> None:
    deployed = make(scheduled())
    deployed.pass_time(3 * 3600 + 60)
    assert said(deployed, "Echo", "event") == [{"by": "schedule"}] * 4


def test_another_interval_is_another_number_of_times(make: Make) -> None:
    deployed = make(scheduled(ScheduleExpression="rate(2 hours)"))
    deployed.pass_time(3 * 3600 + 60)
    assert len(said(deployed, "Echo", "event")) == 2


def test_a_schedule_that_is_off_never_fires(make: Make) -> None:
    deployed = make(scheduled(State="DISABLED"))
    deployed.pass_time(3 * 3600)
    assert deployed.functions["Echo"].invocations == 0


def test_a_schedule_whose_role_may_not_invoke_the_function_does_not(make: Make) -> None:
    given = scheduled()
    given["SchedulerRole"] = role(service="scheduler.amazonaws.com")
    deployed = make(given)
    deployed.pass_time(3600)
    assert deployed.functions["Echo"].invocations == 0


def test_a_schedules_role_has_to_trust_the_scheduler(moto: Moto) -> None:
    given = scheduled()
    given["SchedulerRole"] = role(allow("lambda:InvokeFunction", "*"))
    with pytest.raises(ValueError, match=r"cannot be assumed by scheduler\.amazonaws\.com"):
        stack(moto, given).create()


def for_account(account: Any) -> dict[str, Resource]:
    """The resources with a schedule whose role may be taken on for one account only."""
    given = scheduled()
    statement = given["SchedulerRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return given


def test_a_schedules_role_may_trust_the_scheduler_for_the_own_account_only(make: Make) -> None:
    deployed = make(for_account({"Ref": "AWS::AccountId"}))
    deployed.pass_time(60)
    assert said(deployed, "Echo", "event") == [{"by": "schedule"}]


def test_a_schedules_role_for_another_account_is_not_understood(moto: Moto) -> None:
    with pytest.raises(NotImplementedError, match="SchedulerRole: only plain trust in services"):
        stack(moto, for_account("999999999999")).create()
