"""A run's items in the ledger's DynamoDB table.

``run#current`` is the open run, what was requested and when the last runs began: one item, so that each step between
runs or phases is one conditional write. Everything else hangs below ``run#<id>#…`` and expires.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bitbucket_port.catalog.attributes import number
from bitbucket_port.dynamodb import classified
from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.findings import Findings
from bitbucket_port.resync.store import (
    OpenJob,
    Phase,
    Request,
    Run,
    Seen,
    State,
    Status,
)
from bitbucket_port.resync.stored import (
    request_from_json,
    request_to_json,
    run_from_json,
    run_to_json,
    sort_name,
)
from bitbucket_port.resync.table import Items, keys, number_of, text, value_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_CURRENT = {"PK": {"S": "run#current"}, "SK": {"S": "-"}}
_REPORTS = "run#reports"
_IDS_IN_AN_ITEM = 3000
"""Ids are at most 262 characters (``bitbucket.address``), mostly 38: far below the 400 KB of an item."""
_OPEN = "run_id = :id AND phase <> :closed"


class DynamoDBRunStore(Findings):
    """The RunStore protocol over the ledger's table."""

    def __init__(self, client: DynamoDBClient, table: str, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._table = table
        self._items = Items(client, table, clock)

    # --- the run itself ----------------------------------------------------------------------------------------------

    def state(self) -> State:
        """See RunStore."""
        with classified():
            item = self._client.get_item(TableName=self._table, Key=_CURRENT, ConsistentRead=True).get("Item", {})
        requested = request_from_json(value_of(item["requested"])) if "requested" in item else None
        run = None
        if "run_id" in item and item["phase"]["S"] != "closed":
            run = run_from_json(
                {
                    **value_of(item["run"]),
                    "id": item["run_id"]["S"],
                    "phase": item["phase"]["S"],
                    "phase_began": number_of(item, "phase_began"),
                    "until": number_of(item, "until"),
                }
            )
        return State(
            run,
            requested,
            number_of(item, "last_full"),
            number_of(item, "last_list"),
            int(number_of(item, "number")),
            item.get("mapping_hash", {}).get("S", ""),
        )

    def begin(self, run: Run, jobs: Sequence[tuple[str, str]]) -> bool:
        """See RunStore."""
        sets = ["run_id = :id", "run = :run", "phase = :phase", "phase_began = :began", "#until = :until"]
        values: dict[str, Any] = {
            ":id": {"S": run.id},
            ":run": text(run_to_json(run)),
            ":phase": {"S": run.phase},
            ":began": number(run.phase_began),
            ":until": number(run.until),
            ":closed": {"S": "closed"},
            ":now": number(run.started),
        }
        condition = "(attribute_not_exists(run_id) OR phase = :closed OR #until <= :now)"
        sets.append(f"last_{run.kind} = :now")
        if run.kind == "full":
            sets += ["#number = :number", "mapping_hash = :hash"]
            values |= {":number": number(run.number), ":hash": {"S": run.mapping_hash}}
        else:
            condition += " AND (attribute_not_exists(requested_kind) OR requested_kind <> :full)"
            values[":full"] = {"S": "full"}
        names = {"#until": "until"} | ({"#number": "number"} if run.kind == "full" else {})
        expression = f"SET {', '.join(sets)} REMOVE requested, requested_kind"
        return self._step(expression, condition, values, names, run_id=run.id, jobs=jobs)

    def extend(self, run_id: str, until: float) -> bool:
        """See RunStore."""
        values = {":id": {"S": run_id}, ":closed": {"S": "closed"}, ":until": number(until)}
        condition = f"{_OPEN} AND #until < :until"
        if self._step("SET #until = :until", condition, values, {"#until": "until"}):
            return True
        run = self.state().run
        return run is not None and run.id == run_id

    def advance(
        self, run_id: str, from_phase: Phase, to_phase: Phase, at: float, jobs: Sequence[tuple[str, str]]
    ) -> bool:
        """See RunStore."""
        values = {
            ":id": {"S": run_id},
            ":from": {"S": from_phase},
            ":to": {"S": to_phase},
            ":at": number(at),
        }
        expression = "SET phase = :to, phase_began = :at"
        return self._step(expression, "run_id = :id AND phase = :from", values, run_id=run_id, jobs=jobs)

    def close(self, run_id: str, status: Status, report: JsonObject, at: float) -> bool:
        """See RunStore."""
        run = self.state().run
        if run is None or run.id != run_id:
            return False
        # First the report: a run that is closed has one. Written again by another try, it is there once.
        name = f"{run.started:020.6f}#{run_id}"
        self._items.put([self._items.item(_REPORTS, name, {"report": text({**report, "status": status})})])
        values = {":id": {"S": run_id}, ":closed": {"S": "closed"}, ":at": number(at)}
        return self._step("SET phase = :closed, phase_began = :at", _OPEN, values)

    def request(self, request: Request) -> None:
        """See RunStore."""
        values = {":request": text(request_to_json(request)), ":kind": {"S": request.kind}}
        condition = "attribute_not_exists(requested_kind)"
        if request.kind == "full":
            condition += " OR requested_kind <> :kind"
        self._step("SET requested = :request, requested_kind = :kind", condition, values)

    def last_reports(self, count: int) -> list[JsonObject]:
        """See RunStore."""
        items = self._items.query(_REPORTS, backwards=True, limit=count)
        return [value_of(item["report"]) for item, _ in zip(items, range(count), strict=False)]

    def _step(
        self,
        expression: str,
        condition: str,
        values: dict[str, Any],
        names: dict[str, str] | None = None,
        *,
        run_id: str = "",
        jobs: Sequence[tuple[str, str]] = (),
    ) -> bool:
        """Change the current run and open jobs, both or neither; False when the condition does not hold."""
        update: Any = {
            "TableName": self._table,
            "Key": _CURRENT,
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }
        if names:
            update["ExpressionAttributeNames"] = names
        puts: list[Any] = [{"Put": {"TableName": self._table, "Item": self._open_item(run_id, *job)}} for job in jobs]
        if puts:
            return self._items.transact([{"Update": update}, *puts])
        with classified():
            try:
                self._client.update_item(**update)
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    # --- its jobs ----------------------------------------------------------------------------------------------------

    def put_jobs(self, run_id: str, jobs: Sequence[tuple[str, str]]) -> list[str]:
        """See RunStore."""
        done = self._done_ones(run_id, [job_id for job_id, _ in jobs])
        wanted = {job_id: message for job_id, message in jobs if job_id not in done}
        self._items.put([self._open_item(run_id, job_id, message) for job_id, message in wanted.items()])
        return list(wanted)

    def _done_ones(self, run_id: str, job_ids: Sequence[str]) -> set[str]:
        by_name = {sort_name(job_id): job_id for job_id in job_ids}
        wanted = [keys(f"run#{run_id}#report", name) for name in by_name]
        return {by_name[item["SK"]["S"]] for item in self._items.get_all(wanted)}

    def open_job(self, run_id: str, job_id: str) -> OpenJob | None:
        """See RunStore."""
        with classified():
            item = self._client.get_item(
                TableName=self._table, Key=keys(f"run#{run_id}#open", sort_name(job_id)), ConsistentRead=True
            ).get("Item")
        return OpenJob(job_id, item["message"]["S"], int(number_of(item, "waits"))) if item else None

    def open_jobs(self, run_id: str) -> Iterator[OpenJob]:
        """See RunStore."""
        items = self._items.query(f"run#{run_id}#open")
        return (OpenJob(item["id"]["S"], item["message"]["S"], int(number_of(item, "waits"))) for item in items)

    def waited(self, run_id: str, job_id: str) -> None:
        """See RunStore."""
        with classified():
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=keys(f"run#{run_id}#open", sort_name(job_id)),
                    UpdateExpression="ADD waits :one",
                    ConditionExpression="attribute_exists(PK)",
                    ExpressionAttributeValues={":one": number(1)},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return  # Somebody else has done it meanwhile.

    def done(self, run_id: str, job_id: str, report: JsonObject) -> bool:
        """See RunStore."""
        name = sort_name(job_id)
        close: Any = {
            "TableName": self._table,
            "Key": keys(f"run#{run_id}#open", name),
            "ConditionExpression": "attribute_exists(PK)",
        }
        keep: Any = {"TableName": self._table, "Item": self._report_item(run_id, job_id, report)}
        return self._items.transact([{"Delete": close}, {"Put": keep}])

    def any_open(self, run_id: str) -> bool:
        """See RunStore.

        A query is no snapshot of its partition: what is put behind its back while it goes on can be missed. So an empty
        answer is asked for twice; whoever closes a job has opened the next ones before.
        """
        partition = f"run#{run_id}#open"
        return any(next(self._items.query(partition, limit=1), None) is not None for _ in range(2))

    # --- what it found out -------------------------------------------------------------------------------------------

    def put_seen(
        self, run_id: str, listing: str, part: int, ids: Collection[str], *, began: float, complete: bool
    ) -> None:
        """See RunStore."""
        wanted = sorted(ids)
        chunks = [wanted[at : at + _IDS_IN_AN_ITEM] for at in range(0, len(wanted), _IDS_IN_AN_ITEM)] or [[]]
        self._items.put(
            [
                self._items.item(
                    f"run#{run_id}#seen#{sort_name(listing)}",
                    f"{part:06}#{at:06}",
                    {"ids": text(chunk), "began": number(began), "complete": {"BOOL": complete}},
                )
                for at, chunk in enumerate(chunks)
            ]
        )

    def seen(self, run_id: str, listing: str) -> Seen:
        """See RunStore."""
        ids: set[str] = set()
        complete, began = False, 0.0
        for item in self._items.query(f"run#{run_id}#seen#{sort_name(listing)}"):
            ids.update(value_of(item["ids"]))
            complete = complete or bool(item["complete"]["BOOL"])
            began = min(began or number_of(item, "began"), number_of(item, "began"))
        return Seen(frozenset(ids), complete, began)

    def put_report(self, run_id: str, name: str, report: JsonObject) -> None:
        """See RunStore."""
        self._items.put([self._report_item(run_id, name, report)])

    def reports(self, run_id: str) -> Iterator[tuple[str, JsonObject]]:
        """See RunStore."""
        return ((item["name"]["S"], value_of(item["report"])) for item in self._items.query(f"run#{run_id}#report"))

    def claim(self, run_id: str, name: str) -> bool:
        """See RunStore."""
        item = self._items.item(f"run#{run_id}#claim", sort_name(name), {})
        put = {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(PK)"}
        return self._items.transact([{"Put": put}])

    # --- from run to run ---------------------------------------------------------------------------------------------

    def put_unclaimed(self, blueprint: str, number: int, identifiers: Collection[str]) -> None:
        """See RunStore."""
        self.put_seen("unclaimed", blueprint, number, identifiers, began=float(number), complete=True)

    def unclaimed(self, blueprint: str, number: int) -> frozenset[str]:
        """See RunStore."""
        partition = f"run#unclaimed#seen#{sort_name(blueprint)}"
        found: set[str] = set()
        for item in self._items.query(partition, prefix=f"{number:06}#"):
            found.update(value_of(item["ids"]))
        return frozenset(found)

    # --- items -------------------------------------------------------------------------------------------------------

    def _open_item(self, run_id: str, job_id: str, message: str) -> dict[str, Any]:
        attributes: dict[str, Any] = {"id": {"S": job_id}, "message": {"S": message}, "waits": number(0)}
        return self._items.item(f"run#{run_id}#open", sort_name(job_id), attributes)

    def _report_item(self, run_id: str, name: str, report: JsonObject) -> dict[str, Any]:
        return self._items.item(f"run#{run_id}#report", sort_name(name), {"name": {"S": name}, "report": text(report)})

    def _put_named(self, run_id: str, what: str, values: Iterable[tuple[str, JsonObject]]) -> None:
        self._items.put(
            [
                self._items.item(f"run#{run_id}#{what}", sort_name(name), {"name": {"S": name}, "value": text(value)})
                for name, value in values
            ]
        )

    def _named(self, run_id: str, what: str) -> Iterator[tuple[str, Any]]:
        return ((item["name"]["S"], value_of(item["value"])) for item in self._items.query(f"run#{run_id}#{what}"))
