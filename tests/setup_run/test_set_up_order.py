"""The order of set-up's parts, and that none of them stops another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.life import Life
from bitbucket_port.setup.run import SetUp
from bitbucket_port.setup.store import Occasion, ReportStore
from tests.setup_run.checking import Notes, settings_of

OCCASIONS: tuple[Occasion, ...] = ("create", "update", "scheduled", "by hand")


class Parts:
    """Every part of set-up in one: ``done`` names what was called, ``answers`` what some call gives instead of ok."""

    def __init__(self, **answers: Any) -> None:
        self.done: list[str] = []
        self.answers = answers

    def _do(self, name: str) -> list[Finding]:
        self.done.append(name)
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return [answer or Finding(name, "ok", "fine.")]

    def port(self) -> Finding:
        return self._do("port")[0]

    def bitbucket(self) -> Finding:
        return self._do("bitbucket")[0]

    def other_installations(self) -> list[Finding]:
        return self._do("others")

    def permissions(self) -> list[Finding]:
        return self._do("permissions")

    def reachability(self) -> list[Finding]:
        return self._do("reachability")

    def estimate(self) -> list[Finding]:
        return self._do("estimate")

    def look(self) -> list[Finding]:
        return self._do("look")

    def bring(self) -> list[Finding]:
        return self._do("blueprints")

    def register(self) -> list[Finding]:
        return self._do("register")

    def take_mapping(self) -> list[Finding]:
        return self._do("mapping")

    def plan(self, *, force: bool) -> list[Finding]:
        return self._do("webhooks by force" if force else "webhooks")

    def inspect(self) -> list[Finding]:
        return self._do("inspect")

    def by_hand(self) -> list[Finding]:
        return self._do("by hand")

    def remove_all(self, time_left: Callable[[], bool]) -> list[Finding]:
        assert time_left()
        return self._do("remove")


WRITES = {"blueprints", "register", "mapping", "webhooks", "webhooks by force", "remove"}


def set_up(
    parts: Parts, notes: Notes | None = None, *, time_left: Callable[[], bool] = lambda: True, **changes: Any
) -> SetUp:
    kept = notes or Notes()
    return SetUp(
        settings=settings_of(**changes),
        checks=parts,
        blueprints=parts,
        integration=parts,
        webhooks=parts,
        reports=ReportStore(kept),
        life=Life(kept),
        time_left=time_left,
        clock=lambda: 1000.0,
    )


def outcomes(findings: Iterable[Finding]) -> dict[str, str]:
    return {finding.about: finding.outcome for finding in findings}


@pytest.mark.parametrize("occasion", ["create", "update", "by hand"])
def test_everything_is_looked_at_and_made_in_this_order(occasion: Occasion) -> None:
    parts = Parts()
    found = set_up(parts).carry_out(occasion)
    assert parts.done == [
        "port",
        "bitbucket",
        "others",
        "register",
        "mapping",
        "blueprints",
        "permissions",
        "reachability",
        "webhooks by force",
        "estimate",
    ]
    assert set(outcomes(found).values()) == {"ok"}


def test_on_schedule_only_what_can_drift_is_looked_at() -> None:
    parts = Parts()
    set_up(parts).carry_out("scheduled")
    assert parts.done == ["port", "bitbucket", "register", "mapping", "blueprints", "permissions", "webhooks"]


@pytest.mark.parametrize("refused", ["port", "bitbucket"])
def test_a_creation_that_cannot_work_makes_nothing(refused: str) -> None:
    parts = Parts(**{refused: Finding(refused, "failed", "no.")})
    found = outcomes(set_up(parts).carry_out("create"))
    assert set(found) == {"port", "bitbucket"}
    assert found[refused] == "failed"
    assert not WRITES & set(parts.done)


@pytest.mark.parametrize("occasion", ["update", "scheduled", "by hand"])
def test_a_refusal_later_keeps_the_other_side_right(occasion: Occasion) -> None:
    parts = Parts(bitbucket=Finding("bitbucket", "failed", "no."))
    set_up(parts).carry_out(occasion)
    assert {"blueprints", "register", "mapping"} <= set(parts.done)
    assert not {"webhooks", "webhooks by force", "permissions", "estimate"} & set(parts.done)
    parts = Parts(port=Finding("port", "failed", "no."))
    set_up(parts).carry_out(occasion)
    assert not {"blueprints", "register", "mapping", "others"} & set(parts.done)
    assert {"webhooks", "webhooks by force"} & set(parts.done)


@pytest.mark.parametrize("occasion", OCCASIONS)
def test_while_bitbucket_is_down_webhooks_are_ordered_and_nothing_is_asked(occasion: Occasion) -> None:
    parts = Parts(bitbucket=Finding("bitbucket", "warning", "down."))
    set_up(parts).carry_out(occasion)
    assert {"webhooks", "webhooks by force"} & set(parts.done)
    assert not {"permissions", "estimate"} & set(parts.done)


@pytest.mark.parametrize("error", [TransientError("Port is down"), PermanentError("no"), ZeroDivisionError("ours")])
@pytest.mark.parametrize(
    ("part", "about"),
    [
        ("others", "Other installations"),
        ("blueprints", "Blueprints"),
        ("mapping", "Mapping"),
        ("permissions", "Permissions"),
    ],
)
def test_a_part_that_fails_is_a_warning_and_stops_no_other(part: str, about: str, error: Exception) -> None:
    parts, whole = Parts(**{part: error}), Parts()
    found = outcomes(set_up(parts).carry_out("create"))
    set_up(whole).carry_out("create")
    assert parts.done == whole.done
    assert found[about] == "warning"
    assert "failed" not in found.values()


def test_only_credentials_are_worth_a_rollback() -> None:
    parts = Parts(blueprints=Finding("Blueprints", "failed", "Port refuses one."))
    assert outcomes(set_up(parts).carry_out("create"))["Blueprints"] == "warning"


def test_when_the_time_is_over_the_rest_is_left_to_the_next_call() -> None:
    parts = Parts()
    found = outcomes(set_up(parts, time_left=lambda: "mapping" not in parts.done).carry_out("create"))
    assert parts.done[-1] == "mapping"
    assert found["Webhooks"] == found["Estimate"] == "skipped"


def test_blueprints_are_left_alone_where_that_is_asked_for() -> None:
    parts = Parts()
    set_up(parts, initialize_port_resources=False).carry_out("create")
    set_up(parts, initialize_port_resources=False).check()
    assert "blueprints" not in parts.done
    assert parts.done.count("look") == 1  # the integration's


def test_a_check_writes_nothing_and_keeps_nothing() -> None:
    parts, notes = Parts(), Notes()
    set_up(parts, notes).check()
    assert not WRITES & set(parts.done)
    assert {"port", "bitbucket", "others", "look", "permissions", "estimate", "reachability", "inspect"} == set(
        parts.done
    )
    assert notes.kept == {}


@pytest.mark.parametrize("changes", [{"live_events": False}, {"base_url": ""}, {"bitbucket_api": "none"}])
def test_a_check_tells_how_to_make_webhooks_by_hand_where_none_are_made(changes: dict[str, Any]) -> None:
    parts = Parts()
    set_up(parts, **changes).check()
    assert "by hand" in parts.done
    assert "inspect" not in parts.done


def test_the_report_is_kept_with_its_worst_findings_when_there_is_no_room_for_all() -> None:
    notes = Notes()
    reports = ReportStore(notes)
    assert reports.last() is None
    set_up(Parts(permissions=Finding("Permissions", "warning", "little.")), notes).carry_out("update")
    kept = reports.last()
    assert kept is not None
    assert (kept.occasion, kept.at, kept.outcome, len(kept.findings)) == ("update", 1000.0, "warning", 10)
    assert kept.summary() == "9 ok, 1 warning | Permissions: little."

    class Many(Parts):
        def permissions(self) -> list[Finding]:
            fine = [Finding(f"repository {number}", "ok", "ü" * 1000) for number in range(300)]
            return [*fine, Finding("the last", "warning", "bad.")]

    set_up(Many(), notes).carry_out("scheduled")
    kept = reports.last()
    assert kept is not None
    assert kept.findings[-1].about in {"the last", "webhooks"}
    assert "the last" in outcomes(kept.findings)
    assert 100 < len(kept.findings) < 300
    assert len(notes.kept["set-up report"]["findings"].encode()) < 320_000


def test_a_ledger_that_cannot_keep_the_report_costs_nothing_else() -> None:
    class Forgetful(Notes):
        def note(self, name: str, values: Any, *, only_if_absent: bool = False) -> Any:
            raise TransientError("DynamoDB cannot be reached")

    assert outcomes(set_up(Parts(), Forgetful()).carry_out("create"))["estimate"] == "ok"


def test_what_is_removed_is_not_set_up_again_by_anything_that_comes_late() -> None:
    notes, parts = Notes(), Parts()
    life = Life(notes)
    assert life.goes_on("request 1")
    set_up(parts, notes).carry_out("create")
    set_up(parts, notes).remove()
    assert parts.done[-1] == "remove"
    done = list(parts.done)
    for occasion in OCCASIONS:
        assert [finding.outcome for finding in set_up(parts, notes).carry_out(occasion)] == ["skipped"]
    assert parts.done == done
    assert not life.goes_on("request 1")
    assert life.goes_on("request 2")
    set_up(parts, notes).carry_out("create")
    assert "webhooks by force" in parts.done[len(done) :]


def test_removing_goes_on_when_the_ledger_is_down() -> None:
    class Forgetful(Notes):
        def note(self, name: str, values: Any, *, only_if_absent: bool = False) -> Any:
            raise TransientError("DynamoDB cannot be reached")

    parts = Parts()
    assert outcomes(set_up(parts, Forgetful()).remove()) == {"Set-up": "warning", "remove": "ok"}
    assert parts.done == ["remove"]
