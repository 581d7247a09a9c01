"""What can go wrong while a run goes on, and what meanwhile happens in Bitbucket and in Port."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from math import ceil
from typing import Any, Literal

import pytest

from bitbucket_port.objects import JsonObject
from local.aws import Moto
from local.clock import Clock
from local.functions import Function, FunctionError
from local.standins.http import Answer, Exchange, StandIn
from tests.resync_end_to_end.oracle import Expected, Key, differences, shown
from tests.resync_end_to_end.rig import Place
from tests.resync_end_to_end.worlds import Size

LITTLE = Size(projects=3, repositories=6, pull_requests=15, users=2, crowd=0)
RUN_SECONDS = 600.0
"""Real ones, for a run with many accidents on a busy machine."""
LONGER_THAN_A_REQUEST = 11.0
"""Real seconds after which nobody waits for an answer any more."""

Invoke = Callable[[Any], Any]
Stand = Callable[[Function, Any, Invoke], Any]


class Door:
    """Stands before every function: ``stand`` is asked about each invocation, and carries it out or raises."""

    def __init__(self) -> None:
        self.stand: Stand | None = None

    def __call__(self, function: Function, event: Any, invoke: Invoke) -> Any:
        return self.stand(function, event, invoke) if self.stand else invoke(event)

    @contextmanager
    def kept_by(self, stand: Stand) -> Iterator[None]:
        """Ask ``stand`` meanwhile."""
        self.stand = stand
        try:
            yield
        finally:
            self.stand = None


@contextmanager
def doors() -> Iterator[Door]:
    """A door before the functions of every stack that is made meanwhile."""
    door, invoke = Door(), Function.invoke

    def through(function: Function, event: Any) -> Any:
        return door(function, event, lambda given: invoke(function, given))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Function, "invoke", through)
        yield door


def job_of(event: Any) -> JsonObject:
    """The job that a function of the jobs queue is given."""
    (record,) = event["Records"]
    job: JsonObject = json.loads(record["body"])
    return job


# --- what happens in Bitbucket and in Port ----------------------------------------------------------------------------


class Life:
    """Goes on between two runs, and nobody tells: every time something comes, changes, moves and goes.

    With ``strangers`` Port also shows an entity as ours that nobody knows; it has to be gone after two runs in a row
    that knew what every repository makes.
    """

    def __init__(self, place: Place, *, strangers: bool = False) -> None:
        self.place = place
        self.world: Any = place.world
        self.cloud = place.machine.product == "cloud"
        self._strangers = strangers
        self._numbers = count(1)
        self._project: Any = None
        self._repository: Any = None
        self._user: Any = None
        self._runs_of: dict[Key, int] = {}
        self._reported: set[str] = set()
        self.untouched: Any = None
        """A repository whose entities, and those of its pull requests, nobody edits by hand."""
        self.kept = self.world.create_repository(self.world.projects[0], "kept", readme="# Kept\n").subject
        self.pull = self.world.open_pull_request(self.kept, "kept", title="Kept").subject

    @property
    def _blueprint(self) -> str:
        return f"bitbucket{'Cloud' if self.cloud else 'Server'}Repository"

    @property
    def pull_requests(self) -> str:
        """The blueprint of pull requests."""
        return self._blueprint.replace("Repository", "PullRequest")

    def entity_of(self, repository: Any) -> str:
        """The identifier of a repository's entity."""
        return f"{'acme' if self.cloud else repository.project.key}/{repository.slug}"

    def goes_on(self) -> None:
        """Once more, an hour later: a page leaves alone what was read in the minute before it."""
        self._count_runs()
        self.place.machine.stack.clock.advance(3600.0)
        number = next(self._numbers)
        self._leave()
        self._come(number)
        self.world.rename_repository(self.kept, f"kept-{number}")
        self.world.update_pull_request(self.pull, title=f"Kept {number}")
        if number > 1:
            self._by_hand(number)

    def _leave(self) -> None:
        if self._repository is not None:
            self.world.delete_repository(self._repository)
            self.world.delete_project(self._project)
            if self.cloud:
                self.world.remove_user(self._user)

    def _come(self, number: int) -> None:
        self._project = self.world.create_project(f"LIFE{number}", f"Life {number}").subject
        self._repository = self.world.create_repository(
            self._project, f"life-{number}", readme=f"# Life {number}\n"
        ).subject
        for name in ("one", "two"):
            self.world.open_pull_request(self._repository, name, title=f"Life {number} {name}")
        if self.cloud:
            self._user = self.world.create_user(f"Guest {number}")

    def _by_hand(self, number: int) -> None:
        port = self.place.port
        spared = self.entity_of(self.untouched) if self.untouched else "nothing"
        known = [
            key
            for key, one in sorted(self.place.right().items())
            if key in port.catalog() and one["title"] and not f"{key[1]}/".startswith(f"{spared}/")
        ]
        edited, removed = (
            next(key for key in known if key[0] == blueprint) for blueprint in (self._blueprint, self.pull_requests)
        )
        port.put_entity(*edited, title="by hand")
        port.remove_entity(*removed)
        if self._strangers:
            source = next(iter(port.entities(self._blueprint).values()))["$datasource"]
            stranger = (self._blueprint, f"stranger-{number}")
            port.put_entity(*stranger, datasource=source)
            self._runs_of[stranger] = 0

    def _count_runs(self) -> None:
        """Count the runs of which each stranger has seen all; one that failed to know something ends the row."""
        for report in self.place.reports():
            if report["run"] in self._reported:
                continue
            self._reported.add(report["run"])
            kept = any(f"unclaimed entities of {self._blueprint} stay" in note for note in report["notes"])
            for stranger, runs in self._runs_of.items():
                self._runs_of[stranger] = 0 if kept else runs + 1

    @property
    def strangers(self) -> set[Key]:
        """Those that may still be there."""
        self._count_runs()
        return {stranger for stranger, runs in self._runs_of.items() if runs < 2}

    def wrong(self) -> list[str]:
        """How the catalog is not what it must be."""
        strangers = self.strangers
        catalog = {key: one for key, one in self.place.port.catalog().items() if key not in strangers}
        return differences(shown(catalog), self.place.right())


