"""The stories of the protocol's model (tests/model/stories.py) as things that happen in a real Bitbucket.

A story is told for one or both products. Its happenings come one after another; each makes the webhooks that Bitbucket
sends for it. In the last one something changes that the catalog must show, so that losing it cannot go unnoticed.

Two stories of the model need what no webhook brings: *shrink* (no shipped mapping makes two entities of one object)
and *slide* (a page of a resync that misses an object).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from local.machine import Machine, Product
from local.standins.webhook import Webhook

Happenings = Iterator[Sequence[Webhook]]
BOTH: tuple[Product, ...] = ("cloud", "server")
CLOUD: tuple[Product, ...] = ("cloud",)
SERVER: tuple[Product, ...] = ("server",)


class Stage:
    """Where one story is played: projects and repositories with names of its own, so that many share a stack."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        self.cloud = machine.product == "cloud"
        self.world: Any = machine.bitbucket.world
        self.token = f"r{number}x"
        self.project: Any = self.new_project("A")
        self.repositories: list[Any] = []
        self.pulls: list[Any] = []

    def prepare(self, story: Story) -> list[Webhook]:
        """Make what is there before the story begins; the webhooks that make the catalog know of it."""
        told: list[Webhook] = []
        for number in range(story.repositories):
            told += self.new_repository(("ledger", "wallet")[number])
        for number in range(story.pulls):
            told += self.new_pull(f"change-{number}")
        return told

    # --- what both products have, in one wording

    @property
    def repository(self) -> Any:
        """The repository that the story is about."""
        return self.repositories[0]

    @property
    def pull(self) -> Any:
        """The pull request that the story is about."""
        return self.pulls[0]

    def name(self, name: str) -> str:
        """A repository's name in this story."""
        return f"{self.token}-{name}"

    def key(self, letter: str) -> str:
        """A project's key in this story."""
        return f"{self.token}{letter}".upper()

    def new_project(self, letter: str) -> Any:
        """A project; neither product tells of it."""
        return self.world.create_project(self.key(letter), f"Project {letter}").subject

    def new_repository(self, name: str, project: Any = None) -> Sequence[Webhook]:
        """A repository; Data Center tells nobody of a new one, the first push does."""
        made = self.world.create_repository(project or self.project, self.name(name), readme="# Hello\n")
        self.repositories.append(made.subject)
        return list(made) if self.cloud else self.push(made.subject)

    def new_pull(self, branch: str, *, into: Any = None, **more: Any) -> Sequence[Webhook]:
        """A pull request into the story's repository, where no other is given, to be reviewed by two people."""
        target, reviewers = into or self.repository, [self.person("Ada"), self.person("Ben")]
        made = self.world.open_pull_request(target, branch, title=branch, reviewers=reviewers, **more)
        self.pulls.append(made.subject)
        return list(made)

    def push(self, repository: Any, branch: str = "main") -> Sequence[Webhook]:
        """One commit."""
        return list(self.world.push(repository, branch))

    def rename(self, name: str, repository: Any = None) -> Sequence[Webhook]:
        """Rename a repository (the story's own, where none is given)."""
        return list(self.world.rename_repository(repository or self.repository, self.name(name)))

    def retitle(self, title: str) -> Sequence[Webhook]:
        """Another title of the story's pull request."""
        return list(self.world.update_pull_request(self.pull, title=title))

    def ask_for_changes(self, name: str) -> Sequence[Webhook]:
        """A reviewer of the story's pull request is not content."""
        ask = self.world.request_changes if self.cloud else self.world.needs_work
        return list(ask(self.pull, self.person(name)))

    def person(self, name: str) -> Any:
        """Somebody all stories know."""
        found = next((user for user in self.world.users if user.display_name == name), None)
        if found is not None:
            return found
        return self.world.create_user(name) if self.cloud else self.world.create_user(name.lower(), name)


@dataclass(frozen=True)
class Story:
    """What happens, and to what.

    ``repositories`` and ``pulls`` (into the first repository) are there and known before it begins. ``by_payloads``:
    products whose payloads alone, in any order, tell enough to follow it (webhook-only mode).
    """

    name: str
    act: Callable[[Stage], Happenings]
    repositories: int = 1
    pulls: int = 0
    products: tuple[Product, ...] = BOTH
    by_payloads: tuple[Product, ...] = ()


# --- one pull request -------------------------------------------------------------------------------------------------


def _update(stage: Stage) -> Happenings:
    yield stage.retitle("Second")
    yield stage.retitle("Third")


