"""Whatever is asked of them in whatever order, a run kept in a file is the run kept in DynamoDB."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from bitbucket_port.objects import Address, EntityKey, JsonObject, SourceKey
from bitbucket_port.resync.store import Candidate, Phase, Planned, Request, Run, RunStore, Status
from tests.resync.stores import dynamodb_store, sqlite_store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

START = 1_800_000_000.0
RUNS = ["one", "two"]
KEYS = [SourceKey("repository", "s", "r"), SourceKey("pull-request", "s/r", "1"), SourceKey("user", "s", "ü")]

runs = st.sampled_from(RUNS)
names = st.sampled_from(["a", "b", "c#1"])
jobs = st.lists(st.tuples(names, st.sampled_from(["m", "n"])), max_size=3, unique_by=lambda job: job[0])
times = st.integers(0, 3).map(lambda step: START + step) | st.floats(START, START + 3)
phases: st.SearchStrategy[Phase] = st.sampled_from(["listing", "port", "look"])
statuses: st.SearchStrategy[Status] = st.sampled_from(["complete", "failed"])
reports = st.dictionaries(names, st.integers(0, 3), max_size=2)
run_values = st.builds(
    Run,
    id=runs,
    kind=st.sampled_from(["full", "list"]),
    number=st.integers(1, 3),
    phase=st.just("listing"),
    mapping_hash=st.sampled_from(["h", "i"]),
    started=times,
    reason=st.just("schedule"),
    until=times,
    kinds=st.sampled_from([(), ("project", "repository")]),
    phase_began=times,
)
requests = st.builds(Request, kind=st.sampled_from(["full", "list"]), reason=names, at=times)
addresses = st.builds(Address, number=st.none() | st.integers(1, 2))
candidates = st.lists(
    st.builds(Candidate, st.sampled_from(KEYS), addresses, st.sampled_from(["vanished", "out of scope"])), max_size=3
)
planned_values = st.lists(
    st.builds(
        Planned,
        key=st.none() | st.sampled_from(KEYS),
        address=addresses,
        entities=st.lists(st.builds(EntityKey, st.just("service"), names), min_size=1, max_size=2).map(tuple),
        reason=st.sampled_from(["gone", "unclaimed"]),
        aged=st.booleans(),
        below=st.dictionaries(names, st.integers(1, 2), max_size=1),
    ),
    max_size=3,
)
ids = st.sets(st.sampled_from(["1", "2", "3"]))


class Stores(RuleBasedStateMachine):
    """Every rule asks both and compares."""

    client: Any = None

    @initialize()
    def empty(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.stores: list[RunStore] = [dynamodb_store(self.client), sqlite_store(Path(self.folder.name))]

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        for run in RUNS:
            for listed in ("open_jobs", "candidates", "planned", "reports", "protected"):
                there, here = (getattr(store, listed)(run) for store in self.stores)
                assert list(here) == list(there)
                assert not isinstance(here, dict) or here == there
        self.folder.cleanup()

    def both(self, method: str, *args: Any, **named: Any) -> Any:
        there, here = [getattr(store, method)(*args, **named) for store in self.stores]
        assert here == there, (method, args, named)
        return here

    @rule(run=run_values, opened=jobs)
    def begin(self, run: Run, opened: list[tuple[str, str]]) -> None:
        self.both("begin", run, opened)
        self.both("state")

    @rule(run=runs, until=times)
    def extend(self, run: str, until: float) -> None:
        self.both("extend", run, until)
        self.both("state")

    @rule(run=runs, before=phases, after=phases, at=times, opened=jobs)
    def advance(self, run: str, before: Phase, after: Phase, at: float, opened: list[tuple[str, str]]) -> None:
        self.both("advance", run, before, after, at, opened)
        self.both("state")

    @rule(run=runs, status=statuses, report=reports, at=times)
    def close(self, run: str, status: Status, report: JsonObject, at: float) -> None:
        self.both("close", run, status, report, at)
        self.both("state")
        self.both("last_reports", 2)

    @rule(request=requests)
    def request(self, request: Request) -> None:
        self.both("request", request)
        self.both("state")

    @rule(run=runs, opened=jobs)
    def put_jobs(self, run: str, opened: list[tuple[str, str]]) -> None:
        self.both("put_jobs", run, opened)

    @rule(run=runs, job=names, times=st.integers(0, 2))
    def look_at(self, run: str, job: str, times: int) -> None:
        for _ in range(times):
            self.both("waited", run, job)
        self.both("open_job", run, job)
        self.both("any_open", run)

    @rule(run=runs, job=names, report=reports)
    def done(self, run: str, job: str, report: JsonObject) -> None:
        self.both("done", run, job, report)
        self.both("any_open", run)

    @rule(run=runs, listing=names, part=st.integers(0, 2), shown=ids, began=times, complete=st.booleans())
    def put_seen(self, run: str, listing: str, part: int, shown: set[str], began: float, complete: bool) -> None:
        self.both("put_seen", run, listing, part, shown, began=began, complete=complete)
        self.both("seen", run, listing)

    @rule(run=runs, found=candidates)
    def put_candidates(self, run: str, found: list[Candidate]) -> None:
        self.both("put_candidates", run, found)

    @rule(run=runs, planned=planned_values)
    def put_planned(self, run: str, planned: list[Planned]) -> None:
        self.both("put_planned", run, planned)

    @rule(run=runs, container=names, reason=names)
    def protect(self, run: str, container: str, reason: str) -> None:
        self.both("protect", run, container, reason)

    @rule(run=runs, name=names, report=reports)
    def put_report(self, run: str, name: str, report: JsonObject) -> None:
        self.both("put_report", run, name, report)

    @rule(run=runs, name=names)
    def claim(self, run: str, name: str) -> None:
        self.both("claim", run, name)

    @rule(blueprint=names, number=st.integers(1, 3), identifiers=ids)
    def put_unclaimed(self, blueprint: str, number: int, identifiers: set[str]) -> None:
        self.both("put_unclaimed", blueprint, number, identifiers)
        for run in (1, 2, 3):
            self.both("unclaimed", blueprint, run)


def test_both_stores_answer_alike_whatever_they_are_asked(dynamodb: DynamoDBClient) -> None:
    class OnThisTable(Stores):
        client = dynamodb

    run_state_machine_as_test(
        OnThisTable,
        settings=settings(
            max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
