"""Exhaustive exploration of a model: every reachable state, breadth first, with the shortest way to a violation."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

State = TypeVar("State", bound=Hashable)
Label = tuple[object, ...]


class Model(Protocol[State]):
    """What can be explored: where it starts, what can happen next, and what must hold when nothing can."""

    def initial(self) -> State:
        """The one state everything begins with."""

    def steps(self, state: State) -> Iterable[tuple[Label, State]]:
        """Everything that can happen next, each with a label for people."""

    def judge(self, end: State) -> str | None:
        """Why a state without a next step is wrong; ``None`` when it is right."""


class TooManyStatesError(Exception):
    """The model is larger than the limit: nothing is proven."""


@dataclass(frozen=True)
class Exploration:
    """The outcome: sizes, and for a violation its reason with the labels of a shortest way there."""

    states: int
    ends: int
    violation: str | None = None
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.violation is None:
            return f"{self.states} states, {self.ends} ends, no violation"
        return "\n".join([f"{self.violation} ({self.states} states)", *(f"  {line}" for line in self.trace)])


def explore(model: Model[State], *, limit: int = 2_000_000) -> Exploration:
    """Visit every state that can be reached; stop at the first end state that ``model.judge`` refuses.

    Raises TooManyStatesError beyond ``limit`` states: a search that was cut off must never look like a proof.
    """
    first = model.initial()
    came_from: dict[State, State | None] = {first: None}
    waiting = deque([first])
    ends = 0
    while waiting:
        state = waiting.popleft()
        is_end = True
        for _, following in model.steps(state):
            is_end = False
            if following not in came_from:
                came_from[following] = state
                waiting.append(following)
        if is_end:
            ends += 1
            violation = model.judge(state)
            if violation is not None:
                return Exploration(len(came_from), ends, violation, _trace(model, came_from, state))
        if len(came_from) > limit:
            raise TooManyStatesError(f"more than {limit} states")
    return Exploration(len(came_from), ends)


def _trace(model: Model[State], came_from: dict[State, State | None], end: State) -> tuple[str, ...]:
    """The labels from the start to ``end``; they are computed again, since keeping them all would cost memory."""
    lines: list[str] = []
    state = end
    while (before := came_from[state]) is not None:
        label = next(label for label, following in model.steps(before) if following == state)
        lines.append(" ".join(str(part) for part in label))
        state = before
    return tuple(reversed(lines))
