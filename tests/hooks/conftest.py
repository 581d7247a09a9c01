"""The fixtures: a Cloud workspace and a Data Center with ten projects each, one repository in each project."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hooks.scene import Scene

PROJECTS = [f"P{number:02}" for number in range(10)]


def _populated(scene: Scene) -> Scene:
    for key in PROJECTS:
        scene.world.create_project(key)
        scene.world.create_repository(key, f"repository-{key.lower()}")
    return scene


@pytest.fixture
def cloud() -> Iterator[Scene]:
    scene = _populated(Scene("cloud"))
    yield scene
    scene.stop()


@pytest.fixture
def server() -> Iterator[Scene]:
    scene = _populated(Scene("server"))
    yield scene
    scene.stop()


@pytest.fixture(params=["cloud", "server"])
def scene(request: pytest.FixtureRequest) -> Scene:
    made = request.getfixturevalue(request.param)
    assert isinstance(made, Scene)
    return made
