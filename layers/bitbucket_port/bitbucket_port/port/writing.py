"""Writing entities in bulks: every entity gets its own outcome, whatever happens to the bulk it was in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bitbucket_port.errors import NotFoundError, TransientError
from bitbucket_port.objects import Entity, JsonObject
from bitbucket_port.port.packing import body_of, in_order, pack
from bitbucket_port.port.schema import trim

Outcome = Literal["created", "updated", "same", "exists", "refused", "retry"]
_PASSING = frozenset({408, 409, 425, 429})
_ABOUT_CONTENT = frozenset({400, 422})


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one entity.

    ``same``: not written because it is right already, where whoever writes compares first (this client does not).
    ``exists``: not written because only creating was asked for. ``refused``: will fail every time, ``reason`` says why.
    ``retry``: try this one again with its whole body, not before ``retry_after`` seconds where that is known.
    ``identifier`` is Port's (it tells which entity a search found). ``trimmed`` names what the blueprint does not have
    and was left out, and ``sent`` is then the entity without it. ``status`` is Port's, for what it refused.
    """

    entity: Entity
    outcome: Outcome
    reason: str | None = None
    identifier: str | None = None
    trimmed: tuple[str, ...] = ()
    status: int | None = None
    retry_after: float | None = None
    sent: Entity | None = None


@dataclass(frozen=True, slots=True)
class Bulk:
    """Port's answer to one bulk: results and errors by position, or the status that refused it whole."""

    results: dict[int, JsonObject] = field(default_factory=dict)
    errors: dict[int, JsonObject] = field(default_factory=dict)
    refused: int | None = None
    reason: str = ""

    @classmethod
    def of(cls, status: int, body: JsonObject) -> Bulk:
        """The answer, from its status and JSON body."""
        if status >= 400:
            said = ": ".join(str(body[name]) for name in ("error", "message") if body.get(name))
            return cls(refused=status, reason=said[:300])
        return cls(_by_index(body.get("entities")), _by_index(body.get("errors")))


Send = Callable[[str, Sequence[JsonObject]], Bulk]


def write(
    entities: Sequence[Entity], *, create_only: bool, send: Send, blueprint: Callable[..., JsonObject]
) -> list[Written]:
    """Write entities, relation targets first; one result each, in the order given.

    ``send(blueprint, bodies)`` sends one bulk, ``blueprint(identifier, fresh=True)`` reads a blueprint. A bulk that
    cannot be sent at all raises TransientError as long as nothing was written; later it becomes ``retry`` for what is
    left, so that what is known about the others is not lost.
    """
    return _Writing(entities, create_only, send, blueprint).run()


