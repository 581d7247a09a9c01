"""The explorer itself: it reaches everything, takes the shortest way and never calls a cut-off search a proof."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from tests.model.explorer import Label, TooManyStatesError, explore


@dataclass(frozen=True)
class TwoIncrements:
    """Two writers add one to a number, either in one step or by reading and writing back."""

    atomic: bool

    def initial(self) -> tuple[int, tuple[int, ...]]:
        return 0, (-1, -1)  # the number; per writer -1 = to start, -2 = done, else what it read

    def steps(self, state: tuple[int, tuple[int, ...]]) -> Iterable[tuple[Label, tuple[int, tuple[int, ...]]]]:
        number, writers = state
        for index, held in enumerate(writers):
            rest = writers[:index], writers[index + 1 :]
            if held == -1 and self.atomic:
                yield ("add", index), (number + 1, (*rest[0], -2, *rest[1]))
            elif held == -1:
                yield ("read", index), (number, (*rest[0], number, *rest[1]))
            elif held >= 0:
                yield ("write", index), (held + 1, (*rest[0], -2, *rest[1]))

    def judge(self, end: tuple[int, tuple[int, ...]]) -> str | None:
        return None if end[0] == 2 else f"two increments made {end[0]}"


def test_a_right_model_is_visited_whole() -> None:
    found = explore(TwoIncrements(atomic=True))
    assert found.violation is None
    assert found.states == 4
    assert found.ends == 1


def test_the_lost_update_is_found_by_a_shortest_way() -> None:
    found = explore(TwoIncrements(atomic=False))
    assert found.violation == "two increments made 1"
    assert [line.split()[0] for line in found.trace] == ["read", "read", "write", "write"]


def test_a_search_that_was_cut_off_is_not_a_proof() -> None:
    with pytest.raises(TooManyStatesError):
        explore(TwoIncrements(atomic=True), limit=3)
