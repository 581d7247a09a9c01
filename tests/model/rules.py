"""What the parts of the protocol model have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.model.explorer import Label
from tests.model.state import Item, Measure, State, Writer, put
from tests.model.stories import Story

Step = tuple[Label, State]
Mode = Literal["payload", "refresh", "webhook-only"]


@dataclass(frozen=True)
class Setup:
    """How hard the world is: ``kills`` also counts failed calls; ``copies`` of each delivery; ``live`` writers at once.

    ``stalls``: a writer may lose its lease between its last Port call and its commit.
    """

    mode: Mode = "payload"
    kills: int = 1
    copies: int = 1
    live: int = 2
    page: bool = True
    stalls: bool = False


class Rules:
    """What the parts of the model share: the story, the setup, the measures in force and small changes of a state."""

    def __init__(
        self, story: Story, setup: Setup, without: frozenset[Measure] = frozenset(), *, reduced: bool = True
    ) -> None:
        self.story = story
        self.setup = setup
        self.without = without
        self.reduced = reduced and not without  # what commutes is only known of the whole protocol
        self.last = len(story.worlds) - 1
        self.private = self._private_entities()

    def _private_entities(self) -> dict[str, frozenset[str]]:
        """Per object the entities that no other object ever has."""
        ever: dict[str, set[str]] = {name: set() for name in self.story.objects}
        for world in self.story.worlds:
            for name, shape in world.items():
                ever[name] |= {entity for entity, _ in shape.entities} if shape else set()
        return {
            name: frozenset(mine.difference(*(other for key, other in ever.items() if key != name)))
            for name, mine in ever.items()
        }

    def on(self, measure: Measure) -> bool:
        """Whether the measure is in force."""
        return measure not in self.without

    def _page_over(self, state: State) -> State:
        """When the page's last writer is done nobody asks for ``touched`` any more."""
        if state.page != "writing" or any(writer.message.kind == "page" for writer in state.writers):
            return state
        items = tuple((name, item._replace(touched=False)) for name, item in state.items)
        writers = tuple(sorted(writer._replace(asked_late=False) for writer in state.writers))
        return state._replace(items=items, writers=writers, page="done")

    def _add(self, state: State, writer: Writer) -> State:
        return state._replace(writers=tuple(sorted((*state.writers, writer))))

    def _remove(self, state: State, writer: Writer) -> State:
        writers = list(state.writers)
        writers.remove(writer)
        return state._replace(writers=tuple(writers))

    def _become(self, state: State, writer: Writer, following: Writer) -> State:
        return self._add(self._remove(state, writer), following)

    def _give_back(self, state: State, writer: Writer) -> State:
        if writer.message.kind == "page":
            return self._page_over(self._remove(state, writer))
        queue = tuple(sorted((*state.queue, writer.message)))
        return self._remove(state, writer)._replace(queue=queue)

    def _put_item(self, state: State, name: str, item: Item) -> State:
        return state._replace(items=put(state.items, name, item))
