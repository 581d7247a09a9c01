"""What fails for minutes or half a day costs nothing but time.

While Port, Bitbucket or DynamoDB fail, deliveries go on coming in: shuffled, and each of them twice. All of it passes
in simulated time: the clock is put forward to whatever is due next, and runs faster, so that short pauses of functions
are short.

While SQS takes no messages nothing can be stored, and the sender is told so (503). Bitbucket Cloud then sends twice
more at once and never again; of Data Center nothing says that it ever sends again, and neither has a way to ask for it.
So what can be promised is that nothing is half done, and that the next event of the same object, however much later,
brings everything: an event only says that something changed, and the object is taken as a whole.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import pytest

from local.aws import Fault, Moto
from local.machine import Machine, Product
from local.outside import Outside
from local.standins.webhook import CLOUD_TRIES, Webhook
from tests.end_to_end.conftest import Deploy
from tests.end_to_end.right_catalog import differences, right_catalog, shown_catalog
from tests.end_to_end.stories import STORIES, Stage, Story
from tests.end_to_end.watching import lines, until
from tests.exhaustive import some_of

MINUTES, HOURS = 60.0, 3600.0
SCALE = 5.0
"""Simulated seconds in a real one: a function that may run for 30 s has 6 real ones."""
AFTERWARDS = 15 * MINUTES
REAL_SECONDS = 300.0
COME_IN = ((0.0, 1), (0.95, 2), (0.995, 1000))
"""When deliveries come, as a share of the outage, and how many: each is tried every ten minutes from then on."""
REFUSED = 4
TOLD: dict[Product, tuple[str, ...]] = {
    "cloud": ("update", "rename", "delete-repository", "new-key-of-a-project"),
    "server": ("update", "rename", "delete", "new-key-of-a-project"),
}
FOLLOWED_UP = ("update", "revert", "change-of-mind", "rename", "rename-and-back", "rename-a-project")
"""Stories whose last event is of the same object as those before it."""


@dataclass(frozen=True)
class Theatre:
    """A machine all of whose calls can be made to fail."""

    machine: Machine
    outside: Outside
    chance: random.Random

    def begin(self, names: Sequence[str]) -> list[tuple[Stage, Story]]:
        """The stories, with all they need before they begin told."""
        known = {story.name: story for story in STORIES}
        begun = [(Stage(self.machine, next(NUMBERS)), known[name]) for name in names]
        self.machine.tell([webhook for stage, story in begun for webhook in stage.prepare(story)])
        assert self.wrong() == []
        return begun

    def happen(self, begun: Sequence[tuple[Stage, Story]]) -> list[Webhook]:
        """Everything happens; the deliveries that come of it, twice each and in any order."""
        told = [webhook for stage, story in begun for webhooks in story.act(stage) for webhook in webhooks] * 2
        self.chance.shuffle(told)
        return told

    def wrong(self) -> list[str]:
        """What the catalog shows and should not, or the other way round."""
        return differences(right_catalog(self.machine), shown_catalog(self.machine))

    def go_through(self, fault: Fault, told: list[Webhook], seconds: float) -> dict[str, int]:
        """Deliver while it fails, some at once and the others later; what is left in the queues just before the end."""
        stack = self.machine.stack
        self.outside.fault(fault)
        left, began = list(told), stack.clock.now()
        for share, most in COME_IN:
            stack.pass_time(max(0.0, began + share * seconds - stack.clock.now()), REAL_SECONDS)
            now, left = left[:most], left[most:]
            assert set(self.machine.send(now)) <= {202}
        stack.pass_time(began + seconds - 1.0 - stack.clock.now(), REAL_SECONDS)
        (planned,) = self.outside.faults()
        assert planned.struck > 0
        waiting = {name: depth for name, depth in stack.depths().items() if depth}
        stack.clock.advance(max(0.0, (fault.until or 0.0) - stack.clock.now()))
        return waiting

    def assert_all_is_well(self) -> None:
        """Everything delivered and right within 15 minutes from now, and nothing given up."""
        stack = self.machine.stack
        stack.settle(REAL_SECONDS, within=AFTERWARDS)
        assert self.wrong() == []
        assert {name: depth for name, depth in stack.depths().items() if depth} == {}
        assert [line["message"] for line in lines(self.machine, "given up")] == []


NUMBERS = count(1)


def told_of(product: Product, *, whole: Product) -> Sequence[str]:
    """The stories of a product; those of the other than ``whole`` are a sample."""
    return TOLD[product] if product == whole else some_of(TOLD[product], every=2)


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    """One with a clock of its own, which runs faster than that of other tests."""
    server = Moto()
    server.clock.run_at(SCALE)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["cloud", "server"])
def machine(request: pytest.FixtureRequest, deploy: Deploy) -> Machine:
    return deploy(request.param)


@pytest.fixture
def theatre(moto: Moto, machine: Machine, request: pytest.FixtureRequest) -> Iterator[Theatre]:
    stack = machine.stack
    outside = Outside(
        moto, stack.environments, functions=lambda: [function.name for function in stack.functions.values()]
    )
    outside.watch("port", machine.port)
    outside.watch("bitbucket", machine.bitbucket)
    yield Theatre(machine, outside, random.Random(request.node.name))
    outside.clear_faults()
    outside.unwatch(machine.port)
    outside.unwatch(machine.bitbucket)


def test_port_failing_for_twelve_hours(theatre: Theatre) -> None:
    told = theatre.happen(theatre.begin(told_of(theatre.machine.product, whole="cloud")))
    end = theatre.machine.stack.clock.now() + 12 * HOURS
    fault = Fault("fail", service="port", times=None, until=end)
    waiting = theatre.go_through(fault, told, 12 * HOURS)
    assert waiting
    assert theatre.wrong() != []
    theatre.assert_all_is_well()


def test_port_failing_while_children_are_removed(theatre: Theatre) -> None:
    """The repository's delivery needs nothing of Port; the job it orders does, for longer than any count of turns."""
    if theatre.machine.product != "cloud":
        pytest.skip("Data Center tells nobody of a deleted repository")
    ((stage, _),) = theatre.begin(["delete-repository"])
    told = list(stage.world.delete_repository(stage.repository))
    end = theatre.machine.stack.clock.now() + 2 * HOURS
    waiting = theatre.go_through(Fault("fail", service="port", times=None, until=end), told, 2 * HOURS)
    assert set(waiting) == {"ResyncJobsQueue"}
    theatre.assert_all_is_well()


