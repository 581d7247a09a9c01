"""Small things that happen in Bitbucket or around the stack and together make every function use all it may.

Each is told by a few webhooks and has a promise that can be checked: every webhook is taken, everything is settled
within a time, and the catalog is that of the world.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from bitbucket_port.hooks.dynamodb import DynamoDBHookStore
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from bitbucket_port.resync.start import SENT_AGAIN_SECONDS
from bitbucket_port.resync.store import Run
from local.functions import FunctionError
from local.machine import Machine, leave_out_set_up, webhook_path
from local.stack import ROOT, DeploymentFailedError
from local.standins.webhook import Webhook
from local.template import read, translate
from tests.end_to_end.right_catalog import differences, right_catalog, shown_catalog
from tests.end_to_end.stories import Stage

LATER = 6 * 3600.0
"""Simulated seconds after which no function remembers a secret or a token of Port's."""
SOON = 60.0
TWO_LOOKS = 150.0
"""What is missing counts as gone when it is missing a minute later, too."""
A_RUN = 600.0
"""Simulated seconds that a resync takes at most, with two looks at what it misses."""
ATTEMPTS = 3
"""Requests that a function makes before it gives the message back (``bitbucket_port.http``)."""
Happening = Callable[[Stage], Iterable[Webhook]]
PATHS = ("/webhooks", "/webhooks/project", "/webhooks/repository", "/webhooks/push", "/webhooks/pull-request")


@dataclass(frozen=True)
class Scenario:
    """``happen`` makes the webhooks that are sent, to ``path`` (empty: their family's).

    ``repositories`` and ``pulls`` are there before and known; ``standing`` scenarios share one stage that has both.
    ``within``: simulated seconds until all is settled. ``cold``: functions (logical ids) that start anew for it.
    ``resync``: it takes a full resync to learn what happened. ``done`` is done after that, and again when the promise
    was broken; ``promise`` is what it promises besides.
    """

    name: str
    happen: Happening
    repositories: int = 1
    pulls: int = 0
    within: float = SOON
    path: str = ""
    cold: tuple[str, ...] = ()
    standing: bool = False
    resync: bool = False
    done: Callable[[Stage], list[str]] | None = None
    promise: Callable[[Stage], list[str]] | None = None


class Theatre:
    """The stages on one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._numbers = count(1)
        self._standing: Stage | None = None

    def stage(self, scenario: Scenario) -> Stage:
        """A stage as the scenario needs it, with everything told."""
        if not scenario.standing:
            return self._new(scenario.repositories, scenario.pulls)
        if self._standing is None:
            self._standing = self._new(1, 1)
        return self._standing

    def _new(self, repositories: int, pulls: int) -> Stage:
        stage = Stage(self.machine, next(self._numbers))
        for name in ("ledger", "wallet")[:repositories]:
            self.machine.tell(stage.new_repository(name))
        for number in range(pulls):
            self.machine.tell(stage.new_pull(f"change-{number}"))
        return stage


@dataclass
class Played:
    """A scenario on its stage; ``refused`` are webhooks that were not taken, ``failed``: no resync could begin."""

    scenario: Scenario
    stage: Stage
    refused: list[Webhook] = field(default_factory=list)
    failed: bool = False
    undone: list[str] = field(default_factory=list)

    @classmethod
    def prepared(cls, theatre: Theatre, scenario: Scenario) -> Played:
        """All is as it has to be before, and the functions remember nothing."""
        stage = theatre.stage(scenario)
        theatre.machine.stack.clock.advance(LATER)
        for function in scenario.cold:
            theatre.machine.stack.functions[function].cool()
        return cls(scenario, stage)

    def play(self) -> list[str]:
        """What of the promise is broken; nothing when all is well."""
        self._send(list(self.scenario.happen(self.stage)))
        if self.scenario.resync:
            self._begin()
        self._do()
        return self.complaints(self.scenario.within)

    def again(self) -> list[str]:
        """Send again what was refused, as a person or a later event does, and take whatever time it needs."""
        self.stage.machine.stack.clock.advance(30.0)  # Failures of secrets are remembered for some seconds.
        refused, self.refused = self.refused, []
        self._send(refused)
        if self.failed:
            self.stage.machine.stack.clock.advance(SENT_AGAIN_SECONDS)
            self._begin()
        self._do()
        return self.complaints(None)

    def _do(self) -> None:
        self.undone = self.scenario.done(self.stage) if self.scenario.done else []

    def complaints(self, within: float | None) -> list[str]:
        """The promise, checked as soon as the time is over."""
        machine = self.stage.machine
        found = [f"{webhook.event_key} was not taken" for webhook in self.refused] + self.undone
        try:
            machine.stack.settle(within=within)
        except TimeoutError:
            found.append("not settled")
        found += self.scenario.promise(self.stage) if self.scenario.promise else []
        token = self.stage.token
        return found + differences(right_catalog(machine, token=token), shown_catalog(machine, token=token))

    def _begin(self) -> None:
        """What the output ResyncCommand does."""
        try:
            self.stage.machine.stack.functions["ResyncStart"].invoke({"resync": "full"})
            self.failed = False
        except FunctionError:
            self.failed = True

    def _send(self, webhooks: Sequence[Webhook]) -> None:
        machine = self.stage.machine
        for webhook in webhooks:
            statuses = machine.bitbucket.deliver(
                machine.stack.url,
                machine.stack.webhook_secret,
                webhook,
                path=self.scenario.path or webhook_path(webhook),
            )
            if statuses[-1] != 202:
                self.refused.append(webhook)


# --- one event of each family -----------------------------------------------------------------------------------------


def _project(stage: Stage) -> Iterable[Webhook]:
    return list(stage.world.change_project(stage.project, name=_another()))


def _repository(stage: Stage) -> Iterable[Webhook]:
    return list(stage.world.change_repository(stage.repository, description=_another()))


def _push(stage: Stage) -> Iterable[Webhook]:
    return stage.push(stage.repository)


def _pull_request(stage: Stage) -> Iterable[Webhook]:
    return stage.retitle(_another())


def _another() -> str:
    return f"Another {next(_OTHERS)}"


_OTHERS = count(1)


# --- what the stack has not heard of ----------------------------------------------------------------------------------


def _pull_request_of_a_new_repository(stage: Stage) -> Iterable[Webhook]:
    stage.new_repository("journal")
    return stage.new_pull("first", into=stage.repositories[-1])


def _push_to_a_new_repository(stage: Stage) -> Iterable[Webhook]:
    stage.new_repository("journal")
    return stage.push(stage.repositories[-1])


# --- what moves, and what is gone -------------------------------------------------------------------------------------


def _rename(stage: Stage) -> Iterable[Webhook]:
    return stage.rename("journal")


def _rename_that_a_push_tells(stage: Stage) -> Iterable[Webhook]:
    stage.rename("journal")
    return stage.push(stage.repository)


def _rename_a_project(stage: Stage) -> Iterable[Webhook]:
    return list(stage.world.change_project(stage.project, key=stage.key("B")))


def _delete(stage: Stage) -> Iterable[Webhook]:
    return list(stage.world.delete_repository(stage.repository))


def _push_and_delete(stage: Stage) -> Iterable[Webhook]:
    told = stage.push(stage.repository)
    stage.world.delete_repository(stage.repository)  # and nobody is told
    return told


def _rename_retitle_and_delete(stage: Stage) -> Iterable[Webhook]:
    """The pull request's webhook has a name that the stack does not know, so it asks; by then all is gone."""
    stage.rename("journal")
    told = stage.retitle("Second")
    stage.world.delete_repository(stage.repository)
    return told


