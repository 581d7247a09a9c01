"""Where the functions of a run can die: learned from what its jobs ask of the outside, never written down by hand."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bitbucket_port.objects import JsonObject
from local.aws import Call, Fault, Moto
from local.functions import Function, FunctionError
from local.outside import Outside
from tests.resync_end_to_end.accidents import Invoke, job_of
from tests.resync_end_to_end.rig import Place

EVERY = bool(os.environ.get("EVERY_KILL"))
READS = ("dynamodb:Get", "dynamodb:BatchGet", "dynamodb:Query", "secretsmanager:Get", "GET ", "POST /v1/auth/")
SEARCH = "/entities/search"
TO_PORT = ("POST /", "PUT /", "PATCH /", "DELETE /")
MOST_FOR_ONE_MESSAGE = 4
"""Deaths of one message: a job is given up after twelve tries."""
MOST_MISSES = 6
Kind = tuple[str, ...]


@dataclass
class Death:
    """A function dies where ``fault`` strikes; without one, it is done and Lambda never hears of it.

    ``kind`` is the job and what it had changed outside since its last write to Port: alike for deaths that nobody can
    tell apart by what is left behind.
    """

    kind: Kind
    fault: Fault | None
    misses: int = 0


@dataclass
class Deaths:
    """Those that were found, by job, and have not come about yet. Shared by the places where they are alike."""

    known: set[Kind] = field(default_factory=set)
    came_about: int = 0


class Reaper:
    """Stands before the worker, has it handle one job at a time, and has it die at every call of every kind of job.

    The first job of a kind is left alone and watched; its calls are what later ones die at.
    """

    def __init__(self, place: Place, moto: Moto, deaths: Deaths) -> None:
        functions = place.machine.stack.functions
        self._worker = functions["ResyncWorker"]
        self._deaths = deaths
        self._left: dict[str, list[Death]] = {}
        self._watched: set[str] = set()
        self._of_message: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.outside = Outside(moto, place.machine.stack.environments, functions=lambda: [self._worker.name])
        self.outside.watch("port", place.machine.port)
        self.outside.watch("bitbucket", place.machine.bitbucket)

    @property
    def left(self) -> list[Kind]:
        """What is still to come about."""
        return [death.kind for deaths in self._left.values() for death in deaths]

    def __call__(self, function: Function, event: Any, invoke: Invoke) -> Any:
        if function is not self._worker:
            return invoke(event)
        message = event["Records"][0]["messageId"]
        with self._lock:
            return self._handle(_name(job_of(event)), message, lambda: invoke(event))

    def _handle(self, job: str, message: str, invoke: Callable[[], Any]) -> Any:
        self.outside.forget()
        death = self._next(job, message)
        if death and death.fault:
            self.outside.fault(death.fault)
        try:
            answer = invoke()
        except FunctionError:
            assert death, "a function died by itself"
            self._came_about(message)
            raise
        finally:
            self.outside.clear_faults()
        if death and not death.fault:
            self._came_about(message)
            raise FunctionError("Lambda never hears that it is done")
        if death:
            death.misses += 1
            if death.misses < MOST_MISSES:
                self._left[job].append(death)
        if job not in self._watched or EVERY:
            self._watched.add(job)
            self._learn(job)
        return answer

    def _next(self, job: str, message: str) -> Death | None:
        if not self._left.get(job) or self._of_message[message] >= MOST_FOR_ONE_MESSAGE:
            return None
        return self._left[job].pop(0)

    def _came_about(self, message: str) -> None:
        self._of_message[message] += 1
        self._deaths.came_about += 1

    def _learn(self, job: str) -> None:
        for death in _deaths(job, [one for one in self.outside.calls() if not one.by_service]):
            if death.kind not in self._deaths.known:
                self._deaths.known.add(death.kind)
                self._left.setdefault(job, []).append(death)


def _deaths(job: str, calls: list[Call]) -> Iterator[Death]:
    """An invocation that dies after a read has changed as much as one that dies before it."""
    nth: Counter[tuple[str, str, str]] = Counter()
    so_far: tuple[str, ...] = ()
    for number, call in enumerate(calls):
        resource = call.resources[0] if call.service == "sqs" else ""
        nth[call.service, call.action, resource] += 1
        if number == 0:
            yield Death(("before anything",), _fault("kill before", call, resource, 1))
        if call.action.startswith(READS) or call.action.endswith(SEARCH):
            continue
        so_far = (*so_far, call.action) if so_far[-1:] != (call.action,) else so_far
        writes = [place for place, change in enumerate(so_far) if change.startswith(TO_PORT)]
        kind = (job, *so_far[writes[-1] if writes else 0 :])
        yield Death(kind, _fault("kill after", call, resource, nth[call.service, call.action, resource]))
    yield Death((job, "done"), None)


def _fault(do: Any, call: Call, resource: str, nth: int) -> Fault:
    return Fault(
        do, function=call.function, service=call.service, action=call.action, resource=resource or None, nth=nth
    )


def _name(job: JsonObject) -> str:
    """What the job is, of which there may be many."""
    parts = (job["job"], job.get("phase"), job.get("kind"), job.get("look"), job.get("action"))
    return " ".join(str(part) for part in parts if part is not None)
