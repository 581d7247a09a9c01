"""What is in the template is what runs: changing the template changes the stack."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from local.aws import Moto
from local.functions import FunctionError, ThrottledError, TimedOutError
from local.stack import Stack
from tests.local_stack.small_stack import (
    PARAMETERS,
    Resource,
    allow,
    function,
    resources,
    role,
    said,
    stack,
)

Make = Callable[..., Stack]


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    server = Moto()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make(moto: Moto) -> Iterator[Make]:
    """A started stack of these resources."""
    with ExitStack() as exits:

        def start(given: dict[str, Resource], **more: Any) -> Stack:
            made = stack(moto, given, **more)
            exits.callback(made.stop)
            made.start()
            return made

        yield start


def send(deployed: Stack, *bodies: Any) -> None:
    for body in bodies:
        deployed.sqs.send_message(QueueUrl=deployed.queue_url("Queue"), MessageBody=json.dumps(body))


# --- queues, tables, secrets -----------------------------------------------------------------------------------------


def test_every_property_of_a_queue_is_that_of_the_template(make: Make) -> None:
    wanted = {
        "VisibilityTimeout": 77,
        "MessageRetentionPeriod": 1234,
        "DelaySeconds": 5,
        "MaximumMessageSize": 2048,
        "ReceiveMessageWaitTimeSeconds": 3,
    }
    keys = {"KmsMasterKeyId": "arn:aws:kms:eu-west-1:123456789012:key/one", "KmsDataKeyReusePeriodSeconds": 600}
    given = resources()
    given["Queue"]["Properties"] |= wanted | keys
    given["Queue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] = 42
    given["DeadLetters"]["Properties"] = {"SqsManagedSseEnabled": True}
    deployed = make(given)
    found = deployed.sqs.get_queue_attributes(QueueUrl=deployed.queue_url("Queue"), AttributeNames=["All"])[
        "Attributes"
    ]
    assert {name: found[name] for name in wanted | keys} == {
        name: str(value) for name, value in (wanted | keys).items()
    }
    policy = json.loads(found["RedrivePolicy"])
    url = deployed.queue_url("DeadLetters")
    dead = deployed.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert policy == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 42}
    assert dead["SqsManagedSseEnabled"] == "true"


def test_a_table_has_the_keys_indexes_and_life_times_of_the_template(make: Make) -> None:
    index = {
        "IndexName": "by-name",
        "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    table = {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "id", "AttributeType": "N"},
            {"AttributeName": "name", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [index],
        "TimeToLiveSpecification": {"AttributeName": "gone", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
    }
    deployed = make({"Ledger": {"Type": "AWS::DynamoDB::Table", "Properties": table}})
    found = deployed.dynamodb.describe_table(TableName=deployed.table)["Table"]
    assert found["KeySchema"] == table["KeySchema"]
    assert found["AttributeDefinitions"] == table["AttributeDefinitions"]
    assert [(one["IndexName"], one["KeySchema"]) for one in found["GlobalSecondaryIndexes"]] == [
        ("by-name", index["KeySchema"])
    ]
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert found["SSEDescription"]["Status"] == "ENABLED"
    life = deployed.dynamodb.describe_time_to_live(TableName=deployed.table)["TimeToLiveDescription"]
    assert (life["AttributeName"], life["TimeToLiveStatus"]) == ("gone", "ENABLED")
    backups = deployed.dynamodb.describe_continuous_backups(TableName=deployed.table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_a_secret_is_the_text_of_the_template_or_generated_by_its_rules(make: Make) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/one"
    secrets = {
        "Told": {"SecretString": {"Ref": "BitbucketToken"}, "KmsKeyId": key, "Description": "told"},
        "Generated": {"GenerateSecretString": {"PasswordLength": 40, "ExcludePunctuation": True}},
        "Within": {"GenerateSecretString": {"SecretStringTemplate": '{"user": "me"}', "GenerateStringKey": "password"}},
    }
    given = {name: {"Type": "AWS::SecretsManager::Secret", "Properties": one} for name, one in secrets.items()}
    deployed = make(given)
    value = {
        name: deployed.secrets.get_secret_value(SecretId=deployed.secret_arn(name))["SecretString"] for name in secrets
    }
    assert value["Told"] == PARAMETERS["BitbucketToken"]
    assert len(value["Generated"]) == 40
    assert value["Generated"].isalnum()
    within = json.loads(value["Within"])
    assert within["user"] == "me"
    assert len(within["password"]) == 32
    described = deployed.secrets.describe_secret(SecretId=deployed.secret_arn("Told"))
    assert (described["KmsKeyId"], described["Description"]) == (key, "told")


# --- functions -------------------------------------------------------------------------------------------------------


def test_a_function_has_the_variables_time_and_memory_of_the_template(make: Make) -> None:
    given = resources()
    given["Echo"] = function(
        Timeout=7,
        MemorySize=1024,
        Environment={"Variables": {"QUEUE": {"Ref": "Queue"}, "YES": True, "NUMBER": 12}},
    )
    deployed = make(given)
    answer = deployed.functions["Echo"].invoke({})
    environment = answer["environment"]
    wanted = {"QUEUE": deployed.queue_url("Queue"), "YES": "true", "NUMBER": "12"}
    assert {name: environment.get(name) for name in wanted} == wanted
    assert 5_000 < answer["milliseconds"] <= 7_000
    assert int(answer["memory"]) == 1024
    assert answer["name"] == f"{deployed.name}-Echo"


def test_a_function_that_takes_longer_than_the_template_allows_is_stopped(make: Make) -> None:
    given = resources()
    given["Echo"] = function(Timeout=1)
    deployed = make(given)
    with pytest.raises(TimedOutError):
        deployed.functions["Echo"].invoke({"do": "sleep", "seconds": 30})


def test_a_function_has_the_layers_that_the_template_names_and_no_others(make: Make) -> None:
    given = resources()
    given["Role"] = role(allow("sqs:SendMessage", {"Fn::GetAtt": ["Queue", "Arn"]}))
    order = {"do": "ask", "service": "sqs", "operation": "send_message"}
    bare = make(given)
    with pytest.raises(FunctionError):  # There is no boto3 in it.
        bare.functions["Echo"].invoke({**order, "with": {"QueueUrl": bare.queue_url("Queue"), "MessageBody": "{}"}})
    layered = make(with_libraries(given, "Echo"))
    message = {"QueueUrl": layered.queue_url("Queue"), "MessageBody": "{}"}
    assert layered.functions["Echo"].invoke({**order, "with": message}) == "done"


def with_libraries(given: dict[str, Resource], name: str) -> dict[str, Resource]:
    """The same with the dependency layer, whose logical id the transform makes up."""
    from local.stack import ROOT
    from local.template import read, translate

    document = translate(read(ROOT / "template.yaml"))["Resources"]
    (layer,) = [one for one in document if one.startswith("DependenciesLayer")]
    given[name]["Properties"]["Layers"] = [{"Ref": layer}]
    return given


def test_a_function_may_have_no_more_executions_than_the_template_reserves(make: Make) -> None:
    given = resources()
    given["Echo"] = function(ReservedConcurrentExecutions=1, Timeout=60)
    deployed = make(given)
    busy = threading.Thread(target=deployed.functions["Echo"].invoke, args=({"do": "sleep", "seconds": 3},))
    deployed.functions["Echo"].warm()
    busy.start()
    try:
        with pytest.raises(ThrottledError):
            while busy.is_alive():
                deployed.functions["Echo"].invoke({})
    finally:
        busy.join()


# --- roles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "answer"),
    [
        ([allow("sqs:SendMessage", {"Fn::GetAtt": ["Queue", "Arn"]})], "done"),
        ([allow("sqs:SendMessage", {"Fn::GetAtt": ["DeadLetters", "Arn"]})], "AccessDenied"),
        ([allow("sqs:ReceiveMessage", "*")], "AccessDenied"),
        ([allow("sqs:*", "*"), {**allow("sqs:SendMessage", "*"), "Effect": "Deny"}], "AccessDenied"),
        ([], "AccessDenied"),
    ],
    ids=["allowed", "for another queue", "for another action", "denied after all", "nothing at all"],
)
def test_a_function_may_do_what_its_role_says(make: Make, statements: list[Resource], answer: str) -> None:
    given = with_libraries(resources(), "Echo")
    given["Role"] = role(*statements)
    deployed = make(given)
    message = {"QueueUrl": deployed.queue_url("Queue"), "MessageBody": "{}"}
    asked = {"do": "ask", "service": "sqs", "operation": "send_message", "with": message}
    assert deployed.functions["Echo"].invoke(asked) == answer


def test_a_role_that_does_not_trust_lambda_cannot_be_a_functions(moto: Moto) -> None:
    given = resources()
    given["Role"] = role(service="scheduler.amazonaws.com")
    with pytest.raises(ValueError, match=r"cannot be assumed by lambda\.amazonaws\.com"):
        stack(moto, given).create()


@pytest.mark.parametrize("missing", ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"])
def test_a_queue_is_polled_with_the_functions_own_role(moto: Moto, missing: str) -> None:
    given = resources()
    (statement,) = given["WorkerRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    statement["Action"].remove(missing)
    with pytest.raises(ValueError, match=f"does not allow {missing}"):
        stack(moto, given).create()


# --- event source mappings -------------------------------------------------------------------------------------------


def test_messages_come_in_batches_of_the_size_in_the_template(make: Make) -> None:
    given = resources()
    given["Mapping"]["Properties"] |= {"BatchSize": 3, "Enabled": False}
    waiting = make(given)
    send(waiting, *({"number": number} for number in range(5)))
    waiting.settle()
    assert waiting.depths()["Queue"] == 5  # Nobody reads it.
    given["Mapping"]["Properties"] |= {"Enabled": True, "ScalingConfig": {"MaximumConcurrency": 2}}
    reading = stack(waiting._moto, given)
    try:
        reading.create()
        send(reading, *({"number": number} for number in range(5)))
        reading.start()
        reading.settle()
        assert sorted(len(batch) for batch in said(reading, "Worker", "batch")) == [2, 3]
    finally:
        reading.stop()


def test_only_what_the_function_names_comes_back_and_goes_to_the_dead_letters_in_the_end(make: Make) -> None:
    given = resources()
    given["Mapping"]["Properties"]["BatchSize"] = 2
    deployed = make(given)
    began = deployed.clock.now()
    send(deployed, {"do": "give back"}, {"do": "nothing"})
    deployed.settle()
    batches = said(deployed, "Worker", "batch")
    assert sum(batch.count({"do": "nothing"}) for batch in batches) == 1
    assert sum(batch.count({"do": "give back"}) for batch in batches) == 3
    # The clock was put forward by two visibility timeouts; nobody waited for them.
    assert deployed.clock.now() - began >= 360
    assert [json.loads(dead["body"]) for dead in deployed.dead_letters()["DeadLetters"]] == [{"do": "give back"}]


@pytest.mark.parametrize("order", ["raise", "name another"])
def test_a_batch_fails_as_a_whole_when_the_function_raises_or_talks_nonsense(make: Make, order: str) -> None:
    deployed = make(resources())
    send(deployed, {"do": order})
    deployed.settle()
    assert said(deployed, "Worker", "batch") == [[{"do": order}]] * 3
    assert len(deployed.dead_letters()["DeadLetters"]) == 1


def test_without_partial_failures_what_a_function_answers_does_not_count(make: Make) -> None:
    given = resources()
    del given["Mapping"]["Properties"]["FunctionResponseTypes"]
    deployed = make(given)
    send(deployed, {"do": "give back"})
    deployed.settle()
    assert said(deployed, "Worker", "batch") == [[{"do": "give back"}]]
    assert not any(deployed.depths().values())


def test_a_message_waits_for_its_visibility_timeout_before_it_is_tried_again(make: Make) -> None:
    given = resources()
    given["Queue"]["Properties"]["VisibilityTimeout"] = 600
    deployed = make(given)
    send(deployed, {"do": "raise"})
    deployed.settle()
    first, second, third = said(deployed, "Worker", "at")
    # The timeout begins when the message is taken, a cold start before the function says so.
    assert second - first > 590
    assert third - second > 590


def test_a_delayed_message_is_not_early(make: Make) -> None:
    given = resources()
    given["Queue"]["Properties"]["DelaySeconds"] = 300
    deployed = make(given)
    began = deployed.clock.now()
    send(deployed, {"do": "nothing"})
    deployed.settle()
    (at,) = said(deployed, "Worker", "at")
    assert at >= began + 300


def test_settling_names_what_is_left_when_the_simulated_time_given_is_over(make: Make) -> None:
    deployed = make(resources())
    send(deployed, {"do": "raise"})
    with pytest.raises(TimeoutError, match=r"messages \{'Queue': 1\}"):
        deployed.settle(within=100)
    deployed.settle(within=600)


def test_time_passes_with_everything_done_that_falls_due(make: Make) -> None:
    deployed = make(resources())
    send(deployed, {"do": "raise"})
    began = deployed.clock.now()
    deployed.pass_time(200)
    assert 200 <= deployed.clock.now() - began < 300
    assert len(said(deployed, "Worker", "batch")) == 2


def test_nobody_waits_for_a_function_that_only_sleeps(make: Make) -> None:
    given = resources()
    given["Worker"] = function("WorkerRole", Timeout=900)
    given["Queue"]["Properties"]["VisibilityTimeout"] = 5400
    deployed = make(given)
    began, really_began = deployed.clock.now(), time.monotonic()
    send(deployed, *({"do": "sleep", "seconds": 600 + number} for number in range(5)))
    deployed.settle()
    # Two at once: the third of them ends last, after three sleeps.
    assert 1800 <= deployed.clock.now() - began < 1900
    assert len(said(deployed, "Worker", "batch")) == 5
    assert not any(deployed.depths().values())
    assert time.monotonic() - really_began < 600


def test_a_function_that_sleeps_longer_than_it_may_is_stopped_without_waiting_for_it(make: Make) -> None:
    deployed = make(resources())
    send(deployed, {"do": "sleep", "seconds": 1000})
    deployed.settle()
    assert len(said(deployed, "Worker", "batch")) == 3
    assert len(deployed.dead_letters()["DeadLetters"]) == 1


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


# --- what does not run here ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "resource", "complaint"),
    [
        ("Bucket", {"Type": "AWS::S3::Bucket"}, "Bucket (AWS::S3::Bucket)"),
        ("Queue", {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True}}, "FifoQueue of Queue"),
        ("Echo", function(EphemeralStorage={"Size": 1024}), "EphemeralStorage of Echo"),
        ("Role", {**role(), "CreationPolicy": {}}, "CreationPolicy"),
    ],
)
def test_what_would_be_missing_here_stops_the_stack(moto: Moto, name: str, resource: Resource, complaint: str) -> None:
    with pytest.raises(NotImplementedError) as raised:
        stack(moto, {**resources(), name: resource})
    assert complaint in str(raised.value)


def test_a_reference_to_nothing_is_refused(moto: Moto) -> None:
    given = resources()
    del given["DeadLetters"]
    with pytest.raises(ValueError, match="no resource DeadLetters"):
        stack(moto, given).create()


def test_things_that_need_each_other_are_refused(moto: Moto) -> None:
    given = resources()
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Queue", "Arn"]}, "maxReceiveCount": 3}
    given["DeadLetters"]["Properties"]["RedrivePolicy"] = redrive
    with pytest.raises(ValueError, match="Queue → DeadLetters → Queue"):
        stack(moto, given).create()
