"""Tables keep their promises although moto looks only at those items that a request is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import Moto


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    moto = Moto()
    moto.start()
    client = moto.client("dynamodb")
    client.create_table(
        TableName="shelf",
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
        BillingMode="PAY_PER_REQUEST",
    )
    yield client
    moto.stop()


def put(partition: str, place: str, number: int, **more: Any) -> dict[str, Any]:
    item = {"PK": {"S": partition}, "SK": {"S": place}, "number": {"N": str(number)}}
    return {"Put": {"TableName": "shelf", "Item": item, **more}}


def numbers(client: Any, partition: str, **more: Any) -> list[int]:
    found = client.query(
        TableName="shelf",
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues={":pk": {"S": partition}},
        **more,
    )
    return [int(item["number"]["N"]) for item in found["Items"]]


def test_a_query_gives_its_partition_in_order_and_nothing_else(dynamodb: Any) -> None:
    dynamodb.transact_write_items(TransactItems=[put("a", "2", 2), put("a", "1", 1), put("b", "1", 3)])
    assert numbers(dynamodb, "a") == [1, 2]
    assert numbers(dynamodb, "a", ScanIndexForward=False, Limit=1) == [2]
    assert numbers(dynamodb, "nobody") == []


def test_a_transaction_that_fails_at_its_end_leaves_every_item_as_it_was(dynamodb: Any) -> None:
    dynamodb.transact_write_items(TransactItems=[put("c", "1", 1), put("d", "1", 1)])
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.transact_write_items(
            TransactItems=[
                put("c", "1", 7),
                put("c", "2", 7),
                put("new", "1", 7),
                {"Delete": {"TableName": "shelf", "Key": {"PK": {"S": "d"}, "SK": {"S": "1"}}}},
                {
                    "Update": {
                        "TableName": "shelf",
                        "Key": {"PK": {"S": "d"}, "SK": {"S": "2"}},
                        "UpdateExpression": "SET #n = :n",
                        "ConditionExpression": "attribute_exists(PK)",
                        "ExpressionAttributeNames": {"#n": "number"},
                        "ExpressionAttributeValues": {":n": {"N": "7"}},
                    }
                },
            ]
        )
    assert (numbers(dynamodb, "c"), numbers(dynamodb, "d"), numbers(dynamodb, "new")) == ([1], [1], [])


def test_what_was_updated_before_the_failure_is_undone(dynamodb: Any) -> None:
    dynamodb.transact_write_items(TransactItems=[put("e", "1", 1), put("e", "2", 1)])
    change = {
        "TableName": "shelf",
        "Key": {"PK": {"S": "e"}, "SK": {"S": "1"}},
        "UpdateExpression": "SET #n = :n",
        "ExpressionAttributeNames": {"#n": "number"},
        "ExpressionAttributeValues": {":n": {"N": "7"}},
    }
    refused = put("e", "2", 7, ConditionExpression="attribute_not_exists(PK)")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.transact_write_items(TransactItems=[{"Update": change}, refused])
    assert numbers(dynamodb, "e") == [1, 1]
    dynamodb.transact_write_items(TransactItems=[{"Update": change}])
    assert numbers(dynamodb, "e") == [7, 1]


def test_attributes_of_every_kind_come_back_as_they_were_put(dynamodb: Any) -> None:
    kinds: dict[str, Any] = {
        "S": "größer",
        "N": "-1.50",
        "B": b"\x00\xff",
        "BOOL": False,
        "NULL": True,
        "SS": ["a", "b"],
        "NS": ["1", "2"],
        "BS": [b"\x01"],
        "L": [{"S": ""}, {"L": [{"N": "1"}, {"B": b"\x02"}]}],
        "M": {"S": {"S": "0"}, "none": {"M": {}}, "deep": {"M": {"er": {"SS": ["x"]}}}},
    }
    item = {"PK": {"S": "f"}, "SK": {"S": "1"}, **{name: {name: value} for name, value in kinds.items()}}
    dynamodb.put_item(TableName="shelf", Item=item)
    key = {"PK": item["PK"], "SK": item["SK"]}
    batch = dynamodb.batch_get_item(RequestItems={"shelf": {"Keys": [key]}})["Responses"]["shelf"]
    assert batch == [item]
    before = dynamodb.update_item(
        TableName="shelf", Key=key, UpdateExpression="REMOVE BOOL, M.deep", ReturnValues="ALL_OLD"
    )
    assert before["Attributes"] == item
    left = {**item, "M": {"M": {name: kinds["M"][name] for name in ("S", "none")}}}
    del left["BOOL"]
    assert dynamodb.get_item(TableName="shelf", Key=key)["Item"] == left


def test_the_same_expressions_mean_what_each_request_says(dynamodb: Any) -> None:
    def change(place: str, to: str, unless: str) -> None:
        dynamodb.update_item(
            TableName="shelf",
            Key={"PK": {"S": "g"}, "SK": {"S": place}},
            UpdateExpression="SET #n = :to, #o.held = if_not_exists(#o.held, :to) REMOVE gone",
            ConditionExpression="attribute_not_exists(#n) OR #n <> :unless",
            ExpressionAttributeNames={"#n": "number", "#o": "other" if place == "1" else "another"},
            ExpressionAttributeValues={":to": {"N": to}, ":unless": {"N": unless}},
        )

    for place, name in (("1", "other"), ("2", "another")):
        more = {name: {"M": {}}, "gone": {"S": ""}}
        dynamodb.put_item(TableName="shelf", Item={"PK": {"S": "g"}, "SK": {"S": place}, **more})
    change("1", "1", "9")
    change("2", "2", "9")
    change("1", "3", "2")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        change("2", "4", "2")
    found = dynamodb.query(
        TableName="shelf", KeyConditionExpression="PK = :pk", ExpressionAttributeValues={":pk": {"S": "g"}}
    )["Items"]
    assert [{name: value for name, value in item.items() if name not in ("PK", "SK")} for item in found] == [
        {"number": {"N": "3"}, "other": {"M": {"held": {"N": "1"}}}},
        {"number": {"N": "2"}, "another": {"M": {"held": {"N": "2"}}}},
    ]
