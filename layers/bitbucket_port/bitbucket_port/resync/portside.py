"""What Port shows as ours, held against the ledger: heals what differs, finds what nobody here knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from bitbucket_port.catalog.items import UNKNOWN, EntityItem, ObjectItem
from bitbucket_port.catalog.share import is_search
from bitbucket_port.errors import BitbucketPortError, TransientError
from bitbucket_port.mapping.model import Mapping as PortMapping
from bitbucket_port.objects import KINDS, Address, EntityKey, JsonObject, Kind, SourceKey
from bitbucket_port.port.listing import MOST_LOOKED_AT, Lister, list_ours, look
from bitbucket_port.resync.drift import Claim, Shapes, acceptance, judge
from bitbucket_port.resync.jobs import HealJob, PortJob
from bitbucket_port.resync.report import merged
from bitbucket_port.resync.run import Catalog, Ledger, Turn, chunks, objects_of
from bitbucket_port.resync.shown import Shown
from bitbucket_port.resync.start import LISTED_BY_LIST
from bitbucket_port.resync.store import Planned
from bitbucket_port.resync.unclaimed import Production, mark, twice_unclaimed

HEALED_AT_ONCE = 20


class PortSide:
    """Runs the jobs that compare."""

    def __init__(
        self,
        *,
        mapping: PortMapping,
        port: Lister,
        catalog: Catalog,
        ledger: Ledger,
        source: Callable[[], str],
        time_left: Callable[[], bool],
        clock: Callable[[], float],
        spared: Callable[[str, Collection[str]], Mapping[str, str]] = lambda _blueprint, _identifiers: {},
        compares: bool = True,
    ) -> None:
        """``compares``: False where everything was compared with Port already before it was written or not."""
        self._mapping = mapping
        self._spared = spared
        self._shapes = Shapes.of(mapping)
        self._compares = compares
        self._production = Production.of(mapping)
        self._port = port
        self._catalog = catalog
        self._ledger = ledger
        self._source = source
        self._time_left = time_left
        self._clock = clock

    # --- opening the phase -------------------------------------------------------------------------------------------

    def open(self, turn: Turn) -> None:
        """Order a comparison for each blueprint that the mapping can make or a candidate owns."""
        kinds = set(turn.run.kinds)
        wanted = {name for name, made_by in self._production.kinds.items() if made_by & kinds}
        wanted |= {key.blueprint for item in self._candidates(turn) for key in item.owned()}
        if self._production.unknown and turn.run.kind == "full":
            wanted |= {key.blueprint for item in self._all(KINDS) for key in item.owned()}
        turn.order([PortJob(turn.run.id, name) for name in sorted(wanted)])

    def _candidates(self, turn: Turn) -> Iterator[ObjectItem]:
        some: list[SourceKey] = []
        for candidate in turn.store.candidates(turn.run.id):
            some.append(candidate.key)
            if candidate.key.kind == "repository":
                yield from self._ledger.objects("pull-request", candidate.key.children_container)
            if len(some) == 100:
                yield from self._ledger.read(some).values()
                some = []
        yield from self._ledger.read(some).values()

    def _all(self, kinds: Collection[Kind]) -> Iterator[ObjectItem]:
        for kind in kinds:
            yield from objects_of(self._ledger, kind, self._source())

    # --- comparing ---------------------------------------------------------------------------------------------------

    def run(self, job: PortJob, turn: Turn) -> None:
        """Compare one blueprint, order the healing, note what is unclaimed."""
        blueprint = job.blueprint
        names = self._shapes.names(blueprint) if self._compares else frozenset()
        wrong: dict[SourceKey, set[EntityKey]] = {}
        unclaimed: list[JsonObject] = []
        shown = Shown()
        for page in list_ours(self._port, blueprint, names):
            entities = {str(entity["identifier"]): entity for entity in page.entities}
            shown.add(entities)
            unclaimed += self._compare(blueprint, entities, wrong)
        differing = len({key for keys in wrong.values() for key in keys})
        missing = self._missing(blueprint, shown, names, wrong) if self._compares else 0
        turn.part.blueprint(blueprint, ours=len(shown) + missing, differing=differing, missing=missing)
        turn.part.blueprint(blueprint, unclaimed=len(unclaimed))
        self._note_unclaimed(blueprint, unclaimed, turn)
        self._order_healing(blueprint, wrong, turn)

    def _compare(
        self, blueprint: str, entities: Mapping[str, JsonObject], wrong: dict[SourceKey, set[EntityKey]]
    ) -> list[JsonObject]:
        """Note the objects whose entities are wrong; returns, as far as it tells them apart, what no object claims."""
        items = self._ledger.entities(blueprint, entities.keys())
        owners = self._owners(items.values()) if self._compares else {}
        unclaimed = []
        for identifier, entity in entities.items():
            key = EntityKey(blueprint, identifier)
            item = items.get(key)
            if item is None or not item.sources:
                unclaimed.append({name: entity.get(name) for name in ("identifier", "updatedAt")})
                continue
            if self._compares and self._is_wrong(entity, key, item, owners):
                for source in item.sources:
                    wrong.setdefault(owners[source].key, set()).add(key)
        return unclaimed

    def _is_wrong(self, entity: JsonObject, key: EntityKey, item: EntityItem, owners: Mapping[str, ObjectItem]) -> bool:
        now = self._clock()
        leases = (owners[source].lease for source in item.sources)
        if any(lease is not None and lease.live(now) for lease in leases):
            return False  # Somebody is writing it at this moment.
        claims = _claims(key, item, owners)
        return judge(entity, key.blueprint, claims, self._shapes, item.accepted) != "same"

    def _owners(self, items: Collection[EntityItem]) -> dict[str, ObjectItem]:
        keys = sorted({source for item in items for source in item.sources})
        return {str(key): item for key, item in self._ledger.read([SourceKey.parse(text) for text in keys]).items()}

    def _missing(
        self, blueprint: str, shown: Shown, names: Collection[str], wrong: dict[SourceKey, set[EntityKey]]
    ) -> int:
        """Note the objects whose entities Port does not have; those that only changed hands are compared."""
        gone: set[str] = set()
        for owners in self._not_shown(blueprint, shown):
            there = look(self._port, blueprint, owners, names)
            self._compare(blueprint, there, wrong)
            for identifier in owners.keys() - there.keys():
                gone.add(identifier)
                for owner in owners[identifier]:
                    wrong.setdefault(owner, set()).add(EntityKey(blueprint, identifier))
        return len(gone)

    def _not_shown(self, blueprint: str, shown: Shown) -> Iterator[dict[str, list[SourceKey]]]:
        """What objects own and Port did not show, with these objects: as many at a time as Port is asked for."""
        kinds = self._production.kinds.get(blueprint) if not self._production.unknown else None
        items = self._all(KINDS if kinds is None else sorted(kinds))
        owned = ((key, item.key) for item in items for key in item.owned() if key.blueprint == blueprint)
        missed = ((key, owner) for key, owner in owned if not is_search(key) and key.identifier not in shown)
        for some in chunks(missed, MOST_LOOKED_AT):
            owners: dict[str, list[SourceKey]] = {}
            for key, owner in some:
                owners.setdefault(key.identifier, []).append(owner)
            yield owners

    # --- unclaimed ---------------------------------------------------------------------------------------------------

    def _note_unclaimed(self, blueprint: str, unclaimed: Sequence[JsonObject], turn: Turn) -> None:
        run = turn.run
        if run.kind != "full":
            return
        why = self._production.why_kept(blueprint, self._incomplete(turn, with_unknown=bool(unclaimed)))
        if why is not None:
            if unclaimed:
                turn.part.note(f"{len(unclaimed)} unclaimed entities of {blueprint} stay: {why}")
            return
        turn.store.put_unclaimed(blueprint, run.number, [mark(entity) for entity in unclaimed])
        doomed = twice_unclaimed(unclaimed, turn.store.unclaimed(blueprint, run.number - 1))
        spared = self._spared(blueprint, doomed)
        for reason, count in sorted(Counter(spared.values()).items()):
            turn.part.note(f"{count} unclaimed entities of {blueprint} stay: {reason}")
        turn.store.put_planned(
            run.id,
            [
                Planned(None, Address(), (EntityKey(blueprint, one),), "unclaimed")
                for one in doomed
                if one not in spared
            ],
        )

    def _incomplete(self, turn: Turn, *, with_unknown: bool) -> dict[str, str]:
        """Why not everything a kind makes is known; ``with_unknown``: also because objects failed, which is read."""
        found: dict[str, str] = dict.fromkeys(self._mapping.protected, "its mapping cannot be read")
        kinds = merged(part for _, part in turn.store.reports(turn.run.id))["kinds"] if with_unknown else {}
        for kind, counts in kinds.items():
            if counts.get("unknown"):
                found[kind] = f"what {counts['unknown']} of them make is not known, since they or their mapping failed"
        for kind in KINDS:
            if kind not in turn.run.kinds:
                found[kind] = "this run does not list it"
        for container, reason in turn.store.protected(turn.run.id).items():
            found["pull-request" if container.startswith("repository#") else container] = reason
        if "repository" in found:
            found.setdefault("pull-request", found["repository"])
        return found

    # --- healing -----------------------------------------------------------------------------------------------------

    def _order_healing(self, blueprint: str, wrong: Mapping[SourceKey, set[EntityKey]], turn: Turn) -> None:
        """Forget what was written, so that whoever reads the object next writes it, and order that at once."""
        doomed = {one.key for one in turn.store.candidates(turn.run.id)}
        keys = sorted(key for key in wrong if turn.run.kind == "full" or key.kind in LISTED_BY_LIST)
        for key in keys:
            self._ledger.forget_hash(key, sorted(wrong[key]), now=self._clock())
        healing = [key for key in keys if key not in doomed]  # Those are read in the next phase anyway.
        jobs = [
            HealJob(turn.run.id, blueprint, part, tuple(healing[at : at + HEALED_AT_ONCE]))
            for part, at in enumerate(range(0, len(healing), HEALED_AT_ONCE))
        ]
        turn.order(jobs)

    def heal(self, job: HealJob, turn: Turn) -> None:
        """Read objects and write what they make; one that fails does not keep the others."""
        failed: TransientError | None = None
        items = self._ledger.read(job.keys)
        healed: list[SourceKey] = []
        for number, key in enumerate(job.keys):
            if UNKNOWN not in items[key].owns.values():
                continue  # Done by an earlier try, or by a live event.
            if number and not self._time_left():
                turn.order([job.continued(job.keys[number:])])
                break
            try:
                turn.part.healed(self._catalog.rewrite(key))
                healed.append(key)
            except TransientError as error:
                if error.is_limit:
                    raise
                failed = failed or error
                if turn.last_try:
                    turn.part.failed(key.kind, str(key), str(error))
            except BitbucketPortError as error:
                turn.part.failed(key.kind, str(key), str(error))
        self._accept(job.blueprint, healed)
        if failed and not turn.last_try:
            raise failed

    def _accept(self, blueprint: str, healed: Sequence[SourceKey]) -> None:
        """What Port shows right after our write is right, even where it never compares equal (``drift``)."""
        items = self._ledger.read(healed)
        keys = {key.identifier for item in items.values() for key in item.owned() if key.blueprint == blueprint}
        if not keys:
            return
        entities = self._ledger.entities(blueprint, keys)
        owners = self._owners(entities.values())
        for identifier, entity in look(self._port, blueprint, keys, self._shapes.names(blueprint)).items():
            key = EntityKey(blueprint, identifier)
            item = entities.get(key)
            if item is None:
                continue
            claims = _claims(key, item, owners)
            if judge(entity, blueprint, claims, self._shapes, item.accepted) == "differs":
                self._ledger.accept(key, acceptance(entity, blueprint, claims, self._shapes))


def _claims(key: EntityKey, item: EntityItem, owners: Mapping[str, ObjectItem]) -> list[Claim]:
    owned = ((owners[source], owners[source].owns.get(str(key))) for source in sorted(item.sources))
    return [Claim(owner.key.kind, content) for owner, content in owned if content is not None]
