"""Port's rule for identifiers, checked before anything is sent, and a function that makes any text keep it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.mapping.identifiers import identifier_fault
from tests.mapping.sample import engine, entry


@pytest.mark.parametrize(
    "good", ["a", "tidewater/harbour", "a@b.c", "=", "Größe", "日本", "a\\b:c+d", "...", "x" * 1000]
)
def test_what_port_takes_is_taken(good: str) -> None:
    assert identifier_fault(good) is None


@pytest.mark.parametrize("bad", ["", ".", "..", "a b", "{a}", "~user", "a\n", "a#b", "50%", "e\u0301", "x" * 1001, "²"])
def test_what_port_refuses_is_refused(bad: str) -> None:
    assert identifier_fault(bad) is not None


IDENTIFYING = engine(entry(identifier=".id | port_identifier"))


def identified(text: str) -> str:
    (entity,) = IDENTIFYING.map("repository", {"id": text}, ask=None).entities
    assert isinstance(entity.identifier, str)
    return entity.identifier


@pytest.mark.parametrize(
    ("text", "identifier"),
    [("a/b", "a/b"), ("a=b", "a=b"), ("a b", "a=20b"), ("a b=", "a=20b=3D"), ("..", "=2E=2E"), ("{1}", "=7B1=7D")],
)
def test_port_identifier_changes_only_what_is_invalid(text: str, identifier: str) -> None:
    assert identified(text) == identifier


@given(st.text(st.characters(exclude_categories=["Cs", "Cn"]), min_size=1, max_size=60))
def test_port_identifier_makes_every_text_valid_and_changes_no_valid_one(text: str) -> None:
    made = identified(text)
    assert identifier_fault(made) is None
    assert made == text or identifier_fault(text) is not None


@given(st.lists(st.text(" ~{}#ab", min_size=1, max_size=8), unique=True, min_size=2, max_size=2))
def test_port_identifier_keeps_different_texts_apart(texts: list[str]) -> None:
    assert identified(texts[0]) != identified(texts[1])


def test_a_too_long_text_keeps_its_beginning_and_stays_distinct() -> None:
    first, second = identified("a" * 2000), identified("a" * 2001)
    assert first != second
    assert re.match("a{970}=", first)
