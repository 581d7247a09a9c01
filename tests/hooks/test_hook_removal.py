"""Removing a stack's webhooks removes exactly those, whenever it happens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bitbucket_port.resync.stack_jobs import HookJob
from tests.hooks.conftest import PROJECTS
from tests.hooks.scene import Scene, texts


@pytest.fixture(params=["cloud", "cloud repositories", "server"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    made = request.getfixturevalue(request.param.split()[0])
    assert isinstance(made, Scene)
    if "repositories" in request.param:
        made.bitbucket.workspace_owner = False
    yield made


def test_all_of_ours_go_and_all_others_stay(scene: Scene) -> None:
    for key in PROJECTS[:3]:
        subject = f"repository-{key.lower()}" if scene.product == "cloud" else key
        scene.bitbucket.add_hook("https://ci.example.com", subject=subject)
    others = scene.foreign()
    scene.plan(force=True)
    assert scene.ours()
    removed = scene.webhooks().remove_all(lambda: True)
    assert scene.foreign() == others
    assert scene.ours() == []
    assert [finding.outcome for finding in removed] == ["changed"]
    assert texts(scene.webhooks().remove_all(lambda: True)) == "Webhooks: there are none of ours to remove."


def test_a_job_that_was_on_its_way_makes_none_again(scene: Scene) -> None:
    scene.webhooks().plan(force=True)
    scene.webhooks().look_after(HookJob(scene.now, force=True))
    on_their_way = scene.messages[:]
    scene.webhooks().remove_all(lambda: True)
    scene.messages[:] = on_their_way
    scene.work()
    scene.webhooks().plan(force=False)
    scene.work()
    assert scene.ours() == []
    scene.plan(force=True)  # The stack is there again.
    assert scene.ours()


def test_what_was_made_but_never_recorded_goes_too(scene: Scene) -> None:
    """Whoever made it died before he could write down that he did."""

    def die() -> None:
        if scene.ours():
            raise KeyboardInterrupt

    scene.on_request = die
    with pytest.raises(KeyboardInterrupt):
        scene.plan(force=True)
    assert scene.ours()
    scene.on_request = lambda: None
    scene.webhooks().remove_all(lambda: True)
    assert scene.ours() == []


def test_whoever_makes_one_while_ours_are_removed_removes_it_himself(server: Scene) -> None:
    def taken_down() -> None:
        if server.ours():
            server.store.note("removed", {"at": "now"})

    server.on_request = taken_down
    server.plan(force=True)
    assert server.writes() == 2
    assert server.ours() == []


def test_what_cannot_be_removed_is_told_and_stops_nothing(server: Scene) -> None:
    server.plan(force=True)
    server.bitbucket.forbid_hooks("P02")
    server.bitbucket.fail_next(50, 500, "/projects/P05/webhooks")
    told = server.webhooks().remove_all(lambda: True)
    assert sorted(hook.subject.key for hook in server.ours()) == ["P02", "P05"]
    assert {one.about for one in told if one.outcome == "warning"} == {
        "webhook of project P02",
        "webhook of project P05",
    }
    assert "bitbucket-port/" in told[-1].fix
    server.bitbucket.allow_hooks("P02")
    with server.bitbucket.lock:
        server.bitbucket._failures.clear()
    server.webhooks().remove_all(lambda: True)
    assert server.ours() == []


def test_when_time_runs_out_the_rest_is_told(server: Scene) -> None:
    server.plan(force=True)
    looks = iter([True] * 4)
    told = server.webhooks().remove_all(lambda: next(looks, False))
    assert len(server.ours()) == len(PROJECTS) - 4
    assert "no time was left" in texts(told)


def test_whoever_is_still_making_some_is_waited_for(server: Scene) -> None:
    server.plan(force=True)
    subject = next(iter(server.store.records().values())).subject
    assert server.store.claim(subject, "another", now=server.now, until=server.now + 20)
    began = server.now
    server.webhooks().remove_all(lambda: True)
    assert server.ours() == []
    assert server.now > began
