"""Port's mapping as the active one: validated, and with the last good form of whatever is invalid in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitbucket_port.mapping.active import Active, ActiveMapping
from bitbucket_port.mapping.last_good import Merged, merged
from bitbucket_port.mapping.model import Problem
from bitbucket_port.mapping.parse import parse
from bitbucket_port.mapping.shipped import load
from bitbucket_port.objects import JsonObject, Product, digest
from bitbucket_port.setup.findings import Finding

if TYPE_CHECKING:
    from bitbucket_port.runtime import Runtime

ABOUT = "Mapping"
FILE = "the mapping in Port"
"""Where problems of the mapping are, for people."""
_EMPTY: JsonObject = {"resources": []}


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of looking at Port's mapping; ``changed``: functions map with another one from now on."""

    changed: bool
    findings: tuple[Finding, ...]


class PortMapping:
    """Makes what Port holds the active mapping. ``preset``: the packaged one, in use as long as none is active.

    Methods raise TransientError when the ledger cannot be reached.
    """

    def __init__(self, active: ActiveMapping, *, product: Product, preset: str) -> None:
        self._active = active
        self._product = product
        self._preset = preset

    def active(self) -> Active:
        """Which mapping is active now."""
        return self._active.which()

    def is_source(self, config: Any) -> bool:
        """Whether the active mapping was made of exactly this."""
        return self._active.which().source == digest(config)

    def take(self, config: Any, *, request: str) -> Taken:
        """Make ``config`` (what Port holds, with the ``request`` it showed then) the active mapping."""
        active = self._active.which()
        if not config:
            return Taken(False, (self._nothing(),))
        last = self._active.document(active) if active.hash else _EMPTY
        made = merged(config, last, product=self._product, file=FILE)
        if made.whole and not active.hash:
            return Taken(False, tuple(_findings(made)))
        before = active.hash or parse(self.packaged(), product=self._product, file="").hash
        if (made.mapping.hash, digest(config)) != (active.hash, active.source):
            self._active.put(made.document, mapping_hash=made.mapping.hash, source=digest(config), request=request)
        changed = made.mapping.hash != before
        return Taken(changed, (_summary(made, changed=changed), *_findings(made)))

    def look(self, config: Any) -> list[Finding]:
        """How Port's mapping stands; writes nothing."""
        return look(config, product=self._product) if config else [self._nothing()]

    def in_use(self) -> JsonObject:
        """The document that functions map with now."""
        active = self._active.which()
        return self._active.document(active) if active.hash else self.packaged()

    def packaged(self) -> JsonObject:
        """The mapping that counts until Port holds another one."""
        return load(self._product, self._preset)

    def _nothing(self) -> Finding:
        text = "Port holds no mapping for this integration: the last one stays in use, or the packaged one."
        return Finding(ABOUT, "warning", text, "The next set-up puts the packaged one there; edit it on that page.")


def port_mapping_of(runtime: Runtime) -> PortMapping | None:
    """That of a function's stack; None where the packaged mapping counts."""
    settings = runtime.settings
    if settings.mapping_source != "port":
        return None
    return PortMapping(ActiveMapping(runtime.ledger), product=settings.product, preset=settings.mapping_preset)


def look(config: Any, *, product: Product) -> list[Finding]:
    """What is right and wrong with a mapping document by itself."""
    mapping = parse(config, product=product, file=FILE)
    made = Merged(config, mapping, mapping.problems)
    return [_summary(made, changed=False), *_findings(made)]


def _summary(made: Merged, *, changed: bool) -> Finding:
    if made.whole:
        return Finding(ABOUT, "warning", "what Port holds is no mapping: the last good one stays in use.")
    count = len(made.document["resources"]) if isinstance(made.document, dict) else 0
    entries = f"{count} {'entry' if count == 1 else 'entries'}"
    if changed:
        return Finding(ABOUT, "changed", f"the mapping in Port, with {entries}, is in use from now on.")
    return Finding(ABOUT, "ok", f"the mapping in Port has {entries}.")


def _findings(made: Merged) -> list[Finding]:
    return [Finding(ABOUT, "warning", f"{_without_fix(one)} {_instead(one, made)}", one.fix) for one in made.problems]


def _without_fix(problem: Problem) -> str:
    return str(problem).removesuffix(f" Fix: {problem.fix}")


def _instead(problem: Problem, made: Merged) -> str:
    """What is done instead of what the problem is about."""
    if made.whole:
        return "The last good mapping stays in use."
    if problem.resource is None:
        return "The rest of the mapping is in use."
    if problem.resource in made.kept:
        return "The last good form of this entry stays in use."
    if any(one.index == problem.resource for one in made.mapping.broken):
        return "The entry is left out; what it made before stays."
    return "The rest of the entry is in use."
