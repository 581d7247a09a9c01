"""What Bitbucket tells while a run goes on is in Port at once, and nothing the run read before undoes it.

The interleavings are forced: an answer is worked out and then kept back on its way to the run until the live event is
through, or one of the run's writes before it is carried out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from urllib.parse import unquote

import pytest

from bitbucket_port.objects import JsonObject
from local.standins.http import Answer, Exchange, StandIn
from tests.end_to_end.watching import lines, until
from tests.resync_end_to_end.accidents import LITTLE, run_through, tapped, trouble
from tests.resync_end_to_end.conftest import Found
from tests.resync_end_to_end.rig import Place

PATIENCE = 9.0
"""Real seconds for which the client waits for an answer, and a little less: then it would ask anew."""
TRIES = 4
"""On a machine so busy that the live event takes longer than that, the story is told again."""
NUMBERS = count(1)


class TooLateError(Exception):
    """The run asked anew, so that what it was to be given late came in time."""


class Held:
    """A tap that keeps back the first answers to what matches, from the ``nth``, until they are let go.

    With ``undone`` it is the request that is kept back, before anything is done.
    """

    def __init__(self, match: str, *, most: int = 1, nth: int = 1, undone: bool = False) -> None:
        self._match, self._most, self._nth, self._undone = match, most, nth, undone
        self._lock, self._open = threading.Lock(), threading.Event()
        self._asked = 0
        self._ends: list[float] = []

    def __call__(self, exchange: Exchange) -> Answer:
        with self._lock:
            asked = f"{exchange.request.method} {unquote(exchange.request.path)} "
            mine = self._match in asked and not self._open.is_set()
            self._asked += mine
            keep = mine and self._nth <= self._asked < self._nth + self._most
        if not keep:
            return exchange.carry_out()
        if self._undone:
            self._wait()
            return exchange.carry_out()
        answer = exchange.carry_out()
        self._wait()
        return answer

    def _wait(self) -> None:
        self._ends.append(time.monotonic() + PATIENCE)
        self._open.wait(2 * PATIENCE)

    @property
    def all_there(self) -> bool:
        """Whether everybody waits who is to."""
        return len(self._ends) >= self._most

    def let_go(self) -> None:
        """Give the answers. Raises TooLateError when somebody does not wait any more."""
        late = min(self._ends) < time.monotonic()
        self._open.set()
        if late:
            raise TooLateError


@dataclass(frozen=True)
class Stage:
    """A repository with a pull request that everybody knows, on a stack whose functions are awake."""

    place: Place
    repository: Any
    pull: Any

    @property
    def world(self) -> Any:
        return self.place.world

    @property
    def cloud(self) -> bool:
        return self.place.machine.product == "cloud"

    def shown(self, what: str) -> dict[str, JsonObject]:
        """The entities of a blueprint."""
        return self.place.port.entities(f"bitbucket{'Cloud' if self.cloud else 'Server'}{what}")

    @property
    def name(self) -> str:
        """The repository's entity."""
        above = "acme" if self.cloud else self.repository.project.key
        return f"{above}/{self.repository.slug}"

    @property
    def title(self) -> Any:
        """That of the pull request, in Port."""
        entity = self.shown("PullRequest").get(f"{self.name}/{self.pull.id}")
        return entity and entity["title"]

    @property
    def pages(self) -> dict[str, str]:
        """What the run asks for: parts of requests."""
        if self.cloud:
            return {"repositories": "GET /2.0/repositories/acme ", "pulls": f"/{self.repository.uuid}/pullrequests "}
        return {"repositories": "/rest/api/latest/repos ", "pulls": f"/repos/{self.repository.slug}/pull-requests "}

    def tell(self, webhooks: Any) -> None:
        """Have Bitbucket tell."""
        deliver(self.place, webhooks)

    def retitle(self, title: str) -> Any:
        """Another title of the pull request."""
        return self.world.update_pull_request(self.pull, title=title)


@pytest.fixture(scope="module", params=["cloud", "server"])
def place(request: pytest.FixtureRequest, found: Found) -> Place:
    made = found(request.param, size=LITTLE)
    assert run_through(made)["status"] == "complete"
    return made


@pytest.fixture
def on_cloud(place: Place) -> None:
    if place.machine.product != "cloud":
        pytest.skip("Data Center tells nobody of it, or answers otherwise")


def deliver(place: Place, webhooks: Any) -> None:
    """Send webhooks until each is taken: on a busy machine one may get no answer in time."""
    waiting = list(webhooks)
    for _ in range(TRIES):
        statuses = place.machine.send(waiting)
        assert set(statuses) <= {202, None}
        waiting = [webhook for webhook, status in zip(waiting, statuses, strict=True) if status is None]
        if not waiting:
            return
    raise AssertionError("this machine is too slow")


