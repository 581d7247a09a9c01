"""What can happen to a writer at any moment."""

from __future__ import annotations

from tests.model.decisions import Decisions
from tests.model.rules import Step
from tests.model.state import EXPIRED, FREE, NO_ITEM, Measure, State, Writer, get


class Accidents(Decisions):
    """Kills, failed calls, and leases that end under a living writer."""

    def _accidents(self, state: State, writer: Writer) -> list[Step]:
        """A kill; a failed call, where that differs from a kill; a lease that ends under a living writer."""
        if not state.kills or not writer.holds:
            return []
        less = state._replace(kills=state.kills - 1)
        name = writer.message.object
        if writer.message.kind == "page":
            return [(("KILL of the page's writer",), self._kill_page(less))]
        steps: list[Step] = [(("KILL while", name, "is at", writer.step), self._end_writer(less, writer, EXPIRED))]
        if not writer.wrote:
            failed = self._end_writer(less, writer, self._given_up(writer))
            steps.append((("FAILURE while", name, "is at", writer.step), failed))
        elif not self.on(Measure.FAILURE_KEEPS_MARK):
            steps.append((("FAILURE while", name, "is at", writer.step), self._end_writer(less, writer, FREE)))
        loses = not self.on(Measure.TIMEOUT_BELOW_LEASE) or (self.setup.stalls and writer.step == "commit")
        if loses and not writer.lost:
            lost = self._become(self._expire(less, name, EXPIRED), writer, writer._replace(lost=True))
            steps.append((("LEASE ENDS while", name, "is at", writer.step), lost))
        return steps

    def _given_up(self, writer: Writer) -> int:
        """The lease after giving it up before the first Port write."""
        return EXPIRED if writer.rewrite and self.on(Measure.INHERITED_MARK) else FREE

    def _expire(self, state: State, name: str, lease: int) -> State:
        item = get(state.items, name, NO_ITEM)
        entities = tuple(
            (entity, there._replace(deleting=EXPIRED, by="") if there.by == name else there)
            for entity, there in state.entities
        )
        return self._put_item(state._replace(entities=entities), name, item._replace(lease=lease))

    def _end_writer(self, state: State, writer: Writer, lease: int) -> State:
        if not writer.lost:
            state = self._expire(state, writer.message.object, lease)
        return self._give_back(state, writer)

    def _kill_page(self, state: State) -> State:
        """The job comes back and reads the page again."""
        for writer in state.writers:
            if writer.message.kind == "page":
                if writer.holds and not writer.lost:
                    state = self._expire(state, writer.message.object, EXPIRED)
                state = self._remove(state, writer)
        items = tuple((name, item._replace(touched=False)) for name, item in state.items)
        writers = tuple(sorted(writer._replace(asked_late=False) for writer in state.writers))
        return state._replace(items=items, writers=writers, page="due")
