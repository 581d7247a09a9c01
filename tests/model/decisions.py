"""Step 0 of the protocol: look at the ledger and decide."""

from __future__ import annotations

from tests.model.rules import Rules, Step
from tests.model.state import FREE, NO_ITEM, Item, Measure, Message, State, Writer, get, put


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
                return [(("done, nothing changes:", message), self._move(state, message, item))]
            if message.version == item.version and self.setup.mode == "webhook-only":
                return [(("done, the same event again:", message), state)]
            if message.version > item.version or not self.on(Measure.TIE_REFRESHES):
                writer = Writer(message, "claim", False, message.entities, version=message.version)
                return [(("takes", message), self._add(state, writer))]
        if undisturbed and self._covered(message, item):
            done = self._put_item(state, name, item._replace(version=self._after_shortcut(message, item)))
            return [(("done, refreshed since:", message), done)]
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

    def _after_shortcut(self, message: Message, item: Item) -> int:
        return max(item.version, message.version) if self.on(Measure.SHORTCUT_IN_ORDER) else item.version

    def _move(self, state: State, message: Message, item: Item) -> State:
        if not self.on(Measure.NOOP_MOVES_VERSION):
            return state
        refreshed = item.refreshed if self.on(Measure.REFRESHED_APART) else state.world
        moved = item._replace(
            version=message.version,
            touched=item.touched or state.page == "writing",
            refreshed=refreshed,
            missing=False,
            latest=not self.on(Measure.REFRESHED_APART),
        )
        return state._replace(items=put(state.items, message.object, moved))

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
