"""A page of a listing, brought into the catalog without getting in the way of live events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bitbucket_port.catalog.above import Above, above
from bitbucket_port.catalog.adopting import Adopter, Adoption, may_be_adopted
from bitbucket_port.catalog.due import Due, Turn
from bitbucket_port.catalog.facts import with_main_branch
from bitbucket_port.catalog.held import (
    CONTAINERS,
    LeasedWriter,
    Recorded,
    Work,
    failed,
    left_alone,
    new_entities,
    newest,
    unchanged,
)
from bitbucket_port.catalog.items import UNKNOWN, Commit, Facts, Guard, ObjectItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outcome import Outcome, Removals
from bitbucket_port.catalog.outside import Ask, Mapper, Reader, Reading
from bitbucket_port.catalog.share import concerns_all, is_search
from bitbucket_port.errors import BitbucketPortError, TransientError
from bitbucket_port.mapping.model import Mapped
from bitbucket_port.objects import EntityKey, SourceKey
from bitbucket_port.webhooks.change import Change

LookAll = Callable[[Sequence[Change], Removals], object]
_logger = logging.getLogger(__name__)

MARGIN_SECONDS = 60.0
ASKED_FIELD = "selector"
"""Names problems with what Bitbucket answers about an object; every other one is the mapping's and the object's own."""
WRITTEN_AT_ONCE = 40
"""Entities of one turn: two of Port's bulks, so that no lease is held for longer than a live event waits."""


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

    def __init__(
        self,
        *,
        ledger: Ledger,
        mapper: Mapper,
        reader: Reader | None,
        writer: LeasedWriter,
        look_all: LookAll,
        adopter: Adopter | None = None,
    ) -> None:
        self._ledger = ledger
        self._mapper = mapper
        self._reader = reader
        self._writer = writer
        self._look_all = look_all
        self._adopter = adopter

    def apply(
        self, entries: Sequence[PageEntry], *, asked: float, removals: Removals = "allow", ask: Ask | None = None
    ) -> list[Outcome]:
        """Bring the objects of one page of a listing, asked for at ``asked``, into the catalog; one outcome each.

        What a live event touched since a minute before and the page shows otherwise is left alone ("left"), as is what
        somebody is writing now, and what names its repository or project otherwise than that is called now.
        ``removals="defer"`` writes everything but deletes nothing: such entities stay owned
        and are ``planned``. ``ask`` answers the mapping's questions instead of the reader.

        An object that fails is "failed", the others are done. Raises TransientError where all that is left would fail;
        what was done by then counts as unchanged when the page is read again.
        """
        ask = ask or (self._reader.ask if self._reader else None)
        page = _Page(
            mapper=self._mapper, writer=self._writer, adopter=self._adopter, asked=asked, removals=removals, ask=ask
        )
        latest = {entry.key: entry for entry in entries}
        named = {key: one for key, entry in latest.items() if (one := above(key, entry.reading)) is not None}
        items = self._ledger.read({*latest, *(one.key for one in named.values())})
        misnamed = self._misnamed({one for one in named.values() if one.is_renamed(items[one.key])}, asked, removals)
        for key, entry in latest.items():
            page.take(entry, items[key], is_misnamed=named.get(key) in misnamed)
        page.write()
        return [page.outcomes[key] for key in latest]

    def _misnamed(self, renamed: set[Above], asked: float, removals: Removals) -> set[Above]:
        """What of it still has another name when it was looked at: nobody told of a rename, or the page is from before.

        What cannot be looked at now counts as misnamed, too.
        """
        if not renamed:
            return set()
        addresses = {one.key: one.address for one in renamed}
        self._look_all([Change.hint(key, address, asked) for key, address in addresses.items()], removals)
        items = self._ledger.read(addresses)
        return {one for one in renamed if one.is_renamed(items[one.key])}