def _revert(stage: Stage) -> Happenings:
    before = stage.pull.title
    yield stage.retitle("Second")
    yield stage.retitle(before)


def _create(stage: Stage) -> Happenings:
    yield stage.new_pull("new")
    yield stage.retitle("Second")


def _delete(stage: Stage) -> Happenings:
    yield stage.retitle("Second")
    yield list(stage.world.delete_pull_request(stage.pull))


def _short_life(stage: Stage) -> Happenings:
    yield stage.new_pull("new")
    yield list(stage.world.delete_pull_request(stage.pull))


def _tie(stage: Stage) -> Happenings:
    yield list(stage.world.approve(stage.pull, stage.person("Ada")))
    yield list(stage.world.approve(stage.pull, stage.person("Ben")))


def _tie_back(stage: Stage) -> Happenings:
    yield list(stage.world.approve(stage.pull, stage.person("Ada")))
    yield list(stage.world.unapprove(stage.pull, stage.person("Ada")))


def _change_of_mind(stage: Stage) -> Happenings:
    yield list(stage.world.approve(stage.pull, stage.person("Ada")))
    yield stage.ask_for_changes("Ada")
    yield list(stage.world.approve(stage.pull, stage.person("Ada")))


def _comments(stage: Stage) -> Happenings:
    written = stage.world.comment(stage.pull, stage.person("Ben"), "Why?")
    yield list(written)
    yield stage.retitle("Because")
    yield list(stage.world.edit_comment(stage.pull, written.subject, "Why not?"))
    yield list(stage.world.approve(stage.pull, stage.person("Ben")))


def _push_to_it(stage: Stage) -> Happenings:
    yield stage.retitle("Second")
    yield stage.push(stage.repository, stage.pull.source_branch)
    yield list(stage.world.approve(stage.pull, stage.person("Ada")))


def _merge(stage: Stage) -> Happenings:
    """The target's push, the repository's hint and the pull request's end come on two queues at once."""
    yield list(stage.world.approve(stage.pull, stage.person("Ada")))
    yield list(stage.world.merge(stage.pull))


def _decline(stage: Stage) -> Happenings:
    yield stage.ask_for_changes("Ben")
    yield list(stage.world.decline(stage.pull))


# --- one repository ---------------------------------------------------------------------------------------------------


def _create_repository(stage: Stage) -> Happenings:
    yield stage.new_repository("ledger")
    yield stage.rename("journal")


def _change_repository(stage: Stage) -> Happenings:
    for description in ("Second", "Third"):
        yield list(stage.world.change_repository(stage.repository, description=description))


def _revert_repository(stage: Stage) -> Happenings:
    for description in ("Second", ""):
        yield list(stage.world.change_repository(stage.repository, description=description))


def _delete_repository(stage: Stage) -> Happenings:
    yield stage.retitle("Second")
    yield list(stage.world.delete_repository(stage.repository))


def _short_life_of_a_repository(stage: Stage) -> Happenings:
    yield stage.new_repository("spike")
    spike = stage.repositories[1]
    yield stage.new_pull("new", into=spike)
    yield list(stage.world.delete_repository(spike))


def _pushes(stage: Stage) -> Happenings:
    """A burst, as a script or a merge train makes it."""
    for _ in range(4):
        yield stage.push(stage.repository)


def _first_heard_of_by_a_push(stage: Stage) -> Happenings:
    stage.new_repository("ledger")
    yield stage.push(stage.repository)


def _first_heard_of_by_a_pull_request(stage: Stage) -> Happenings:
    stage.new_repository("ledger")
    yield stage.new_pull("new")


def _rename(stage: Stage) -> Happenings:
    yield stage.rename("journal")
    yield stage.rename("diary")


def _rename_and_back(stage: Stage) -> Happenings:
    yield stage.rename("journal")
    yield stage.rename("ledger")


def _lost_for_good(stage: Stage) -> Happenings:
    yield stage.rename("journal")
    yield stage.rename("ledger")
    yield list(stage.world.delete_repository(stage.repository))


def _rename_under_review(stage: Stage) -> Happenings:
    """Two families, push and pull request, tell of the same things under an old and a new name."""
    yield stage.retitle("Second")
    yield stage.rename("journal")
    yield stage.push(stage.repository, stage.pull.source_branch)
    yield list(stage.world.approve(stage.pull, stage.person("Ada")))


def _move(stage: Stage) -> Happenings:
    other = stage.new_project("B")
    yield list(stage.world.move_repository(stage.repository, other))
    yield stage.retitle("Moved")


