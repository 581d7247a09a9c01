"""What a run keeps, in a SQLite file: the same steps under the same conditions as in DynamoDB, for one process.

Times that are compared are kept with six decimals, as the table in DynamoDB keeps them. Nothing is ever removed by
age: the file lives for one run of the command.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.findings import Findings
from bitbucket_port.resync.store import OpenJob, Phase, Request, Run, Seen, State, Status
from bitbucket_port.resync.stored import (
    request_from_json,
    request_to_json,
    run_from_json,
    run_to_json,
)
from bitbucket_port.sqlite import Database, Row

_PAGE = 200
_BETWEEN_RUNS = ""
"""Stands for the run where something belongs to none; no run's id is empty."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run_state (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS run_job (
    run TEXT NOT NULL, id TEXT NOT NULL, message TEXT NOT NULL, waits INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, id)
);
CREATE TABLE IF NOT EXISTS run_seen (
    run TEXT NOT NULL, listing TEXT NOT NULL, part INTEGER NOT NULL,
    ids TEXT NOT NULL, began REAL NOT NULL, complete INTEGER NOT NULL,
    PRIMARY KEY (run, listing, part)
);
CREATE TABLE IF NOT EXISTS run_item (
    run TEXT NOT NULL, what TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (run, what, name)
);
"""


class SQLiteRunStore(Findings):
    """The RunStore protocol over one database file, which may hold the ledger as well."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    # --- the run itself ----------------------------------------------------------------------------------------------

    def state(self) -> State:
        """See RunStore."""
        row = self._database.one("SELECT state FROM run_state")
        return _state_from_json(json.loads(row[0])) if row else State()

    def begin(self, run: Run, jobs: Sequence[tuple[str, str]]) -> bool:
        """See RunStore."""
        with self._database.step():
            state = self.state()
            if state.run is not None and state.run.until > _time(run.started):
                return False
            wants_full = state.requested is not None and state.requested.kind == "full"
            if run.kind == "list" and wants_full:
                return False
            began = _time(run.started)
            open_run = replace(run, until=_time(run.until), phase_began=_time(run.phase_began))
            if run.kind == "full":
                after = State(open_run, None, began, state.last_list, run.number, run.mapping_hash)
            else:
                after = State(open_run, None, state.last_full, began, state.number, state.mapping_hash)
            self._put_state(after)
            self._open(run.id, jobs)
        return True

    def extend(self, run_id: str, until: float) -> bool:
        """See RunStore."""
        with self._database.step():
            state = self.state()
            if state.run is None or state.run.id != run_id:
                return False
            if state.run.until < _time(until):
                self._put_state(replace(state, run=replace(state.run, until=_time(until))))
        return True

    def advance(
        self, run_id: str, from_phase: Phase, to_phase: Phase, at: float, jobs: Sequence[tuple[str, str]]
    ) -> bool:
        """See RunStore."""
        with self._database.step():
            state = self.state()
            if state.run is None or state.run.id != run_id or state.run.phase != from_phase:
                return False
            self._put_state(replace(state, run=replace(state.run, phase=to_phase, phase_began=_time(at))))
            self._open(run_id, jobs)
        return True

    def close(self, run_id: str, status: Status, report: JsonObject, at: float) -> bool:
        """See RunStore."""
        del at
        with self._database.step():
            state = self.state()
            if state.run is None or state.run.id != run_id:
                return False
            name = f"{state.run.started:020.6f}#{run_id}"
            self._put_named(_BETWEEN_RUNS, "report", [(name, {**report, "status": status})])
            self._put_state(replace(state, run=None))
        return True

    def request(self, request: Request) -> None:
        """See RunStore."""
        with self._database.step():
            state = self.state()
            if state.requested is None or (request.kind == "full" and state.requested.kind != "full"):
                self._put_state(replace(state, requested=request))

    def last_reports(self, count: int) -> list[JsonObject]:
        """See RunStore."""
        statement = "SELECT value FROM run_item WHERE run = ? AND what = 'report' ORDER BY name DESC LIMIT ?"
        return [json.loads(value) for (value,) in self._database.page(statement, _BETWEEN_RUNS, count)]

    def _put_state(self, state: State) -> None:
        statement = "INSERT INTO run_state (id, state) VALUES (1, ?) ON CONFLICT DO UPDATE SET state = excluded.state"
        self._database.change(statement, _json(_state_to_json(state)))

    # --- its jobs ----------------------------------------------------------------------------------------------------

    def put_jobs(self, run_id: str, jobs: Sequence[tuple[str, str]]) -> list[str]:
        """See RunStore."""
        with self._database.step():
            wanted = {job_id: message for job_id, message in jobs if not self._was_done(run_id, job_id)}
            self._open(run_id, wanted.items())
        return list(wanted)

    def _was_done(self, run_id: str, job_id: str) -> bool:
        statement = "SELECT 1 FROM run_item WHERE run = ? AND what = 'report' AND name = ?"
        return self._database.one(statement, run_id, job_id) is not None

    def _open(self, run_id: str, jobs: Iterable[tuple[str, str]]) -> None:
        self._database.change_many(
            "INSERT INTO run_job (run, id, message) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET message = excluded.message, waits = 0",
            ((run_id, job_id, message) for job_id, message in jobs),
        )

    def open_job(self, run_id: str, job_id: str) -> OpenJob | None:
        """See RunStore."""
        row = self._database.one("SELECT message, waits FROM run_job WHERE run = ? AND id = ?", run_id, job_id)
        return OpenJob(job_id, row[0], row[1]) if row else None

    def open_jobs(self, run_id: str) -> Iterator[OpenJob]:
        """See RunStore."""
        after = ""
        statement = "SELECT id, message, waits FROM run_job WHERE run = ? AND id > ? ORDER BY id LIMIT ?"
        while page := self._database.page(statement, run_id, after, _PAGE):
            for row in page:
                yield OpenJob(*row)
            after = page[-1][0]

    def waited(self, run_id: str, job_id: str) -> None:
        """See RunStore."""
        self._database.change("UPDATE run_job SET waits = waits + 1 WHERE run = ? AND id = ?", run_id, job_id)

    def done(self, run_id: str, job_id: str, report: JsonObject) -> bool:
        """See RunStore."""
        with self._database.step():
            if not self._database.change("DELETE FROM run_job WHERE run = ? AND id = ?", run_id, job_id):
                return False
            self.put_report(run_id, job_id, report)
        return True

    def any_open(self, run_id: str) -> bool:
        """See RunStore."""
        return self._database.one("SELECT 1 FROM run_job WHERE run = ? LIMIT 1", run_id) is not None

    # --- what it found out -------------------------------------------------------------------------------------------

    def put_seen(
        self, run_id: str, listing: str, part: int, ids: Collection[str], *, began: float, complete: bool
    ) -> None:
        """See RunStore."""
        self._database.change(
            "INSERT INTO run_seen (run, listing, part, ids, began, complete) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT "
            "DO UPDATE SET ids = excluded.ids, began = excluded.began, complete = excluded.complete",
            *(run_id, listing, part, _json(list(ids)), _time(began), complete),
        )

    def seen(self, run_id: str, listing: str) -> Seen:
        """See RunStore."""
        ids: set[str] = set()
        complete, began = False, 0.0
        for _, part_ids, part_began, part_complete in self._parts(run_id, listing):
            ids.update(json.loads(part_ids))
            complete = complete or bool(part_complete)
            began = min(began or part_began, part_began)
        return Seen(frozenset(ids), complete, began)

    def _parts(self, run_id: str, listing: str) -> Iterator[Row]:
        statement = (
            "SELECT part, ids, began, complete FROM run_seen WHERE run = ? AND listing = ? AND part > ? "
            "ORDER BY part LIMIT 10"
        )
        after = -1
        while page := self._database.page(statement, run_id, listing, after):
            yield from page
            after = page[-1][0]

    def put_report(self, run_id: str, name: str, report: JsonObject) -> None:
        """See RunStore."""
        self._put_named(run_id, "report", [(name, report)])

    def reports(self, run_id: str) -> Iterator[tuple[str, JsonObject]]:
        """See RunStore."""
        return self._named(run_id, "report")

    def claim(self, run_id: str, name: str) -> bool:
        """See RunStore."""
        statement = "INSERT INTO run_item (run, what, name, value) VALUES (?, 'claim', ?, '{}') ON CONFLICT DO NOTHING"
        with self._database.step():
            return bool(self._database.change(statement, run_id, name))

    # --- from run to run ---------------------------------------------------------------------------------------------

    def put_unclaimed(self, blueprint: str, number: int, identifiers: Collection[str]) -> None:
        """See RunStore."""
        self.put_seen(_BETWEEN_RUNS, blueprint, number, identifiers, began=0.0, complete=True)

    def unclaimed(self, blueprint: str, number: int) -> frozenset[str]:
        """See RunStore."""
        statement = "SELECT ids FROM run_seen WHERE run = ? AND listing = ? AND part = ?"
        row = self._database.one(statement, _BETWEEN_RUNS, blueprint, number)
        return frozenset(json.loads(row[0])) if row else frozenset()

    # --- items -------------------------------------------------------------------------------------------------------

    def _put_named(self, run_id: str, what: str, values: Iterable[tuple[str, JsonObject]]) -> None:
        self._database.change_many(
            "INSERT INTO run_item (run, what, name, value) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET value = excluded.value",
            ((run_id, what, name, _json(value)) for name, value in values),
        )

    def _named(self, run_id: str, what: str) -> Iterator[tuple[str, JsonObject]]:
        """By name, a page at a time: what is put meanwhile may or may not be shown."""
        statement = "SELECT name, value FROM run_item WHERE run = ? AND what = ? AND name > ? ORDER BY name LIMIT ?"
        after = ""
        while page := self._database.page(statement, run_id, what, after, _PAGE):
            for name, value in page:
                yield name, json.loads(value)
            after = page[-1][0]


def _state_to_json(state: State) -> JsonObject:
    return {
        "run": run_to_json(state.run) if state.run else None,
        "requested": request_to_json(state.requested) if state.requested else None,
        "last_full": state.last_full,
        "last_list": state.last_list,
        "number": state.number,
        "mapping_hash": state.mapping_hash,
    }


def _state_from_json(value: JsonObject) -> State:
    return State(
        run_from_json(value["run"]) if value["run"] else None,
        request_from_json(value["requested"]) if value["requested"] else None,
        value["last_full"],
        value["last_list"],
        value["number"],
        value["mapping_hash"],
    )


def _time(value: float) -> float:
    return float(f"{value:.6f}")


def _json(value: JsonObject | list[Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
