"""Steps 1 to 7 of the protocol, under the lease."""

from __future__ import annotations

from tests.model.accidents import Accidents
from tests.model.rules import Step
from tests.model.state import (
    EXPIRED,
    FREE,
    HELD,
    NO_ENTITY,
    NO_ITEM,
    UNKNOWN,
    EntityItem,
    Item,
    Measure,
    Message,
    State,
    Writer,
    get,
    put,
)
from tests.model.stories import Pairs


class Writers(Accidents):
    """A writer from the lease to the commit; one step is at most one outside call."""

    def _writer_steps(self, state: State, writer: Writer) -> list[Step]:
        match writer.step:
            case "look":
                return self._look(state, writer)
            case "move":
                return self._move(state, writer)
            case "claim":
                return self._claim(state, writer)
            case "read":
                return self._read(state, writer)
            case "intent":
                return self._intent(state, writer)
            case "join":
                return self._join(state, writer)
            case "upsert":
                return self._upsert(state, writer)
            case "drop-owned":
                return self._drop_owned(state, writer)
            case "leave":
                return self._leave(state, writer)
            case "delete":
                return self._delete(state, writer)
            case "forget":
                return self._forget(state, writer)
            case _:
                return self._commit(state, writer)

    def _claim(self, state: State, writer: Writer) -> list[Step]:
        """One conditional write: the lease, and for a reading we already have what will be owned."""
        message = writer.message
        item = get(state.items, message.object, NO_ITEM)
        is_page = message.kind == "page"
        left = self._page_over(self._remove(state, writer))
        if is_page and item.touched and self.on(Measure.PAGE_FENCE) and self.on(Measure.PAGE_FENCE_UNDER_LEASE):
            return [(("page leaves", message.object, "to live, refused the lease"), left)]
        steps: list[Step] = []
        if is_page and item.lease != FREE:
            steps.append((("page leaves", message.object, "to its holder, refused the lease"), left))
        if item.lease == HELD:
            return steps  # live waits, or gives the message back: the same here
        older = message.version < item.version or (message.version == item.version and self.on(Measure.TIE_REFRESHES))
        if message.kind == "payload" and not writer.refresh and older and self.on(Measure.VERSION_UNDER_LEASE):
            return self._deliver(self._remove(state, writer), message)
        takes_over = item.lease == EXPIRED and self.on(Measure.TAKEOVER_REWRITES)
        holder = writer._replace(rewrite=takes_over or message.kind == "wake", known=item.owns)
        reads = writer.refresh and self.on(Measure.REFRESH_UNDER_LEASE)
        following = self._put_item(state, message.object, item._replace(lease=HELD))
        if reads:
            following = self._become(following, writer, holder._replace(step="read"))
        elif writer.refresh:
            following = self._become(following, writer, holder._replace(step="intent"))
        else:
            following = self._write_intents(following, writer, holder)
        return [*steps, (("lease for", message), following)]

    def _read(self, state: State, writer: Writer) -> list[Step]:
        name = writer.message.object
        (read,) = self._readings(state, writer)
        item = get(state.items, name, NO_ITEM)
        steps: list[Step] = []
        believed = not read.gone or writer.message.kind == "delete" or not self.on(Measure.TWO_LOOKS) or item.missing
        if believed and not (item.missing and name in state.lagging):
            steps.append((("reads", name, read.want), self._become(state, writer, read)))
        elif not believed:
            first = self._put_item(state, name, item._replace(missing=True, lease=self._given_up(writer)))
            steps.append((("first look finds nothing:", name), self._give_back(first, writer)))
        if state.kills and not self.on(Measure.ERROR_IS_NOT_ABSENCE):
            nothing = read._replace(want=(), version=-1, gone=True)
            steps.append(
                (("the read of", name, "fails"), self._become(state._replace(kills=state.kills - 1), writer, nothing))
            )
        return steps

    def _intent(self, state: State, writer: Writer) -> list[Step]:
        return [(("intents of", writer.message.object, writer.want), self._write_intents(state, writer, writer))]

    def _write_intents(self, state: State, writer: Writer, holder: Writer) -> State:
        name = writer.message.object
        if self.on(Measure.INTENTS) and not writer.lost:
            item = get(state.items, name, NO_ITEM)
            owns = dict(item.owns)
            for entity, _ in holder.want:
                owns.setdefault(entity, UNKNOWN)
            state = self._put_item(state, name, item._replace(owns=tuple(sorted(owns.items()))))
        return self._become(state, writer, self._after_joins(holder._replace(handled=())))

    def _to_join(self, writer: Writer) -> list[str]:
        known = dict(writer.known)
        again = writer.rewrite and self.on(Measure.TAKEOVER_REJOINS)
        return [
            entity
            for entity, _ in writer.want
            if (again or known.get(entity, UNKNOWN) == UNKNOWN) and entity not in writer.handled
        ]

    def _differing(self, writer: Writer) -> Pairs:
        known = dict(writer.known)
        return tuple(pair for pair in writer.want if writer.rewrite or known.get(pair[0]) != pair[1])

    def _after_joins(self, writer: Writer) -> Writer:
        """The next step that has something to do."""
        if self.on(Measure.SOURCES) and self._to_join(writer):
            return writer._replace(step="join")
        if self._differing(writer):
            return writer._replace(step="upsert", handled=())
        return self._after_upsert(writer._replace(handled=()))

    def _after_upsert(self, writer: Writer) -> Writer:
        wanted = dict(writer.want)
        left = [entity for entity, _ in writer.known if entity not in wanted and entity not in writer.handled]
        return writer._replace(step="drop-owned" if left else "commit")

    def _join(self, state: State, writer: Writer) -> list[Step]:
        name = writer.message.object
        entity = self._to_join(writer)[0]
        there = get(state.entities, entity, NO_ENTITY)
        if there.deleting == HELD:
            return []
        sources = tuple(sorted({*there.sources, name}))
        entities = put(state.entities, entity, EntityItem(sources, FREE, ""))
        joined = self._after_joins(writer._replace(handled=(*writer.handled, entity)))
        return [((name, "joins", entity), self._become(state._replace(entities=entities), writer, joined))]

    def _upsert(self, state: State, writer: Writer) -> list[Step]:
        port = state.port
        for entity, content in self._differing(writer):
            port = put(port, entity, content)
        written = self._after_upsert(writer._replace(wrote=True))
        label = (writer.message.object, "writes", self._differing(writer), "to Port")
        return [(label, self._become(state._replace(port=port), writer, written))]

    def _next_owned(self, writer: Writer) -> str:
        wanted = dict(writer.want)
        return next(entity for entity, _ in writer.known if entity not in wanted and entity not in writer.handled)

    def _drop_owned(self, state: State, writer: Writer) -> list[Step]:
        """Mark the entity as being deleted if we are its only source; else tell the others and leave."""
        name = writer.message.object
        entity = self._next_owned(writer)
        there = get(state.entities, entity, NO_ENTITY)
        others = [source for source in there.sources if source != name]
        if not self.on(Measure.SOURCES):
            return self._delete(state, writer)
        if others:
            queue = state.queue
            if self.on(Measure.WAKE) and self.setup.mode != "webhook-only":
                queue = tuple(sorted(queue + tuple(Message(o, "wake", (), -1, state.world) for o in others)))
            told = self._become(state._replace(queue=queue), writer, writer._replace(step="leave"))
            return [((name, "tells", others, "to rewrite", entity), told)]
        if name not in there.sources:  # it died before it joined, or after it deleted: nothing of ours is there
            skipped = self._after_upsert(writer._replace(handled=(*writer.handled, entity)))
            return [((name, "has no part in", entity), self._become(state, writer, skipped))]
        if there.deleting == HELD:
            return []
        marking = writer._replace(step="delete", wrote=True)
        if not self.on(Measure.DELETING_MARK):
            return [((name, "is the last source of", entity), self._become(state, writer, marking))]
        entities = put(state.entities, entity, EntityItem((name,), HELD, name))
        return [((name, "marks", entity), self._become(state._replace(entities=entities), writer, marking))]

    def _leave(self, state: State, writer: Writer) -> list[Step]:
        name = writer.message.object
        entity = self._next_owned(writer)
        there = get(state.entities, entity, NO_ENTITY)
        others = tuple(source for source in there.sources if source != name)
        if not others and self.on(Measure.LEAVE_IF_SHARED):
            return [
                (
                    (name, "is now the last source of", entity),
                    self._become(state, writer, writer._replace(step="drop-owned")),
                )
            ]
        entities = put(state.entities, entity, there._replace(sources=others) if others else None)
        left = self._after_upsert(writer._replace(handled=(*writer.handled, entity)))
        return [((name, "leaves", entity), self._become(state._replace(entities=entities), writer, left))]

    def _delete(self, state: State, writer: Writer) -> list[Step]:
        entity = self._next_owned(writer)
        deleted = writer._replace(step="forget", wrote=True)
        if not self.on(Measure.SOURCES):
            deleted = self._after_upsert(writer._replace(handled=(*writer.handled, entity), wrote=True))
        following = state._replace(port=put(state.port, entity, None))
        return [((writer.message.object, "deletes", entity, "in Port"), self._become(following, writer, deleted))]

    def _forget(self, state: State, writer: Writer) -> list[Step]:
        name = writer.message.object
        entity = self._next_owned(writer)
        there = get(state.entities, entity, NO_ENTITY)
        entities = state.entities
        if there.by == name or not self.on(Measure.DELETING_MARK):
            others = tuple(source for source in there.sources if source != name)
            entities = put(entities, entity, EntityItem(others, FREE, "") if others else None)
        forgotten = self._after_upsert(writer._replace(handled=(*writer.handled, entity)))
        return [((name, "forgets", entity), self._become(state._replace(entities=entities), writer, forgotten))]

    def _commit(self, state: State, writer: Writer) -> list[Step]:
        message = writer.message
        item = get(state.items, message.object, NO_ITEM)
        if writer.lost and self.on(Measure.COMMIT_NEEDS_LEASE):
            return [(("commit refused:", message.object), self._give_back(state, writer))]
        version = writer.version
        if writer.refresh and self.on(Measure.COMMIT_NEWEST):
            version = max(version, message.version)
        if message.kind == "delete" and writer.gone and self.on(Measure.TOMBSTONE_IS_NEW):
            version = max(version, self._newest_before(message))
        touched = writer.asked_late if writer.refresh else state.page == "writing"
        refreshed = max(item.refreshed, writer.refreshed)
        if not self.on(Measure.REFRESHED_APART):
            refreshed = state.world
        latest = writer.refresh or not self.on(Measure.REFRESHED_APART)
        committed = Item(
            max(item.version, version), item.touched or touched, refreshed, writer.want, FREE, False, latest
        )
        kept = committed if writer.want or self.on(Measure.TOMBSTONE) else None
        following = state._replace(items=put(state.items, message.object, kept))
        return [(("commit", message.object, kept), self._page_over(self._remove(following, writer)))]

    def _newest_before(self, message: Message) -> int:
        shapes = (self.story.shape(number, message.object) for number in range(message.received + 1))
        return max(shape.version for shape in shapes if shape)
