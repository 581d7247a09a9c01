"""Unclaimed entities that are somebody's all the same."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from bitbucket_port.port.listing import Lister, elsewhere


class Strays(Lister, Protocol):
    """Port, as far as this goes (``PortClient``)."""

    def needed(self, blueprint: str, identifiers: Collection[str]) -> set[str]:
        """Which of these entities another one relates to."""


def spared(port: Strays, blueprint: str, identifiers: Collection[str]) -> dict[str, str]:
    """Which of these unclaimed entities must stay, each with the reason: two searches for up to 50 of them, or three.

    One that another entity relates to is no leftover: Port creates it because of the relation (the author of a pull
    request who has left the workspace). One that another stack with the same identifier wrote last is that stack's.
    """
    if not identifiers:
        return {}
    others = elsewhere(port, blueprint, identifiers)
    needed = port.needed(blueprint, [one for one in identifiers if one not in others])
    return {
        **dict.fromkeys(others, "another stack with this IntegrationIdentifier wrote it last"),
        **dict.fromkeys(needed, "another entity relates to it"),
    }
