"""Step 0 of the protocol: look at the ledger and decide."""

from __future__ import annotations

from tests.model.rules import Rules, Step
from tests.model.state import FREE, NO_ITEM, Item, Measure, Message, State, Writer, get


class Decisions(Rules):
    """What a writer decides after it has read the object item, before it has the lease."""

    def _deliver(self, state: State, message: Message) -> list[Step]:
        """A live writer takes a message and reads the object item."""
        name = message.object
        item = get(state.items, name, NO_ITEM)
        undisturbed = item.lease == FREE or not self.on(Measure.DIRTY_IS_NO_NOOP)
        if message.kind == "payload":
            if message.version < item.version:
                return [(("done, older than the ledger:", message), state)]
            if item.owns == message.entities and undisturbed and item.version >= 0:
                return self._done_without_change(state, message, item)
            if message.version == item.version and self.setup.mode == "webhook-only":
                return [(("done, the same event again:", message), state)]
            if message.version > item.version or not self.on(Measure.TIE_REFRESHES):
                writer = Writer(message, "claim", False, message.entities, version=message.version)
                return [(("takes", message), self._add(state, writer))]
        if undisturbed and self._covered(message, item):
            if message.version <= item.version or not self.on(Measure.SHORTCUT_IN_ORDER):
                return [(("done, refreshed since:", message), state)]
            return [(("refreshed since:", message), self._add(state, self._mover(message, item)))]
        if item.missing and name in state.lagging:
            return []  # the second look is not before the lag's end
        if self.on(Measure.REFRESH_UNDER_LEASE):
            return [(("takes", message), self._add(state, Writer(message, "claim", True)))]
        return [
            (("takes", message, "and reads", read.want), self._add(state, read._replace(step="claim")))
            for read in self._readings(state, Writer(message, "read", True))
        ]

    def _covered(self, message: Message, item: Item) -> bool:
        """The burst shortcut: a refresh asked after this delivery was received has seen its change."""
        looks = message.kind == "delete" and self.on(Measure.DELETE_LOOKS)
        if message.kind == "wake" or looks or item.refreshed < message.received:
            return False
        return item.latest or message.version <= item.version or not self.on(Measure.SHORTCUT_IN_ORDER)

    def _done_without_change(self, state: State, message: Message, item: Item) -> list[Step]:
        touches = self.on(Measure.NOOP_TOUCHES) and self.setup.mode != "webhook-only"
        if not self.on(Measure.NOOP_MOVES_VERSION) or (message.version == item.version and not touches):
            return [(("done, nothing changes:", message), state)]
        return [(("nothing changes:", message), self._add(state, self._mover(message, item)))]

    def _mover(self, message: Message, item: Item) -> Writer:
        """Will move the version of what it saw."""
        return Writer(message, "move", False, known=item.owns, version=item.version)

    def _move(self, state: State, writer: Writer) -> list[Step]:
        """One conditional write without a lease: the item must still be what was compared."""
        message = writer.message
        item = get(state.items, message.object, NO_ITEM)
        rest = self._remove(state, writer)
        undisturbed = item.lease == FREE or not self.on(Measure.DIRTY_IS_NO_NOOP)
        unchanged = item.version == writer.version and item.owns == writer.known
        if not self.on(Measure.MOVE_IF_UNCHANGED):
            unchanged = item.version <= message.version
        if not (undisturbed and unchanged):
            return self._deliver(rest, message)
        moved = item._replace(version=message.version)
        if message.kind == "payload":
            touched = item.touched or (state.page == "writing" and self.on(Measure.NOOP_TOUCHES))
            moved = moved._replace(touched=touched, missing=False, latest=False)
            if not self.on(Measure.REFRESHED_APART):
                moved = moved._replace(refreshed=state.world, latest=True)
        return [(("moves the version:", message), self._put_item(rest, message.object, moved))]

    def _look(self, state: State, writer: Writer) -> list[Step]:
        """The page's writer compares one entry with the ledger."""
        entry = writer.message
        item = get(state.items, entry.object, NO_ITEM)
        left = self._page_over(self._remove(state, writer))
        if self.on(Measure.PAGE_FENCE) and item.touched:
            return [(("page leaves", entry.object, "to live"), left)]
        undisturbed = item.lease == FREE or not self.on(Measure.DIRTY_IS_NO_NOOP)
        if undisturbed and item.owns == entry.entities:
            return [(("page: equal", entry.object), left)]
        claiming = Writer(entry, "claim", False, entry.entities, version=entry.version)
        steps: list[Step] = [(("page takes", entry), self._add(self._remove(state, writer), claiming))]
        if item.lease != FREE:
            steps.append((("page leaves", entry.object, "to its holder"), left))
        return steps

    def _readings(self, state: State, writer: Writer) -> list[Writer]:
        """What Bitbucket may answer now; the lag hides an object that exists."""
        name = writer.message.object
        shape = None if name in state.lagging else self.story.shape(state.world, name)
        read = writer._replace(step="intent", asked_late=state.page == "writing", refreshed=state.world)
        if shape is None:
            return [read._replace(want=(), version=-1, gone=True)]
        return [read._replace(want=shape.entities, version=shape.shown)]
