"""Port's page "Bitbucket (Self-Hosted)": its mapping and its objects give its entities.

The page's entities also show what Port itself keeps (times, who wrote it, an empty team, null for properties nobody
maps): those are not made by a mapping and not compared. Where the page's entity cannot follow from the page's object,
the value here is the one the mapping makes, and a comment says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import yaml

from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.parse import parse
from bitbucket_port.objects import JsonObject, Kind
from tests.mappings.documented.objects import PROJECT, PULL_REQUEST, REPOSITORY, SITE, USER
from tests.mappings.plain_jq import entity_of
from tests.mappings.shipped import resource

DOCUMENT = cast("JsonObject", yaml.safe_load((Path(__file__).parent / "mapping.yaml").read_text("utf-8")))

EXPECTED: dict[Kind, tuple[JsonObject, JsonObject]] = {
    "project": (
        PROJECT,
        {
            "blueprint": "bitbucketProject",
            "identifier": "PROJ",
            "title": "Project",
            "properties": {
                "public": False,
                "type": "NORMAL",
                "description": None,
                "link": f"{SITE}/projects/PROJ",
            },
        },
    ),
    "repository": (
        REPOSITORY,
        {
            "blueprint": "bitbucketRepository",
            "identifier": "repostiroy-3",
            "title": "Repostiroy-3",
            "properties": {
                "description": None,
                "state": "AVAILABLE",
                "forkable": True,
                "public": False,
                "link": f"{SITE}/projects/PRO3/repos/repostiroy-3/browse",
                "documentation": "",
            },
            "relations": {"project": "PRO3", "latestCommitAuthor": "admin@gmail.com"},
        },
    ),
    "pull-request": (
        PULL_REQUEST,
        {
            "blueprint": "bitbucketPullRequest",
            "identifier": "1",
            "title": "readme.md edited online with Bitbucket",
            "properties": {
                "created_on": "2025-05-20T08:38:44Z",
                # The page's entity was written after the merge, at 12:37:29; its object was captured before, when the
                # last update was the creation.
                "updated_on": "2025-05-20T08:38:44Z",
                "merge_commit": "3e4df0573a0ba1845ebdfa919c907745497313aa",
                # MERGED on the page, for the same reason.
                "state": "OPEN",
                "owner": "admin@gmail.com",
                "link": f"{SITE}/projects/PRO3/repos/repostiroy-3/pull-requests/1",
                "destination": "master",
                "source": "main",
                # 12:37:29 on the page; an open pull request has no closedDate.
                "mergedAt": None,
                "reviewers": [],
            },
            "relations": {"repository": "repostiroy-3", "participants": []},
        },
    ),
    "user": (
        USER,
        {
            "blueprint": "bitbucketUser",
            "identifier": "admin@gmail.com",
            "title": "Admin",
            "properties": {
                # "admin" on the page, whose object has the login name blacked out.
                "username": "[REDACTED]",
                "url": f"{SITE}/users/[REDACTED]",
                "portUser": "admin@gmail.com",
            },
        },
    ),
}


@pytest.fixture(scope="module")
def engine() -> MappingEngine:
    parsed = parse(DOCUMENT, product="server", file="documented/mapping.yaml")
    assert parsed.problems == ()
    return MappingEngine(parsed, now=lambda: 1_747_750_000.0)


@pytest.mark.parametrize("kind", EXPECTED)
def test_plain_jq_makes_the_documented_entity(kind: Kind) -> None:
    value, entity = EXPECTED[kind]
    entry = next(entry for entry in DOCUMENT["resources"] if entry["kind"] == kind)
    assert entity_of(entry, value) == entity


@pytest.mark.parametrize("kind", EXPECTED)
def test_the_engine_makes_the_documented_entity(engine: MappingEngine, kind: Kind) -> None:
    value, entity = EXPECTED[kind]
    mapped = engine.map(kind, value, ask=None)
    assert mapped.complete
    assert mapped.problems == ()
    assert [
        {"blueprint": made.blueprint, "identifier": made.identifier, **made.fields} for made in mapped.entities
    ] == [entity]


def test_the_readme_and_the_latest_commit_are_asked_for(engine: MappingEngine) -> None:
    wants = engine.wants("repository")
    assert wants.readme
    assert wants.latest_commit
    assert not engine.wants("pull-request").anything


def test_a_merged_pull_request_has_the_state_and_times_of_the_documented_entity(engine: MappingEngine) -> None:
    # The same pull request as Bitbucket shows it after the merge: now the page's values do follow.
    merged = PULL_REQUEST | {"state": "MERGED", "updatedDate": 1747744649000, "closedDate": 1747744649000}
    lifted = DOCUMENT | {
        "resources": [entry | {"selector": entry["selector"] | {"state": "ALL"}} for entry in DOCUMENT["resources"]]
    }
    everything = MappingEngine(parse(lifted, product="server", file="mapping.yaml"), now=lambda: 1_747_750_000.0)
    (entity,) = everything.map("pull-request", merged, ask=None).entities
    properties = entity.fields["properties"]
    assert properties["state"] == "MERGED"
    assert properties["updated_on"] == properties["mergedAt"] == "2025-05-20T12:37:29Z"
    # Without the lifted state the documented mapping is about open pull requests alone, as in Ocean.
    assert engine.map("pull-request", merged, ask=None).entities == ()


def test_what_ocean_installs_is_the_documented_mapping_but_for_the_pull_request_s_identifier() -> None:
    for entry in DOCUMENT["resources"]:
        installed = resource("server", "ocean", entry["kind"])
        assert installed is not None
        documented = entry["port"]["entity"]["mappings"]
        differing = {
            name for name, value in installed["port"]["entity"]["mappings"].items() if documented.get(name) != value
        }
        assert differing == ({"identifier"} if entry["kind"] == "pull-request" else set())
