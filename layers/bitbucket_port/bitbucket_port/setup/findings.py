"""What set-up found or did, one line each: for people, and kept as the report of the last set-up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from bitbucket_port.objects import JsonObject

Outcome = Literal["ok", "changed", "skipped", "warning", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "changed", "skipped", "warning", "failed")
"""From good to bad. ``changed``: it was not right and is now; ``skipped``: not looked at, the text says why;
``warning``: things work without it, or the next set-up mends it; ``failed``: nothing can work until it is mended."""
_ENDS = (".", "!", "?", ":", "…")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what (``about``), how it stands (``text``), and what to do (``fix``, or empty)."""

    about: str
    outcome: Outcome
    text: str
    fix: str = ""

    def to_json(self) -> JsonObject:
        """The finding as it is kept."""
        return {"about": self.about, "outcome": self.outcome, "text": self.text, "fix": self.fix}

    @classmethod
    def from_json(cls, value: JsonObject) -> Finding:
        """The inverse of ``to_json``."""
        return cls(str(value["about"]), cast("Outcome", value["outcome"]), str(value["text"]), str(value["fix"]))

    @property
    def title(self) -> str:
        """What it is about, as the beginning of a line."""
        return self.about[:1].upper() + self.about[1:]

    @property
    def sentence(self) -> str:
        """How it stands, with a full stop, so that what is to be done can follow."""
        return self.text if self.text.endswith(_ENDS) else f"{self.text}."

    def __str__(self) -> str:
        return f"{self.title}: {self.sentence}" + (f" {self.fix}" if self.fix else "")


def worst(findings: Iterable[Finding]) -> Outcome:
    """The worst outcome among them; ``ok`` when there are none."""
    return max((finding.outcome for finding in findings), key=OUTCOMES.index, default="ok")
