"""The phases of a run, and how one becomes the next when no job is open any more."""

from __future__ import annotations

from bitbucket_port.objects import Kind
from bitbucket_port.resync.store import Phase, Planned, Run, RunStore

SECOND_LOOK_SECONDS = 61.0
"""Between the looks that make something missing count as gone; the catalog insists on sixty."""

SWEPT: dict[Phase, frozenset[Kind | None]] = {
    "sweep-children": frozenset({"pull-request", "user", None}),
    "sweep-repositories": frozenset({"repository"}),
    "sweep-projects": frozenset({"project"}),
}
"""What is removed in which phase, children before parents; None stands for unclaimed entities."""
_SWEEPS = tuple(SWEPT)


def after(run: Run, store: RunStore) -> Phase:
    """The phase that follows the run's present one. Decided by what the jobs left, so always the same."""
    if run.phase == "listing" and (run.kind == "full" or _any_candidate(run, store)):
        return "port"
    if run.phase == "port" and _any_candidate(run, store):
        return "look"
    if run.phase in ("port", "look", *_SWEEPS):
        return _next_sweep(run, store)
    return "report"


def delay_of(phase: Phase) -> int:
    """Seconds between the end of the phase before and the first job of this one."""
    return int(SECOND_LOOK_SECONDS) if phase == "sweep-children" else 0


def swept_in(phase: Phase, planned: Planned) -> bool:
    """Whether a removal is made in this phase."""
    return (planned.key.kind if planned.key else None) in SWEPT.get(phase, frozenset())


def _next_sweep(run: Run, store: RunStore) -> Phase:
    """All sweeps or none: what comes after the first look waits the same time for the second, whatever it is."""
    if run.phase == "sweep-projects":
        return "report"
    if run.phase in _SWEEPS:
        return _SWEEPS[_SWEEPS.index(run.phase) + 1]
    return "sweep-children" if next(iter(store.planned(run.id)), None) is not None else "report"


def _any_candidate(run: Run, store: RunStore) -> bool:
    return next(iter(store.candidates(run.id)), None) is not None
