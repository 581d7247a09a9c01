"""Whatever is asked of them in whatever order, the ledger in a file answers as the one in DynamoDB does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from bitbucket_port.catalog.items import Commit, Facts, Guard, ObjectItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.objects import Address, EntityKey, SourceKey
from tests.catalog.ledgers import dynamodb_ledger, sqlite_ledger
from tests.catalog.rig import START

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEYS = [
    SourceKey("project", "s", "p"),
    SourceKey("repository", "s", "r"),
    SourceKey("pull-request", "s/r", "1"),
    SourceKey("pull-request", "s/r", "2"),
]
ENTITIES = [EntityKey("service", "a"), EntityKey("service", "b#1"), EntityKey("pull", "ü")]

keys = st.sampled_from(KEYS)
entities = st.sampled_from(ENTITIES)
texts = st.lists(st.sampled_from([str(entity) for entity in ENTITIES]), unique=True, max_size=3)
tokens = st.sampled_from(["x", "y"])
times = st.integers(0, 3).map(lambda step: START + step) | st.floats(START, START + 3)
versions = st.integers(1, 3)
notes = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"]))
guards = st.builds(
    Guard,
    version_below=st.none() | versions,
    or_received_before=st.none() | times,
    read_before=st.none() | times,
)
commits = st.builds(
    Commit,
    owns=texts.flatmap(lambda names: st.fixed_dictionaries({name: st.sampled_from(["?", "h"]) for name in names})),
    version=st.none() | versions,
    read_at=times,
    refreshed_at=st.just(0.0) | times,
    received=times,
    facts=st.builds(
        Facts,
        st.none() | st.builds(Address, number=st.none() | versions),
        st.sampled_from(["", "w/r"]),
        gone=st.booleans(),
    ),
    problem=st.sampled_from(["", "no"]),
)


class Ledgers(RuleBasedStateMachine):
    """Every rule asks both and compares; ``seen`` are items as some writer read them once."""

    client: Any = None

    @initialize()
    def empty(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.ledgers: list[Ledger] = [dynamodb_ledger(self.client), sqlite_ledger(Path(self.folder.name))]
        self.seen = {key: ObjectItem(key) for key in KEYS}

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        there, here = ([*ledger.children("s/r"), *ledger.in_source("project", "s")] for ledger in self.ledgers)
        assert here == there
        self.folder.cleanup()

    def both(self, method: str, *args: Any, **named: Any) -> Any:
        there, here = [getattr(ledger, method)(*args, **named) for ledger in self.ledgers]
        assert here == there, (method, args, named)
        return here

    def both_write(self, method: str, key: SourceKey, *args: Any, **named: Any) -> None:
        """The answer is the same, and so is what it left behind."""
        self.both(method, *args, **named)
        self.both("read", [key])

    @rule(key=keys)
    def look(self, key: SourceKey) -> None:
        self.seen[key] = self.both("read", [key])[key]

    @rule(key=keys, fresh=st.booleans(), token=tokens, now=times, guard=guards, intents=texts)
    def take_lease(self, key: SourceKey, fresh: bool, token: str, now: float, guard: Guard, intents: list[str]) -> None:
        if fresh:
            self.look(key)
        self.both_write(
            "take_lease", key, self.seen[key], token, now=now, until=now + 1.5, guard=guard, intents=intents
        )

    @rule(key=keys, token=tokens, intents=texts.filter(bool))
    def intend(self, key: SourceKey, token: str, intents: list[str]) -> None:
        self.both_write("intend", key, self.seen[key], token, intents)

    @rule(key=keys, fresh=st.booleans(), version=st.none() | versions, read_at=times, received=times)
    def move(self, key: SourceKey, fresh: bool, version: int | None, read_at: float, received: float) -> None:
        if fresh:
            self.look(key)
        self.both_write("move", key, self.seen[key], version=version, read_at=read_at, received=received)

    @rule(key=keys, token=tokens, commit=commits, now=times)
    def commit(self, key: SourceKey, token: str, commit: Commit, now: float) -> None:
        self.both_write("commit", key, key, token, commit, now=now)

    @rule(key=keys, token=tokens, dirty=st.booleans())
    def release(self, key: SourceKey, token: str, dirty: bool) -> None:
        self.both_write("release", key, key, token, dirty=dirty)

    @rule(key=keys, token=tokens, since=times, dirty=st.booleans())
    def miss(self, key: SourceKey, token: str, since: float, dirty: bool) -> None:
        self.both_write("miss", key, key, token, since=since, dirty=dirty)

    @rule(key=keys, forgotten=st.lists(entities, unique=True), now=times)
    def forget_hash(self, key: SourceKey, forgotten: list[EntityKey], now: float) -> None:
        self.both_write("forget_hash", key, key, forgotten, now=now)

    @rule(entity=entities, accepted=st.sampled_from(["1", "2"]))
    def accept(self, entity: EntityKey, accepted: str) -> None:
        self.both("accept", entity, accepted)
        self.both("entities", entity.blueprint, [entity.identifier, "nothing"])

    @rule(entity=entities, source=keys, now=times)
    def join(self, entity: EntityKey, source: SourceKey, now: float) -> None:
        self.both("join", entity, source, now=now)

    @rule(entity=entities, source=keys)
    def leave(self, entity: EntityKey, source: SourceKey) -> None:
        self.both("leave", entity, source)

    @rule(entity=entities, ours=st.booleans())
    def settle_ownership(self, entity: EntityKey, ours: bool) -> None:
        self.both("settle_ownership", entity, ours=ours)

    @rule(entity=entities, source=keys, token=tokens, now=times)
    def mark_deleting(self, entity: EntityKey, source: SourceKey, token: str, now: float) -> None:
        self.both("mark_deleting", entity, source, token, now=now, until=now + 1.5)

    @rule(entity=entities, token=tokens)
    def drop(self, entity: EntityKey, token: str) -> None:
        self.both("drop", entity, token)

    @rule(entity=entities, token=tokens)
    def spare(self, entity: EntityKey, token: str) -> None:
        self.both("spare", entity, token)

    @rule(name=st.sampled_from(["one", "two"]), values=notes, only_if_absent=st.booleans())
    def note(self, name: str, values: dict[str, str], only_if_absent: bool) -> None:
        self.both("note", name, values, only_if_absent=only_if_absent)
        self.both("noted", name)


def test_both_ledgers_answer_alike_whatever_they_are_asked(dynamodb: DynamoDBClient) -> None:
    class OnThisTable(Ledgers):
        client = dynamodb

    run_state_machine_as_test(
        OnThisTable,
        settings=settings(
            max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
