"""The version of the ledger's items: what an older release does not understand, it leaves alone.

A new release reads items of its own version and of the one before. An older one, back after a rollback or still
running in the middle of an upgrade, meets a newer item and puts its message off, so that nothing is half understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bitbucket_port.errors import TransientError

ITEM_VERSION = 1
"""To be raised with each change of an item that this release would misread; no attribute ``v`` is version 1."""
PATIENCE_SECONDS = 600.0


def check(version: int, what: str) -> None:
    """Raises TransientError when ``version`` is newer than this release; ``what`` names the item for people."""
    if version > ITEM_VERSION:
        raise TransientError(
            f"{what} was written by a newer release (version {version}; this one reads up to {ITEM_VERSION})",
            retry_after=PATIENCE_SECONDS,
        )


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """The same for an item as DynamoDB returns it."""
    if "v" in attributes:
        check(int(attributes["v"]["N"]), f"the ledger's item {attributes['PK']['S']} {attributes['SK']['S']}")


def attribute() -> dict[str, str]:
    """The version as an attribute of an item that is written now."""
    return {"N": str(ITEM_VERSION)}
