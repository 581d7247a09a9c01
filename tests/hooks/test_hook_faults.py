"""Whatever is wrong with webhooks ends in the right ones, and touches nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bitbucket_port.hooks.wanted import event_keys
from bitbucket_port.secrets import Secret
from bitbucket_port.webhooks.event_keys import FAMILIES
from tests.hooks.conftest import PROJECTS
from tests.hooks.expected import ONE_URL, assert_one_per_repository, assert_right
from tests.hooks.scene import BASE_URL, DAY, Scene, texts


def test_where_there_are_none_they_are_made_and_a_second_time_changes_nothing(scene: Scene) -> None:
    assert "not looked at yet" in texts(scene.plan(force=True))
    assert_right(scene)
    before = [(id(hook), hook.settings) for hook in scene.ours()]
    writes = scene.writes()
    for _ in range(3):
        scene.plan()
    assert [(id(hook), hook.settings) for hook in scene.ours()] == before
    assert scene.writes() == writes
    assert [finding.outcome for finding in scene.findings()] == ["ok"]


def _disable(scene: Scene, hook: Any) -> None:
    scene.bitbucket.disable_hook(hook)


def _other_events(scene: Scene, hook: Any) -> None:
    scene.bitbucket.change_hook_events(hook, list(hook.events[1:]))


def _more_events(scene: Scene, hook: Any) -> None:
    more = "repo:commit_comment_created" if scene.product == "cloud" else "repo:comment:added"
    scene.bitbucket.change_hook_events(hook, [*hook.events, more])


def _other_url(scene: Scene, hook: Any) -> None:
    scene.bitbucket.change_hook_url(hook, "https://elsewhere.example.com/webhooks")


def _wrong_secret(scene: Scene, hook: Any) -> None:
    scene.bitbucket.change_hook_secret(hook, "somebody else's secret")


def _no_secret(scene: Scene, hook: Any) -> None:
    scene.bitbucket.change_hook_secret(hook, None)


def _removed(scene: Scene, hook: Any) -> None:
    scene.bitbucket.remove_hook(hook)


FAULTS = [_disable, _other_events, _more_events, _other_url, _wrong_secret, _no_secret, _removed]


@pytest.mark.parametrize(
    ("fault", "how"), [*((fault, "the next day") for fault in FAULTS), (_disable, "by set-up"), (_removed, "by set-up")]
)
def test_what_somebody_changed_by_hand_is_put_right(
    scene: Scene, fault: Callable[[Scene, Any], None], how: str
) -> None:
    scene.plan(force=True)
    hook = next(one for one in scene.ours() if len(one.events) > 1)
    fault(scene, hook)
    if how == "the next day":
        scene.now += DAY
    scene.plan(force=how == "by set-up")
    assert_right(scene)
    if scene.product == "server" or fault is not _wrong_secret:  # Cloud shows nothing of it.
        assert "put right" in texts(scene.findings())


def test_known_ones_are_looked_at_once_a_day(scene: Scene) -> None:
    scene.plan(force=True)
    hook = scene.ours()[0]
    scene.bitbucket.disable_hook(hook)
    scene.now += DAY / 4
    scene.plan()
    assert not hook.active
    scene.now += DAY * 3 / 4
    scene.plan()
    assert hook.active


@pytest.mark.parametrize("where", ["first page", "last page", "nowhere"])
def test_a_list_of_three_pages_is_read_to_its_end(scene: Scene, where: str) -> None:
    """Ours on the last page is found, and none is made a second time; those of others stay as they are."""
    subject = {} if scene.product == "cloud" else {"subject": PROJECTS[0]}
    old = f"{ONE_URL}/push" if scene.product == "cloud" else ONE_URL
    if scene.product == "cloud":
        scene.bitbucket.hook_page_size = 10
    else:
        scene.bitbucket.page_limit = 10
    if where == "first page":
        scene.bitbucket.add_hook(old, **subject)
    for number in range(25):
        scene.bitbucket.add_hook(f"https://ci.example.com/{number}", **subject)
    if where == "last page":
        scene.bitbucket.add_hook(old, **subject)
    others = scene.foreign()
    scene.plan(force=True)
    assert_right(scene)
    assert scene.foreign() == others
    pages = [one for one in scene.bitbucket.requests if one.method == "GET" and one.path.endswith("hooks")]
    assert len([one for one in pages if PROJECTS[0] in one.path or scene.product == "cloud"]) >= 3


def test_a_rotated_secret_is_sent_to_all_at_the_next_plan(scene: Scene) -> None:
    scene.plan(force=True)
    scene.secret = Secret("second secret", "2")
    scene.plan()
    assert_right(scene, secret="second secret")
    writes = scene.writes()
    scene.plan()
    assert scene.writes() == writes


def test_a_second_webhook_that_leads_to_us_is_removed_and_all_others_stay(scene: Scene) -> None:
    subject = {} if scene.product == "cloud" else {"subject": PROJECTS[3]}
    scene.plan(force=True)
    scene.bitbucket.add_hook(f"{ONE_URL}/push" if scene.product == "cloud" else ONE_URL, **subject)
    scene.bitbucket.add_hook("https://ci.example.com/webhooks", name="bitbucket-port/another-stack", **subject)
    scene.bitbucket.add_hook(f"{BASE_URL}.example.org/webhooks", name="build", **subject)
    others = [hook for hook in scene.bitbucket.hooks if hook.url == "https://ci.example.com/webhooks"]
    scene.now += DAY
    scene.plan()
    ours = [hook for hook in scene.ours() if ".example.org" not in hook.url]
    assert len(ours) == (len(FAMILIES) if scene.product == "cloud" else len(PROJECTS))
    assert [hook for hook in scene.bitbucket.hooks if hook.url == "https://ci.example.com/webhooks"] == others
    assert any(".example.org" in hook.url for hook in scene.bitbucket.hooks)


def test_ours_follow_when_our_address_changes(scene: Scene) -> None:
    scene.plan(force=True)
    made = {id(hook) for hook in scene.bitbucket.hooks}
    scene.base_url = "https://webhooks.example.net"
    scene.plan()
    ours = scene.ours()
    assert {id(hook) for hook in ours} == made
    assert all(hook.url.startswith("https://webhooks.example.net/webhooks") for hook in ours)
    assert {hook.url.rpartition("/")[2] for hook in ours} == (
        set(FAMILIES) if scene.product == "cloud" else {"webhooks"}
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_that_of_a_repository_is_put_right_with_one_request_a_day(
    cloud: Scene, fault: Callable[[Scene, Any], None]
) -> None:
    """Where there are thousands of them, Cloud's 1,000 requests an hour are too few for looking first."""
    cloud.bitbucket.workspace_owner = False
    cloud.plan(force=True)
    fault(cloud, cloud.ours()[0])
    cloud.now += DAY
    cloud.bitbucket.forget_requests()
    cloud.plan()
    assert_one_per_repository(cloud)
    more = 3 if fault is _removed else 0  # What is not there has to be looked for, and made.
    asked = cloud.bitbucket.count(lambda one: one.path.startswith("/2.0/repositories/acme/%7B"))
    assert asked == len(PROJECTS) + more - (1 if fault is _removed else 0)


