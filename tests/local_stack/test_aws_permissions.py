"""Each role's own statements are enforced, with the answers AWS gives."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import Moto
from local.aws.permissions import Permissions
from tests.local_stack.aws_callers import admitted, allow, nothing_planned, queue, secret, table

__all__ = ["nothing_planned"]


def denied(call: Any, **parameters: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return dict(caught.value.response)


def test_a_role_may_do_what_its_statement_says_and_nothing_else(moto: Moto) -> None:
    (url, arn), (other, other_arn) = queue(moto), queue(moto)
    with admitted(moto, allow("sqs:SendMessage", arn)) as key:
        sqs = moto.client("sqs", key=key)
        sqs.send_message(QueueUrl=url, MessageBody="x")
        answer = denied(sqs.send_message, QueueUrl=other, MessageBody="x")
        assert answer["Error"]["Code"] == "AccessDenied"
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert answer["Error"]["Message"] == (
            "User: arn:aws:sts::123456789012:assumed-role/WorkerRole/Worker is not authorized to perform: "
            f"sqs:sendmessage on resource: {other_arn} because no identity-based policy allows the sqs:sendmessage "
            "action"
        )
        denied(sqs.receive_message, QueueUrl=url)
    assert moto.client("sqs").receive_message(QueueUrl=other).get("Messages") is None


def test_batches_take_the_permission_of_the_single_call(moto: Moto) -> None:
    url, arn = queue(moto)
    entries = [{"Id": "1", "MessageBody": "x"}]
    with admitted(moto, allow("sqs:SendMessage", arn)) as key:
        assert moto.client("sqs", key=key).send_message_batch(QueueUrl=url, Entries=entries)["Successful"]
    with admitted(moto, allow("sqs:SendMessageBatch", arn)) as key:
        denied(moto.client("sqs", key=key).send_message_batch, QueueUrl=url, Entries=entries)


def test_a_transaction_takes_the_permissions_of_its_parts(moto: Moto) -> None:
    name, arn = table(moto)
    put = {"Put": {"TableName": name, "Item": {"k": {"S": "a"}}}}
    delete = {"Delete": {"TableName": name, "Key": {"k": {"S": "b"}}}}
    with admitted(moto, allow("dynamodb:PutItem", arn)) as key:
        dynamodb = moto.client("dynamodb", key=key)
        dynamodb.transact_write_items(TransactItems=[put])
        answer = denied(dynamodb.transact_write_items, TransactItems=[put, delete])
    assert answer["Error"]["Code"] == "AccessDeniedException"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "is not authorized to perform: dynamodb:DeleteItem on resource" in answer["Error"]["Message"]


def test_a_batch_of_items_needs_every_table(moto: Moto) -> None:
    (first, first_arn), (second, _) = table(moto), table(moto)
    keys = {"Keys": [{"k": {"S": "a"}}]}
    with admitted(moto, allow("dynamodb:BatchGetItem", first_arn)) as key:
        dynamodb = moto.client("dynamodb", key=key)
        dynamodb.batch_get_item(RequestItems={first: keys})
        denied(dynamodb.batch_get_item, RequestItems={first: keys, second: keys})


def test_a_query_of_an_index_needs_the_index(moto: Moto) -> None:
    name, arn = table(moto)
    query = {
        "TableName": name,
        "IndexName": "by-date",
        "KeyConditionExpression": "k = :k",
        "ExpressionAttributeValues": {":k": {"S": "a"}},
    }
    with admitted(moto, allow("dynamodb:Query", arn)) as key:
        answer = denied(moto.client("dynamodb", key=key).query, **query)
        assert f"{arn}/index/by-date" in answer["Error"]["Message"]
    with admitted(moto, allow("dynamodb:Query", f"{arn}/index/*")) as key:
        answer = denied(moto.client("dynamodb", key=key).query, **query)
        assert answer["Error"]["Code"] != "AccessDeniedException"  # There is just no such index.


def test_a_secret_is_the_same_by_name_by_arn_and_by_part_of_its_arn(moto: Moto) -> None:
    (name, arn), (other, _) = secret(moto, "mine"), secret(moto, "not mine")
    for resource in (arn, arn[:-6] + "??????"):
        with admitted(moto, allow("secretsmanager:GetSecretValue", resource)) as key:
            client = moto.client("secretsmanager", key=key)
            for named in (name, arn, arn[:-7]):
                assert client.get_secret_value(SecretId=named)["SecretString"] == "mine"
            for named in (other, "no-such-secret"):
                assert denied(client.get_secret_value, SecretId=named)["Error"]["Code"] == "AccessDeniedException"


def test_nobody_is_let_in_with_a_key_that_was_never_given_or_has_ended(moto: Moto) -> None:
    url, _ = queue(moto)
    name, _ = table(moto)
    with admitted(moto, allow("*", "*")) as key:
        moto.client("sqs", key=key).get_queue_attributes(QueueUrl=url)
    for gone in (key, "ASIANEVERGIVEN000000"):
        answer = denied(moto.client("sqs", key=gone).get_queue_attributes, QueueUrl=url)
        assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("InvalidClientTokenId", 403)
        answer = denied(moto.client("dynamodb", key=gone).scan, TableName=name)
        assert answer["Error"]["Code"] == "UnrecognizedClientException"


def test_what_this_machine_does_not_offer_is_named(moto: Moto) -> None:
    with admitted(moto, allow("*", "*")) as key:
        answer = denied(moto.client("kms", key=key).list_keys)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize(
    ("statements", "action", "resource", "verdict"),
    [
        ([allow("sqs:Send*", "*")], "sqs:SendMessage", "arn:aws:sqs:r:1:q", "allowed"),
        ([allow("SQS:sendmessage", "*")], "sqs:SendMessage", "arn:aws:sqs:r:1:q", "allowed"),
        ([allow("sqs:SendMessag?", "*")], "sqs:SendMessage", "arn:aws:sqs:r:1:q", "allowed"),
        ([allow("sqs:SendMessage", "arn:aws:sqs:r:1:Q")], "sqs:SendMessage", "arn:aws:sqs:r:1:q", "not allowed"),
        ([allow("sqs:SendMessage", "arn:aws:sqs:r:1:q?")], "sqs:SendMessage", "arn:aws:sqs:r:1:q1", "allowed"),
        ([allow("sqs:SendMessage", "arn:aws:sqs:*")], "sqs:SendMessage", "arn:aws:sqs:r:1:q", "not allowed"),
        ([allow("sqs:SendMessage", "arn:aws:sqs:*:*:*")], "sqs:SendMessage", "arn:aws:sqs:r:1:q", "allowed"),
        ([allow("sqs:SendMessage", "arn:aws:sqs:r:1:q.")], "sqs:SendMessage", "arn:aws:sqs:r:1:qx", "not allowed"),
        ([allow("x:*", ["a:b", "arn:aws:x:r:1:t/*"])], "x:Get", "arn:aws:x:r:1:t/a/b:c", "allowed"),
        ([], "x:Get", "*", "not allowed"),
        (
            [allow("x:*", "*"), {"Effect": "Deny", "Action": ["x:Get"], "Resource": "*"}],
            "x:Get",
            "arn:aws:x:r:1:t",
            "denied",
        ),
    ],
)
def test_statements_mean_what_they_mean_to_iam(
    statements: list[dict[str, Any]], action: str, resource: str, verdict: str
) -> None:
    assert Permissions(statements).judge(action, resource) == verdict


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "NotAction": "x:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "x:*", "NotResource": "*"},
        {"Effect": "Allow", "Action": "x:*", "Resource": "*", "Condition": {}},
        {"Effect": "Allow", "Action": "x:*", "Resource": "arn:aws:s3:::${aws:username}"},
    ],
)
def test_a_statement_that_cannot_be_evaluated_is_not_guessed_at(moto: Moto, statement: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        moto.admit("ASIA", function="F", role="R", statements=[statement], pid=0)
