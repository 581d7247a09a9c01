"""Brings a mapping's blueprints to Port: creates what is missing, completes what it created, leaves the rest alone.

What was created is remembered in the ledger, a note per blueprint, and the intent before it: an answer that was lost
leaves a blueprint that the next set-up knows again, by its content. Nothing is ever deleted or replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from bitbucket_port.catalog.ownership import CREATED, blueprint_note
from bitbucket_port.errors import BitbucketPortError, ForbiddenError, PermanentError
from bitbucket_port.mapping.model import Mapping as PortMapping
from bitbucket_port.mapping.shipped import load_blueprints
from bitbucket_port.objects import JsonObject, digest
from bitbucket_port.port.api import PortApi
from bitbucket_port.port.blueprints import change_blueprint, create_blueprint, list_blueprints, read_blueprint
from bitbucket_port.resync.unclaimed import Production
from bitbucket_port.setup.blueprint_findings import Work, advice, brought, names_of_all, seen, unknown, unused
from bitbucket_port.setup.completion import PARTS, bare, completed, names_of, part_of, singly
from bitbucket_port.setup.findings import Finding

if TYPE_CHECKING:
    from bitbucket_port.runtime import Runtime

Used = Callable[[], Collection[str] | None]


class Notes(Protocol):
    """The ledger's small facts (``catalog.ledger.Ledger``)."""

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        """Keep facts under a name."""

    def noted(self, name: str) -> Mapping[str, str]:
        """The facts under a name; empty when there are none."""


class Unremembered:
    """Notes for as long as this process lives: where there is no stack, there is no ledger."""

    def __init__(self) -> None:
        self._kept: dict[str, Mapping[str, str]] = {}

    def note(self, name: str, values: Mapping[str, str], *, only_if_absent: bool = False) -> Mapping[str, str]:
        """See Notes."""
        if not only_if_absent or name not in self._kept:
            self._kept[name] = dict(values)
        return self._kept[name]

    def noted(self, name: str) -> Mapping[str, str]:
        """See Notes."""
        return self._kept.get(name, {})


def blueprints_of(runtime: Runtime) -> Blueprints:
    """Those of the stack's preset, as far as the active mapping writes to them."""
    settings = runtime.settings

    def used() -> frozenset[str] | None:
        runtime.follow_mapping()  # Set-up itself may have made another mapping the active one.
        return used_by(runtime.engine.mapping)

    return Blueprints(
        runtime.port,
        runtime.ledger,
        load_blueprints(settings.product, settings.mapping_preset),
        creates=settings.initialize_port_resources,
        used=used,
    )


def used_by(mapping: PortMapping) -> frozenset[str] | None:
    """The blueprints a mapping names; None when an entry computes its blueprint, so that it may be any."""
    production = Production.of(mapping)
    return None if production.unknown else frozenset((*production.kinds, *production.unsupported))


