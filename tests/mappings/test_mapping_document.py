"""``docs/mapping.md`` tells the truth: its table is the mapping, its recipes parse and do what they say."""

from __future__ import annotations

import re
from typing import cast

import pytest
import yaml

from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.model import Mapped
from bitbucket_port.mapping.parse import parse
from bitbucket_port.objects import Entity, JsonObject, Kind, Product
from tests.mappings import cloud_shapes as cloud
from tests.mappings import server_shapes as server
from tests.mappings.cases import KIM, ROBIN, ZOE, ZOFIE
from tests.mappings.property_table import DOCUMENT, refreshed
from tests.mappings.shipped import mapping

TEXT = DOCUMENT.read_text("utf-8")
RECIPE = re.compile(r"^(#{2,3} [^\n]+)$|^```yaml\n(# (Cloud|Data Center)\n.*?)^```$", re.MULTILINE | re.DOTALL)


def recipes() -> dict[str, tuple[Product, JsonObject]]:
    """Every mapping in the document by the heading it stands under (a second one by heading and product)."""
    found: dict[str, tuple[Product, JsonObject]] = {}
    heading = ""
    for title, text, name in RECIPE.findall(TEXT):
        if title:
            heading = title.lstrip("# ")
            continue
        product: Product = "cloud" if name == "Cloud" else "server"
        key = f"{heading} ({name})" if heading in found else heading
        found[key] = (product, cast("JsonObject", yaml.safe_load(text)))
    return found


def mapped_by(title: str, kind: Kind, value: JsonObject) -> Mapped:
    product, document = recipes()[title]
    parsed = parse(document, product=product, file="docs/mapping.md")
    return MappingEngine(parsed, now=lambda: 1_772_700_000.0).map(kind, value, ask=None)


def the_entity(title: str, kind: Kind, value: JsonObject) -> Entity:
    (entity,) = mapped_by(title, kind, value).entities
    return entity


def test_the_table_of_default_properties_is_the_mapping() -> None:
    assert refreshed(TEXT) == TEXT, "run: python -m tests.mappings.property_table"


@pytest.mark.parametrize("setting", ["enableMergeEntity", "deleteDependentEntities", "createMissingRelatedEntities"])
def test_the_table_of_top_level_settings_is_what_the_mappings_say(setting: str) -> None:
    for product in ("cloud", "server"):
        ocean, ours = (mapping(product, preset)[setting] for preset in ("ocean", "default"))
        assert f"| `{setting}` | `{str(ocean).lower()}` | `{str(ours).lower()}` |" in TEXT


def test_a_silent_mapping_gets_what_the_document_says() -> None:
    parsed = parse({"resources": []}, product="cloud", file="silent.yaml")
    assert (parsed.enable_merge, parsed.delete_dependents, parsed.create_missing) == (True, True, True)
    assert parsed.deletion_threshold == 0.9


@pytest.mark.parametrize("title", recipes())
def test_every_recipe_is_a_mapping_without_problems(title: str) -> None:
    product, document = recipes()[title]
    assert parse(document, product=product, file="docs/mapping.md").problems == ()


def test_the_recipes_are_all_found() -> None:
    assert len(recipes()) == TEXT.count("```yaml") == 7


def test_personal_projects_are_taken_in() -> None:
    jane = server.repository(in_project=server.project(key="~jane", name="Jane"))
    entity = the_entity("Take in personal projects", "repository", jane)
    assert entity.identifier == "users/jane/harbour-api"
    assert entity.fields["relations"] == {"project": "users/jane"}


def test_a_prefix_keeps_two_instances_apart() -> None:
    pull_request = server.PullRequest(8, "Tides", KIM, reviewers=(server.Participant(ZOE),)).to_json("payload")
    entity = the_entity("Two Data Center instances in one catalog", "pull-request", pull_request)
    assert entity.identifier == "emea/HBR/harbour-api/8"
    assert entity.fields["relations"] == {
        "repository": "emea/HBR/harbour-api",
        "author": "emea/kim",
        "reviewers": ["emea/zo__n_k"],
    }


def test_any_string_becomes_an_identifier() -> None:
    repository = cloud.Repository(name="Tide table").to_json()
    assert the_entity("Make any string an identifier", "repository", repository).identifier == "Tide=20table"
    plain = cloud.Repository(name="tide-table").to_json()
    assert the_entity("Make any string an identifier", "repository", plain).identifier == "tide-table"


def test_each_participant_becomes_an_entity() -> None:
    people = (cloud.Participant(ROBIN, "REVIEWER", "approved"), cloud.Participant(ZOFIE, "PARTICIPANT"))
    pull_request = cloud.PullRequest(8, "Tides", author=ROBIN, participants=people).to_json("single")
    entities = mapped_by("One entity per reviewer", "pull-request", pull_request).entities
    assert {entity.identifier: entity.fields["properties"]["approved"] for entity in entities} == {
        "tidewater/harbour-api/8/8a1f0c52-11aa-4f0e-9d31-000000000001": True,
        "tidewater/harbour-api/8/8a1f0c52-11aa-4f0e-9d31-000000000002": False,
    }