class _Page:
    """One page on its way into the catalog, some objects at a time."""

    def __init__(
        self,
        *,
        mapper: Mapper,
        writer: LeasedWriter,
        adopter: Adopter | None,
        asked: float,
        removals: Removals,
        ask: Ask | None,
    ) -> None:
        self._mapper = mapper
        self._writer = writer
        self._asked = asked
        self._removals = removals
        self._ask = ask
        self._adopter = adopter
        self._turn = Turn()
        self.outcomes: dict[SourceKey, Outcome] = {}

    def take(self, entry: PageEntry, item: ObjectItem, *, is_misnamed: bool) -> None:
        """Judge an object and write it with others, at the latest in the last turn."""
        fenced = is_misnamed or (item.known and item.read_at >= self._asked - MARGIN_SECONDS)
        try:
            found = self._judge(entry, item, fenced=fenced)
        except BitbucketPortError as error:
            if concerns_all(error):
                self.write()
                raise
            found = failed(entry.key, error, "page")
        if isinstance(found, Outcome):
            self.outcomes[entry.key] = found
            return
        if self._turn.waits_for(found):
            self._write([found])
            return
        if self._turn.meets(found):
            self.write()
        self._turn.add(found)
        if self._turn.weight >= WRITTEN_AT_ONCE:
            self.write()

    def write(self) -> None:
        """Write what waits."""
        turn, self._turn = self._turn, Turn()
        if turn.dues:
            self._write(turn.dues)

    def _judge(self, entry: PageEntry, item: ObjectItem, *, fenced: bool) -> Outcome | Due:
        """What becomes of an object without any write, or what is due; of one that is ``fenced`` nothing is."""
        reading = _with_known(entry.reading, item)
        if entry.enrich is None:
            return self._compare(reading, item, fenced=fenced)
        if _is_recorded(item, reading.facts):
            return _told_again(item)
        return _left(item) if fenced else self._compare(_with_known(entry.enrich(), item), item, fenced=False)

    def _compare(self, reading: Reading, item: ObjectItem, *, fenced: bool) -> Outcome | Due:
        mapped = self._mapper.map(item.key.kind, reading.object, ask=self._ask)
        made = frozenset(entity.key for entity in mapped.entities)
        surplus = [key for key in item.owned() if key not in made]
        if item.facts == reading.facts and item.missing_since is None:
            if unchanged(item, mapped):
                return left_alone(item, mapped, "page")
            if self._removals == "defer" and not fenced and _only_removes(item, mapped, surplus):
                return self._planned(left_alone(item, mapped, "page"), surplus, reading)
        if fenced:
            return _left(item)
        if not item.known and mapped.complete and not made and item.key.kind not in CONTAINERS:
            return left_alone(item, mapped, "page")  # Nothing hangs below it, and it makes nothing: not worth an item.
        is_open = any(problem.field == ASKED_FIELD for problem in mapped.problems)
        if is_open or (self._removals == "defer" and surplus):
            # Not settled by this reading (Bitbucket may answer otherwise): next time it has to be mapped again.
            reading = replace(reading, facts=replace(reading.facts, listed=""))
        return Due(item, reading, mapped, made, frozenset(item.owned()))

    def _planned(self, outcome: Outcome, planned: Sequence[EntityKey], reading: Reading) -> Outcome:
        """The outcome with what was not deleted."""
        aged = is_aged(self._mapper, outcome.key, planned, reading, self._ask)
        return replace(outcome, planned=tuple(planned), aged=aged)

    def _write(self, dues: Sequence[Due]) -> None:
        """Bring objects to Port together."""
        adopted = self._adopted(dues)
        with ExitStack() as leases:
            works = []
            for due in dues:
                if due.item.key in adopted:
                    self.outcomes[due.item.key] = left_alone(due.item, due.mapped, "page")
                    continue
                work = self._begin(due)
                if isinstance(work, Outcome):
                    self.outcomes[work.key] = work
                else:
                    leases.enter_context(work.held)
                    works.append((due, work))
            if not works:
                return
            settled = self._writer.settle_all([work for _, work in works], removals=self._removals)
            for (due, _), outcome in zip(works, settled, strict=True):
                told = self._planned(outcome, outcome.planned, due.reading) if outcome.planned else outcome
                self.outcomes[told.key] = told

    def _adopted(self, dues: Sequence[Due]) -> Collection[SourceKey]:
        """Those of which nothing but the record is missing; it is made."""
        if self._adopter is None:
            return ()
        found = [self._adoption(due) for due in dues if may_be_adopted(due.item, due.mapped)]
        try:
            return self._adopter.adopt(found) if found else ()
        except BitbucketPortError as error:
            _logger.debug("nothing was adopted: %s", error)  # Writing them meets it again, and tells whom it concerns.
            return ()

    def _adoption(self, due: Due) -> Adoption:
        entities, reading = due.mapped.entities, due.reading
        owns = {str(entity.key): entity.content_hash for entity in entities}
        return Adoption(due.item.key, entities, Commit(owns, reading.version, self._asked, 0.0, 0.0, reading.facts))

    def _begin(self, due: Due) -> Work | Outcome:
        """Take the lease of an object nobody else writes or has written meanwhile."""
        intents = new_entities(due.item, due.mapped)
        try:
            held = self._writer.try_for(due.item, Guard(read_before=self._asked), intents)
        except TransientError as error:
            return failed(due.item.key, error, "page")
        if held is None:
            return _left(due.item)
        before = held.granted.item
        version = newest(before.version, due.reading.version)
        result = Recorded("page", version=version, read_at=self._asked, received=before.received)
        return Work(held, due.mapped, result, due.reading.facts, tuple(intents))


def is_aged(mapper: Mapper, key: SourceKey, planned: Sequence[EntityKey], reading: Reading, ask: Ask | None) -> bool:
    """Whether the object would still make all of these were it not for the time since it was closed."""
    if key.kind != "pull-request":
        return False
    try:
        made = {entity.key for entity in mapper.ageless(key.kind, reading.object, ask=ask).entities}
    except TransientError as error:
        _logger.warning("whether %s left by its age is not known: %s", key, error)
        return False
    return all(one in made for one in planned)


def _told_again(item: ObjectItem) -> Outcome:
    """The outcome for an object that would come out as it did before, with what is wrong with it."""
    count, problems = len(item.owns), (item.problem,) if item.problem else ()
    # What is wrong may be any kind of thing.
    return Outcome(
        item.key, "unchanged", "page", unchanged=count, mapped=count, problems=problems, incomplete=bool(problems)
    )


def _left(item: ObjectItem) -> Outcome:
    return Outcome(item.key, "left", "page", mapped=len(item.owns))


def _with_known(reading: Reading, item: ObjectItem) -> Reading:
    """The reading with the main branch's name that the ledger knows, where a list (the Data Center's) tells none."""
    if item.key.kind != "repository" or "mainbranch" in reading.object:
        return reading
    return replace(reading, facts=with_main_branch(reading.facts, item.facts))


def _is_recorded(item: ObjectItem, facts: Facts) -> bool:
    """Whether what a listing tells is what was applied, so that everything else about the object is, too."""
    settled = item.known and item.lease is None and item.missing_since is None and UNKNOWN not in item.owns.values()
    return settled and bool(facts.listed) and item.facts == facts


def _only_removes(item: ObjectItem, mapped: Mapped, surplus: Sequence[EntityKey]) -> bool:
    """Whether removing entities is all that is to do, with nobody writing and nobody dead while writing."""
    if not item.known or item.lease is not None or not mapped.complete or any(is_search(key) for key in surplus):
        return False
    return all(item.owns.get(str(entity.key)) == entity.content_hash for entity in mapped.entities)
