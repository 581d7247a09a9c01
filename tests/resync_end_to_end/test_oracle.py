"""What the other tests hold the catalog against owes nothing to the package under test."""

from __future__ import annotations

import ast
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from tests.resync_end_to_end import oracle
from tests.resync_end_to_end.oracle import ROOT, expected

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MAPPING = """
resources:
  - kind: {kind}
    selector: {{query: "true", {selector}}}
    port:
      {items}
      entity:
        mappings:
          identifier: {identifier}
          blueprint: '"{blueprint}"'
"""


def mapping(kind: str, identifier: str, blueprint: str, *, selector: str = "", items: str = "") -> str:
    return MAPPING.format(kind=kind, selector=selector, items=items, identifier=identifier, blueprint=blueprint)


def test_it_imports_nothing_of_the_package() -> None:
    program = "import sys, tests.resync_end_to_end.oracle; print([m for m in sys.modules if 'bitbucket_port' in m])"
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
    tree = ast.parse((ROOT / "tests/resync_end_to_end/oracle.py").read_text(encoding="utf-8"))
    names = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [name for name in names if name.startswith(("bitbucket_port", "importlib", "local.machine"))]


@pytest.fixture
def server() -> BitbucketServerStandIn:
    stand_in = BitbucketServerStandIn(seed=2)
    world = stand_in.world
    jane = world.create_user("jane")
    for project in (world.create_project("PAY").subject, world.create_personal_project(jane).subject):
        world.create_repository(project, f"r-{project.key.strip('~').lower()}", readme="# Hi")
    return stand_in


@pytest.mark.parametrize(
    ("selector", "identifiers"),
    [
        ("", {"r-pay"}),
        ("includePersonal: true", {"r-pay", "r-jane"}),
        ("includePersonal: true, projectFilterRegex: '~'", {"r-jane"}),
        ("projects: [OTHER]", set()),
    ],
)
def test_it_knows_which_projects_are_meant(
    server: BitbucketServerStandIn, selector: str, identifiers: set[str]
) -> None:
    text = mapping("repository", ".slug", "bitbucketServerRepository", selector=selector)
    assert {identifier for _, identifier in expected(server.world, text, now=NOW.timestamp())} == identifiers


@pytest.mark.parametrize(("days", "found"), [(29.9, True), (30.1, False)])
@pytest.mark.parametrize("product", ["cloud", "server"])
def test_it_knows_how_long_closed_pull_requests_count(product: str, days: float, found: bool) -> None:
    stand_in = BitbucketCloudStandIn(seed=2) if product == "cloud" else BitbucketServerStandIn(seed=2)
    stand_in.world.now = lambda: NOW - timedelta(days=days)
    stand_in.world.create_project("PAY")
    repository = stand_in.world.create_repository("PAY", "ledger", readme="# Hi").subject
    pull = stand_in.world.open_pull_request(repository, "work").subject  # type: ignore[arg-type]
    stand_in.world.decline(pull)  # type: ignore[arg-type]
    blueprint = f"bitbucket{product.title()}PullRequest"
    text = mapping("pull-request", ".id", blueprint, selector="closedWithinDays: 30")
    assert set(expected(stand_in.world, text, now=NOW.timestamp())) == ({(blueprint, "1")} if found else set())


def test_it_makes_an_entity_of_each_item() -> None:
    stand_in = BitbucketCloudStandIn(seed=2)
    world = stand_in.world
    world.create_project("PAY")
    people = [world.create_user(name) for name in ("Ada", "Ben")]
    repository = world.create_repository("PAY", "ledger", readme="# Hi").subject
    world.open_pull_request(repository, "work", reviewers=people)
    items = "itemsToParse: .reviewers"
    identifier = '.item.display_name + (has("reviewers") | tostring)'
    text = mapping("pull-request", identifier, "bitbucketCloudUser", items=items)
    assert set(expected(world, text, now=NOW.timestamp())) == {
        ("bitbucketCloudUser", "Adafalse"),
        ("bitbucketCloudUser", "Benfalse"),
    }


@pytest.mark.parametrize(
    ("value", "taken"), [("a/b-c_d.e@f+g:h\\i=j", True), ("größe", True), ("a b", False), ("..", False), ("🦄", False)]
)
def test_it_knows_which_identifiers_port_takes(value: str, taken: bool) -> None:
    if taken:
        assert oracle._identifier(value) == value
    else:
        with pytest.raises(oracle.FailedError):
            oracle._identifier(value)
