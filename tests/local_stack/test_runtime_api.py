"""The Runtime API as a runtime sees it: one event after the other, and nothing taken that was not asked for."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from local.runtime_api import LARGEST_RESPONSE, Answer, Invocation, RuntimeApi

NEXT = "/2018-06-01/runtime/invocation/next"
FOREVER = 60.0


def event(request_id: str = "first", payload: bytes = b'{"a": 1}') -> Invocation:
    return Invocation(
        request_id, payload, 1_800_000_000.5, "arn:aws:lambda:eu-west-1:123456789012:function:f", "Root=1"
    )


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    made = RuntimeApi()
    yield made
    made.close()


class Runtime:
    """A runtime's side, over one connection as the real one."""

    def __init__(self, api: RuntimeApi) -> None:
        self._connection = http.client.HTTPConnection(api.address, timeout=FOREVER)

    def get(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> tuple[int, bytes, dict[str, str]]:
        return self._ask("POST", "/2018-06-01/runtime/" + path, body if isinstance(body, bytes) else json.dumps(body))

    def _ask(self, method: str, path: str, body: Any) -> tuple[int, bytes, dict[str, str]]:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())


@pytest.fixture
def runtime(api: RuntimeApi) -> Runtime:
    return Runtime(api)


def test_an_event_comes_with_what_the_runtime_needs_to_know(api: RuntimeApi, runtime: Runtime) -> None:
    api.hand_over(event())
    status, body, headers = runtime.get(NEXT)
    assert (status, body) == (200, b'{"a": 1}')
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "first"
    assert headers["Lambda-Runtime-Deadline-Ms"] == "1800000000500"
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == "arn:aws:lambda:eu-west-1:123456789012:function:f"
    assert headers["Lambda-Runtime-Trace-Id"] == "Root=1"


def test_the_runtime_waits_for_an_event_and_is_ready_from_then_on(api: RuntimeApi, runtime: Runtime) -> None:
    assert api.initialized(0.01) is False
    with ThreadPoolExecutor(1) as threads:
        asked: Future[Any] = threads.submit(runtime.get, NEXT)
        assert api.initialized(FOREVER) is True
        assert not asked.done()
        api.hand_over(event())
        assert asked.result()[0] == 200


def test_a_result_is_taken_for_the_event_it_belongs_to_and_once(api: RuntimeApi, runtime: Runtime) -> None:
    api.hand_over(event())
    runtime.get(NEXT)
    for other in ("second", "", "first%20"):
        assert runtime.post(f"invocation/{other}/response", {"b": 2})[0] in {400, 404}
    assert api.answer(0.01) is None
    assert runtime.post("invocation/first/response", {"b": 2})[0] == 202
    assert api.answer(FOREVER) == Answer(b'{"b": 2}')
    status, body, _ = runtime.post("invocation/first/response", {"c": 3})
    assert (status, json.loads(body)["errorType"]) == (400, "InvalidRequestID")
    assert api.answer(FOREVER) == Answer(b'{"b": 2}')


def test_the_answer_to_one_event_is_not_that_to_the_next(api: RuntimeApi, runtime: Runtime) -> None:
    for request_id in ("first", "second"):
        api.hand_over(event(request_id))
        assert api.answer(0) is None
        runtime.get(NEXT)
        runtime.post(f"invocation/{request_id}/response", request_id)
        answer = api.answer(FOREVER)
        assert answer is not None
        assert json.loads(answer.payload) == request_id


def test_no_second_event_before_the_first_is_answered(api: RuntimeApi, runtime: Runtime) -> None:
    api.hand_over(event())
    runtime.get(NEXT)
    api.hand_over(event("second"))
    status, body, _ = runtime.get(NEXT)
    assert (status, json.loads(body)["errorType"]) == (403, "InvalidStateTransition")


@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        ({"errorType": "KeyError", "errorMessage": "'x'"}, "KeyError"),
        ({"errorMessage": "what"}, "Unhandled"),
        ([], "Unhandled"),
        (b"no JSON", "Unhandled"),
        (b"", "Unhandled"),
    ],
)
def test_an_error_is_an_answer_with_its_type(api: RuntimeApi, runtime: Runtime, body: Any, error_type: str) -> None:
    api.hand_over(event())
    runtime.get(NEXT)
    assert runtime.post("invocation/first/error", body)[0] == 202
    answer = api.answer(FOREVER)
    assert answer is not None
    assert answer.error_type == error_type


def test_a_runtime_that_cannot_start_says_why(api: RuntimeApi, runtime: Runtime) -> None:
    assert runtime.post("init/error", {"errorType": "Runtime.ImportModuleError"})[0] == 202
    told = api.initialized(FOREVER)
    assert isinstance(told, Answer)
    assert told.error_type == "Runtime.ImportModuleError"


def test_after_the_first_event_it_is_too_late_for_that(api: RuntimeApi, runtime: Runtime) -> None:
    api.hand_over(event())
    runtime.get(NEXT)
    assert runtime.post("init/error", {"errorType": "X"})[0] == 403
    assert api.initialized(FOREVER) is True


def test_a_result_that_is_too_large_is_refused_and_told_as_an_error(api: RuntimeApi, runtime: Runtime) -> None:
    api.hand_over(event())
    runtime.get(NEXT)
    assert runtime.post("invocation/first/response", b"x" * (LARGEST_RESPONSE + 1))[0] == 413
    answer = api.answer(FOREVER)
    assert answer is not None
    assert answer.error_type == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize(
    "path", ["/", "/2018-06-01/runtime/invocation", NEXT + "/", "/2018-06-01/runtime/restore/next"]
)
def test_there_is_nothing_else(api: RuntimeApi, runtime: Runtime, path: str) -> None:
    assert runtime.get(path)[0] == 404
    assert runtime.post("invocation/next", {})[0] == 404
    assert api.initialized(0.01) is False


def test_at_the_end_nobody_is_left_waiting(api: RuntimeApi, runtime: Runtime) -> None:
    with ThreadPoolExecutor(2) as threads:
        asked: Future[Any] = threads.submit(runtime.get, NEXT)
        api.initialized(FOREVER)
        waiting = threads.submit(api.answer, FOREVER)
        api.close()
        assert waiting.result() is None
        with pytest.raises(http.client.RemoteDisconnected):
            asked.result()
    before = threading.active_count()
    api.close()
    assert threading.active_count() <= before
    with pytest.raises(ConnectionError):
        Runtime(api).get(NEXT)
