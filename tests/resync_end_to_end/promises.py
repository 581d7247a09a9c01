"""What a resync may cost, by the formulas that were promised."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import ceil

import yaml

from local.standins.cloud.pull_requests import CloudWorld
from local.standins.server.pull_requests import ServerWorld
from tests.resync_end_to_end.oracle import Expected, Json, objects
from tests.resync_end_to_end.rig import Place, Run

CLOUD_PAGE, CLOUD_PULL_REQUEST_PAGE, CLOUD_EMAILS = 100, 50, 90
SERVER_PAGE = 1000
SEARCH_PAGE = 1000
STUB_CHECKS = 2
"""Searches for what Port made only because somebody relates to it: is another stack's mark on it, and is ours."""


def listings(
    world: CloudWorld | ServerWorld, mapping: str, now: float, *, emails: Sequence[str], granted: int = SERVER_PAGE
) -> Counter[str]:
    """How many requests of each kind Bitbucket gets: projects, repositories, users, pull requests, e-mail addresses.

    ``now`` (epoch seconds) says which pull requests were closed too long ago, ``emails`` are those of Port's users,
    ``granted`` is the longest page the Data Center gives.
    """
    kinds = {resource["kind"]: resource["selector"] for resource in yaml.safe_load(mapping)["resources"]}
    if isinstance(world, CloudWorld):
        counted = _cloud(world, kinds["pull-request"], now, emails if "user" in kinds else ())
    else:
        counted = _server(world, kinds["pull-request"], granted)
    return +Counter({kind: number for kind, number in counted.items() if kind != "users" or "user" in kinds})


def _cloud(world: CloudWorld, selector: Json, now: float, emails: Sequence[str]) -> Counter[str]:
    repositories = [one for one in world.repositories if one.role is not None]
    in_scope = Counter(
        pull["destination"]["repository"]["full_name"] for pull in objects(world, "pull-request", selector, now)
    )
    return Counter(
        {
            "projects": pages([one for one in world.projects if one.readable], CLOUD_PAGE),
            "repositories": pages(repositories, CLOUD_PAGE),
            "users": pages(world.users, CLOUD_PAGE),
            "pull requests": sum(
                max(1, ceil(in_scope[one.full_name] / CLOUD_PULL_REQUEST_PAGE)) for one in repositories
            ),
            "e-mail addresses": ceil(len(emails) / CLOUD_EMAILS),
        }
    )


def _server(world: ServerWorld, selector: Json, granted: int) -> Counter[str]:
    # The Data Center has no filter by date: with a window all of them are read, whatever their state.
    all_states = "closedWithinDays" in selector
    return Counter(
        {
            "projects": pages(world.projects, granted),
            "repositories": pages(world.repositories, granted),
            "users": pages(world.users, granted),
            "pull requests": sum(
                pages([pull for pull in one.pull_requests.values() if all_states or pull.state == "OPEN"], granted)
                for one in world.repositories
                if one.project.owner is None and one.permission is not None and one.project.readable
            ),
        }
    )


def file_reads(place: Place, *, is_first: bool) -> Counter[str]:
    """What the mapping's files cost besides: heads of main branches and files, where those moved since the last run."""
    (wanted,) = (
        resource for resource in yaml.safe_load(place.mapping)["resources"] if resource["kind"] == "repository"
    )
    if place.machine.product == "cloud":
        files = wanted["selector"].get("includedFiles", [])
        repositories = [one for one in place.machine.cloud.world.repositories if files and one.role is not None]
        # Cloud's list tells which repositories moved; the Data Center has to be asked for each head.
        heads = [one for one in repositories if one.main_branch] if is_first else []
        with_head = [one for one in heads if one.main_branch in one.git.branches]
        return +Counter({"heads": len(heads), "files": len(with_head) * len(files)})
    text = str(wanted["port"])
    all_of_them = place.machine.server.world.repositories if re.search("__readme|__latestCommit", text) else []
    there = [one for one in all_of_them if one.default_branch in one.git.branches] if "__readme" in text else []
    return +Counter({"heads": len(all_of_them), "files": len(there) if is_first else 0})


def source_is_asked(place: Place) -> bool:
    """Whether the first run asks for the workspace's uuid: with every kind listed, the lists tell it."""
    kinds = {resource["kind"] for resource in yaml.safe_load(place.mapping)["resources"]}
    return place.machine.product == "cloud" and not kinds >= {"project", "repository", "user", "pull-request"}


def reads_of_one(place: Place) -> Counter[str]:
    """What one repository with a main branch costs that moved, beyond what is asked of each in any case."""
    (wanted,) = (
        resource for resource in yaml.safe_load(place.mapping)["resources"] if resource["kind"] == "repository"
    )
    files = wanted["selector"].get("includedFiles", [])
    return +Counter({"heads": bool(files) * 1, "files": len(files) + ("__readme" in str(wanted["port"])) * 1})


def reads_of_files(run: Run) -> Counter[str]:
    """The same, as they were sent."""
    found = (kind for one in run.bitbucket for pattern, kind in _READS if re.fullmatch(pattern, one.path))
    return Counter(found)


_READS = (
    (r".*/refs/branches/.*|.*/repos/[^/]+/commits", "heads"),
    (r".*/src/.*|.*/repos/[^/]+/raw/.*", "files"),
)


def checks(right: Expected) -> Counter[str]:
    """How many searches of each blueprint Port gets."""
    entities = Counter(blueprint for blueprint, _ in right)
    return Counter({blueprint: max(1, ceil(count / SEARCH_PAGE)) for blueprint, count in entities.items()})


def pages(values: Sequence[object], length: int) -> int:
    """How many pages a list has; an empty one has one, too."""
    return max(1, ceil(len(values) / length))