def test_a_readme_is_read_because_the_mapping_mentions_it() -> None:
    product, document = recipes()["A readme on every repository"]
    on_cloud = MappingEngine(parse(document, product=product, file="docs/mapping.md"), now=lambda: 0.0)
    assert on_cloud.wants("repository").included_files == ("README.md",)
    with_readme = cloud.Repository().to_json() | {"__includedFiles": {"README.md": "# Tides"}}
    entity = the_entity("A readme on every repository", "repository", with_readme)
    assert entity.fields["properties"] == {"readme": "# Tides"}

    product, document = recipes()["A readme on every repository (Data Center)"]
    on_server = MappingEngine(parse(document, product=product, file="docs/mapping.md"), now=lambda: 0.0)
    assert (on_server.wants("repository").readme, on_server.wants("repository").latest_commit) == (True, True)


def made_by(mappings: object, *, kind: Kind = "repository", **port: object) -> tuple[list[Entity], list[str]]:
    """Entities, and the fields reported at load or in use, of a repository or pull request on Cloud."""
    entry = {"kind": kind, "selector": {"query": "true"}, "port": {"entity": {"mappings": mappings}, **port}}
    parsed = parse({"resources": [entry]}, product="cloud", file="differences.yaml")
    people = (cloud.Participant(ROBIN, "REVIEWER", "approved"), cloud.Participant(ZOFIE, "PARTICIPANT"))
    pull_request = cloud.PullRequest(8, "Tides", author=ROBIN, reviewers=(ZOFIE,), participants=people)
    value = cloud.Repository().to_json() if kind == "repository" else pull_request.to_json("single")
    mapped = MappingEngine(parsed, now=lambda: 0.0).map(kind, value, ask=None)
    at_load = [problem.field for problem in parsed.problems]
    return list(mapped.entities), at_load + [problem.field for problem in mapped.problems]


PLAIN = {"identifier": ".full_name", "blueprint": '"service"'}


def test_single_quotes_are_rewritten_only_where_the_program_needs_it() -> None:
    rewritten, _ = made_by(PLAIN | {"title": "(.name=='harbour-api') | tostring"})
    left_alone, _ = made_by(PLAIN | {"title": "\"it is 'fine' here\""})
    assert [entity.fields["title"] for entity in rewritten + left_alone] == ["true", "it is 'fine' here"]


def test_items_to_parse_takes_any_expression() -> None:
    mappings = PLAIN | {"identifier": '.item.user.nickname + "/" + (.participants | length | tostring)'}
    entities, reported = made_by(mappings, kind="pull-request", itemsToParse="[.participants[] | select(.approved)]")
    assert ([entity.identifier for entity in entities], reported) == (["robin/2"], [])


def test_an_error_leaves_the_property_alone_and_a_null_clears_it() -> None:
    mappings = PLAIN | {"properties": {"failing": ".name | tonumber", "empty": ".no_such_field"}}
    (entity,), reported = made_by(mappings)
    assert entity.fields["properties"] == {"empty": None}
    assert reported == ["properties.failing"]


def test_a_bad_icon_costs_the_icon_alone() -> None:
    (entity,), reported = made_by(PLAIN | {"icon": "{}"})
    assert "icon" not in entity.fields
    assert reported == ["icon"]


def test_the_environment_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWATER_SECRET", "not for mappings")
    (entity,), _ = made_by(PLAIN | {"properties": {"one": "env.TIDEWATER_SECRET", "two": "$ENV | length"}})
    assert entity.fields["properties"] == {"one": None, "two": 0}


def test_each_mapping_of_a_list_makes_an_entity() -> None:
    entities, _ = made_by([PLAIN, PLAIN | {"blueprint": '"component"'}])
    assert [entity.blueprint for entity in entities] == ["service", "component"]


def test_a_yaml_number_or_boolean_stands_for_itself() -> None:
    (entity,), reported = made_by(PLAIN | {"properties": {"yes": True, "seven": 7, "nothing": None}})
    assert entity.fields["properties"] == {"yes": True, "seven": 7}
    assert "properties.nothing" in reported


def test_files_and_folders_are_reported_and_the_rest_works() -> None:
    document = {
        "resources": [
            {"kind": "file", "selector": {"query": "true"}, "port": {"entity": {"mappings": PLAIN}}},
            {"kind": "repository", "selector": {"query": "true"}, "port": {"entity": {"mappings": PLAIN}}},
        ]
    }
    parsed = parse(document, product="cloud", file="files.yaml")
    assert [(problem.resource, problem.field) for problem in parsed.problems] == [(0, "kind")]
    engine = MappingEngine(parsed, now=lambda: 0.0)
    assert len(engine.map("repository", cloud.Repository().to_json(), ask=None).entities) == 1
