"""Packing: no bulk over a limit, nothing lost, order kept."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.objects import Entity
from bitbucket_port.port.packing import body_of, in_order, pack

LIMIT_BYTES = 400
LIMIT_ENTITIES = 3
ENTITIES = st.lists(
    st.builds(
        Entity,
        st.just("b"),
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
        st.fixed_dictionaries(
            {"properties": st.dictionaries(st.text(max_size=5), st.text(max_size=80), max_size=6)},
            optional={"title": st.none() | st.text(max_size=20)},
        ),
    ),
    max_size=12,
)


@given(ENTITIES)
def test_no_bulk_exceeds_a_limit_and_nothing_is_lost(entities: list[Entity]) -> None:
    bodies = [body_of(entity) for entity in entities]
    packed = pack(bodies, most_entities=LIMIT_ENTITIES, most_bytes=LIMIT_BYTES)
    for bulk in packed.bulks:
        request = json.dumps({"entities": [bodies[position] for position in bulk]}).encode()
        assert 1 <= len(bulk) <= LIMIT_ENTITIES
        assert len(request) <= LIMIT_BYTES
    sent = [position for bulk in packed.bulks for position in bulk]
    assert sent == sorted(sent)
    assert sorted([*sent, *packed.misfits]) == list(range(len(entities)))


@given(ENTITIES)
def test_only_what_is_too_large_by_itself_fits_nowhere(entities: list[Entity]) -> None:
    bodies = [body_of(entity) for entity in entities]
    packed = pack(bodies, most_entities=LIMIT_ENTITIES, most_bytes=LIMIT_BYTES)
    too_large = {
        position for position, body in enumerate(bodies) if len(json.dumps({"entities": [body]}).encode()) > LIMIT_BYTES
    }
    assert set(packed.misfits) == too_large


@given(ENTITIES)
def test_filling_is_greedy(entities: list[Entity]) -> None:
    bodies = [body_of(entity) for entity in entities]
    packed = pack(bodies, most_entities=LIMIT_ENTITIES, most_bytes=LIMIT_BYTES)
    for bulk, following in zip(packed.bulks, packed.bulks[1:], strict=False):
        one_more = [bodies[position] for position in (*bulk, following[0])]
        larger = len(json.dumps({"entities": one_more}).encode()) > LIMIT_BYTES
        assert len(bulk) == LIMIT_ENTITIES or larger


def test_a_bulk_cannot_hold_a_null_title() -> None:
    assert body_of(Entity("b", "x", {"title": None, "icon": None, "team": None, "properties": {"p": None}})) == {
        "identifier": "x",
        "properties": {"p": None},
    }


@given(st.permutations(["a", "b", "c", "d"]))
def test_relation_targets_come_first_whatever_the_order(order: list[str]) -> None:
    chain = {"a": "b", "b": "c", "c": "d", "d": None}
    entities = [Entity(f"blueprint-{one}", one, {"relations": {"next": chain[one]}}) for one in order]
    assert [blueprint[-1] for blueprint, _ in in_order(entities)] == ["d", "c", "b", "a"]


def test_a_circle_of_relations_loses_nothing() -> None:
    entities = [
        Entity("left", "l", {"relations": {"other": ["r"]}}),
        Entity("right", "r", {"relations": {"other": "l"}}),
        Entity("left", "l2", {}),
    ]
    assert sorted(position for _, positions in in_order(entities) for position in positions) == [0, 1, 2]
