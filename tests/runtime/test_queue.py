"""One message at a time: what is kept, for how long it is hidden, and what is done for good."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.errors import (
    BusyError,
    CredentialsRefusedError,
    NotFoundError,
    PermanentError,
    StillThereError,
    TransientError,
)
from bitbucket_port.lambda_queue import handle_messages, wait_seconds


class Sqs:
    def __init__(self) -> None:
        self.hidden: list[tuple[str, str, int]] = []

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        self.hidden.append((QueueUrl, ReceiptHandle, VisibilityTimeout))


def event(receives: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": "m-1",
                "receiptHandle": "r-1",
                "body": "the body",
                "attributes": {"ApproximateReceiveCount": str(receives)},
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:stack-push",
            }
        ]
    }


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Sqs:
    monkeypatch.setenv("PUSH_QUEUE_URL", "https://sqs/123456789012/stack-push")
    monkeypatch.setenv("RESYNC_JOBS_QUEUE_URL", "https://sqs/123456789012/stack-push-jobs")
    return Sqs()


def run(sqs: Sqs, failure: Exception | None, receives: int = 1) -> Any:
    seen: list[str] = []

    def handle(body: str) -> None:
        seen.append(body)
        if failure:
            raise failure

    answer = handle_messages(event(receives), sqs, handle)  # type: ignore[arg-type]
    assert seen == ["the body"]
    return answer


def test_a_handled_message_is_done(sqs: Sqs) -> None:
    assert run(sqs, None) == {"batchItemFailures": []}
    assert sqs.hidden == []


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (TransientError("later", retry_after=90.2), 91),
        (BusyError("held", retry_after=5), 5),
        (StillThereError("look again", retry_after=61), 61),
        (CredentialsRefusedError("refused", retry_after=300), 300),
        (TransientError("no idea when"), 5),
        (NotFoundError("nobody expected that"), 5),
        (RuntimeError("a fault of ours"), 5),
    ],
)
def test_a_failed_message_is_kept_and_hidden_for_as_long_as_makes_sense(
    sqs: Sqs, failure: Exception, seconds: int
) -> None:
    assert run(sqs, failure) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert sqs.hidden == [("https://sqs/123456789012/stack-push", "r-1", seconds)]


def test_what_can_never_work_is_acknowledged(sqs: Sqs) -> None:
    assert run(sqs, PermanentError("nonsense")) == {"batchItemFailures": []}
    assert sqs.hidden == []


def test_the_pauses_grow_to_ten_minutes() -> None:
    assert [wait_seconds(None, receives) for receives in range(1, 10)] == [5, 10, 20, 40, 80, 160, 320, 600, 600]


@given(st.one_of(st.none(), st.floats(min_value=0, max_value=1e20)), st.integers(min_value=1, max_value=500))
def test_no_pause_is_longer_than_sqs_allows(retry_after: float | None, receives: int) -> None:
    assert 1 <= wait_seconds(retry_after, receives) <= 43_200


@pytest.mark.parametrize("retry_after", [None, 0.0, 2.0, 5.0])
def test_five_hundred_receives_last_three_days_and_more_whatever_failures_ask_for(retry_after: float | None) -> None:
    """A lease that never ends, or a server that says "in two seconds" for half a day, must not use them up."""
    days = sum(wait_seconds(retry_after, receives) for receives in range(1, 501)) / 86_400
    assert days == pytest.approx(3.4, abs=0.15)


def test_why_a_message_is_kept_is_told_after_it_was_hidden(sqs: Sqs) -> None:
    told: list[tuple[str, int, str, int]] = []

    def failed(message_id: str, receives: int, error: Exception) -> None:
        told.append((message_id, receives, str(error), len(sqs.hidden)))

    def handle(failure: Exception | None) -> Any:
        def raising(_: str) -> None:
            if failure:
                raise failure

        return handle_messages(event(7), sqs, raising, failed)  # type: ignore[arg-type]

    handle(TransientError("Port cannot be reached"))
    handle(RuntimeError("a fault of ours"))
    handle(PermanentError("nonsense"))
    handle(None)
    assert told == [("m-1", 7, "Port cannot be reached", 1), ("m-1", 7, "a fault of ours", 2)]
