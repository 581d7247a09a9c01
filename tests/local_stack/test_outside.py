"""Calls of AWS, Port and Bitbucket in one list, with the same faults for all, told apart by who makes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import requests

from local.aws import Fault, Moto
from local.outside import Outside
from local.standins.http import Answer, Request, Route, StandIn
from tests.local_stack.aws_callers import admitted, allow, nothing_planned, queue

__all__ = ["nothing_planned"]

CALLER = """
import sys, requests
session = requests.Session()
for line in sys.stdin:
    method, url = line.split()
    print(session.request(method, url, timeout=30).status_code, flush=True)
"""


@dataclass(frozen=True)
class Environment:
    key: str
    pid: int
    function: str


class Web(StandIn):
    """Counts what it was asked to do."""

    ROUTES: ClassVar[tuple[Route, ...]] = (Route("POST", "/v1/things/{thing}/parts", "add"),)

    def __init__(self) -> None:
        super().__init__()
        self.added: list[str] = []

    def add(self, request: Request) -> Answer:
        self.added.append(request.variables["thing"])
        return Answer(201, {})


class Function:
    """A process that makes the requests it is told to."""

    def __init__(self, name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CALLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.environment = Environment(f"ASIA{name}", self.process.pid, name)

    def ask(self, method: str, url: str) -> str:
        """The status, or nothing when the process ended instead."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{method} {url}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def web() -> Iterator[Web]:
    stand_in = Web()
    stand_in.start()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def functions() -> Iterator[Callable[[str], Function]]:
    started: list[Function] = []

    def start(name: str) -> Function:
        started.append(Function(name))
        return started[-1]

    yield start
    for function in started:
        function.stop()


@pytest.fixture
def worker(functions: Callable[[str], Function]) -> Function:
    return functions("Worker")


def watching(moto: Moto, web: Web, *functions: Function, **more: Any) -> Outside:
    outside = Outside(moto, lambda: [function.environment for function in functions], **more)
    outside.watch("port", web)
    return outside


def test_calls_of_aws_and_of_the_web_are_one_list_in_their_order(moto: Moto, web: Web, worker: Function) -> None:
    outside = watching(moto, web, worker)
    (url, arn), path = queue(moto), "/v1/things/a%2Fb/parts"
    with admitted(moto, allow("*", "*")) as key:
        sqs = moto.client("sqs", key=key)
        sqs.get_queue_attributes(QueueUrl=url)
        assert worker.ask("POST", web.url + path) == "201"
        assert worker.ask("GET", web.url + "/nowhere") == "404"
        sqs.send_message(QueueUrl=url, MessageBody="x")
    assert [
        (call.number, call.function, call.service, call.action, call.resources, call.outcome)
        for call in outside.calls()
    ] == [
        (1, "Worker", "sqs", "sqs:GetQueueAttributes", (arn,), "ok"),
        (2, "Worker", "port", "POST /v1/things/{}/parts", (path,), "ok"),
        (3, "Worker", "port", "GET /nowhere", ("/nowhere",), "refused-by-service"),
        (4, "Worker", "sqs", "sqs:SendMessage", (arn,), "ok"),
    ]
    outside.forget()
    assert outside.calls() == []


def test_each_process_is_told_from_the_others_and_strangers_pass(
    moto: Moto, web: Web, functions: Callable[[str], Function]
) -> None:
    first, second = functions("First"), functions("Second")
    outside = watching(moto, web, first, second)
    outside.fault(Fault("fail", function="Second", service="port", times=None))
    parts = web.url + "/v1/things/1/parts"
    assert [first.ask("POST", parts), second.ask("POST", parts), first.ask("POST", parts)] == ["201", "500", "201"]
    assert requests.post(parts, timeout=30).status_code == 201
    assert [(call.function, call.environment, call.outcome) for call in outside.calls()] == [
        ("First", "ASIAFirst", "ok"),
        ("Second", "ASIASecond", "failed"),
        ("First", "ASIAFirst", "ok"),
    ]


def test_only_the_named_functions_calls_of_aws_count(moto: Moto, web: Web) -> None:
    outside = watching(moto, web, functions=lambda: ["Mine"])
    url, arn = queue(moto)
    for name in ("Mine", "Somebody else's"):
        with admitted(moto, allow("*", arn), function=name) as key:
            moto.client("sqs", key=key).get_queue_attributes(QueueUrl=url)
    assert [call.function for call in outside.calls()] == ["Mine"]


def test_the_web_fails_throttles_and_doubles_in_its_own_words(moto: Moto, web: Web, worker: Function) -> None:
    outside = watching(moto, web, worker)
    for fault in (Fault("fail", action="POST /*"), Fault("throttle", action="POST /v1/things/{}/*")):
        outside.fault(fault)
    statuses = [worker.ask("POST", f"{web.url}/v1/things/{number}/parts") for number in range(2)]
    assert (statuses, web.added) == (["500", "429"], [])
    outside.fault(Fault("duplicate", service="port", resource="/v1/things/twice/*"))
    assert [worker.ask("POST", f"{web.url}/v1/things/{thing}/parts") for thing in ("once", "twice")] == ["201"] * 2
    assert web.added == ["once", "twice", "twice"]
    assert [call.outcome for call in outside.calls()] == ["failed", "throttled", "ok", "ok"]
    assert outside.faults_left() == []


def test_an_outage_lasts_as_long_as_the_clock_says(moto: Moto, web: Web, worker: Function) -> None:
    outside = watching(moto, web, worker)
    outside.fault(Fault("fail", service="port", times=None, until=moto.clock.now() + 43_200))
    parts = web.url + "/v1/things/1/parts"
    assert worker.ask("POST", parts) == "500"
    moto.clock.advance(43_100)
    assert worker.ask("POST", parts) == "500"
    moto.clock.advance(100)
    assert worker.ask("POST", parts) == "201"


@pytest.mark.parametrize(("moment", "done"), [("kill before", []), ("kill after", ["1"])])
def test_the_caller_is_killed_and_never_gets_an_answer(
    moto: Moto, web: Web, worker: Function, moment: Any, done: list[str]
) -> None:
    outside = watching(moto, web, worker)
    outside.fault(Fault(moment, function="Worker", action="POST /*"))
    assert worker.ask("POST", web.url + "/v1/things/1/parts") == ""
    assert worker.process.wait(30) == -9
    assert web.added == done
    assert [call.outcome for call in outside.calls()] == [moment.replace("kill", "killed")]


def test_faults_of_aws_go_to_aws(moto: Moto, web: Web) -> None:
    outside = watching(moto, web)
    outside.fault(Fault("throttle", action="sqs:*"))
    outside.fault(Fault("throttle", service="bitbucket"))
    url, _ = queue(moto)
    with admitted(moto, allow("*", "*")) as key, pytest.raises(Exception, match="RequestThrottled"):
        moto.client("sqs", key=key).get_queue_attributes(QueueUrl=url)
    assert [plan.fault.service for plan in outside.faults_left()] == ["bitbucket"]
    outside.clear_faults()
    assert outside.faults() == []


def test_a_fault_that_does_not_say_whose_calls_it_means_is_refused(moto: Moto, web: Web) -> None:
    with pytest.raises(ValueError, match="neither service nor action"):
        watching(moto, web).fault(Fault("fail", times=None))


def test_a_stand_in_is_watched_by_one_only(moto: Moto, web: Web) -> None:
    outside = watching(moto, web)
    with pytest.raises(ValueError, match="watched already"):
        watching(moto, web)
    outside.unwatch(web)
    watching(moto, web)