class Blueprints:
    """``look`` writes nothing; ``bring`` creates and completes. Neither raises: what went wrong is a finding.

    ``failed`` is only a blueprint that is not there and that Port refuses to create: nothing can be written to it.
    ``wanted`` are whole blueprints. ``creates`` False: InitializePortResources is off, so ``bring`` only looks.
    ``used`` tells which blueprints the mapping writes to, None for any; of the wanted ones these are created, and those
    they relate to. ``notes`` None: nothing is known of what earlier set-ups created.
    """

    def __init__(
        self,
        port: PortApi,
        notes: Notes | None,
        wanted: Sequence[JsonObject],
        *,
        creates: bool = True,
        used: Used = lambda: None,
    ) -> None:
        self._port = port
        self._notes: Notes = Unremembered() if notes is None else notes
        self._wanted = wanted
        self._creates = creates
        self._used = used

    def look(self) -> list[Finding]:
        """How the blueprints stand, a finding each, in the order in which they are wanted."""
        return self._carry_out(self._compare)

    def bring(self) -> list[Finding]:
        """Create and complete, each by itself; doing it again changes nothing more."""
        return self._carry_out(self._bring_all) if self._creates else self.look()

    def _carry_out(self, each: Callable[[list[Work]], list[Finding]]) -> list[Finding]:
        try:
            there = list_blueprints(self._port)
        except BitbucketPortError as error:
            return [Finding("Blueprints", "warning", f"Port did not show its blueprints: {error}.", advice(error))]
        used = self._used()
        needed = _needed(self._wanted, used)
        works = [Work(one, there.get(str(one["identifier"]))) for one in self._wanted]
        found = each([work for work in works if work.identifier in needed or work.there is not None])
        left_out = [work.identifier for work in works if work.identifier not in needed and work.there is None]
        found += [unused(identifier) for identifier in left_out]
        known = {*there, *(work.identifier for work in works)}
        return found + [unknown(identifier) for identifier in sorted(set(used or ()) - known)]

    # --- looking -----------------------------------------------------------------------------------------------------

    def _compare(self, works: list[Work]) -> list[Finding]:
        for work in works:
            try:
                work.ours = work.there is not None and self._is_ours(work.identifier, work.there)
            except BitbucketPortError as error:
                work.interrupted = error
        return [seen(work, creates=self._creates) for work in works]

    # --- creating and completing -------------------------------------------------------------------------------------

    def _bring_all(self, works: list[Work]) -> list[Finding]:
        for work in works:
            self._guarded(work, self._open)
        for names in PARTS:
            for work in works:
                if work.ours and work.interrupted is None and part_of(work.lack, names):
                    self._guarded(work, partial(self._complete, names))
        return [brought(work) for work in works]

    def _guarded(self, work: Work, step: Callable[[Work], None]) -> None:
        try:
            step(work)
        except PermanentError as error:
            work.refused.append(error)
        except BitbucketPortError as error:
            work.interrupted = error

    def _open(self, work: Work) -> None:
        if work.there is not None:
            self._adopt(work)
            return
        first = bare(work.wanted)
        self._notes.note(blueprint_note(work.identifier), {"state": "creating", "content": _content(first)})
        try:
            made = create_blueprint(self._port, first)
        except PermanentError:
            self._notes.note(blueprint_note(work.identifier), {"state": "refused"})
            raise
        if made is None:  # Somebody else did, since we looked.
            work.there = read_blueprint(self._port, work.identifier)
            self._adopt(work)
            return
        self._record(work.identifier, made)
        work.there, work.ours, work.created = made, True, True

    def _complete(self, names: Collection[str], work: Work) -> None:
        if not work.created:
            # Now, and not as it was when we began: somebody may be editing it.
            work.there = read_blueprint(self._port, work.identifier)
            if work.there is None:
                raise PermanentError(f"Port has no blueprint {work.identifier!r} any more")
        missing = part_of(work.lack, names)
        try:
            self._add(work, missing)
        except ForbiddenError:
            raise
        except PermanentError as error:
            single = list(singly(missing))
            refused = [one for one in single if len(single) == 1 or not self._adds(work, one)]
            if refused:
                raise PermanentError(f"{error}; without {', '.join(names_of_all(refused, work))}") from error

    def _adds(self, work: Work, missing: JsonObject) -> bool:
        try:
            self._add(work, missing)
        except PermanentError:
            return False
        return True

    def _add(self, work: Work, missing: JsonObject) -> None:
        before = work.there or {}
        if not missing:
            return
        names = names_of(missing, before)
        parts = completed(before, missing)
        work.there = {**before, **change_blueprint(self._port, work.identifier, parts)}
        work.added += names

    # --- what is ours ------------------------------------------------------------------------------------------------

    def _is_ours(self, identifier: str, there: JsonObject) -> bool:
        noted = self._notes.noted(blueprint_note(identifier))
        if noted.get("state") == CREATED:
            # Deleted, and made again by somebody else, it is his.
            known, now = noted.get("createdAt"), there.get("createdAt")
            return not known or not now or known == now
        return noted.get("state") == "creating" and noted.get("content") == _content(there)

    def _adopt(self, work: Work) -> None:
        """Whether what is there is ours; what an earlier set-up made and could not record any more is recorded now."""
        work.ours = work.there is not None and self._is_ours(work.identifier, work.there)
        if (
            work.there is not None
            and work.ours
            and self._notes.noted(blueprint_note(work.identifier))["state"] != CREATED
        ):
            self._record(work.identifier, work.there)

    def _record(self, identifier: str, there: JsonObject) -> None:
        self._notes.note(blueprint_note(identifier), {"state": CREATED, "createdAt": str(there.get("createdAt") or "")})


def _needed(wanted: Sequence[JsonObject], used: Collection[str] | None) -> set[str]:
    """The identifiers of those in use, and of those they relate to."""
    relations = {str(one["identifier"]): one.get("relations") or {} for one in wanted}
    if used is None:
        return set(relations)
    needed: set[str] = set()
    waiting = [identifier for identifier in relations if identifier in used]
    while waiting:
        one = waiting.pop()
        if one not in needed:
            needed.add(one)
            waiting += [str(end["target"]) for end in relations[one].values() if end["target"] in relations]
    return needed


def _content(blueprint: JsonObject) -> str:
    """What tells a blueprint made by us from one made by somebody else under the same name."""
    properties = (blueprint.get("schema") or {}).get("properties") or {}
    return digest({"title": blueprint.get("title"), "properties": properties})