def test_new_projects_get_theirs_at_once_and_removed_ones_are_forgotten(server: Scene) -> None:
    server.plan(force=True)
    server.world.create_project("NEW")
    server.plan()
    assert_right(server)
    server.bitbucket.forget_requests()
    project = server.world.project("P01")
    for hook in [one for one in server.bitbucket.hooks if one.subject is project]:
        server.bitbucket.remove_hook(hook)
    server.world.projects.remove(project)
    server.plan()
    assert_right(server)
    assert f"project#{project.id}" not in server.store.records()


def test_only_what_the_mapping_is_about(server: Scene) -> None:
    server.plan(force=True)
    for resource in server.mapping["resources"]:
        resource["selector"]["projects"] = ["P02", "P05"]
    others = server.bitbucket.add_hook("https://ci.example.com", subject="P09")
    server.plan()
    assert sorted(hook.subject.key for hook in server.ours()) == ["P02", "P05"]
    assert others in server.bitbucket.hooks


@pytest.mark.parametrize("same", [True, False])
def test_only_repositories_that_the_mapping_is_about(cloud: Scene, same: bool) -> None:
    """Whether one list shows just these, or Bitbucket has to be asked about what the list shows."""
    cloud.bitbucket.workspace_owner = False
    cloud.plan(force=True)
    about = [one for one in cloud.mapping["resources"] if one["kind"] in {"repository", "pull-request"}]
    for number, resource in enumerate(about):
        resource["selector"]["repoQuery"] = 'name ~ "p03"' if same or number else 'name = "repository-p07"'
    cloud.plan()
    expected = ["repository-p03"] if same else ["repository-p03", "repository-p07"]
    assert sorted(hook.subject.slug for hook in cloud.ours()) == expected