def _delete_a_pull_request(stage: Stage) -> Iterable[Webhook]:
    return list(stage.world.delete_pull_request(stage.pull))


def _change_and_delete_a_project(stage: Stage) -> Iterable[Webhook]:
    told = [*_project(stage), *stage.world.delete_repository(stage.repository)]
    stage.world.delete_project(stage.project)  # of which there is no event
    return told


# --- what nobody tells ------------------------------------------------------------------------------------------------


def _untold(stage: Stage) -> Iterable[Webhook]:
    _repository(stage)
    return ()


def _untold_after_a_run_that_died(stage: Stage) -> Iterable[Webhook]:
    stack = stage.machine.stack
    store = DynamoDBRunStore(stack.dynamodb, stack.table, clock=stack.clock.now)
    now = stack.clock.now()
    dead = Run("dead", "full", 1, "listing", "mapping", now - 2.0, "interval", until=now - 1.0)
    assert store.begin(dead, [("job", "{}")])
    return _untold(stage)


# --- what fails -------------------------------------------------------------------------------------------------------


def _while_port_fails(happening: Happening) -> Happening:
    def failing(stage: Stage) -> Iterable[Webhook]:
        stage.machine.port.fail_next(ATTEMPTS, 500, "bulk")
        return happening(stage)

    return failing


def _rename_while_lists_fail(stage: Stage) -> Iterable[Webhook]:
    stage.machine.bitbucket.fail_next(ATTEMPTS, 500, lambda request: request.path.endswith("/pullrequests"))
    return stage.rename("journal")


def _new_secret(stage: Stage) -> Iterable[Webhook]:
    stage.machine.stack.webhook_secret = _another()
    return _pull_request(stage)


# --- all of them ------------------------------------------------------------------------------------------------------

_FAMILIES: dict[str, Happening] = {
    "project": _project,
    "repository": _repository,
    "push": _push,
    "pull request": _pull_request,
}

