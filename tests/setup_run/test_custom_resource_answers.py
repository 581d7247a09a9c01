"""The setup function as a custom resource: what CloudFormation is told, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bitbucket_port import lambda_setup
from bitbucket_port.errors import PermanentError, SettingsError, TransientError
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.identity import IdentityStore
from bitbucket_port.setup.life import Life
from tests.setup_run.checking import Notes, settings_of
from tests.setup_run.response_endpoint import ResponseEndpoint

STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/one/0a1b2c3d-0000-0000-0000-000000000000"


@pytest.fixture
def endpoint() -> Iterator[ResponseEndpoint]:
    made = ResponseEndpoint()
    yield made
    made.stop()


class Context:
    """A Lambda context with so much time, of which each look takes a second."""

    def __init__(self, seconds: float = 900.0) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        self.seconds -= 1
        return int(self.seconds * 1000)


class Stack:
    """A stack whose set-up finds what it is told to find; stands for the runtime, too."""

    def __init__(self) -> None:
        self.settings = settings_of()
        self.ledger = Notes()
        self.uuid = "{1}"
        self.findings = [Finding("Blueprints", "changed", "made 5.")]
        self.trouble: Exception | None = None
        self.done: list[str] = []
        self.milliseconds = 0

    def begin(self, milliseconds_left: int) -> None:
        self.milliseconds = milliseconds_left
        if self.trouble:
            raise self.trouble

    def carry_out(self, occasion: str) -> list[Finding]:
        self.done.append(occasion)
        return self.findings

    def check(self) -> list[Finding]:
        self.done.append("check")
        return self.findings

    def remove(self) -> list[Finding]:
        self.done.append("remove")
        return self.findings


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    made = Stack()
    monkeypatch.setattr(lambda_setup, "Runtime", lambda: made)
    monkeypatch.setattr(lambda_setup, "set_up_of", lambda runtime: runtime)
    monkeypatch.setattr(lambda_setup, "identity_of", lambda runtime: IdentityStore(made.ledger, lambda: made.uuid))
    monkeypatch.setattr("bitbucket_port.lambda_setup.time.sleep", lambda seconds: None)
    return made


def event(kind: str, endpoint: ResponseEndpoint, **more: Any) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": endpoint.url,
        "StackId": STACK,
        "RequestId": f"request {kind}",
        "LogicalResourceId": "SetUp",
        "ResourceType": "Custom::SetUp",
        "ResourceProperties": {"Product": "cloud", "Workspace": "acme"},
        **({} if kind == "Create" else {"PhysicalResourceId": lambda_setup.PHYSICAL_ID}),
        **more,
    }


@pytest.mark.parametrize(("kind", "done"), [("Create", "create"), ("Update", "update"), ("Delete", "remove")])
def test_success_is_told_with_the_report_and_always_the_same_physical_id(
    kind: str, done: str, stack: Stack, endpoint: ResponseEndpoint
) -> None:
    report = lambda_setup.handle(event(kind, endpoint), Context())
    (answer,) = endpoint.taken
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "bitbucket-port-setup")
    assert (answer["StackId"], answer["RequestId"], answer["LogicalResourceId"]) == (STACK, f"request {kind}", "SetUp")
    assert answer["Data"] == {"Report": "1 changed"}
    assert report["findings"] == [stack.findings[0].to_json()]
    assert stack.done == [done]
    assert stack.milliseconds == 839_000


def test_an_update_or_deletion_keeps_the_id_that_cloudformation_knows(stack: Stack, endpoint: ResponseEndpoint) -> None:
    """A creation that never answered got one of CloudFormation's own; another one would mean a replacement."""
    for kind in ("Update", "Delete"):
        lambda_setup.handle(event(kind, endpoint, PhysicalResourceId="one-SetUp-0A1B2C"), Context())
    assert [answer["PhysicalResourceId"] for answer in endpoint.taken] == ["one-SetUp-0A1B2C"] * 2


REFUSED = Finding("Bitbucket credentials", "failed", "Bitbucket answered 401.", "Correct BitbucketToken.")


def test_refused_credentials_fail_a_creation_with_the_sentence(stack: Stack, endpoint: ResponseEndpoint) -> None:
    stack.findings = [Finding("Port credentials", "ok", "fine."), REFUSED]
    lambda_setup.handle(event("Create", endpoint), Context())
    (answer,) = endpoint.taken
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == "Bitbucket credentials: Bitbucket answered 401. Correct BitbucketToken."


@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_later_they_are_part_of_the_report(kind: str, stack: Stack, endpoint: ResponseEndpoint) -> None:
    stack.findings = [REFUSED]
    lambda_setup.handle(event(kind, endpoint), Context())
    (answer,) = endpoint.taken
    assert answer["Status"] == "SUCCESS"
    assert "Bitbucket answered 401" in answer["Data"]["Report"]