def test_a_server_that_fails_is_asked_again_and_stops_no_other(server: Scene) -> None:
    server.bitbucket.fail_next(200, 500, "/projects/P03/webhooks")
    server.plan(force=True)
    assert sorted(hook.subject.key for hook in server.ours()) == [key for key in PROJECTS if key != "P03"]
    assert "P03" in texts(server.findings())
    with server.bitbucket.lock:
        server.bitbucket._failures.clear()
    server.now += DAY
    server.plan()
    assert_right(server)


def test_an_answer_that_was_lost_makes_no_second_webhook(scene: Scene) -> None:
    scene.bitbucket.fail_next(1, 502, "POST", after=True)
    scene.plan(force=True)
    assert_right(scene)


def test_deliveries_that_were_refused_for_their_signature_have_the_secret_sent_again(server: Scene) -> None:
    server.plan(force=True)
    hook = server.ours()[0]
    hook.secret = "another one"
    server.bitbucket.record_deliveries(hook, 1, 401)
    server.now += DAY
    server.plan()
    assert_right(server)


def test_what_is_not_ours_to_decide_stays(server: Scene) -> None:
    server.plan(force=True)
    hook = server.ours()[0]
    hook.settings["sslVerificationRequired"] = False
    server.bitbucket.disable_hook(hook)
    server.now += DAY
    server.plan()
    assert_right(server)
    assert hook.settings["sslVerificationRequired"] is False


def test_health_that_cannot_be_read_holds_nothing_up(server: Scene) -> None:
    server.plan(force=True)
    server.bitbucket.disable_hook(server.ours()[0])
    server.bitbucket.fail_next(200, 500, "statistics")
    server.now += DAY
    server.plan()
    assert_right(server)


def test_bad_health_is_told(server: Scene) -> None:
    server.plan(force=True)
    hook = next(one for one in server.ours() if one.subject.key == "P06")
    server.bitbucket.record_deliveries(hook, 3, 503)
    server.now += DAY
    server.plan()
    assert "503" in texts(server.findings())
    assert [one.about for one in server.findings() if one.outcome == "warning"] == ["webhook of project P06"]
    server.bitbucket.record_deliveries(hook, 1, 202)
    server.now += DAY
    server.plan()
    assert "503" not in texts(server.findings())


@pytest.mark.parametrize("why", ["BitbucketApi is none", "LiveEvents is false", "there is no public URL"])
def test_where_none_are_to_be_made_that_is_said_with_what_to_do_by_hand(scene: Scene, why: str) -> None:
    scene.why_none = why
    told = texts(scene.plan(force=True))
    assert scene.bitbucket.hooks == []
    assert scene.bitbucket.requests == []
    assert why in told
    assert ONE_URL in told
    assert "print-the-secret" in told
    assert all(key in told for key in event_keys(scene.product, "project"))


def test_those_made_before_live_events_were_switched_off_are_removed(scene: Scene) -> None:
    subject = {} if scene.product == "cloud" else {"subject": PROJECTS[3]}
    scene.plan(force=True)
    others = scene.bitbucket.add_hook("https://ci.example.com", **subject)
    scene.why_none = "LiveEvents is false"
    scene.plan(force=True)
    assert scene.bitbucket.hooks == [others]
    scene.why_none = ""
    scene.plan(force=True)
    assert_right(scene)
