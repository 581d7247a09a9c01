"""The entities that the shipped mappings make are the ones written down in ``approved/``, whoever evaluates them."""

from __future__ import annotations

from functools import cache

import pytest

from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject, Product
from tests.mappings.approval import APPROVED, approved, approved_file
from tests.mappings.cases import CASES, Case
from tests.mappings.plain_jq import entity_of
from tests.mappings.shipped import PAIRS, PRESETS, mapping, resource

NOW = 1_772_700_000.0
"""2026-03-05, hours after the newest time in the objects: everything closed is inside the window."""

MAPPED = [
    pytest.param(case, preset, id=f"{case}-{preset}")
    for case in CASES
    for preset in PRESETS
    if resource(case.product, preset, case.kind) is not None
]
SHAPED = [
    pytest.param(case, preset, shape, id=f"{case}-{preset}-{shape}")
    for case in CASES
    for preset in PRESETS
    if resource(case.product, preset, case.kind) is not None
    for shape in case.shapes
]
PAYLOADS = [pytest.param(case, id=str(case)) for case in CASES if "payload" in case.shapes]


@cache
def engine_of(product: Product, preset: str, *, any_state: bool = False) -> MappingEngine:
    """The engine for a shipped mapping; ``any_state`` lifts the selectors' look at a pull request's state."""
    document = mapping(product, preset)
    if any_state:
        states = 'state IN ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")'
        lifted = {"pullRequestQuery": states} if product == "cloud" else {"state": "ALL"}
        document = document | {
            "resources": [
                entry | {"selector": entry["selector"] | (lifted if entry["kind"] == "pull-request" else {})}
                for entry in document["resources"]
            ]
        }
    parsed = parse(document, product=product, file=f"mappings/{product}/{preset}.yaml")
    assert parsed.problems == ()
    return MappingEngine(parsed, now=lambda: NOW)


def spelled(engine: MappingEngine, case: Case, shape: str) -> JsonObject | None:
    """The only entity the engine makes of an object, spelled as approved files do."""
    mapped = engine.map(case.kind, case.shapes[shape], ask=None)
    if not mapped.entities:
        return None
    assert len(mapped.entities) == 1
    entity = mapped.entities[0]
    failed = {"failed": sorted(entity.failed)} if entity.failed else {}
    return {"blueprint": entity.blueprint, "identifier": entity.identifier, **entity.fields, **failed}


@pytest.mark.parametrize(("case", "preset", "shape"), SHAPED)
def test_plain_jq_makes_the_approved_entity_of_every_shape(case: Case, preset: str, shape: str) -> None:
    mapped = resource(case.product, preset, case.kind)
    assert mapped is not None
    if case.product == "cloud" and preset == "default" and shape != "single":
        assert case.shapes[shape] != case.shapes["single"], "the shapes must differ, or this proves nothing"
    assert entity_of(mapped, case.shapes[shape]) == approved(case, preset)


@pytest.mark.parametrize(("case", "preset", "shape"), SHAPED)
def test_the_engine_makes_the_approved_entity_of_every_shape(case: Case, preset: str, shape: str) -> None:
    engine = engine_of(case.product, preset, any_state=True)
    expected = approved(case, preset)
    if expected is not None and "refused" in expected:
        expected = None
    assert spelled(engine, case, shape) == expected


@pytest.mark.parametrize(("case", "preset"), MAPPED)
def test_only_what_failed_or_was_refused_is_reported(case: Case, preset: str) -> None:
    mapped = engine_of(case.product, preset, any_state=True).map(case.kind, case.shapes["single"], ask=None)
    expected = approved(case, preset) or {}
    awkward = ["identifier"] if "refused" in expected else expected.get("failed", [])
    assert [problem.field for problem in mapped.problems] == awkward
    # Without an identifier that Port takes, nothing is known about the entities that the object had before.
    assert mapped.complete == ("refused" not in expected)


@pytest.mark.parametrize("case", PAYLOADS)
def test_a_pull_request_event_needs_no_read(case: Case) -> None:
    assert engine_of(case.product, "default").payload_gaps(case.kind, case.shapes["payload"]) == []


@pytest.mark.parametrize("product", ["cloud", "server"])
def test_a_payload_too_old_to_tell_about_drafts_needs_a_read(product: Product) -> None:
    case = next(case for case in CASES if case.product == product and case.name == "open-waiting")
    payload = {name: value for name, value in case.shapes["payload"].items() if name != "draft"}
    gaps = engine_of(product, "default").payload_gaps("pull-request", payload)
    assert any("draft" in gap for gap in gaps), gaps


@pytest.mark.parametrize(
    ("product", "name", "default_has_it"),
    [
        ("cloud", "open-waiting", True),
        ("cloud", "merged", True),
        ("cloud", "declined", True),
        ("cloud", "superseded-by-a-deleted-account", True),
        ("server", "open-waiting", True),
        ("server", "merged", True),
        ("server", "declined", True),
        ("server", "personal", False),
    ],
)
def test_closed_pull_requests_stay_for_a_month_and_personal_ones_never_come(
    product: Product, name: str, default_has_it: bool
) -> None:
    case = next(case for case in CASES if case.product == product and case.name == name and case.kind == "pull-request")
    parsed = parse(mapping(product, "default"), product=product, file="default.yaml")
    for age_in_days, expected in [(1, default_has_it), (40, default_has_it and name == "open-waiting")]:
        engine = MappingEngine(parsed, now=lambda days=age_in_days: NOW + days * 86_400.0)  # type: ignore[misc]
        assert (spelled(engine, case, "payload") is not None) == expected, f"after {age_in_days} days"


@pytest.mark.parametrize(("product", "preset"), PAIRS)
def test_every_resource_is_tried_with_an_object_that_it_maps(product: Product, preset: str) -> None:
    kinds = {entry["kind"] for entry in mapping(product, preset)["resources"]}
    tried = {case.kind for case in CASES if case.product == product and case.kind in kinds and approved(case, preset)}
    assert tried == kinds


@pytest.mark.parametrize(("product", "preset"), PAIRS)
def test_the_functions_load_these_very_files(product: Product, preset: str) -> None:
    assert load(product, preset) == mapping(product, preset)


def test_no_approved_file_is_left_over() -> None:
    wanted = {
        approved_file(case, preset)
        for case in CASES
        for preset in PRESETS
        if resource(case.product, preset, case.kind) is not None
    }
    assert set(APPROVED.rglob("*.json")) == wanted