SCENARIOS: tuple[Scenario, ...] = (
    *(
        Scenario(f"{family} at {path}", happening, path=path, standing=True)
        for path in PATHS
        for family, happening in _FAMILIES.items()
    ),
    *(Scenario(f"new webhook secret at {path}", _new_secret, path=path, standing=True) for path in PATHS),
    *(
        Scenario(f"{family} while Port fails", _while_port_fails(happening), standing=True)
        for family, happening in _FAMILIES.items()
        if family != "push"
    ),
    Scenario("push while Port fails", _while_port_fails(_push_to_a_new_repository), repositories=0),
    Scenario("pull request of a new repository", _pull_request_of_a_new_repository, repositories=0),
    Scenario("rename", _rename, pulls=1),
    Scenario("rename that a push tells", _rename_that_a_push_tells),
    Scenario("new key of a project", _rename_a_project, pulls=1),
    Scenario("delete", _delete, pulls=1),
    Scenario("delete that a push tells", _push_and_delete, within=TWO_LOOKS),
    Scenario("delete that a pull request tells", _rename_retitle_and_delete, pulls=1, within=2 * TWO_LOOKS),
    Scenario("delete of a project", _change_and_delete_a_project, within=TWO_LOOKS),
    Scenario("rename while lists fail", _rename_while_lists_fail, pulls=1),
    Scenario("resync", _untold, within=A_RUN, resync=True),
    Scenario("resync after one that died", _untold_after_a_run_that_died, within=A_RUN, resync=True),
)

DATA_CENTER: tuple[Scenario, ...] = (
    Scenario("rename", _rename, pulls=1),
    Scenario("delete of a pull request", _delete_a_pull_request, pulls=1),
)
"""The other product: Cloud has no way to delete a pull request."""

OWN_SECRETS: tuple[Scenario, ...] = (
    Scenario("project, cold", _project, standing=True, cold=("ProjectProcess",)),
    Scenario("repository, cold", _repository, standing=True, cold=("RepositoryProcess",)),
    Scenario("push, cold", _push_to_a_new_repository, repositories=0, cold=("PushProcess",)),
    Scenario("pull request, cold", _pull_request_of_a_new_repository, repositories=0, cold=("PullRequestProcess",)),
    Scenario("worker, cold", _rename, pulls=1, cold=("ResyncWorker",)),
)


# --- set-up -----------------------------------------------------------------------------------------------------------


def _press_resync(stage: Stage) -> list[str]:
    """Somebody presses Resync in Port, and the next tick sees it."""
    machine = stage.machine
    machine.port.press_resync("bitbucket-cloud-acme")
    machine.stack.functions["ResyncStart"].invoke({})
    machine.stack.nudge()
    return []


def _disable_a_webhook(stage: Stage) -> Iterable[Webhook]:
    cloud = stage.machine.cloud
    cloud.disable_hook(cloud.hooks[0])
    return ()


def _set_up_now(stage: Stage) -> list[str]:
    """What the output SetUpCommand does."""
    stack = stage.machine.stack
    try:
        stack.functions["SetUpFunction"].invoke({"setup": "now"})
    except FunctionError as error:
        return [str(error)]
    stack.nudge()
    return []


def _set_up_anew(stage: Stage) -> list[str]:
    """The custom resource goes, and comes back to a stack that has never resynced."""
    stack, cloud = stage.machine.stack, stage.machine.cloud
    resource = copy.deepcopy(translate(read(ROOT / "template.yaml"))["Resources"]["SetUp"])
    stack.dynamodb.delete_item(TableName=stack.table, Key={"PK": {"S": "run#current"}, "SK": {"S": "-"}})
    try:
        stack.update(change=leave_out_set_up if stack.custom_resources else None)
        left = [hook.url for hook in cloud.hooks] + list(DynamoDBHookStore(stack.dynamodb, stack.table).records())
        stack.update(change=lambda document: document["Resources"].update(SetUp=resource))
    except DeploymentFailedError as error:
        return [str(error)]
    report = stack.custom_resources["SetUp"].data["Report"]
    worse = [report] if "warning" in report or "failed" in report else []
    return worse + [f"{one} was not removed" for one in left]


def _webhooks_are_right(stage: Stage) -> list[str]:
    stack, cloud = stage.machine.stack, stage.machine.cloud
    wanted = {f"{stack.url}{path}" for path in PATHS[1:]}
    right = {hook.url for hook in cloud.hooks if hook.active and hook.secret == stack.webhook_secret}
    return [f"there is no right webhook to {url}" for url in sorted(wanted - right)]


SET_UP: tuple[Scenario, ...] = (
    Scenario(
        "set-up by hand mends a webhook",
        _disable_a_webhook,
        standing=True,
        done=_set_up_now,
        promise=_webhooks_are_right,
    ),
    Scenario("resync that Port asks for", _untold, standing=True, within=A_RUN, done=_press_resync),
    Scenario(
        "set-up anew", lambda _stage: (), standing=True, within=A_RUN, done=_set_up_anew, promise=_webhooks_are_right
    ),
)
"""For a stack that sets itself up, with its schedule off."""
OWN_SECRETS += tuple(
    replace(scenario, name=f"{scenario.name}, cold", cold=("SetUpFunction", "ResyncStart")) for scenario in SET_UP[:2]
)
"""For such a stack with secrets of the user's: functions read the certificates when they begin."""
