"""A resync in words for people: its phase, what it found, what it changed, what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bitbucket_port.objects import KINDS, JsonObject, Product
from bitbucket_port.resync.store import Phase
from local.resyncs import Look

_TITLES: dict[Product, str] = {"cloud": "Bitbucket Cloud", "server": "Bitbucket Data Center"}

_PHASES: dict[Phase, str] = {
    "listing": "listing what Bitbucket has",
    "port": "comparing with Port",
    "look": "looking at what was not listed",
    "sweep-children": "looking again before anything is deleted",
    "sweep-repositories": "deleting repositories that are gone",
    "sweep-projects": "deleting projects that are gone",
    "report": "writing the report",
    "closed": "ended",
}
_KINDS = {
    "project": ("project", "projects"),
    "repository": ("repository", "repositories"),
    "pull-request": ("pull request", "pull requests"),
    "user": ("user", "users"),
}
_CHANGES = ("created", "updated", "healed", "deleted", "failed")


def title(product: Product) -> str:
    """Which Bitbucket."""
    return _TITLES[product]


def phase(name: Phase) -> str:
    """What a run does in a phase."""
    return _PHASES[name]


def state(look: Look) -> str:
    """What goes on: "listing what Bitbucket has, 3 jobs open"."""
    if look.run is None:
        return "ended" if look.last else "not begun"
    return f"{phase(look.run.phase)}, {counted(look.jobs, 'job', 'jobs')} open"


def listed(report: JsonObject | None) -> str:
    """How many objects of each kind were listed: "2 projects, 5 repositories"."""
    found = [counted(counts.get("listed", 0), *kind_words(kind)) for kind, counts in kinds(report) if kind in _KINDS]
    return ", ".join(found) or "nothing listed yet"


def changed(report: JsonObject) -> str:
    """What became of their entities: "18 created, 2 unchanged"."""
    totals = {name: sum(counts.get(name, 0) for _, counts in kinds(report)) for name in (*_CHANGES, "unchanged")}
    return ", ".join(f"{number} {name}" for name, number in totals.items() if number) or "nothing changed"


def cost(report: JsonObject) -> str:
    """Time and requests: "in 3.1 s, with 12 requests to Bitbucket and 9 to Port"."""
    asked = report["requests"]
    bitbucket = counted(asked["bitbucket"], "request", "requests")
    return f"in {report['duration']:.1f} s, with {bitbucket} to Bitbucket and {asked['port']} to Port"


def kinds(report: JsonObject | None) -> list[tuple[str, Mapping[str, Any]]]:
    """The kinds a report counts, in their usual order; what belongs to no kind last."""
    counts = (report or {}).get("kinds", {})
    return [(kind, counts[kind]) for kind in (*KINDS, *sorted(set(counts) - set(KINDS))) if kind in counts]


def kind_words(kind: str) -> tuple[str, str]:
    """One and many of a kind."""
    return _KINDS.get(kind, (kind, kind))


def counted(number: int, one: str, many: str) -> str:
    """ "1 job", "2 jobs"."""
    return f"{number} {one if number == 1 else many}"
