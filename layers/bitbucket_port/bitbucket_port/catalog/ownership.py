"""Which entities that Port had before we first wrote them are ours to delete."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bitbucket_port.catalog.ledger import Ledger
    from bitbucket_port.catalog.outside import Writer

CREATED = "created"


def blueprint_note(blueprint: str) -> str:
    """The name under which the ledger keeps whether set-up created a blueprint (``state`` is ``created`` then)."""
    return f"blueprint#{blueprint}"


def ours_among(blueprint: str, identifiers: Collection[str], *, ledger: Ledger, port: Writer) -> set[str]:
    """Those of a blueprint that set-up created, and those that Port shows as last written by this integration.

    In a blueprint of our own nobody else has business. Raises as the ledger and Port do.
    """
    if ledger.noted(blueprint_note(blueprint)).get("state") == CREATED:
        return set(identifiers)
    return port.ours(blueprint, identifiers)
