"""Identifiers of the default mappings: Port takes them, and no two objects share one."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.objects import JsonObject, Product
from tests.mappings import cloud_shapes as cloud
from tests.mappings import server_shapes as server
from tests.mappings.approval import APPROVED, approved
from tests.mappings.cases import CASES
from tests.mappings.plain_jq import evaluate
from tests.mappings.port_rules import acceptable_identifier
from tests.mappings.shipped import PRESETS, entity_mapping, resource

# What Bitbucket allows in its names: Cloud slugs and keys, Data Center keys, slugs and slugs of users.
CLOUD_SLUG = st.from_regex(r"[a-z0-9_.-]{1,20}", fullmatch=True).filter(lambda slug: not re.fullmatch(r"\.{1,2}", slug))
CLOUD_KEY = st.from_regex(r"[A-Z][A-Z0-9_]{0,10}", fullmatch=True)
SERVER_KEY = st.from_regex(r"~?[A-Za-z][A-Za-z0-9_.-]{0,20}", fullmatch=True)
SERVER_SLUG = st.from_regex(r"[a-z0-9_.-]{1,20}", fullmatch=True)
NUMBER = st.integers(min_value=1, max_value=10**9)


def identifier(product: Product, kind: str, value: JsonObject) -> str:
    entry = resource(product, "default", kind)
    assert entry is not None
    found = evaluate(entity_mapping(entry)["identifier"], value)
    assert isinstance(found, str)
    return found


def test_port_takes_every_identifier_and_relation_that_is_written_down() -> None:
    seen = 0
    for case in CASES:
        for preset in PRESETS:
            if resource(case.product, preset, case.kind) is None:
                continue
            entity = approved(case, preset)
            if not entity or "refused" in entity:
                continue
            assert acceptable_identifier(entity["identifier"]), entity["identifier"]
            seen += 1
            relations = entity.get("relations", {}).values() if preset == "default" else ()
            targets = [one for value in relations for one in (value if isinstance(value, list) else [value]) if one]
            assert all(acceptable_identifier(target) for target in targets), targets
    assert seen >= len(list(APPROVED.rglob("default/*.json"))) - 3


def test_the_check_itself_refuses_what_port_refuses() -> None:
    for refused in ("", ".", "..", "~kim", "a b", "{uuid}", "a#b", "a%20b", "a,b", "x" * 1001, None, 7, ["a"]):
        assert not acceptable_identifier(refused), refused
    for taken in ("a", "...", "größe", "例/例", "users/kim", r"a\b", "a=b:c@d+e"):
        assert acceptable_identifier(taken), taken


@given(workspace=CLOUD_SLUG, slug=CLOUD_SLUG, key=CLOUD_KEY, number=NUMBER)
def test_cloud_names_always_become_identifiers(workspace: str, slug: str, key: str, number: int) -> None:
    repository = cloud.Repository(full_name=f"{workspace}/{slug}", project=key)
    project = cloud.project(private=True, key=key, name=key, description=None)
    project["workspace"]["slug"] = workspace
    pull_request = cloud.PullRequest(number, "x", repository=repository).to_json("payload")
    assert acceptable_identifier(identifier("cloud", "repository", repository.to_json()))
    assert acceptable_identifier(identifier("cloud", "project", project))
    assert identifier("cloud", "pull-request", pull_request) == f"{workspace}/{slug}/{number}"


@given(key=SERVER_KEY, slug=SERVER_SLUG, number=NUMBER)
def test_server_names_always_become_identifiers_even_personal_ones(key: str, slug: str, number: int) -> None:
    kim = server.User("kim", "Kim", None)
    pull_request = server.PullRequest(number, "x", kim, project_key=key).to_json("payload")
    repository = server.repository(slug=slug, in_project=server.project(key=key))
    assert acceptable_identifier(identifier("server", "pull-request", pull_request))
    assert acceptable_identifier(identifier("server", "repository", repository))
    assert acceptable_identifier(identifier("server", "project", server.project(key=key)))


@given(one=st.tuples(SERVER_KEY, SERVER_SLUG), other=st.tuples(SERVER_KEY, SERVER_SLUG))
def test_two_repositories_never_share_an_identifier(one: tuple[str, str], other: tuple[str, str]) -> None:
    def made(key: str, slug: str) -> str:
        return identifier("server", "repository", server.repository(slug=slug, in_project=server.project(key=key)))

    assert (made(*one) == made(*other)) == (one == other)


def test_a_personal_project_is_told_from_a_project_named_users() -> None:
    assert identifier("server", "project", server.project(key="~kim")) == "users/kim"
    assert identifier("server", "project", server.project(key="users")) == "users"
