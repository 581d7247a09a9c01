"""How a stack stands, for people: tables, sentences, and in the end what somebody should look at."""

from __future__ import annotations

import time

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bitbucket_port.cli import findings
from bitbucket_port.cli.stack_status import DEAD, Budget, StackStatus
from bitbucket_port.cli.summary import kinds_table, show_failures
from bitbucket_port.objects import JsonObject
from bitbucket_port.webhooks.event_keys import FAMILIES

_PRODUCTS = {"cloud": "Bitbucket Cloud", "server": "Bitbucket Data Center"}
_UNITS = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"))
_LEAST = 2.0
"""From so many of a unit on a time is told in it: 90 minutes are told as such."""


def show(console: Console, status: StackStatus) -> list[str]:
    """Show everything; returns what somebody should look at, a few words each."""
    title = f"{status.name}: {_PRODUCTS[status.product]} {status.where}, {moment(status.now)}"
    console.print(Text(title, "bold"), soft_wrap=True)
    console.print(_deliveries(status))
    _show_resyncs(console, status)
    console.print(_queues(status))
    if status.letters:
        console.print(_letters(status))
    for budget in status.budgets:
        console.print(Text(_budget(budget, status.now)), soft_wrap=True)
    if status.webhooks:
        findings.show(console, status.webhooks)
    _show_set_up(console, status)
    for what, why in status.unread.items():
        console.print(Text.assemble(("could not be read: ", "red"), f"{what}: {why}"), soft_wrap=True)
    return _to_look_at(status)


# --- parts -----------------------------------------------------------------------------------------------------------


def _deliveries(status: StackStatus) -> Table:
    table = _table("last delivery", "event", "id", "received")
    for family in FAMILIES:
        last = status.deliveries.get(family)
        if last is None:
            table.add_row(family, "none yet" if "last deliveries" not in status.unread else "not known", "", "")
        else:
            table.add_row(family, last.event_key, last.id, ago(last.received, status.now))
    return table


def _show_resyncs(console: Console, status: StackStatus) -> None:
    run, complete, last = status.run, status.complete, status.last
    if run is not None:
        dead = ", and has stopped: the next tick begins another" if run.until <= status.now else ""
        console.print(Text(f"A {run.kind} resync goes on ({run.phase}) since {ago(run.started, status.now)}{dead}."))
    if complete is None:
        if "resyncs" not in status.unread:
            console.print(Text("No resync was complete yet."))
    else:
        console.print(Text(f"The last complete resync ended {_ended(complete, status.now)}."), soft_wrap=True)
        console.print(kinds_table(complete["kinds"], dry_run=False))
    if last is not None and last is not complete:
        console.print(Text(f"The last one ended {last['status']} {_ended(last, status.now)}."), soft_wrap=True)
        show_failures(console, last)
        for container, why in last.get("protected", {}).items():
            console.print(Text(f"protected: {container}: {why}"), soft_wrap=True)


def _ended(report: JsonObject, now: float) -> str:
    requests = report["requests"]
    return (
        f"{ago(float(report['ended']), now)}, after {report['duration']:,.0f} s, "
        f"{requests.get('bitbucket', 0):,} requests to Bitbucket and {requests.get('port', 0):,} to Port"
    )


def _queues(status: StackStatus) -> Table:
    table = _table("queue", "waiting", "taken or to be tried again", "dead letters")
    for column in table.columns[1:]:
        column.justify = "right"
    depths = {queue.name: queue for queue in status.queues}
    for name, queue in depths.items():
        if not name.endswith(DEAD):
            dead = depths.get(name.removesuffix("Queue") + DEAD)
            count = "" if dead is None else f"{dead.waiting + dead.taken:,}"
            table.add_row(name.removesuffix("Queue"), f"{queue.waiting:,}", f"{queue.taken:,}", count)
    return table


def _letters(status: StackStatus) -> Table:
    table = _table("dead letter", "sent", "message", "why its last try failed")
    for letter in status.letters:
        failure = letter.failure
        why = "not known: no try of it lived to tell" if failure is None else failure.reason
        tries = "" if failure is None else f" ({failure.receives} tries)"
        sent = ago(letter.sent, status.now)
        table.add_row(letter.queue.removesuffix(DEAD), sent, letter.what, Text(why + tries))
    return table


def _budget(budget: Budget, now: float) -> str:
    if budget.blocked > now:
        return f"Bitbucket wants to hear nothing for another {budget.blocked - now:,.0f} s."
    if budget.limit is None:
        return "Bitbucket told no limit on requests."
    return (
        f"Bitbucket: {budget.spent:,} of {budget.limit.requests:,} requests in {budget.limit.seconds:,.0f} s are used; "
        f"a resync leaves {budget.limit.requests - budget.limit.open_to(reserve=True):,} to live events."
    )


def _show_set_up(console: Console, status: StackStatus) -> None:
    report = status.set_up
    if report is None:
        if "set-up" not in status.unread:
            console.print(Text("Set-up left no report."))
        return
    said = findings.count(report.findings) or "everything is well"
    told = f"The last set-up ({report.occasion}, version {report.version}) ended {ago(report.at, status.now)}: {said}."
    console.print(Text(told), soft_wrap=True)
    bad = [one for one in report.findings if one.outcome in ("warning", "failed") and one not in status.webhooks]
    if bad:
        findings.show(console, bad)


# --- all in all ------------------------------------------------------------------------------------------------------


def _to_look_at(status: StackStatus) -> list[str]:
    found: list[str] = []
    if status.dead:
        found.append(f"{status.dead:,} dead {'letter' if status.dead == 1 else 'letters'}")
    if status.last is not None and status.last["status"] not in ("complete", "superseded"):
        found.append(f"the last resync was {status.last['status']}")
    if findings.exit_status(status.webhooks):
        found.append("webhooks")
    if status.set_up is not None and findings.exit_status(status.set_up.findings):
        found.append("what set-up found")
    return [*found, *(f"{what} could not be read" for what in status.unread)]


def _table(*columns: str) -> Table:
    return Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)


def moment(at: float) -> str:
    """``2026-07-01 09:30 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def ago(at: float, now: float) -> str:
    """The moment, and how long ago it was: ``2026-07-01 09:30 UTC (3 hours ago)``."""
    seconds = max(0.0, now - at)
    for length, unit in _UNITS:
        if seconds >= _LEAST * length:
            return f"{moment(at)} ({seconds // length:,.0f} {unit}s ago)"
    return f"{moment(at)} ({seconds:,.0f} s ago)"
