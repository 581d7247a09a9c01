"""Secrets are read at run time, kept for a while, and shown to nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bitbucket_port.errors import SettingsError
from bitbucket_port.secrets import KEEP_SECONDS, SecretReader


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client(
            "secretsmanager", region_name="eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )


def test_a_rotated_secret_is_seen_when_the_kept_one_is_old(client: Any) -> None:
    clock = Clock()
    arn = client.create_secret(Name="token", SecretString="first")["ARN"]
    reader = SecretReader(client, clock=clock)
    first = reader.current(arn)
    client.put_secret_value(SecretId=arn, SecretString="second")
    assert reader.current(arn).value == "first"
    clock.now += KEEP_SECONDS + 1
    second = reader.current(arn)
    assert second.value == "second"
    assert second.version != first.version


def test_a_fresh_read_does_not_wait(client: Any) -> None:
    arn = client.create_secret(Name="token", SecretString="first")["ARN"]
    reader = SecretReader(client, clock=Clock())
    reader.current(arn)
    client.put_secret_value(SecretId=arn, SecretString="second")
    assert reader.current(arn, fresh=True).value == "second"


def test_a_field_of_a_shared_secret(client: Any) -> None:
    both = json.dumps({"bitbucketToken": "t-1", "portClientSecret": "p-1"})
    arn = client.create_secret(Name="both", SecretString=both)["ARN"]
    reader = SecretReader(client, clock=Clock())
    assert reader.current_field(arn, "bitbucketToken").value == "t-1"
    assert reader.current_field(arn, "portClientSecret").value == "p-1"


@pytest.mark.parametrize("text", ["hush-hush", '{"other": "hush-hush"}', '["hush-hush"]', '{"bitbucketToken": 5}'])
def test_a_shared_secret_of_another_shape_is_explained_without_its_value(client: Any, text: str) -> None:
    arn = client.create_secret(Name="both", SecretString=text)["ARN"]
    with pytest.raises(SettingsError, match="bitbucketToken") as caught:
        SecretReader(client, clock=Clock()).current_field(arn, "bitbucketToken")
    assert "hush-hush" not in str(caught.value)


def test_a_secret_does_not_show_its_value() -> None:
    with mock_aws():
        client = boto3.client(
            "secretsmanager", region_name="eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        arn = client.create_secret(Name="token", SecretString="hush-hush")["ARN"]
        assert "hush-hush" not in repr(SecretReader(client).current(arn))
