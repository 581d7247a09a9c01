"""An entity that was in Port before us is ours only by who wrote it last, or by whose blueprint it is of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.ownership import CREATED, blueprint_note, ours_among
from bitbucket_port.errors import TransientError


class Port:
    """Says that what begins with our name was written by us."""

    def __init__(self) -> None:
        self.asked = 0

    def ours(self, blueprint: str, identifiers: Collection[str]) -> set[str]:
        self.asked += 1
        if blueprint == "down":
            raise TransientError("Port is down")
        return {one for one in identifiers if one.startswith("ours")}


def among(ledger: Ledger, port: Port, blueprint: str) -> set[str]:
    return ours_among(blueprint, ["ours/1", "theirs/1"], ledger=ledger, port=cast("Any", port))


def test_in_a_blueprint_of_somebody_else_the_last_writer_counts(ledger: Ledger) -> None:
    assert among(ledger, Port(), "service") == {"ours/1"}


def test_in_a_blueprint_that_set_up_created_everything_is_ours(ledger: Ledger) -> None:
    ledger.note(blueprint_note("repository"), {"state": CREATED})
    port = Port()
    assert among(ledger, port, "repository") == {"ours/1", "theirs/1"}
    assert among(ledger, port, "service") == {"ours/1"}
    assert port.asked == 1


def test_a_blueprint_that_set_up_may_not_have_created_is_nobodys(ledger: Ledger) -> None:
    for state in ("creating", "refused"):
        ledger.note(blueprint_note("repository"), {"state": state})
        assert among(ledger, Port(), "repository") == {"ours/1"}
