"""The report of a run for people, as tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bitbucket_port.cli.resync import SHOWN_OF_EACH, Result
from bitbucket_port.mapping.model import Mapping as PortMapping
from bitbucket_port.objects import KINDS, JsonObject

_COLUMNS = (
    "listed",
    "mapped",
    "filtered",
    "created",
    "updated",
    "healed",
    "unchanged",
    "deleted",
    "protected",
    "failed",
)
_OPTIONAL = frozenset({"filtered", "healed", "deleted", "protected"})
_BLUEPRINT_COLUMNS = ("ours", "unclaimed", "swept", "blocked")
_DRY = {"created": "to create", "updated": "to update", "healed": "to mend", "deleted": "to delete"}
_TITLES = {"ours": "in Port", "unclaimed": "made by nothing", "swept": "deleted", "blocked": "not deleted"}
_SIGNS = {"create": "+", "update": "~", "rename": "→", "delete": "-"}
_COLOURS = {"complete": "green", "partial": "yellow", "failed": "red"}


def show_problems(console: Console, mapping: PortMapping) -> None:
    """What is wrong in the mapping itself."""
    for problem in mapping.problems:
        console.print(Text.assemble(("mapping: ", "yellow"), str(problem)), soft_wrap=True)


def show(console: Console, result: Result, *, dry_run: bool) -> None:
    """The whole summary."""
    report = result.report
    if report.get("kinds"):
        console.print(kinds_table(report["kinds"], dry_run=dry_run))
    blueprints = {name: counts for name, counts in report.get("blueprints", {}).items() if any(counts.values())}
    if blueprints:
        console.print(_blueprints(blueprints))
    if dry_run:
        _show_changes(console, result)
    _show_unclaimed(console, result)
    show_failures(console, report)
    for note in report.get("notes", []):
        console.print(Text(f"note: {note}"), soft_wrap=True)
    if report.get("deletable") and not dry_run:
        console.print(
            Text(
                f"{report['deletable']} entities in Port are made by nothing in Bitbucket any more. Nothing was "
                "deleted; with --delete, those that a second listing misses too would be."
            ),
            soft_wrap=True,
        )
    _show_end(console, result, dry_run=dry_run)


def kinds_table(kinds: Mapping[str, Mapping[str, int]], *, dry_run: bool) -> Table:
    """What a report (``resync.report``) counts of each kind."""
    shown = [name for name in _COLUMNS if name not in _OPTIONAL or any(counts.get(name) for counts in kinds.values())]
    table = Table("kind", title_justify="left")
    for name in shown:
        table.add_column(_DRY.get(name, name) if dry_run else name, justify="right")
    for kind in (*KINDS, *sorted(kinds.keys() - set(KINDS))):
        if kind in kinds:
            table.add_row(kind, *(f"{kinds[kind].get(name, 0):,}" for name in shown))
    return table


def _blueprints(blueprints: Mapping[str, Mapping[str, int]]) -> Table:
    shown = [name for name in _BLUEPRINT_COLUMNS if any(counts.get(name) for counts in blueprints.values())]
    table = Table("blueprint")
    for name in shown:
        table.add_column(_TITLES[name], justify="right")
    for blueprint, counts in sorted(blueprints.items()):
        table.add_row(escape(blueprint), *(f"{counts.get(name, 0):,}" for name in shown))
    return table


def _show_changes(console: Console, result: Result) -> None:
    named: dict[tuple[str, str], int] = {}
    for change in result.changes:
        named[change.what, change.key.blueprint] = named.get((change.what, change.key.blueprint), 0) + 1
        detail = f": {change.detail}" if change.detail else ""
        line = f"{_SIGNS[change.what]} {change.key.blueprint} {change.key.identifier}{detail}"
        console.print(Text(line), soft_wrap=True)
    for (what, blueprint), count in result.counts.items():
        more = count - named.get((what, blueprint), 0)
        if more:
            console.print(Text(f"{_SIGNS[what]} {blueprint}: {more:,} more to {what}"))


def _show_unclaimed(console: Console, result: Result) -> None:
    for blueprint, names in result.unclaimed.items():
        for name in names:
            console.print(Text(f"? {blueprint} {name}: nothing in Bitbucket makes it"), soft_wrap=True)
        count = result.report["blueprints"].get(blueprint, {}).get("unclaimed", len(names))
        if count > len(names) and len(names) >= SHOWN_OF_EACH:
            console.print(Text(f"? {blueprint}: {count - len(names):,} more"))


def show_failures(console: Console, report: JsonObject) -> None:
    """What failed in a run, the first few in full."""
    for failure in report.get("failures", []):
        line = f" {failure['kind']} {failure['what']}: {failure['reason']}"
        console.print(Text.assemble(("failed", "red"), line), soft_wrap=True)
    told = len(report.get("failures", []))
    failed = sum(counts.get("failed", 0) for counts in report.get("kinds", {}).values())
    if failed > told:
        console.print(Text(f"failed: {failed - told:,} more"))


def _show_end(console: Console, result: Result, *, dry_run: bool) -> None:
    report = result.report
    requests = report.get("requests", {})
    parts = [
        f"{requests.get('bitbucket', 0):,} requests to Bitbucket",
        f"{requests.get('port', 0):,} to Port",
        f"{report.get('duration', 0.0):,.1f} s",
    ]
    if report.get("throttled"):
        parts.append(f"{report['throttled']:,.0f} s waited for limits")
    what = "Dry run" if dry_run else "Resync"
    line = Text.assemble(f"{what} ", (result.status, _COLOURS[result.status]), f": {', '.join(parts)}.")
    if dry_run:
        line.append(" Nothing was written.")
    if result.status != "complete" and result.reason:
        line.append(f" {result.reason[0].upper()}{result.reason[1:]}.")
    console.print(line, soft_wrap=True)
    estimate = report.get("estimate")
    if estimate and not dry_run:
        console.print(
            Text(
                f"The next one takes about {estimate['bitbucket_requests']:,} requests to Bitbucket "
                f"and {estimate['seconds']:,.0f} s."
            )
        )