def _transfer(stage: Stage) -> Happenings:
    yield stage.retitle("Second")
    yield list(stage.world.transfer_repository(stage.repository, "elsewhere"))


def _fork(stage: Stage) -> Happenings:
    forked = stage.world.fork(stage.repository, stage.project, stage.name("fork"))
    yield list(forked)
    yield stage.push(forked.subject, "feature")
    yield stage.new_pull("feature", source=forked.subject)


# --- a name that passes from one repository to another ----------------------------------------------------------------


def _recreate(stage: Stage) -> Happenings:
    yield list(stage.world.delete_repository(stage.repository))
    yield stage.new_repository("ledger")


def _swap(stage: Stage) -> Happenings:
    yield stage.rename("journal")
    yield stage.new_repository("ledger")


def _late_swap(stage: Stage) -> Happenings:
    yield stage.push(stage.repository)
    yield [*stage.rename("journal"), *stage.new_repository("ledger")]


def _pass_on(stage: Stage) -> Happenings:
    ledger, wallet = stage.repositories
    yield stage.rename("journal", ledger)
    yield stage.rename("ledger", wallet)
    yield stage.rename("purse", wallet)


def _exchange(stage: Stage) -> Happenings:
    ledger, wallet = stage.repositories
    yield stage.rename("journal", ledger)
    yield stage.rename("ledger", wallet)
    yield stage.rename("wallet", ledger)


# --- projects ---------------------------------------------------------------------------------------------------------


def _rename_project(stage: Stage) -> Happenings:
    for name in ("Second", "Third"):
        yield list(stage.world.change_project(stage.project, name=name))


def _rekey_project(stage: Stage) -> Happenings:
    yield stage.retitle("Second")
    yield list(stage.world.change_project(stage.project, key=stage.key("B")))


def _rekey_project_and_back(stage: Stage) -> Happenings:
    before = stage.project.key
    yield list(stage.world.change_project(stage.project, key=stage.key("B")))
    yield list(stage.world.change_project(stage.project, key=before))


STORIES: tuple[Story, ...] = (
    Story("update", _update, pulls=1, by_payloads=BOTH),
    Story("revert", _revert, pulls=1, by_payloads=BOTH),
    Story("create", _create, by_payloads=BOTH),
    Story("delete", _delete, pulls=1, products=SERVER, by_payloads=SERVER),
    Story("short-life", _short_life, products=SERVER, by_payloads=SERVER),
    Story("tie", _tie, pulls=1, by_payloads=BOTH),
    Story("tie-back", _tie_back, pulls=1, by_payloads=BOTH),
    Story("change-of-mind", _change_of_mind, pulls=1, by_payloads=BOTH),
    Story("comments", _comments, pulls=1, by_payloads=BOTH),
    Story("push-to-a-pull-request", _push_to_it, pulls=1, by_payloads=BOTH),
    Story("merge", _merge, pulls=1, by_payloads=BOTH),
    Story("decline", _decline, pulls=1, by_payloads=BOTH),
    Story("create-repository", _create_repository, repositories=0, by_payloads=SERVER),
    Story("change-repository", _change_repository, products=CLOUD),
    Story("revert-repository", _revert_repository, products=CLOUD),
    Story("delete-repository", _delete_repository, pulls=2, products=CLOUD, by_payloads=CLOUD),
    Story("short-life-of-a-repository", _short_life_of_a_repository, products=CLOUD),
    Story("pushes", _pushes, products=CLOUD),
    Story("first-heard-of-by-a-push", _first_heard_of_by_a_push, repositories=0, by_payloads=BOTH),
    Story("first-heard-of-by-a-pull-request", _first_heard_of_by_a_pull_request, repositories=0),
    Story("rename", _rename, pulls=2),
    Story("rename-and-back", _rename_and_back, pulls=1),
    Story("lost-for-good", _lost_for_good, pulls=1, products=CLOUD),
    Story("rename-under-review", _rename_under_review, pulls=1),
    Story("move", _move, pulls=1),
    Story("transfer", _transfer, pulls=2, products=CLOUD, by_payloads=CLOUD),
    Story("fork", _fork, by_payloads=BOTH),
    Story("recreate", _recreate, products=CLOUD),
    Story("swap", _swap),
    Story("late-swap", _late_swap),
    Story("pass-on", _pass_on, repositories=2),
    Story("exchange", _exchange, repositories=2),
    Story("rename-a-project", _rename_project),
    Story("new-key-of-a-project", _rekey_project, pulls=1),
    Story("new-key-and-back", _rekey_project_and_back, pulls=1),
)