class _Writing:
    def __init__(
        self, entities: Sequence[Entity], create_only: bool, send: Send, blueprint: Callable[..., JsonObject]
    ) -> None:
        self.create_only = create_only
        self.entities = entities
        self.send = send
        self.blueprint = blueprint
        self.done: dict[int, Written] = {}

    def run(self) -> list[Written]:
        try:
            for blueprint, positions in in_order(self.entities):
                self._write(blueprint, {position: self.entities[position] for position in positions}, {})
        except TransientError as error:
            if not self.done:
                raise
            for position, entity in enumerate(self.entities):
                if position not in self.done:
                    self.done[position] = Written(entity, "retry", str(error), retry_after=error.retry_after)
        return [self.done[position] for position in range(len(self.entities))]

    def _write(self, blueprint: str, bodies: dict[int, Entity], trimmed: dict[int, tuple[str, ...]]) -> None:
        """Pack and send entities of one blueprint; ``trimmed`` tells what was left out of those that are sent again."""
        positions = list(bodies)
        packed = pack([body_of(entity) for entity in bodies.values()])
        for index, reason in packed.misfits.items():
            self._refuse(positions[index], reason, status=413, trimmed=trimmed)
        wrong: list[int] = []
        for bulk in packed.bulks:
            self._send(blueprint, [positions[index] for index in bulk], bodies, trimmed, wrong)
        if wrong:
            self._write_trimmed(blueprint, wrong)

    def _send(
        self,
        blueprint: str,
        positions: list[int],
        bodies: dict[int, Entity],
        trimmed: dict[int, tuple[str, ...]],
        wrong: list[int],
    ) -> None:
        """Send one bulk; split it when Port refuses it whole. Adds to ``wrong`` what may pass when it is trimmed."""
        answer = self.send(blueprint, [body_of(bodies[position]) for position in positions])
        if answer.refused is not None:
            why = self._why_all(blueprint, answer)
            if why is not None:
                for position in positions:
                    self._refuse(position, why, status=answer.refused, trimmed=trimmed)
            elif len(positions) > 1:
                half = len(positions) // 2
                self._send(blueprint, positions[:half], bodies, trimmed, wrong)
                self._send(blueprint, positions[half:], bodies, trimmed, wrong)
            else:
                self._fail(positions[0], answer.refused, answer.reason, trimmed, wrong)
            return
        for index, position in enumerate(positions):
            if index in answer.results:
                result = answer.results[index]
                self.done[position] = Written(
                    self.entities[position],
                    "created" if result.get("created") else "updated",
                    identifier=_text(result.get("identifier")),
                    trimmed=trimmed.get(position, ()),
                    sent=bodies[position] if position in trimmed else None,
                )
            elif index in answer.errors:
                error = answer.errors[index]
                said = ": ".join(str(error[name]) for name in ("error", "message") if error.get(name))
                self._fail(position, int(error.get("statusCode") or 0), said[:300], trimmed, wrong)
            else:
                self.done[position] = Written(self.entities[position], "retry", "Port did not say what became of it")

    def _fail(
        self, position: int, status: int, said: str, trimmed: dict[int, tuple[str, ...]], wrong: list[int]
    ) -> None:
        entity = self.entities[position]
        reason = f"{status} ({said})" if said else str(status)
        if status == 409 and self.create_only:
            self.done[position] = Written(entity, "exists", reason, _text(entity.identifier), status=status)
        elif status in _PASSING or status >= 500 or status == 0:
            self.done[position] = Written(entity, "retry", reason, status=status)
        elif status in _ABOUT_CONTENT and position not in trimmed:
            wrong.append(position)
            self._refuse(position, reason, status=status, trimmed=trimmed)  # stands when nothing can be left out
        else:
            self._refuse(position, reason, status=status, trimmed=trimmed)

    def _refuse(self, position: int, reason: str, *, status: int, trimmed: dict[int, tuple[str, ...]]) -> None:
        entity = self.entities[position]
        self.done[position] = Written(entity, "refused", reason, trimmed=trimmed.get(position, ()), status=status)

    def _write_trimmed(self, blueprint: str, positions: Sequence[int]) -> None:
        """Write again, without what the blueprint does not have, those that were refused for their content."""
        refused = {position: self.done.pop(position) for position in positions}
        declared = self.blueprint(blueprint, fresh=True)
        bodies: dict[int, Entity] = {}
        dropped: dict[int, tuple[str, ...]] = {}
        for position in positions:
            entity, left_out = trim(self.entities[position], declared)
            if left_out:
                bodies[position], dropped[position] = entity, left_out
            else:
                self.done[position] = refused[position]
        if bodies:
            self._write(blueprint, bodies, dropped)

    def _why_all(self, blueprint: str, answer: Bulk) -> str | None:
        """Why a refused bulk would be refused however it is split; None when one entity may be the cause."""
        if answer.refused == 403:
            return f"403 ({answer.reason})"
        if answer.refused == 404:
            try:
                self.blueprint(blueprint, fresh=True)
            except NotFoundError:
                return f"Port has no blueprint {blueprint!r}"
        return None


def _by_index(items: Any) -> dict[int, JsonObject]:
    return {int(item["index"]): item for item in items or () if isinstance(item, dict) and "index" in item}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