class Guard:
    """A tap before Port that notices, at once, when an entity is gone that must not go; ``then`` is the next tap."""

    def __init__(self, port: Any, stays: Expected, then: Callable[[Exchange], Answer] | None = None) -> None:
        self._port, self._then = port, then
        self._stays = stays.keys() & port.catalog().keys()
        self.gone: set[Key] = set()

    def __call__(self, exchange: Exchange) -> Answer:
        try:
            return self._then(exchange) if self._then else exchange.carry_out()
        finally:
            if exchange.request.method != "GET" and "/search" not in exchange.operation:
                self.gone |= self._stays - self._port.catalog().keys()


@contextmanager
def tapped(stand_in: StandIn, tap: Callable[[Exchange], Answer]) -> Iterator[None]:
    """Have a tap in the way of a stand-in's requests; one that was there has to be its last part."""
    before, stand_in.tap = stand_in.tap, tap
    try:
        yield
    finally:
        stand_in.tap = before


# --- what goes wrong --------------------------------------------------------------------------------------------------

Trouble = Literal["429", "500", "reset before", "reset after", "no answer"]


class Weather:
    """A tap with which ``share`` of all requests go wrong, in every way there is.

    Waiting for no answer takes real time, so only ``silences`` of them get none.
    """

    def __init__(self, seed: str, *, share: float = 0.2, silences: int = 1) -> None:
        self._random = random.Random(seed)
        self._share, self._silences = share, silences
        self._lock = threading.Lock()
        self.met: Counter[str] = Counter()
        self.requests = 0

    def __call__(self, exchange: Exchange) -> Answer:
        trouble = self._draw()
        if trouble in ("429", "500"):
            return exchange.refuse(int(trouble), "bad weather")
        if trouble == "no answer":
            threading.Event().wait(LONGER_THAN_A_REQUEST)
            raise ConnectionAbortedError("nobody waits any more")
        if trouble == "reset before":
            raise ConnectionResetError("bad weather")
        answer = exchange.carry_out()
        if trouble == "reset after":
            raise ConnectionResetError("bad weather")
        return answer

    def _draw(self) -> Trouble | None:
        with self._lock:
            self.requests += 1
            if self._random.random() >= self._share:
                return None
            kinds: list[Trouble] = ["429", "500", "reset before", "reset after"]
            if self.met["no answer"] < self._silences:
                kinds.append("no answer")
            trouble = self._random.choice(kinds)
            self.met[trouble] += 1
            return trouble


