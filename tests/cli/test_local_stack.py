"""Where ``status --local`` finds what the local machine runs."""

from __future__ import annotations

import os

import boto3
import pytest

from bitbucket_port.cli.local_stack import asking, stacks_at
from bitbucket_port.cli.main import main
from bitbucket_port.errors import SettingsError
from local.page import Page
from tests.page.fakes import StoppedClock

TOLD = {
    "now": 1_000_000.0,
    "aws": {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "local"},
    "stacks": [{"name": "local-cloud", "environment": {"LEDGER_TABLE": "t"}, "queues": {"PushQueue": "http://q"}}],
}


def test_the_page_tells_the_stacks_and_their_time() -> None:
    page = Page([], None, StoppedClock(), machine=lambda: TOLD)
    url = page.start(0)
    try:
        found = stacks_at(url + "/")
    finally:
        page.stop()
    (place,) = found.places
    assert (place.name, place.environment, place.queues) == (
        "local-cloud",
        {"LEDGER_TABLE": "t"},
        {"PushQueue": "http://q"},
    )
    assert place.clock() == pytest.approx(1_000_000.0, abs=30)
    assert found.aws == TOLD["aws"]


def test_where_nothing_runs_it_is_said_how_to_start_it(capsys: pytest.CaptureFixture[str]) -> None:
    page = Page([], None, StoppedClock())  # One that tells programs nothing.
    url = page.start(0)
    try:
        with pytest.raises(SettingsError, match=r"HTTPError.*make run"):
            stacks_at(url)
    finally:
        page.stop()
    assert main(["status", "--local", url], environment={}) == 2
    assert "start one with make run" in capsys.readouterr().err


def test_aws_is_the_machines_only_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with asking({"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_DEFAULT_REGION": "eu-west-1"}):
        client = boto3.client("sqs", aws_access_key_id="local", aws_secret_access_key="local")
        assert (client.meta.endpoint_url, client.meta.region_name) == ("http://127.0.0.1:1", "eu-west-1")
    assert "AWS_ENDPOINT_URL" not in os.environ
    assert os.environ["AWS_DEFAULT_REGION"] == "us-east-1"
    assert boto3.client("sqs", aws_access_key_id="x", aws_secret_access_key="x").meta.region_name == "us-east-1"
