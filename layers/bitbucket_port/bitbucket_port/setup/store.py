"""The report of the last set-up, kept in the ledger for whoever asks how the stack stands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from bitbucket_port import __version__
from bitbucket_port.setup.findings import OUTCOMES, Finding, Outcome, worst

if TYPE_CHECKING:
    from bitbucket_port.objects import JsonObject
    from bitbucket_port.reading import Notes

Occasion = Literal["create", "update", "scheduled", "by hand"]
LARGEST = 300_000
"""Bytes of the findings that are kept: a DynamoDB item holds 400 KB."""
_NOTE = "set-up report"


@dataclass(frozen=True, slots=True)
class Report:
    """What one set-up found and did; ``at`` is when it ended (epoch seconds), ``version`` that of this project."""

    occasion: Occasion
    at: float
    findings: tuple[Finding, ...]
    version: str = __version__

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of all findings."""
        return worst(self.findings)

    @property
    def refused(self) -> str:
        """Why nothing can work, all reasons in one text; empty when something can."""
        return " ".join(str(finding) for finding in self.findings if finding.outcome == "failed")

    def summary(self) -> str:
        """One line: how many findings there are of each outcome, and each that somebody should mend."""
        counts = {one: sum(finding.outcome == one for finding in self.findings) for one in OUTCOMES}
        numbers = ", ".join(f"{count} {one}" for one, count in counts.items() if count)
        bad = [str(finding) for finding in self.findings if finding.outcome in ("warning", "failed")]
        return " | ".join([numbers or "nothing was looked at", *bad])

    def to_json(self) -> JsonObject:
        """The report as it is answered to whoever asked for it."""
        return {
            "occasion": self.occasion,
            "at": self.at,
            "version": self.version,
            "outcome": self.outcome,
            "findings": [finding.to_json() for finding in self.findings],
        }


class ReportStore:
    """Keeps one report, the last."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def keep(self, report: Report) -> None:
        """Keep this report instead of the one before; the worst findings when there is no room for all.

        Raises TransientError when the ledger cannot be reached.
        """
        values = {
            "occasion": report.occasion,
            "at": repr(report.at),
            "version": report.version,
            "findings": _written(report.findings),
        }
        self._notes.note(_NOTE, values)

    def last(self) -> Report | None:
        """The report of the last set-up; None when there was none. Raises TransientError."""
        noted = self._notes.noted(_NOTE)
        if not noted:
            return None
        findings = tuple(Finding.from_json(value) for value in json.loads(noted["findings"]))
        return Report(cast("Occasion", noted["occasion"]), float(noted["at"]), findings, noted["version"])


def _written(findings: tuple[Finding, ...]) -> str:
    """As many findings as there is room for, the worst of them, in their order."""
    texts = [json.dumps(finding.to_json(), ensure_ascii=False) for finding in findings]
    kept: set[int] = set()
    size = 0
    for number in sorted(range(len(findings)), key=lambda one: -OUTCOMES.index(findings[one].outcome)):
        size += len(texts[number].encode()) + 1
        if size > LARGEST:
            break
        kept.add(number)
    return f"[{','.join(text for number, text in enumerate(texts) if number in kept)}]"
