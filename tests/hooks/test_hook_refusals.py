"""What Bitbucket refuses is told with its fix, and keeps nobody else from the right webhooks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bitbucket_port.hooks.wanted import event_keys
from bitbucket_port.webhooks.event_keys import family_of
from tests.hooks.conftest import PROJECTS
from tests.hooks.expected import ONE_URL, assert_one_per_repository, assert_right
from tests.hooks.scene import DAY, Scene, texts


@pytest.mark.parametrize("refused", [["repo:push"], ["pullrequest:push", "repo:imported"], ["project:updated"]])
def test_events_that_cloud_refuses_are_left_out_and_told(cloud: Scene, refused: list[str]) -> None:
    for key in refused:
        cloud.bitbucket.refuse_event(key)
    cloud.plan(force=True)
    families = {key for key in event_keys("cloud", "workspace") if key not in refused}
    ours = cloud.ours()
    assert {key for hook in ours for key in hook.events} == families
    assert len(ours) == len({family_of("cloud", key) for key in families})
    told = texts(cloud.findings())
    assert all(key in told for key in refused)
    writes = cloud.writes()
    cloud.plan()
    assert cloud.writes() == writes
    cloud.bitbucket.refused_events.clear()
    cloud.plan(force=True)
    assert_right(cloud)


@pytest.mark.parametrize("refused", [["project:modified"], ["pr:deleted", "repo:forked", "pr:comment:edited"]])
def test_events_that_a_data_center_refuses_are_left_out_one_by_one_and_told(server: Scene, refused: list[str]) -> None:
    for key in refused:
        server.bitbucket.refuse_event(key)
    server.plan(force=True)
    assert_right(server, without=set(refused))
    # Learned once, not at every project.
    assert server.writes() == len(PROJECTS) + len(refused)
    assert all(key in texts(server.findings()) for key in refused)
    server.bitbucket.refused_events.clear()
    server.bitbucket.version = "9.5.0"
    server.now += DAY
    server.plan()
    assert_right(server)


def test_one_forbidden_project_of_ten_stops_no_other(server: Scene) -> None:
    server.bitbucket.forbid_hooks("P04")
    server.plan(force=True)
    assert sorted(hook.subject.key for hook in server.ours()) == [key for key in PROJECTS if key != "P04"]
    finding = next(one for one in server.findings() if "P04" in one.about)
    assert finding.outcome == "warning"
    assert "PROJECT_ADMIN" in finding.fix
    asked = server.bitbucket.count(lambda one: "P04/webhooks" in one.path)
    server.plan()
    assert server.bitbucket.count(lambda one: "P04/webhooks" in one.path) == asked
    server.bitbucket.allow_hooks("P04")
    server.now += DAY
    server.plan()
    assert_right(server)
    assert "P04" not in texts(server.findings())


@pytest.mark.parametrize("status", [401, 403])
def test_a_data_center_may_say_401_for_what_good_credentials_may_not(server: Scene, status: int) -> None:
    server.bitbucket.forbidden_status = status
    server.bitbucket.forbid_hooks("P00")
    server.plan(force=True)
    assert len(server.ours()) == len(PROJECTS) - 1
    assert not server.notes.kept.get("refused#bitbucket")


def test_without_the_webhook_scope_none_are_made_and_it_is_said_how_to_mend_that(cloud: Scene) -> None:
    cloud.bitbucket.scopes = {"account", "project", "repository", "pullrequest"}
    cloud.plan(force=True)
    assert cloud.ours() == []
    assert not cloud.bitbucket.count(lambda one: "/repositories/" in one.path)  # Nor will they be allowed there.
    told = texts(cloud.findings())
    assert "scope webhook" in told
    assert ONE_URL in told
    assert "print-the-secret" in told
    assert "pullrequest:fulfilled" in told
    cloud.bitbucket.scopes = {"account", "project", "repository", "pullrequest", "webhook"}
    cloud.plan()
    assert_right(cloud)
    assert "scope" not in texts(cloud.findings())


def test_an_api_token_that_may_read_but_not_write_webhooks(cloud: Scene) -> None:
    read = {f"read:{thing}:bitbucket" for thing in ("project", "repository", "pullrequest", "workspace", "webhook")}
    cloud.bitbucket.scopes = set(read)
    cloud.plan(force=True)
    assert cloud.ours() == []
    assert "write:webhook:bitbucket" in texts(cloud.findings())
    cloud.bitbucket.scopes = read | {"write:webhook:bitbucket"}
    cloud.plan()
    assert_right(cloud)


def test_who_may_not_administer_the_workspace_gets_one_per_repository(cloud: Scene) -> None:
    cloud.bitbucket.workspace_owner = False
    cloud.bitbucket.forbid_hooks("P07")
    others = cloud.bitbucket.add_hook("https://ci.example.com", subject="repository-p00")
    cloud.plan(force=True)
    ours = cloud.ours()
    assert sorted(hook.subject.project.key for hook in ours) == [key for key in PROJECTS if key != "P07"]
    assert {hook.url for hook in ours} == {ONE_URL}
    assert all(set(hook.events) == set(event_keys("cloud", "repository")) for hook in ours)
    assert others in cloud.bitbucket.hooks
    told = cloud.findings()
    assert [one.about for one in told if one.outcome == "warning"] == ["webhook of repository acme/repository-p07"]
    cloud.world.create_repository("P00", "brand-new")
    cloud.plan()
    assert "acme/brand-new" in {hook.subject.full_name for hook in cloud.ours()}


def test_a_token_without_the_scope_of_an_event_is_told_and_no_repository_is_tried(cloud: Scene) -> None:
    cloud.bitbucket.scopes = {"account", "project", "repository", "webhook"}
    cloud.plan(force=True)
    assert "pullrequest" in texts(cloud.findings())
    assert not cloud.bitbucket.count(lambda one: "/repositories/" in one.path)
    cloud.bitbucket.scopes = {"account", "project", "repository", "webhook", "pullrequest"}
    cloud.plan()
    assert_right(cloud)


def test_the_workspaces_webhooks_replace_those_of_repositories_once_they_may_be_made(cloud: Scene) -> None:
    cloud.bitbucket.workspace_owner = False
    cloud.plan(force=True)
    assert_one_per_repository(cloud)
    others = [cloud.bitbucket.add_hook("https://ci.example.com", subject="repository-p00")]
    cloud.bitbucket.workspace_owner = True
    cloud.plan()
    assert_right(cloud)
    assert [hook for hook in cloud.bitbucket.hooks if hook not in cloud.ours()] == others
    assert set(cloud.store.records()) == {"workspace#-"}


def test_a_repository_that_is_full_is_told(cloud: Scene) -> None:
    cloud.bitbucket.workspace_owner = False
    cloud.bitbucket.add_foreign_hooks(50, "repository-p02")
    cloud.plan(force=True)
    assert len(cloud.ours()) == len(PROJECTS) - 1
    assert "at most 50 webhooks" in texts(cloud.findings())


def test_when_every_project_is_forbidden_it_is_said_how_to_do_it_by_hand(server: Scene) -> None:
    for key in PROJECTS:
        server.bitbucket.forbid_hooks(key)
    server.plan(force=True)
    told = texts(server.findings())
    assert all(key in told for key in PROJECTS)
    assert ONE_URL in told
    assert "print-the-secret" in told


def test_a_secret_that_is_too_long_for_cloud_is_told_and_never_shown(cloud: Scene) -> None:
    cloud.secret = replace(cloud.secret, value="s" * 129)
    cloud.plan(force=True)
    assert cloud.ours() == []
    assert "128" in texts(cloud.findings())
    assert "sss" not in texts(cloud.findings())
