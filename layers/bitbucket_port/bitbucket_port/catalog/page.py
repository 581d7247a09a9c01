"""A page of a listing, brought into the catalog without getting in the way of live events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bitbucket_port.catalog.held import LeasedWriter, Recorded, left_alone, new_entities, newest, unchanged
from bitbucket_port.catalog.items import Guard, ObjectItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.catalog.outside import Mapper, Reader, Reading
from bitbucket_port.objects import SourceKey

MARGIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One object of a listing: its key and what the listing said.

    ``enrich`` reads what the mapping wants and a listing cannot give (files), returning the whole reading. It is
    called only where the ledger does not know this state of the object already: another ``facts.commit`` or
    ``facts.listed`` than recorded, an entity that has to be written anyway, or somebody who died while writing.
    """

    key: SourceKey
    reading: Reading
    enrich: Callable[[], Reading] | None = None


class Pages:
    """Applies pages."""

    def __init__(self, *, ledger: Ledger, mapper: Mapper, reader: Reader | None, writer: LeasedWriter) -> None:
        self._ledger = ledger
        self._mapper = mapper
        self._reader = reader
        self._writer = writer

    def apply(self, entries: Sequence[PageEntry], *, asked: float) -> list[Outcome]:
        """Bring the objects of one page of a listing, asked for at ``asked``, into the catalog.

        What a live event touched since a minute before is left alone ("left"), as is what somebody is writing now.
        """
        items = self._ledger.read([entry.key for entry in entries])
        return [self._apply_entry(entry, items[entry.key], asked) for entry in entries]

    def _apply_entry(self, entry: PageEntry, item: ObjectItem, asked: float) -> Outcome:
        ask = self._reader.ask if self._reader else None
        if item.known and item.read_at >= asked - MARGIN_SECONDS:
            return Outcome(entry.key, "left", "page")
        mapped = self._mapper.map(entry.key.kind, entry.reading.object, ask=ask)
        if unchanged(item, mapped) and item.facts == entry.reading.facts:
            return left_alone(item, mapped, "page")
        intents = new_entities(item, mapped)
        lease = self._writer.try_for(item, Guard(read_before=asked), intents)
        if lease is None:
            return Outcome(entry.key, "left", "page")
        with lease as held:
            before = held.granted.item
            version = newest(before.version, entry.reading.version)
            return self._writer.settle(
                held,
                mapped,
                Recorded("page", version=version, read_at=asked, received=before.received),
                facts=entry.reading.facts,
                intended=intents,
            )
