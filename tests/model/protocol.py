"""The protocol as a model: what each writer does between two outside calls, and everything that can go wrong there.

One step is at most one outside call (ledger, Port, Bitbucket). Purely local decisions belong to the call before them.
"""

from __future__ import annotations

from tests.model.rules import Step
from tests.model.state import FREE, NO_ITEM, EntityItem, Item, Measure, Message, State, Writer, get, put
from tests.model.writers import Writers

ALONE = frozenset({"read", "intent", "join", "upsert", "drop-owned", "leave", "delete", "forget"})


class ProtocolModel(Writers):
    """The model of one story; ``without`` takes measures away."""

    def initial(self) -> State:
        """The first world, in Port and in the ledger."""
        items: tuple[tuple[str, Item], ...] = ()
        entities: tuple[tuple[str, EntityItem], ...] = ()
        for name in self.story.objects:
            shape = self.story.shape(0, name)
            if shape is not None:
                version = 0 if self.setup.mode == "webhook-only" else shape.shown
                items = put(items, name, Item(version, False, -1, shape.entities, FREE, False, False))
                for entity, _ in shape.entities:
                    entities = put(entities, entity, EntityItem((name,), FREE, ""))
        page = "due" if self.setup.page else "done"
        return State(0, (), self.story.catalog(0), items, entities, (), (), self.setup.kills, page)

    def judge(self, end: State) -> str | None:
        """At rest Port shows the last world, and the ledger knows it."""
        if end.world != self.last or end.queue or end.writers or end.page == "writing":
            return f"stuck: {end}"
        if end.port != self.story.catalog():
            return f"Port shows {dict(end.port)}, Bitbucket {dict(self.story.catalog())}"
        owned = tuple(sorted(pair for _, item in end.items for pair in item.owns))
        if owned != end.port:
            return f"the ledger owns {owned}, Port shows {dict(end.port)}"
        return None

    def steps(self, state: State) -> list[Step]:
        """Everything that can happen next, or only the steps of a writer nobody can disturb."""
        for index, message in enumerate(state.queue):
            if self._is_settled(state, message):
                queue = state.queue[:index] + state.queue[index + 1 :]
                return [(("done, older than the ledger:", message), state._replace(queue=queue))]
        alone = next((writer for writer in state.writers if self._is_alone(state, writer)), None)
        if alone is not None:
            steps = self._writer_steps(state, alone) + self._accidents(state, alone)
            if steps:
                return steps
        steps = self._outside_steps(state)
        for index, writer in enumerate(state.writers):
            if index and state.writers[index - 1] == writer:
                continue
            steps += self._writer_steps(state, writer) + self._accidents(state, writer)
        return steps

    def _is_settled(self, state: State, message: Message) -> bool:
        """Whether the message will be found outdated whenever it is delivered, so that it may go first."""
        item = get(state.items, message.object, NO_ITEM)
        return self.reduced and message.kind == "payload" and message.version < item.version

    def _is_alone(self, state: State, writer: Writer) -> bool:
        """Whether the writer's next step commutes with all that others can do before it, so that it may go first.

        True for what a holder does to entities that no other object ever has: others only ask whether there is a
        lease. A failure that takes the lease away does not commute; it is possible until the first Port write.
        """
        name = writer.message.object
        if not self.reduced or writer.step not in ALONE or writer.message.kind == "page" or name in state.lagging:
            return False
        if not writer.wrote and state.kills:
            return False
        if writer.step == "read":
            return state.world == self.last
        return set(self._touches(writer)) <= self.private[name]

    def _touches(self, writer: Writer) -> list[str]:
        """The entities that the writer's next step reads or writes."""
        match writer.step:
            case "intent":
                return []
            case "join":
                return self._to_join(writer)[:1]
            case "upsert":
                return [entity for entity, _ in self._differing(writer)]
            case _:
                return [self._next_owned(writer)]

    def _outside_steps(self, state: State) -> list[Step]:
        steps: list[Step] = []
        if state.world < self.last:
            steps.append(self._next_world(state))
        for name in state.lagging:
            lagging = tuple(other for other in state.lagging if other != name)
            steps.append((("Bitbucket shows", name, "at last"), state._replace(lagging=lagging)))
        if state.page == "due":
            steps += self._read_page(state)
        running = sum(writer.message.kind != "page" for writer in state.writers)
        if running < self.setup.live:
            for index, message in enumerate(state.queue):
                if index == 0 or state.queue[index - 1] != message:
                    rest = state._replace(queue=state.queue[:index] + state.queue[index + 1 :])
                    steps += self._deliver(rest, message)
        return steps

    def _next_world(self, state: State) -> Step:
        number = state.world + 1
        queue = list(state.queue)
        lagging = set(state.lagging)
        for name in self.story.changes(number):
            queue += [self._delivery(number, name)] * self.setup.copies
            if number in self.story.lags:
                lagging.add(name)
        label = ("Bitbucket:", {name: self.story.shape(number, name) for name in self.story.changes(number)})
        following = state._replace(world=number, queue=tuple(sorted(queue)), lagging=tuple(sorted(lagging)))
        return label, following

    def _delivery(self, number: int, name: str) -> Message:
        shape = self.story.shape(number, name)
        if self.setup.mode == "webhook-only":  # what counts there is the event's own time
            return Message(name, "payload", shape.entities if shape else (), number, number)
        if shape is None:
            return Message(name, "delete", (), -1, number)
        if self.setup.mode == "refresh" or number in self.story.hints:
            return Message(name, "hint", (), shape.version, number)
        return Message(name, "payload", shape.entities, shape.version, number)

    def _read_page(self, state: State) -> list[Step]:
        """A page is asked for and answered; from now on ``touched`` means: since this page was asked for."""
        shown = [name for name in self.story.objects if self.story.shape(state.world, name) is not None]
        pages = [shown] + ([[other for other in shown if other != name] for name in shown] if self.story.slides else [])
        items = tuple((name, item._replace(touched=False)) for name, item in state.items)
        writers = tuple(writer._replace(asked_late=False) for writer in state.writers)
        steps: list[Step] = []
        for page in pages:
            entries = [self._entry(state.world, name) for name in page]
            unseen = [name for name, item in items if item.owns and name not in page]
            queue = state.queue
            if self.on(Measure.LIST_IS_NOT_ABSENCE):
                queue += tuple(Message(name, "sweep", (), -1, state.world) for name in unseen)
            else:
                entries += [Message(name, "page", (), get(items, name, NO_ITEM).version, -1) for name in unseen]
            writing = writers + tuple(Writer(entry, "look", False) for entry in entries)
            following = state._replace(
                items=items, writers=tuple(sorted(writing)), queue=tuple(sorted(queue)), page="writing"
            )
            steps.append((("page shows", page), self._page_over(following)))
        return steps

    def _entry(self, world: int, name: str) -> Message:
        shape = self.story.shape(world, name)
        return Message(name, "page", shape.entities, shape.shown, -1) if shape else Message(name, "page", (), -1, -1)
