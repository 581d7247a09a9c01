"""The project of a repository that was never heard of comes with it, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from bitbucket_port.catalog.items import Facts
from bitbucket_port.catalog.outside import Reading
from bitbucket_port.errors import ForbiddenError
from bitbucket_port.objects import Address, EntityKey, JsonObject, SourceKey
from tests.catalog.rig import Rig, kill, lose_answer, refuse
from tests.catalog.test_stories_on_moto import NUMBERS, all_late, each_call
from tests.model import stories
from tests.model.stories import Story

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HEARD_OF = Story("heard of", "a repository that exists sends a hint", ({"X": None}, stories.CREATE.worlds[1]))
"""The delivery that brings it comes twice: the second finds nothing to do."""


class ProjectRig(Rig):
    """The story's repositories are in one project, of which no delivery tells."""

    PROJECTS: ClassVar[bool] = True
    hidden = False

    @property
    def project(self) -> SourceKey:
        return SourceKey("project", self.name, "P")

    def read(self, key: SourceKey, address: Address) -> Reading:
        if key != self.project:
            return replace(super().read(key, address), parent=(self.project, Address(project="P")))
        if self.hidden:
            raise ForbiddenError("the token may not see projects")
        return Reading({"entities": {"project": "Payments"}}, 1_000_123, Facts(Address(project="P"), full_name="P"))

    def expected(self) -> dict[EntityKey, JsonObject]:
        shown = {} if self.hidden else {self.mapper.key("project"): {"title": "Payments"}}
        return {**super().expected(), **shown}

    def check(self) -> None:
        assert self.port.entities == self.expected(), "; ".join(self.log)


NewRig = Callable[[], ProjectRig]


@pytest.fixture
def new_rig(dynamodb: DynamoDBClient) -> NewRig:
    def make() -> ProjectRig:
        name = f"project-{next(NUMBERS)}"
        return ProjectRig(dynamodb, HEARD_OF, name, mode="refresh", one_blueprint=False)

    return make


def twice(rig: Rig) -> None:
    rig.all_worlds()
    rig.queue += rig.queue
    rig.finish()


@pytest.mark.parametrize("accident", [kill, refuse, lose_answer])
def test_a_project_is_read_with_its_first_repository_whatever_call_fails(
    new_rig: NewRig, accident: Callable[..., Any]
) -> None:
    each_call(new_rig, twice, accident)


def test_a_project_that_may_not_be_seen_does_not_keep_its_repository_back(new_rig: NewRig) -> None:
    rig = new_rig()
    rig.hidden = True
    all_late(rig)
    rig.check()