def secret_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSecretValue")


@pytest.mark.parametrize(
    ("trouble", "fatal"),
    [
        (SettingsError("BITBUCKET_URL is 'x': write it as https://host"), True),
        (secret_error("ResourceNotFoundException"), True),
        (secret_error("ThrottlingException"), False),
        (TransientError("DynamoDB cannot be reached"), False),
        (ZeroDivisionError("a fault of ours"), False),
    ],
)
@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_cloudformation_is_answered_whatever_happens(
    kind: str, trouble: Exception, fatal: bool, stack: Stack, endpoint: ResponseEndpoint
) -> None:
    stack.trouble = trouble
    lambda_setup.handle(event(kind, endpoint), Context())
    (answer,) = endpoint.taken
    assert answer["Status"] == ("FAILED" if fatal and kind == "Create" else "SUCCESS")
    assert "a fault of ours" not in str(answer)


def test_another_workspace_is_refused_on_update_and_the_way_back_is_open(
    stack: Stack, endpoint: ResponseEndpoint
) -> None:
    lambda_setup.handle(event("Create", endpoint), Context())
    stack.settings, stack.uuid = settings_of(workspace="other"), "{2}"
    here, there = {"Product": "cloud", "Workspace": "acme"}, {"Product": "cloud", "Workspace": "other"}
    lambda_setup.handle(event("Update", endpoint, ResourceProperties=there, OldResourceProperties=here), Context())
    stack.settings, stack.uuid = settings_of(), "{1}"
    back = event("Update", endpoint, ResourceProperties=here, OldResourceProperties=there, RequestId="back")
    lambda_setup.handle(back, Context())
    assert [answer["Status"] for answer in endpoint.taken] == ["SUCCESS", "FAILED", "SUCCESS"]
    assert "deploy a second stack" in endpoint.taken[1]["Reason"]
    assert stack.done == ["create", "update"]


def test_a_creation_that_failed_says_nothing_about_what_the_stack_is(stack: Stack, endpoint: ResponseEndpoint) -> None:
    stack.findings = [REFUSED]
    lambda_setup.handle(event("Create", endpoint), Context())
    stack.settings = settings_of(workspace="corrected")
    stack.findings = []
    lambda_setup.handle(event("Create", endpoint, RequestId="again"), Context())
    lambda_setup.handle(event("Update", endpoint), Context())
    assert [answer["Status"] for answer in endpoint.taken] == ["FAILED", "SUCCESS", "SUCCESS"]


def test_a_repetition_after_the_end_brings_nothing_back(stack: Stack, endpoint: ResponseEndpoint) -> None:
    create = event("Create", endpoint)
    lambda_setup.handle(create, Context())
    Life(stack.ledger).end()
    lambda_setup.handle(create, Context())
    assert stack.done == ["create"]
    assert [answer["Status"] for answer in endpoint.taken] == ["SUCCESS", "SUCCESS"]


def test_the_answer_is_sent_until_it_arrives(stack: Stack, endpoint: ResponseEndpoint) -> None:
    endpoint.trouble = [503, 500, 503, 403]
    lambda_setup.handle(event("Create", endpoint), Context())
    assert (len(endpoint.taken), endpoint.asked) == (1, 5)
    assert stack.done == ["create"]


def test_an_answer_that_never_arrives_fails_the_function_so_that_it_is_called_again(
    stack: Stack, endpoint: ResponseEndpoint
) -> None:
    endpoint.trouble = [503] * 1000
    with pytest.raises(TransientError) as raised:
        lambda_setup.handle(event("Create", endpoint), Context(40))
    assert "sealed" not in str(raised.value)
    assert endpoint.asked > 3


def test_the_answer_is_never_larger_than_cloudformation_takes(stack: Stack, endpoint: ResponseEndpoint) -> None:
    stack.findings = [Finding(f"project {number}", "failed", 'ü"\n' * 300) for number in range(50)]
    lambda_setup.handle(event("Create", endpoint), Context())
    (answer,) = endpoint.taken
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("Project 0: ü")
    assert len(answer["Data"]["Report"]) > 100


def test_by_hand_the_report_is_the_answer(stack: Stack) -> None:
    assert lambda_setup.handle({"setup": "now"}, Context())["outcome"] == "changed"
    assert lambda_setup.handle({"setup": "check"}, Context())["findings"] == [stack.findings[0].to_json()]
    assert stack.done == ["by hand", "check"]


@pytest.mark.parametrize("wrong", [{}, {"setup": "later"}, "now please", None])
def test_whoever_asks_for_anything_else_is_told_what_there_is(wrong: Any, stack: Stack) -> None:
    with pytest.raises(PermanentError, match=r'ask with \{"setup": "now"\} or \{"setup": "check"\}'):
        lambda_setup.handle(wrong, Context())
    assert stack.done == []
