"""What webhooks hang at on each version of the Data Center."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.hooks.wanted import event_keys, has_project_webhooks, version_numbers
from tests.hooks.conftest import PROJECTS
from tests.hooks.scene import BASE_URL, DAY, Scene, texts

URL = f"{BASE_URL}/webhooks"


def subjects(scene: Scene) -> list[str]:
    """Where ours hang: a project's key or a repository's full name."""
    return sorted(getattr(hook.subject, "full_name", None) or hook.subject.key for hook in scene.ours())


def repositories(scene: Scene) -> list[str]:
    return sorted(repository.full_name for repository in scene.world.repositories)


@pytest.mark.parametrize("version", ["7.21", "8.7", "8.8", "8.19", "9.4", "10.2"])
def test_every_version_gets_what_it_can(server: Scene, version: str) -> None:
    """Up to 8.7 one per repository, from 8.8 on (and 8.19 is later) one per project."""
    server.bitbucket.version = version
    server.plan(force=True)
    old = version in {"7.21", "8.7"}
    assert subjects(server) == (repositories(server) if old else PROJECTS)
    for hook in server.ours():
        assert hook.url == URL
        assert set(hook.events) == set(event_keys("server", "repository" if old else "project"))
        assert hook.secret == server.secret.value
    assert [finding.outcome for finding in server.findings()] == ["ok"]


@pytest.mark.parametrize(("forced", "version"), [(True, "9.4"), (True, "10.2"), (False, "8.8")])
def test_the_setting_decides(server: Scene, forced: bool, version: str) -> None:
    server.bitbucket.version, server.repositories = version, forced
    server.plan(force=True)
    assert subjects(server) == (repositories(server) if forced else PROJECTS)


def test_a_setting_that_the_server_is_too_old_for_is_told(server: Scene) -> None:
    server.bitbucket.version, server.repositories = "8.7", False
    server.plan(force=True)
    assert server.ours() == []
    assert "404" in texts(server.findings())


def test_after_an_upgrade_projects_take_over_from_repositories(server: Scene) -> None:
    server.bitbucket.version = "8.7.4"
    server.bitbucket.forbid_hooks("P08")
    server.plan(force=True)
    others = server.bitbucket.add_hook("https://ci.example.com", subject="P01/repository-p01")
    server.bitbucket.version = "8.19.1"
    server.bitbucket.allow_hooks("P08")
    server.bitbucket.forbid_hooks("P03")
    server.plan()
    server.plan()
    # Where the project's may not be made, the repository's stays: it is all there is.
    assert subjects(server) == sorted([*(key for key in PROJECTS if key != "P03"), "P03/repository-p03"])
    assert others in server.bitbucket.hooks
    server.bitbucket.allow_hooks("P03")
    server.now += DAY
    server.plan()
    server.plan()
    assert subjects(server) == PROJECTS


def test_repositories_take_over_from_projects_when_the_setting_says_so(server: Scene) -> None:
    server.plan(force=True)
    server.repositories = True
    server.plan(force=True)
    server.plan()
    assert subjects(server) == repositories(server)


def test_archived_repositories_and_personal_projects_get_none(server: Scene) -> None:
    server.world.create_personal_project(server.world.administrator)
    server.plan(force=True)
    assert subjects(server) == PROJECTS
    server.repositories = True
    server.world.create_repository("P00", "old-times", archived=True)
    server.plan(force=True)
    assert "P00/old-times" not in subjects(server)


def test_a_server_that_does_not_tell_its_version_is_told_of(server: Scene) -> None:
    server.bitbucket._version = "next"
    server.bitbucket.fail_next(1, 404, "application-properties")
    server.plan(force=True)
    assert server.ours() == []
    assert "BitbucketIsVersion8Point7OrOlder" in texts(server.findings())


NUMBERS = st.integers(min_value=0, max_value=400)


@given(NUMBERS, NUMBERS, st.sampled_from(["", ".0", ".12", ".3-rc1", "-m1", ".0-SNAPSHOT"]))
def test_versions_are_compared_as_numbers(major: int, minor: int, rest: str) -> None:
    numbers = version_numbers(f"{major}.{minor}{rest}")
    assert numbers == (major, minor)
    assert has_project_webhooks((major, minor)) == (major > 8 or (major == 8 and minor >= 8))


@given(st.text(max_size=12))
def test_what_does_not_begin_with_two_numbers_is_no_version(text: str) -> None:
    major, dot, rest = text.partition(".")
    begins_with_two = bool(dot) and major.isascii() and major.isdigit() and rest[:1] in tuple("0123456789")
    assert (version_numbers(text) is not None) == begins_with_two
