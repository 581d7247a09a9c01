"""Whatever was wrong with webhooks: what Bitbucket sends through them afterwards is accepted and reaches Port."""

from __future__ import annotations

from typing import Any

from local.commands.settings import NO_RESYNC
from local.machine import Machine
from tests.end_to_end.expected import assert_in_port, entity_of, pull_request
from tests.set_up_end_to_end.conftest import Deploy


class Site:
    """A stack that sets itself up, and what people do in its Bitbucket."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.bitbucket: Any = machine.bitbucket
        self.world: Any = machine.bitbucket.world
        self._opened = 0

    def set_up(self) -> None:
        """As an upgrade of the stack does, and all that it orders."""
        self.machine.stack.functions["SetUpFunction"].invoke({"setup": "now"})
        self.machine.stack.settle()

    @property
    def ours(self) -> list[Any]:
        return [hook for hook in self.bitbucket.hooks if hook.url.startswith(self.machine.stack.url)]

    def of(self, project: str) -> Any:
        """Ours of one Data Center project."""
        (hook,) = [hook for hook in self.ours if getattr(hook.subject, "key", "") == project]
        return hook

    def add(self, project: str) -> None:
        """A project with a repository in which a pull request can be opened."""
        self.world.create_project(project)
        self.world.create_repository(project, f"in-{project.lower()}", readme="# Here\n")

    def assert_reaches_port(self, *projects: str) -> None:
        """Open a pull request in each project's repository; Bitbucket tells by its webhooks alone."""
        pulls = []
        for project in projects:
            self._opened += 1
            repository = (
                f"in-{project.lower()}" if self.machine.product == "cloud" else f"{project}/in-{project.lower()}"
            )
            branch = f"topic-{self._opened}"
            self.bitbucket.send_through_hooks(self.world.push(repository, branch, {"a.txt": branch}))
            events = self.world.open_pull_request(repository, branch)
            sent = self.bitbucket.send_through_hooks(events)
            assert sent, f"no webhook tells of {project}"
            assert {one.status for one in sent} == {202}, project
            pulls.append(events.subject)
        self.machine.stack.settle()
        for pull in pulls:
            assert_in_port(self.machine, entity_of(self.machine, "pull-request", pull_request(self.machine, pull)))


def test_data_center(machine_of: Deploy) -> None:
    site = Site(machine_of("server", **NO_RESYNC))
    bitbucket = site.bitbucket
    for project in ("ONE", "TWO", "SIX"):
        site.add(project)
    others = [bitbucket.add_hook(subject="ONE"), *bitbucket.add_foreign_hooks(25, "TWO")]
    bitbucket.version = "7.21"
    site.machine.start()
    site.machine.stack.settle()
    for version in ("7.21", "8.7", "8.8", "8.19", "9.4", "10.2"):
        bitbucket.version = version
        site.set_up()
        site.assert_reaches_port("TWO")
        levels = {type(hook.subject).__name__ for hook in site.ours}
        assert "Project" in levels or version in {"7.21", "8.7"}
    site.set_up()
    assert sorted(hook.subject.key for hook in site.ours) == ["ONE", "SIX", "TWO"]

    # Everything at once: each fault at another project, a list of three pages, an event that is not known any more.
    bitbucket.page_limit = 10
    bitbucket.disable_hook(site.of("ONE"))
    bitbucket.change_hook_events(site.of("TWO"), ["repo:refs_changed"])
    bitbucket.change_hook_secret(site.of("SIX"), "somebody else's")
    bitbucket.refuse_event("pr:comment:edited")
    site.add("NEW")
    bitbucket.forbid_hooks("NEW")
    site.set_up()
    site.assert_reaches_port("ONE", "TWO", "SIX")
    assert all(set(hook.events).isdisjoint({"pr:comment:edited"}) for hook in site.ours)
    bitbucket.allow_hooks("NEW")
    site.set_up()
    site.assert_reaches_port("NEW")

    # Nobody tells of a new project: a look at which there are finds it, and it gets its webhook with that.
    site.add("LATER")
    site.machine.stack.functions["ResyncStart"].invoke({"resync": "list"})
    site.machine.stack.settle()
    site.assert_reaches_port("LATER")

    site.machine.stack.delete()
    assert bitbucket.hooks == others


def test_cloud(machine_of: Deploy) -> None:
    site = Site(machine_of("cloud", **NO_RESYNC))
    bitbucket, stack = site.bitbucket, site.machine.stack
    for project in ("ONE", "TWO"):
        site.add(project)
    bitbucket.hook_page_size = 10
    others = bitbucket.add_foreign_hooks(25)
    all_scopes = set(bitbucket.scopes)

    # A token that may not make webhooks, and one made by hand as the report says.
    bitbucket.scopes = all_scopes - {"webhook"}
    site.machine.start()
    stack.settle()
    assert site.ours == []
    by_hand = bitbucket.add_hook(
        f"{stack.url}/webhooks", ["pullrequest:created", "repo:push"], secret=stack.webhook_secret
    )
    site.assert_reaches_port("ONE")

    # The token may, but not for the workspace: one per repository. Those who may have those of the workspace.
    bitbucket.remove_hook(by_hand)
    bitbucket.scopes = all_scopes
    bitbucket.workspace_owner = False
    site.set_up()
    assert sorted(hook.subject.slug for hook in site.ours) == ["in-one", "in-two"]
    site.assert_reaches_port("ONE", "TWO")
    bitbucket.workspace_owner = True
    site.set_up()
    assert {hook.url.removeprefix(stack.url) for hook in site.ours} == {
        "/webhooks/project",
        "/webhooks/repository",
        "/webhooks/push",
        "/webhooks/pull-request",
    }
    site.assert_reaches_port("ONE")

    for fault in (
        bitbucket.disable_hook,
        lambda hook: bitbucket.change_hook_events(hook, ["pullrequest:rejected"]),
        lambda hook: bitbucket.change_hook_secret(hook, "somebody else's"),
        lambda hook: bitbucket.refuse_event("pullrequest:push"),
    ):
        fault(next(hook for hook in site.ours if hook.url.endswith("/pull-request")))
        site.set_up()
        site.assert_reaches_port("TWO")
    assert len(site.ours) == 4

    stack.delete()
    assert bitbucket.hooks == others
