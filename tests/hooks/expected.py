"""The webhooks there should be."""

from __future__ import annotations

from typing import Any

from bitbucket_port.hooks.subject import Level
from bitbucket_port.hooks.wanted import event_keys
from bitbucket_port.webhooks.event_keys import FAMILIES, family_of
from tests.hooks.scene import BASE_URL, NAME, Scene

FAMILY_URLS = {f"{BASE_URL}/webhooks/{family}" for family in FAMILIES}
ONE_URL = f"{BASE_URL}/webhooks"


def name_of(hook: Any) -> str:
    settings = hook.settings
    return str(settings.get("description", settings.get("name")))


def assert_right(scene: Scene, *, secret: str | None = None, without: set[str] | None = None) -> None:
    """Exactly the webhooks there should be: one per family of a workspace, one per project of a Data Center."""
    ours = scene.ours()
    for hook in ours:
        assert hook.active
        assert hook.secret == (secret or scene.secret.value)
        assert name_of(hook) == NAME
    if scene.product == "cloud":
        assert {hook.url for hook in ours} == FAMILY_URLS
        assert len(ours) == len(FAMILIES)
        assert all(hook.subject is None for hook in ours)
        for hook in ours:
            assert {family_of("cloud", key) for key in hook.events} == {hook.url.rpartition("/")[2]}
        assert sorted(key for hook in ours for key in hook.events) == sorted(
            set(event_keys("cloud", "workspace")) - (without or set())
        )
        return
    assert sorted(hook.subject.key for hook in ours) == sorted(project.key for project in scene.world.projects)
    for hook in ours:
        assert hook.url == ONE_URL
        assert set(hook.events) == set(event_keys("server", "project")) - (without or set())


def assert_one_per_repository(scene: Scene, level: Level = "repository") -> None:
    ours = scene.ours()
    repositories = [repository.full_name for repository in scene.world.repositories]
    assert sorted(hook.subject.full_name for hook in ours) == sorted(repositories)
    for hook in ours:
        assert hook.url == ONE_URL
        assert set(hook.events) == set(event_keys(scene.product, level))
        assert hook.secret == scene.secret.value
        assert hook.active