def test_bitbucket_failing_for_three_hours(theatre: Theatre) -> None:
    told = theatre.happen(theatre.begin(told_of(theatre.machine.product, whole="server")))
    end = theatre.machine.stack.clock.now() + 3 * HOURS
    waiting = theatre.go_through(Fault("fail", service="bitbucket", times=None, until=end), told, 3 * HOURS)
    assert waiting
    theatre.assert_all_is_well()


def test_dynamodb_throttling_every_third_call(theatre: Theatre) -> None:
    told = theatre.happen(theatre.begin(TOLD[theatre.machine.product]))
    end = theatre.machine.stack.clock.now() + 10 * MINUTES
    theatre.go_through(Fault("throttle", service="dynamodb", share=0.3, times=None, until=end), told, 10 * MINUTES)
    theatre.assert_all_is_well()


# --- SQS --------------------------------------------------------------------------------------------------------------


def test_what_sqs_refuses_for_a_minute_comes_with_the_next_event_of_the_same_object(theatre: Theatre) -> None:
    begun = theatre.begin(FOLLOWED_UP)
    happenings = [list(map(list, story.act(stage))) for stage, story in begun]
    lost = [webhook for story in happenings for webhooks in story[:-1] for webhook in webhooks] * 2
    later = [webhook for story in happenings for webhook in story[-1]] * 2
    theatre.chance.shuffle(lost)
    theatre.chance.shuffle(later)
    stack, before = theatre.machine.stack, shown_catalog(theatre.machine)
    stack.clock.advance(10 * MINUTES)
    theatre.outside.fault(refusing(theatre))
    tries = CLOUD_TRIES if theatre.machine.product == "cloud" else 1
    assert [attempts(theatre, webhook) for webhook in lost[:REFUSED]] == [[503] * tries] * REFUSED
    stack.settle(REAL_SECONDS)
    assert shown_catalog(theatre.machine) == before
    theatre.outside.clear_faults()
    theatre.machine.send(later)
    theatre.assert_all_is_well()


def attempts(theatre: Theatre, webhook: Webhook) -> list[int | None]:
    """The answer to each attempt that the product makes to deliver it."""
    stack = theatre.machine.stack
    return theatre.machine.bitbucket.deliver(stack.url, stack.webhook_secret, webhook)


def refusing(theatre: Theatre, seconds: float = MINUTES) -> Fault:
    """SQS takes no message of anybody's for a minute, or longer."""
    end = theatre.machine.stack.clock.now() + seconds
    return Fault("fail", action="sqs:SendMessage*", times=None, until=end)


def test_cloud_sends_again_what_sqs_takes_a_moment_later(theatre: Theatre) -> None:
    """SQS fails as often as one request tries it; the second request is taken."""
    if theatre.machine.product != "cloud":
        pytest.skip("Data Center never sends again")
    ((stage, _),) = theatre.begin(["update"])
    told = stage.retitle("Second")
    theatre.outside.fault(Fault("fail", action="sqs:SendMessage", times=2))
    assert attempts(theatre, told[0]) == [503, 202]
    assert theatre.outside.faults_left() == []
    theatre.assert_all_is_well()


def test_jobs_that_sqs_refuses_are_ordered_later(theatre: Theatre) -> None:
    """The delivery is stored already, and comes back when what it orders cannot be.

    A rename that failed is tried again after a minute, so SQS refuses for longer than that.
    """
    stages = theatre.begin(["rename", "new-key-of-a-project"])
    told = [*stages[0][0].rename("journal"), *next_of(stages[1])]
    theatre.outside.fault(Fault("fail", service="port", times=None))
    theatre.machine.send(told)
    tried = {webhook.delivery_id for webhook in told}
    until(lambda: tried <= {line.get("delivery_id") for line in lines(theatre.machine, "tried again")})
    theatre.outside.clear_faults()
    theatre.outside.fault(refusing(theatre, 2 * MINUTES))
    theatre.machine.stack.pass_time(2 * MINUTES - 10.0, REAL_SECONDS)
    assert [planned.struck > 0 for planned in theatre.outside.faults()] == [True]
    assert theatre.wrong() != []
    theatre.assert_all_is_well()


def next_of(begun: tuple[Stage, Story]) -> list[Webhook]:
    """A new key for the project: it is the last thing that happens in its story."""
    stage, _ = begun
    return list(stage.world.change_project(stage.project, key=stage.key("B")))
