"""What a long list showed is told apart from what it did not, at the price of a number each."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from bitbucket_port.resync.shown import Shown

names = st.lists(st.text(max_size=4))


@given(st.lists(names), names)
def test_it_is_a_set_of_everything_that_was_added(pages: list[list[str]], others: list[str]) -> None:
    shown = Shown()
    for page in pages:
        shown.add(page)
    everything = {name for page in pages for name in page}
    assert len(shown) == len(everything)
    assert all(name in shown for name in everything)
    assert all((name in shown) == (name in everything) for name in others)


def test_it_may_be_asked_between_two_pages() -> None:
    shown = Shown()
    shown.add(["b", "a"])
    assert "a" in shown
    shown.add(["c", "a"])
    assert "c" in shown
    assert len(shown) == 3


def test_it_takes_less_than_the_names_themselves() -> None:
    tracemalloc.start()
    try:
        shown = Shown()
        for page in range(50):
            shown.add(f"orchard/repository-{page}/{number}" for number in range(1000))
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 50_000 * 12
    assert "orchard/repository-49/999" in shown
