"""The active mapping: the one that every function maps with, kept in the ledger.

Set-up and the tick put it there after they have read it in Port and validated it; no function asks Port for it. What
says which one it is, is one small note, read with every message. The document itself is read when that changes.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from bitbucket_port.errors import TransientError
from bitbucket_port.objects import JsonObject

LARGEST_PART = 300_000
"""Characters of one note: an item holds 400 KB. A mapping of ordinary size takes a few thousand."""
_ACTIVE = "mapping"


class Notes(Protocol):
    """The ledger's small facts (``catalog.ledger.Ledger``)."""

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        """Keep facts under a name."""

    def noted(self, name: str) -> Mapping[str, str]:
        """The facts under a name; empty when there are none."""


@dataclass(frozen=True, slots=True)
class Active:
    """Which mapping is active.

    ``hash`` is ``mapping.model.Mapping.hash`` of the document, empty when none is active. ``source``: digest of what
    Port held when it was made of that, where invalid entries were replaced by their last good form. ``request``: the
    stamp of the request for a resync that Port showed then. ``parts``: how many notes hold the document.
    """

    hash: str = ""
    source: str = ""
    request: str = ""
    parts: int = 0


class ActiveMapping:
    """The active mapping in a ledger. Every method raises TransientError when the ledger cannot be reached."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def which(self) -> Active:
        """Which mapping is active now; one small read."""
        noted = self._notes.noted(_ACTIVE)
        if not noted:
            return Active()
        return Active(noted["hash"], noted["source"], noted["request"], int(noted["parts"]))

    def document(self, active: Active) -> JsonObject:
        """The document of a mapping that is active."""
        parts = [self._notes.noted(_part_name(active.hash, number)).get("text") for number in range(active.parts)]
        if any(part is None for part in parts):
            raise TransientError("the ledger does not hold the active mapping: set up again, or edit it in Port")
        packed = base64.b85decode("".join(part for part in parts if part is not None))
        return cast(JsonObject, json.loads(zlib.decompress(packed)))

    def put(self, document: JsonObject, *, mapping_hash: str, source: str, request: str) -> None:
        """Make ``document`` the active mapping, from the next message on.

        First the document, under the name of its own content, then what points at it: nobody ever finds half of it.
        """
        packed = base64.b85encode(zlib.compress(json.dumps(document, ensure_ascii=True).encode(), 9)).decode()
        parts = [packed[start : start + LARGEST_PART] for start in range(0, len(packed), LARGEST_PART)]
        for number, part in enumerate(parts):
            self._notes.note(_part_name(mapping_hash, number), {"text": part})
        values = {"hash": mapping_hash, "source": source, "request": request, "parts": str(len(parts))}
        self._notes.note(_ACTIVE, values)


def _part_name(mapping_hash: str, number: int) -> str:
    return f"mapping#{mapping_hash}#{number}"
