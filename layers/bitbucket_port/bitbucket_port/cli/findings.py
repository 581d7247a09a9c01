"""Findings of set-up as a table, and what to paste below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bitbucket_port.setup.findings import Finding, Outcome, worst

_COLOURS: dict[Outcome, str] = {
    "ok": "green",
    "changed": "green",
    "skipped": "dim",
    "warning": "yellow",
    "failed": "red",
}
_COMMANDS = ("aws ", "bitbucket-port ")
EXIT_STATUS: dict[Outcome, int] = {"ok": 0, "changed": 0, "skipped": 0, "warning": 1, "failed": 2}


def show(console: Console, findings: Sequence[Finding]) -> None:
    """A row each: what was looked at, how it stands, what it is and what to do.

    What is to be pasted somewhere (several lines, a command) comes below the table, not broken into its column.
    """
    table = Table("about", "outcome", "what was found, and what to do", box=box.SIMPLE_HEAD, pad_edge=False)
    below: list[tuple[int, Finding]] = []
    for finding in findings:
        table.add_row(finding.title, Text(finding.outcome, _COLOURS[finding.outcome]), _cell(finding, below))
    console.print(table)
    for number, finding in below:
        console.print(Text(f"({number}) {finding.title}"), soft_wrap=True)
        console.print(Text(finding.fix), soft_wrap=True)
        console.print()


def exit_status(findings: Iterable[Finding]) -> int:
    """0 when everything is well, 1 when something should be mended, 2 when nothing can work before it is."""
    return EXIT_STATUS[worst(findings)]


def count(findings: Iterable[Finding]) -> str:
    """How many there are of each outcome that somebody should know of: "2 warnings, 1 failed"."""
    outcomes = [finding.outcome for finding in findings]
    changed, warnings, failed = (outcomes.count(one) for one in ("changed", "warning", "failed"))
    parts = [
        *([f"{changed} changed"] if changed else []),
        *([f"{warnings} {'warning' if warnings == 1 else 'warnings'}"] if warnings else []),
        *([f"{failed} failed"] if failed else []),
    ]
    return ", ".join(parts)


def _cell(finding: Finding, below: list[tuple[int, Finding]]) -> Text:
    cell = Text(finding.sentence)
    if not finding.fix:
        return cell
    if "\n" in finding.fix or finding.fix.startswith(_COMMANDS):
        below.append((len(below) + 1, finding))
        return cell.append(f"\n→ see ({len(below)}) below")
    return cell.append(f"\n→ {finding.fix}")
