"""The report of a run from the parts of its jobs."""

from __future__ import annotations

from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.objects import SourceKey
from bitbucket_port.resync.report import FULL_FAILURES, Part, merged, status_of, whole
from bitbucket_port.resync.store import Run

RUN = Run("1-a", "full", 3, "report", "hash", 100.0, "interval", 900.0)
KEY = SourceKey("repository", "{ws}", "{r}")


def part(**counts: int) -> Part:
    made = Part()
    for name, number in counts.items():
        made.count("repository", name, number)  # type: ignore[arg-type]
    return made


def test_numbers_of_all_parts_are_added() -> None:
    one, other = part(listed=3, created=1), part(listed=2)
    one.requested(bitbucket=4, port=1, listing=4)
    other.requested(bitbucket=2)
    other.blueprint("service", ours=7)
    one.throttled(1.5)
    found = merged([one.to_json(), other.to_json()])
    assert found["kinds"] == {"repository": {"listed": 5, "created": 1}}
    assert found["requests"] == {"bitbucket": 6, "port": 1, "listing": 4}
    assert found["blueprints"] == {"service": {"ours": 7}}
    assert found["throttled"] == 1.5


def test_the_first_failures_are_told_in_full_and_all_are_counted() -> None:
    parts = []
    for number in range(FULL_FAILURES * 3):
        made = Part()
        made.failed("repository", f"r{number}", "x" * 10_000)
        parts.append(made.to_json())
    found = merged(parts)
    assert len(found["failures"]) == FULL_FAILURES
    assert found["kinds"]["repository"]["failed"] == FULL_FAILURES * 3
    assert max(len(failure["reason"]) for failure in found["failures"]) < 1000


def test_an_object_that_makes_nothing_is_filtered_and_one_that_failed_is_neither() -> None:
    made = Part()
    made.listed(Outcome(KEY, "unchanged", mapped=0))
    made.listed(Outcome(KEY, "unchanged", mapped=2, unchanged=2))
    made.listed(Outcome(KEY, "failed", failed="Port refused it"))
    made.listed(Outcome(KEY, "left"))
    assert made.to_json()["kinds"]["repository"] == {
        "filtered": 1,
        "mapped": 1,
        "unchanged": 2,
        "failed": 1,
        "left": 1,
        "unknown": 2,
    }


def test_what_is_tried_again_is_no_failure_yet() -> None:
    made = Part()
    made.listed(Outcome(KEY, "failed", failed="Port answered 500", transient=True))
    assert "failures" not in made.to_json()


def test_a_run_is_complete_only_when_nothing_failed_was_protected_or_blocked() -> None:
    calm = whole(RUN, [part(listed=1).to_json()], {}, at=160.0)
    assert status_of(calm) == "complete"
    assert calm["duration"] == 60.0
    assert status_of(whole(RUN, [part(failed=1).to_json()], {}, at=160.0)) == "partial"
    protected = whole(RUN, [], {str(KEY): "403", "user": "403"}, at=160.0)
    assert status_of(protected) == "partial"
    assert {kind: counts["protected"] for kind, counts in protected["kinds"].items()} == {"pull-request": 1, "user": 1}
    blocked = Part()
    blocked.blueprint("service", blocked=4)
    assert status_of(whole(RUN, [blocked.to_json()], {}, at=160.0)) == "partial"


def test_a_run_that_listed_nothing_because_every_list_failed_is_failed() -> None:
    nothing = whole(RUN, [part(failed=2).to_json()], {"project": "401", "repository": "401"}, at=160.0)
    roots = {"project", "repository"}
    assert status_of(nothing, roots, {"project", "repository", str(KEY)}) == "failed"
    assert status_of(nothing, roots, {"project"}) == "partial"
    some = whole(RUN, [part(failed=2, listed=1).to_json()], {"project": "401", "repository": "401"}, at=160.0)
    assert status_of(some, roots, roots) == "partial"


def test_the_estimate_leaves_out_what_limits_took() -> None:
    waiting = Part()
    waiting.requested(bitbucket=9, listing=7)
    waiting.throttled(45.0)
    assert whole(RUN, [waiting.to_json()], {}, at=160.0)["estimate"] == {"bitbucket_requests": 7, "seconds": 15.0}
