"""What a resync with the default mapping may cost, by the formulas that were promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil

from tests.resync_end_to_end.oracle import Expected
from tests.resync_end_to_end.rig import Place

CLOUD_PAGE, CLOUD_PULL_REQUEST_PAGE, CLOUD_EMAILS = 100, 50, 90
SERVER_PAGE = 1000
SEARCH_PAGE = 1000


def listings(place: Place, right: Expected) -> Counter[str]:
    """How many requests of each kind Bitbucket gets: projects, repositories, users, pull requests, e-mail addresses.

    ``right`` is the catalog before and after the run.
    """
    return _cloud(place, right) if place.machine.product == "cloud" else _server(place)


def _cloud(place: Place, right: Expected) -> Counter[str]:
    world = place.machine.cloud.world
    repositories = [one for one in world.repositories if one.role is not None]
    in_scope = Counter(
        entity["relations"].get("repository")
        for (blueprint, _), entity in right.items()
        if blueprint == "bitbucketCloudPullRequest"
    )
    return +Counter(
        {
            "projects": pages([one for one in world.projects if one.readable], CLOUD_PAGE),
            "repositories": pages(repositories, CLOUD_PAGE),
            "users": pages(world.users, CLOUD_PAGE),
            "pull requests": sum(
                max(1, ceil(in_scope[one.full_name] / CLOUD_PULL_REQUEST_PAGE)) for one in repositories
            ),
            "e-mail addresses": ceil(len(place.port.user_emails) / CLOUD_EMAILS),
        }
    )


def _server(place: Place) -> Counter[str]:
    world, granted = place.machine.server.world, min(SERVER_PAGE, place.machine.server.page_limit)
    return +Counter(
        {
            "projects": pages(world.projects, granted),
            "repositories": pages(world.repositories, granted),
            "users": pages(world.users, granted),
            "pull requests": sum(
                max(1, ceil(len(one.pull_requests) / granted))
                for one in world.repositories
                if one.project.owner is None and one.permission is not None and one.project.readable
            ),
        }
    )


def checks(right: Expected) -> Counter[str]:
    """How many searches of each blueprint Port gets."""
    entities = Counter(blueprint for blueprint, _ in right)
    return Counter({blueprint: max(1, ceil(count / SEARCH_PAGE)) for blueprint, count in entities.items()})


def pages(values: Sequence[object], length: int) -> int:
    """How many pages a list has; an empty one has one, too."""
    return max(1, ceil(len(values) / length))
