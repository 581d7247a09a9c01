"""Looking without changing anything, and what the Data Center sees of us."""

from __future__ import annotations

import threading

from tests.hooks.scene import Scene, texts
from tests.standins.receiver import Receiver


def test_looking_changes_nothing(cloud: Scene, server: Scene) -> None:
    for scene in (cloud, server):
        assert "missing" in texts(scene.webhooks().inspect())
        assert scene.bitbucket.hooks == []
        scene.plan(force=True)
        writes = scene.writes()
        findings = scene.webhooks().inspect()
        assert {one.outcome for one in findings} == {"ok"}
        scene.bitbucket.disable_hook(scene.ours()[0])
        assert "active" in texts(scene.webhooks().inspect())
        assert scene.writes() == writes


def test_looking_names_what_stands_in_the_way(cloud: Scene, server: Scene) -> None:
    server.bitbucket.forbid_hooks("P01")
    assert "PROJECT_ADMIN" in texts(server.webhooks().inspect())
    assert "7 more were not looked at" in texts(server.webhooks().inspect(most=3))
    cloud.bitbucket.workspace_owner = False
    assert "each repository gets its own" in texts(cloud.webhooks().inspect())
    cloud.bitbucket.scopes = {"account", "project", "repository", "pullrequest"}
    assert "scope webhook" in texts(cloud.webhooks().inspect())


def test_here_and_now_without_a_queue(cloud: Scene, server: Scene) -> None:
    for scene in (cloud, server):
        assert [one.outcome for one in scene.webhooks().do_now(force=True)] == ["ok"]
        assert len(scene.ours()) == (4 if scene.product == "cloud" else 10)
        assert scene.messages == []


def test_whether_the_server_reaches_us_is_told_as_it_saw_it(cloud: Scene, server: Scene) -> None:
    assert cloud.webhooks().test_reachability("https://hooks.example.com/webhooks") is None
    server.bitbucket.forbid_hooks("P00")
    with Receiver() as receiver:
        receiver.statuses = [200]  # As our own functions answer a ping.
        serving = threading.Thread(target=receiver.serve_forever, daemon=True)
        serving.start()
        url = f"{receiver.url}/webhooks"
        reached = server.webhooks().test_reachability(url)
        assert reached is not None
        assert reached.outcome == "ok"
        server.bitbucket.outgoing_blocked = True
        blocked = server.webhooks().test_reachability(url)
        receiver.shutdown()
    assert blocked is not None
    assert blocked.outcome == "warning"
    assert "Unable to connect" in blocked.text
    assert "BaseUrl" in blocked.fix