class Refusing:
    """A tap that answers every request that matches with ``status``."""

    def __init__(self, status: int, match: Callable[[Exchange], bool]) -> None:
        self._status, self._match = status, match
        self.refused = 0

    def __call__(self, exchange: Exchange) -> Answer:
        if not self._match(exchange):
            return exchange.carry_out()
        self.refused += 1
        return exchange.refuse(self._status, "never")


class Limited:
    """A tap that answers requests that match with 429 for so many simulated seconds from the first one on, and says so.

    ``refused`` counts them by what was asked for.
    """

    def __init__(self, clock: Clock, seconds: float, match: Callable[[Exchange], bool]) -> None:
        self._clock, self._seconds, self._match = clock, seconds, match
        self._until: float | None = None
        self.refused: Counter[str] = Counter()

    def __call__(self, exchange: Exchange) -> Answer:
        if not self._match(exchange):
            return exchange.carry_out()
        if self._until is None:
            self._until = self._clock.now() + self._seconds
        left = self._until - self._clock.now()
        if left <= 0:
            return exchange.carry_out()
        self.refused[exchange.request.path] += 1
        answer = exchange.refuse(429, "too many requests")
        return replace(answer, headers={**answer.headers, "Retry-After": str(ceil(left))})


class Dealt:
    """Notes the messages by which each job reached its function, and whether one of its functions ever died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.messages: dict[str, set[str]] = {}
        self.died: list[str] = []

    def __call__(self, function: Function, event: Any, invoke: Invoke) -> Any:
        for record in event.get("Records", []):
            with self._lock:
                self.messages.setdefault(record["body"], set()).add(record["messageId"])
        try:
            return invoke(event)
        except FunctionError as error:
            self.died.append(str(error))
            raise


class Shuffled:
    """Hands the jobs of a queue over in any order: the first time, many are put back for some simulated minutes."""

    def __init__(self, place: Place, moto: Moto, seed: str) -> None:
        self._worker = place.machine.stack.functions["ResyncWorker"]
        self._url = place.machine.stack.queue_url("ResyncJobsQueue")
        self._sqs = moto.client("sqs")
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self.put_back = 0
        self.jobs: Counter[str] = Counter()

    def __call__(self, function: Function, event: Any, invoke: Invoke) -> Any:
        if function is self._worker:
            (record,) = event["Records"]
            with self._lock:
                new = record["messageId"] not in self._seen
                self._seen.add(record["messageId"])
                later = self._random.randint(1, 400) if new and self._random.random() < 0.6 else 0
                self.put_back += bool(later)
                self.jobs[record["body"]] += new
            if later:
                self._sqs.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=later
                )
                raise FunctionError("another job comes first")
        return invoke(event)


def run_through(place: Place, begin: Callable[[], object] | None = None) -> JsonObject:
    """Begin a run and see it to its end, whatever happens to it; returns the report of the only one, or the last."""
    before = len(place.reports())
    begin() if begin else place.ask()
    place.machine.stack.settle(RUN_SECONDS)
    reports = place.reports()[before:]
    told = [f"{report['status']}: {report['reason']}" for report in reports]
    assert reports and (begin or len(reports) == 1), f"{told}\n{place.machine.stack.logs()[-4000:]}"
    return reports[-1]


def trouble(report: JsonObject) -> str:
    """What a report says of what went wrong."""
    return json.dumps({name: report[name] for name in ("failures", "protected", "notes", "blueprints")}, indent=1)