def new_stage(place: Place) -> Stage:
    """One whose repository is told of, too."""
    number = next(NUMBERS)
    world: Any = place.world
    repository = world.create_repository(world.projects[0], f"live-{number}", readme="# Live\n").subject
    told = world.open_pull_request(repository, "work", title="First")
    deliver(place, [*world.push(repository, "main"), *told])
    place.machine.stack.settle()
    stage = Stage(place, repository, told.subject)
    assert stage.title == "First"
    place.machine.stack.clock.advance(3600.0)  # What was read in the minute before it a page leaves alone anyway.
    return stage


Story = Callable[[Stage], Iterator[tuple[StandIn, Held]]]


def play(place: Place, story: Story) -> Stage:
    """Begin a run; once it waits where the story wants it, tell the rest; then let it go on to its end.

    A story first gives what is to be kept back, and goes on when it is.
    """
    for _ in range(TRIES):
        stage = new_stage(place)
        acts = story(stage)
        stand_in, held = next(acts)
        try:
            with held_back(place, stand_in, held):
                assert next(acts, None) is None
        except TooLateError:
            continue
        assert place.wrong() == []
        return stage
    raise AssertionError("this machine is too slow")


@contextmanager
def held_back(place: Place, stand_in: StandIn, held: Held) -> Iterator[None]:
    before = len(place.reports())
    with tapped(stand_in, held):
        place.ask()
        until(lambda: held.all_there or goes_on(place), lambda: "nobody asked")
        try:
            yield
            held.let_go()
        finally:
            held._open.set()
            place.machine.stack.settle()
    (report,) = place.reports()[before:]
    assert report["status"] == "complete", trouble(report)


def goes_on(place: Place) -> bool:
    """Put the clock forward when the run only waits; it never is where the story wants it by that."""
    if not place.machine.stack.busy:
        place.machine.stack.clock.advance(5.0)
    return False


# --- pages of Bitbucket's --------------------------------------------------------------------------------------------


def test_a_page_does_not_undo_what_was_told_after_it_was_read(place: Place) -> None:
    def story(stage: Stage) -> Iterator[tuple[StandIn, Held]]:
        yield stage.place.machine.bitbucket, Held(stage.pages["pulls"])
        stage.tell(stage.retitle("Live"))
        until(lambda: stage.title == "Live")

    assert play(place, story).title == "Live"


def test_what_a_page_does_not_show_because_it_is_newer_stays(place: Place) -> None:
    def story(stage: Stage) -> Iterator[tuple[StandIn, Held]]:
        yield stage.place.machine.bitbucket, Held(stage.pages["pulls"])
        told = stage.world.open_pull_request(stage.repository, "newer", title="Newer")
        stage.tell(told)
        until(lambda: replace(stage, pull=told.subject).title == "Newer")
        pulls.append(told.subject)

    pulls: list[Any] = []
    stage = play(place, story)
    assert replace(stage, pull=pulls[-1]).title == "Newer"


def test_a_page_does_not_bring_back_a_pull_request_that_is_gone(place: Place) -> None:
    if place.machine.product == "cloud":
        pytest.skip("on Cloud a pull request goes with its repository only")

    def story(stage: Stage) -> Iterator[tuple[StandIn, Held]]:
        yield stage.place.machine.bitbucket, Held(stage.pages["pulls"])
        stage.tell(stage.world.delete_pull_request(stage.pull))
        until(lambda: stage.title is None)

    assert play(place, story).title is None


def test_a_page_does_not_bring_back_a_repository_that_is_gone(place: Place, on_cloud: None) -> None:
    def story(stage: Stage) -> Iterator[tuple[StandIn, Held]]:
        yield stage.place.machine.bitbucket, Held(stage.pages["repositories"])
        stage.tell(stage.world.delete_repository(stage.repository))
        until(lambda: stage.name not in stage.shown("Repository") and stage.title is None)

    stage = play(place, story)
    assert stage.name not in stage.shown("Repository")


def test_a_page_does_not_bring_back_a_name_of_before(place: Place) -> None:
    def story(stage: Stage) -> Iterator[tuple[StandIn, Held]]:
        before = stage.name
        yield stage.place.machine.bitbucket, Held(stage.pages["repositories"])
        stage.tell(stage.world.rename_repository(stage.repository, f"renamed-{next(NUMBERS)}"))
        until(lambda: stage.name in stage.shown("Repository") and before not in stage.shown("Repository"))
        names.append(before)

    names: list[str] = []
    stage = play(place, story)
    assert names[-1] not in stage.shown("Repository")
    assert stage.title == "First"


