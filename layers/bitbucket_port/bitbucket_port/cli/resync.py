"""One resync in this process: a run from its first job to its report, and with ``--delete`` a second one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from bitbucket_port.bitbucket.budget import Budgets, MemoryBudgetStore
from bitbucket_port.catalog.sqlite import SQLiteLedger
from bitbucket_port.cli.comparing import Change, Changes, What
from bitbucket_port.cli.engine import Ending, Engine, Watching
from bitbucket_port.cli.queue import JobQueue
from bitbucket_port.cli.settings import CommandSettings
from bitbucket_port.cli.snapshot import Snapshot
from bitbucket_port.cli.turns import Turns
from bitbucket_port.cli.workplace import LocalWorkplace, Shared, Workplace
from bitbucket_port.errors import CredentialsRefusedError, SettingsError, TransientError
from bitbucket_port.mapping.engine import MappingEngine
from bitbucket_port.mapping.model import Mapping
from bitbucket_port.objects import JsonObject, Kind
from bitbucket_port.resync.drift import Shapes
from bitbucket_port.resync.report import FULL_FAILURES, whole
from bitbucket_port.resync.sqlite import SQLiteRunStore
from bitbucket_port.resync.start import Intervals, Starter
from bitbucket_port.resync.store import RunStore, Status
from bitbucket_port.sqlite import Database

WORKERS = 2
"""Threads for each request that may be under way at once: while one waits for its answer another maps and compares."""
SHOWN_OF_EACH = 20
"""Changes of one kind in one blueprint that are named."""


class GoesOnError(Exception):
    """Another resync of the same stack has not ended; the text says since when."""


class Shows(Watching, Protocol):
    """Progress as the command shows it."""

    def began(self, what: str) -> None:
        """A run begins."""

    def ordered(self, messages: Sequence[str]) -> None:
        """Jobs were put on the queue."""


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for. ``seconds``: the time limit, None for none. ``kinds``: empty for all."""

    dry_run: bool = False
    delete: bool = False
    kinds: frozenset[Kind] = frozenset()
    concurrency: int = 4
    seconds: float | None = None
    clock: Callable[[], float] = time.time
    skip: Callable[[float], None] | None = None
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Result:
    """How it went. ``changes`` and their ``counts`` of a dry run; ``unclaimed``: what nothing in Bitbucket makes."""

    status: Status
    report: JsonObject
    reason: str = ""
    counts: dict[tuple[What, str], int] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    unclaimed: dict[str, list[str]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 complete, 1 partial, 2 failed."""
        return {"complete": 0, "partial": 1}.get(self.status, 2)


class WatchedQueue(JobQueue):
    """A queue that tells what is put on it."""

    shows: Shows

    def send(self, texts: Sequence[str], delay: int = 0) -> None:
        """See JobQueue."""
        self.shows.ordered(texts)
        super().send(texts, delay)


def queue_for(wanted: Wanted, shows: Shows) -> WatchedQueue:
    """The queue of one run."""
    queue = WatchedQueue(wanted.clock, skip=wanted.skip)
    queue.shows = shows
    return queue


# --- without a stack -------------------------------------------------------------------------------------------------


def resync(settings: CommandSettings, mapping: Mapping, wanted: Wanted, shows: Shows) -> Result:
    """Carry a resync out with nothing kept but what Port and Bitbucket show; raises what making the parts raises."""
    if not mapping.resources:
        raise SettingsError("the mapping has no resource that can be used")
    began = time.monotonic()
    with ExitStack() as exits:
        folder = exits.enter_context(TemporaryDirectory(prefix="bitbucket-port-"))
        database = Database(Path(folder) / "run.sqlite")
        exits.callback(database.close)
        local = _Local(settings, mapping, wanted, shows, database)
        result = local.run("resync")
        left = None if wanted.seconds is None else wanted.seconds - (time.monotonic() - began)
        if wanted.delete and not wanted.dry_run and local.deletable(result) and (left is None or left > 0):
            local.snapshot.forget()
            second = local.run("second listing, which decides what is deleted", seconds=left)
            result = _joined(result, second)
        local.complete(result)
        return result


class _Local:
    def __init__(
        self, settings: CommandSettings, mapping: Mapping, wanted: Wanted, shows: Shows, database: Database
    ) -> None:
        self._settings = settings
        self._mapping = mapping
        self._wanted = wanted
        self._shows = shows
        self._store = SQLiteRunStore(database)
        self._ledger = SQLiteLedger(database)
        self._budgets = Budgets(MemoryBudgetStore(), settings.common.product, now=wanted.clock)
        self._changes = Changes(database) if wanted.dry_run else None
        self._turns = Turns(wanted.concurrency, sleep=wanted.sleep)
        self.snapshot = Snapshot(database, Shapes.of(mapping), aside=self._turns.aside)

    def run(self, what: str, *, seconds: float | None = None) -> Result:
        """One run."""
        wanted = self._wanted
        queue = queue_for(wanted, self._shows)
        shared = Shared(
            self._settings,
            self._mapping,
            self._ledger,
            self._store,
            self.snapshot,
            queue,
            self._budgets,
            self._turns,
            deletes=wanted.delete and not wanted.dry_run,
            changes=self._changes,
            clock=wanted.clock,
        )
        places = [LocalWorkplace(shared) for _ in range(WORKERS * wanted.concurrency)]
        limit = wanted.seconds if seconds is None else seconds
        return carry_out(self._store, self._mapping, queue, places, wanted, shows=self._shows, what=what, seconds=limit)

    def deletable(self, result: Result) -> int:
        """How many entities nothing makes, and a second listing could delete."""
        number = result.report.get("number", 0)
        blueprints = result.report.get("blueprints", {})
        return sum(len(self._store.unclaimed(blueprint, number)) for blueprint in blueprints)

    def complete(self, result: Result) -> None:
        """Add what only the files know, which go with this process."""
        for blueprint in sorted(result.report.get("blueprints", {})):
            names = self._unclaimed(blueprint)
            if names:
                result.unclaimed[blueprint] = names
        if self._changes is not None:
            result.counts.update(self._changes.counts())
            for what, blueprint in self._changes.counts():
                result.changes += self._changes.first(what, blueprint, SHOWN_OF_EACH)
        if not self._wanted.delete:
            result.report["deletable"] = self.deletable(result)

    def _unclaimed(self, blueprint: str) -> list[str]:
        found: list[str] = []
        for names in self.snapshot.identifiers(blueprint):
            known = {key.identifier for key in self._ledger.entities(blueprint, names)}
            found += [name for name in names if name not in known]
            if len(found) >= SHOWN_OF_EACH:
                return found[:SHOWN_OF_EACH]
        return found


# --- any run ---------------------------------------------------------------------------------------------------------


def carry_out(
    store: RunStore,
    mapping: Mapping,
    queue: WatchedQueue,
    places: Sequence[Workplace],
    wanted: Wanted,
    *,
    shows: Shows,
    what: str,
    seconds: float | None,
) -> Result:
    """Begin a run, do its jobs, and see how it ended; raises GoesOnError while another one goes on."""
    kinds = frozenset(MappingEngine(mapping, now=wanted.clock).kinds())
    starter = Starter(
        store=store,
        send=lambda message, *, delay=0: queue.send([message], delay),
        mapping_hash=mapping.hash,
        kinds=kinds,
        intervals=Intervals(0, 0),
        clock=wanted.clock,
    )
    state, now = store.state(), wanted.clock()
    if state.run is not None and state.run.until > now:
        since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(state.run.started))
        raise GoesOnError(f"a resync that began {since} goes on; this one can begin when it has ended")
    _enter(places[0])
    tick = starter.begin("full", "command", state, kinds=(wanted.kinds & kinds) or None)
    if tick.did != "began" or tick.run is None:
        raise GoesOnError("another resync began at this moment; try again when it has ended")
    shows.began(what)
    ending = Engine(queue, places, shows, seconds=seconds).run()
    return _result(store, tick.run.id, ending, wanted)


def _enter(place: Workplace) -> None:
    """Wrong credentials are told before anything begins; trouble that may pass is met by the jobs."""
    try:
        place.enter()
    except CredentialsRefusedError:
        raise
    except TransientError:
        return


def _result(store: RunStore, run_id: str, ending: Ending, wanted: Wanted) -> Result:
    """The run's report; a run that did not come to its end is closed, so that the next one can begin."""
    run, reason = store.state().run, ending.reason
    if run is not None and run.id == run_id:
        report = whole(run, (part for _, part in store.reports(run_id)), store.protected(run_id), at=wanted.clock())
        status: Status = "partial" if ending.why in ("time limit", "interrupted") else "failed"
        reason = reason or "jobs were lost"
        report["notes"] = [f"ended early: {reason}", *report["notes"]][:FULL_FAILURES]
        store.close(run_id, status, report, wanted.clock())
        return Result(status, {**report, "status": status}, reason)
    report = next(one for one in store.last_reports(5) if one["run"] == run_id)
    if report["status"] == "failed":  # A workspace that is not there, a token that may see nothing.
        reason = reason or "nothing could be listed"
    return Result(report["status"], report, reason)


def _joined(first: Result, second: Result) -> Result:
    """Two runs told as one: what was found by the first, what was deleted by the second."""
    report = {**first.report, "kinds": {name: dict(counts) for name, counts in first.report["kinds"].items()}}
    for kind, counts in second.report["kinds"].items():
        kept = report["kinds"].setdefault(kind, {})
        for name in ("created", "updated", "healed", "deleted", "aged", "failed", "protected"):
            if counts.get(name):
                kept[name] = kept.get(name, 0) + counts[name]
    report["blueprints"] = second.report["blueprints"] or first.report["blueprints"]
    spent = first.report["requests"], second.report["requests"]
    report["requests"] = {name: spent[0].get(name, 0) + spent[1].get(name, 0) for name in {*spent[0], *spent[1]}}
    for name in ("failures", "notes"):
        report[name] = [*first.report[name], *(one for one in second.report[name] if one not in first.report[name])]
    report["protected"] = {**first.report["protected"], **second.report["protected"]}
    for name in ("duration", "throttled"):
        report[name] = round(first.report[name] + second.report[name], 3)
    report["ended"] = second.report["ended"]
    worst: Status = max((first.status, second.status), key=["complete", "partial", "failed"].index)
    report["status"] = worst
    return Result(worst, report, second.reason or first.reason)
