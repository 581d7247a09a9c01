"""The entities of several objects, written together: one that Port does not take fails its own object and no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from bitbucket_port.catalog.items import UNKNOWN
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outside import Writer
from bitbucket_port.catalog.ownership import ours_among
from bitbucket_port.catalog.share import Share, concerns_all, fail
from bitbucket_port.errors import BitbucketPortError, TransientError
from bitbucket_port.objects import Entity

if TYPE_CHECKING:
    from bitbucket_port.port.client import Written

FAILURES_TO_FIND_ONE = 8
"""Requests that may fail while the entity is looked for that makes a bulk fail; after that it is not one entity."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The mapping's own switches that Port is told with every write.

    ``expected`` gives, for an entity of which something was left out and the hash the ledger keeps of it, what to keep
    with it as how Port shows it (``EntityItem.accepted``): otherwise it would count as differing ever after.
    """

    merge: bool = True
    create_missing: bool = True
    delete_dependents: bool = False
    expected: Callable[[Entity, str], str] | None = None


@dataclass(slots=True, eq=False)
class _Part:
    share: Share
    entity: Entity


class BulkWriting:
    """Writes what the shares of one settlement have to write. For one use."""

    def __init__(self, *, ledger: Ledger, port: Writer, options: WriteOptions) -> None:
        self._ledger = ledger
        self._port = port
        self._options = options
        self._failures_left = FAILURES_TO_FIND_ONE

    def write(self, shares: Sequence[Share]) -> None:
        """Write them; what fails is noted in its share. Raises TransientError when Port takes nothing at all."""
        parts = [_Part(share, entity) for share in shares if share.error is None for entity in share.to_write()]
        new = [part for part in parts if part.entity.key in part.share.undecided]
        done = set(new) - set(self._create(new))
        rest = [part for part in parts if part not in done and part.share.error is None]
        for part, written in self._send(rest, create_only=False):
            self._note(part, written)

    def _create(self, parts: Sequence[_Part]) -> list[_Part]:
        """Create entities we never wrote; returns those that exist already, with their ownership decided.

        Creating tells in the same request whether the entity is ours. One that exists is ours only if Port showed it
        under our datasource before we touched it, or its blueprint is ours.
        """
        existing: list[_Part] = []
        for part, written in self._send(parts, create_only=True):
            if written.outcome == "exists":
                existing.append(part)
                continue
            if written.outcome == "created":
                self._decide(part, ours=True)
            self._note(part, written)
        for blueprint, group in groupby(
            sorted(existing, key=lambda part: part.entity.blueprint), key=lambda part: part.entity.blueprint
        ):
            found = list(group)
            try:
                identifiers = [part.entity.key.identifier for part in found]
                ours = ours_among(blueprint, identifiers, ledger=self._ledger, port=self._port)
            except BitbucketPortError as error:
                fail([part.share for part in found], error)
                continue
            for part in found:
                self._decide(part, ours=part.entity.key.identifier in ours)
        return existing

    def _decide(self, part: _Part, *, ours: bool) -> None:
        try:
            self._ledger.settle_ownership(part.entity.key, ours=ours)
        except BitbucketPortError as error:
            fail([part.share], error)

    # --- one bulk, or the halves of one that fails -------------------------------------------------------------------

    def _send(self, parts: Sequence[_Part], *, create_only: bool) -> list[tuple[_Part, Written]]:
        """What became of the parts; those of objects that failed are left out."""
        if not parts:
            return []
        for part in parts:
            part.share.touched_port = True
        done: list[tuple[_Part, Written]] = []
        failed: list[_Part] = list(parts)
        try:
            answers = self._port.upsert(
                [part.entity for part in parts],
                create_only=create_only,
                merge=self._options.merge,
                create_missing=self._options.create_missing,
            )
        except BitbucketPortError as error:
            cause = error
        else:
            results = list(zip(parts, answers, strict=True))
            done = [(part, written) for part, written in results if written.outcome != "retry"]
            failed = [part for part, written in results if written.outcome == "retry"]
            cause = _not_taken([written for _, written in results if written.outcome == "retry"])
        return done + self._apart(failed, cause, create_only=create_only) if failed else done

    def _apart(
        self, failed: Sequence[_Part], cause: BitbucketPortError, *, create_only: bool
    ) -> list[tuple[_Part, Written]]:
        """Send again in halves what failed together, until the object stands alone that makes it fail."""
        shares = list(dict.fromkeys(part.share for part in failed))
        self._failures_left -= 1
        if len(shares) == 1:
            fail(shares, cause)
            return []
        if concerns_all(cause) or self._failures_left <= 0:
            raise cause
        half = set(shares[: len(shares) // 2])
        first = self._send([part for part in failed if part.share in half], create_only=create_only)
        return first + self._send([part for part in failed if part.share not in half], create_only=create_only)

    # --- what became of one ------------------------------------------------------------------------------------------

    def _note(self, part: _Part, written: Written) -> None:
        settled, key = part.share.settled, part.entity.key
        if written.outcome == "refused":
            settled.owns[str(key)] = UNKNOWN
            settled.problems.append(f"Port refused {key}: {written.reason}")
        elif written.outcome == "created":
            settled.created += 1
        elif written.outcome == "same":
            settled.unchanged += 1
        else:
            settled.updated += 1
        self.note_left_out(part.share, part.entity, written)

    def note_left_out(self, share: Share, entity: Entity, written: Written) -> None:
        """Tell what of a written entity the blueprint has no room for, and keep how Port shows it then."""
        if written.trimmed:
            lacks = ", ".join(written.trimmed)
            share.settled.problems.append(
                f"{entity.key}: the blueprint in Port has no {lacks}; left out, the rest was written"
            )
        if written.sent is not None and self._options.expected is not None:
            accepted = self._options.expected(written.sent, share.settled.owns[str(entity.key)])
            try:
                self._ledger.accept(entity.key, accepted)
            except BitbucketPortError as error:
                fail([share], error)


def _not_taken(again: Sequence[Written]) -> TransientError:
    if not again:
        return TransientError("")
    waits = [written.retry_after for written in again if written.retry_after is not None]
    return TransientError(
        f"Port did not take {len(again)} entities for now: {again[0].reason}", retry_after=max(waits, default=None)
    )