def test_nor_does_a_page_of_its_pull_requests(place: Place) -> None:
    def story(stage: Stage) -> Iterator[tuple[StandIn, Held]]:
        before = stage.name
        stage.retitle("Untold")  # So that the run has something to write, under the old name.
        yield stage.place.machine.bitbucket, Held(stage.pages["pulls"])
        stage.tell(stage.world.rename_repository(stage.repository, f"renamed-{next(NUMBERS)}"))
        until(lambda: stage.name in stage.shown("Repository") and before not in stage.shown("Repository"))

    assert play(place, story).title == "Untold"


# --- what the run reads and writes in Port ----------------------------------------------------------------------------


def test_what_the_run_read_in_port_does_not_undo_what_was_told_after(place: Place) -> None:
    def story(stage: Stage) -> Iterator[tuple[StandIn, Held]]:
        pulls = f"bitbucket{'Cloud' if stage.cloud else 'Server'}PullRequest"
        yield stage.place.port, Held(f"POST /v1/blueprints/{pulls}/entities/search ")
        stage.tell(stage.retitle("Live"))
        until(lambda: stage.title == "Live")

    assert play(place, story).title == "Live"


def test_what_is_told_while_the_run_writes_an_older_state_comes_after_it(place: Place) -> None:
    def story(stage: Stage) -> Iterator[tuple[StandIn, Held]]:
        stage.retitle("Untold")
        pulls = f"bitbucket{'Cloud' if stage.cloud else 'Server'}PullRequest"
        yield stage.place.port, Held(f"POST /v1/blueprints/{pulls}/entities", undone=True)
        seen = len(lines(stage.place.machine, "is being written"))
        stage.tell(stage.retitle("Live"))
        until(lambda: len(lines(stage.place.machine, "is being written")) > seen)
        assert stage.title == "First"

    assert play(place, story).title == "Live"


# --- sweeping ---------------------------------------------------------------------------------------------------------


def test_what_comes_back_while_it_is_being_swept_is_there_in_the_end(place: Place, on_cloud: None) -> None:
    def story(stage: Stage) -> Iterator[tuple[StandIn, Held]]:
        stage.world.repositories.remove(stage.repository)  # As if Bitbucket had lost it for a while.
        repository = f"GET /2.0/repositories/acme/{stage.repository.uuid} "
        yield stage.place.machine.bitbucket, Held(repository, nth=2)
        stage.world.repositories.append(stage.repository)
        stage.tell([*stage.world.push(stage.repository, "main"), *stage.retitle("Back")])
        until(lambda: any("is being written" in str(line) for line in lines(stage.place.machine, "tried again")))

    stage = play(place, story)
    assert stage.name in stage.shown("Repository")
    assert stage.title == "Back"


# --- who comes first --------------------------------------------------------------------------------------------------


def test_no_live_event_waits_for_jobs_of_a_run(place: Place) -> None:
    def story(stage: Stage) -> Iterator[tuple[StandIn, Held]]:
        yield stage.place.machine.bitbucket, Held("GET /", most=2)  # As many as run at once.
        stage.tell(stage.retitle("Live"))
        until(lambda: stage.title == "Live")
        assert stage.place.machine.stack.depths()["ResyncJobsQueue"] > 1

    play(place, story)


class Limited:
    """A tap that tells a limit with every answer, as Bitbucket does."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __call__(self, exchange: Exchange) -> Answer:
        answer = exchange.carry_out()
        return replace(answer, headers={**answer.headers, **self._headers})


def test_a_run_that_used_up_its_requests_leaves_some_to_live_events(place: Place, on_cloud: None) -> None:
    stage, machine = new_stage(place), place.machine
    limited = Limited({"X-RateLimit-Limit": "30", "X-RateLimit-Resource": "api"})
    before = len(place.reports())
    with tapped(machine.bitbucket, limited):
        for _ in range(6):
            place.ask()
            until(lambda: not machine.stack.busy and not ready(place))
            if len(place.reports()) == before:
                break
            before = len(place.reports())
        else:
            raise AssertionError("the limit never stopped a run")
        asked = len(machine.bitbucket.requests)
        stage.tell(stage.world.change_repository(stage.repository, description="told while the run waits"))
        until(lambda: "told while" in str(stage.shown("Repository")[stage.name]["properties"]))
        assert len(place.reports()) == before
        assert len(machine.bitbucket.requests) > asked, "it took a request of the reserve"
        machine.stack.settle()
    (report,) = place.reports()[before:]
    assert report["status"] == "complete", trouble(report)
    assert report["throttled"] > 0
    assert place.wrong() == []


def ready(place: Place) -> bool:
    """Whether a job could be received now."""
    stack = place.machine.stack
    answer = stack.sqs.get_queue_attributes(
        QueueUrl=stack.queue_url("ResyncJobsQueue"), AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"]) > 0
