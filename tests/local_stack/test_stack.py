"""What is in the template is what runs: changing the template changes the stack."""

from __future__ import annotations

import json
import threading

import pytest

from local.aws import Moto
from local.functions import FunctionError, ThrottledError, TimedOutError
from tests.local_stack.conftest import Make
from tests.local_stack.small_stack import PARAMETERS, Resource, allow, function, resources, role, stack

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
