"""Maps Bitbucket objects to Port entities, with at most one jq evaluation for each object."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterable
from collections.abc import Mapping as ReadOnly
from dataclasses import replace
from functools import cached_property
from typing import Any

import jq

from bitbucket_port.errors import NotFoundError, PermanentError, TransientError
from bitbucket_port.mapping import payload_safe
from bitbucket_port.mapping.direct_rows import DirectRows, direct_rows
from bitbucket_port.mapping.direct_values import LeftToJqError
from bitbucket_port.mapping.entities import Rows, built
from bitbucket_port.mapping.model import Mapped, Mapping, MappingProblem, Resource, Wants
from bitbucket_port.mapping.normalise import normalise
from bitbucket_port.mapping.payload_facts import FACTS
from bitbucket_port.mapping.program import fused
from bitbucket_port.mapping.pruning import WHOLE, Part, part_read
from bitbucket_port.mapping.scope import Judgement, Question, Scope
from bitbucket_port.objects import KINDS, Entity, EntityKey, JsonObject, Kind

Ask = Callable[[Question], bool]


class MappingEngine:
    """A mapping, ready to run; ``now`` gives epoch seconds. Compiles a kind's program when it first maps one."""

    def __init__(self, mapping: Mapping, *, now: Callable[[], float]) -> None:
        self.mapping = mapping
        self._kinds = {kind: _KindEngine(mapping, kind, now) for kind in KINDS}

    def kinds(self) -> set[Kind]:
        """The kinds the mapping is about, those of entries that cannot be used included."""
        return {resource.kind for resource in self.mapping.resources} | set(self.mapping.protected)

    def wants(self, kind: Kind) -> Wants:
        """What adapters must add to the objects of ``kind``, because an expression mentions it."""
        return self._kinds[kind].wants

    def map(
        self, kind: Kind, obj: JsonObject, *, ask: Ask | None, answers: ReadOnly[Question, bool] | None = None
    ) -> Mapped:
        """The entities that ``obj`` (REST shape) maps to now.

        ``ask`` puts a question to Bitbucket; ``answers`` are looked up first. Its transient errors pass through; a
        permanent one makes the result incomplete; NotFoundError becomes TransientError, for it is not about ``obj``.
        Without ``ask`` nothing is asked: what only Bitbucket could tell counts as in scope and is reported.
        """
        return self._kinds[kind].map(obj, ask, answers or {}, alone=False)

    def ageless(self, kind: Kind, obj: JsonObject, *, ask: Ask | None) -> Mapped:
        """What ``obj`` would map to if ``closedWithinDays`` were never over."""
        return self._kinds[kind].map(obj, ask, {}, alone=False, ageless=True)

    def map_payload(self, kind: Kind, obj: JsonObject) -> Mapped:
        """The entities of a webhook's copy of an object, as far as it goes, for whoever may not ask Bitbucket.

        A field that reads what the payload does not carry is left out and reported: unknown is not null.
        """
        return self._kinds[kind].map(obj, None, {}, alone=True)

    def payload_gaps(self, kind: Kind, obj: JsonObject) -> list[str]:
        """Why ``obj`` from a webhook (REST shape) may map otherwise than the same object read from Bitbucket.

        Empty when the mapping is payload-safe for this object; a reason names resource and field.
        """
        return self._kinds[kind].payload_gaps(obj)


class _KindEngine:
    """All resources of one kind."""

    def __init__(self, mapping: Mapping, kind: Kind, now: Callable[[], float]) -> None:
        self._mapping = mapping
        self._kind = kind
        self._resources = [resource for resource in mapping.resources if resource.kind == kind]
        self._scopes = [
            Scope(resource.selector, product=mapping.product, kind=kind, now=now) for resource in self._resources
        ]

    @cached_property
    def _ageless_scopes(self) -> list[Scope]:
        selectors = [
            replace(one.selector, closed_within_days=None if one.selector.closed_within_days is None else math.inf)
            for one in self._resources
        ]
        product = self._mapping.product
        return [Scope(one, product=product, kind=self._kind, now=time.time) for one in selectors]

    @cached_property
    def _program(self) -> Any:
        return jq.compile(fused(self._resources))

    @cached_property
    def _reads(self) -> list[tuple[Resource, str, payload_safe.Reads]]:
        return [
            (resource, name, payload_safe.reads_of(expression))
            for resource in self._resources
            for name, expression in resource.expressions()
        ]

    @cached_property
    def _part(self) -> Part:
        """What jq has to see of an object; what itemsToParse takes apart is not judged."""
        if any(resource.items_to_parse is not None for resource in self._resources):
            return WHOLE
        return part_read(reads for _, _, reads in self._reads)

    @cached_property
    def wants(self) -> Wants:
        text = "\n".join(expression for resource in self._resources for _, expression in resource.expressions())
        files = [path for resource in self._resources for path in resource.selector.included_files]
        return Wants(
            readme=re.search(r"\b__readme\b", text) is not None,
            latest_commit=re.search(r"\b__latestCommit\b", text) is not None,
            included_files=tuple(dict.fromkeys(files)) if self._kind == "repository" else (),
            email=re.search(r"\bemail\b", text) is not None,
        )

    def map(
        self,
        obj: JsonObject,
        ask: Ask | None,
        answers: ReadOnly[Question, bool],
        *,
        alone: bool,
        ageless: bool = False,
    ) -> Mapped:
        complete = self._kind not in self._mapping.protected
        if not self._resources:
            return Mapped((), (), complete)
        obj = normalise(self._mapping.product, self._kind, obj)
        judgements = [scope.judge(obj) for scope in (self._ageless_scopes if ageless else self._scopes)]
        entities: list[Entity] = []
        problems: list[MappingProblem] = []
        if any(judgement.in_scope is not False for judgement in judgements):
            for resource, judgement, rows in zip(self._resources, judgements, self._evaluated(obj), strict=True):
                if judgement.in_scope is False:
                    continue
                unanswered = self._unanswered(resource, obj) if alone else {}
                result = built(resource, rows, enable_merge=self._mapping.enable_merge, unanswered=unanswered)
                # Asking costs a request: only for what the mapping would make something of.
                in_scope = self._in_scope(resource, judgement, ask, answers, problems) if result.selected else True
                complete = complete and in_scope is not None
                if not in_scope:
                    continue
                entities.extend(result.entities)
                problems.extend(result.problems)
                complete = complete and result.complete
        return Mapped(self._distinct(entities), tuple(dict.fromkeys(problems)), complete)

    def _unanswered(self, resource: Resource, obj: JsonObject) -> dict[str, str]:
        """Field → what this payload lacks for it; what itemsToParse takes apart is judged by what is left."""
        if resource.items_to_parse is not None:
            return {}
        facts = FACTS.get((self._mapping.product, self._kind))
        found: dict[str, str] = {}
        for one, name, reads in self._reads:
            lacking = payload_safe.not_carried(reads, facts, obj) if one is resource else []
            if lacking:
                found.setdefault(name, lacking[0])
        return found

    @cached_property
    def _direct(self) -> list[DirectRows] | None:
        """All resources without jq; None when one takes jq, for then it might as well answer the others."""
        found = [direct_rows(resource) for resource in self._resources]
        return None if None in found else [one for one in found if one is not None]

    def _evaluated(self, obj: JsonObject) -> list[Rows]:
        if self._direct is not None:
            try:
                return [one.of(obj) for one in self._direct]
            except LeftToJqError:
                pass  # A value that jq refuses, with its own words, or takes as another one.
        return self._by_jq(obj)

    def _by_jq(self, obj: JsonObject) -> list[Rows]:
        obj = self._part.of(obj)
        text = json.dumps(obj)
        try:
            found = self._program.input_text(text).first()
        except ValueError:
            # jq refuses half a surrogate pair, which JSON allows; everything else in the program is guarded.
            whole = json.dumps(obj, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            found = self._program.input_text(whole).first()
        rows: list[Rows] = found
        return rows

    def _in_scope(
        self,
        resource: Resource,
        judgement: Judgement,
        ask: Ask | None,
        answers: ReadOnly[Question, bool],
        problems: list[MappingProblem],
    ) -> bool | None:
        """None when Bitbucket refuses the question for good: then nobody knows."""
        unknown = list(judgement.unanswerable)
        for question in judgement.questions:
            try:
                answer = answers[question] if question in answers else None if ask is None else ask(question)
            except NotFoundError as error:
                # The list we asked is gone, which is not the answer that the object is: reading the object tells.
                raise TransientError(f"Bitbucket does not find the list that {resource.kind} is in.") from error
            except PermanentError as error:
                problems.append(_refused(resource, question, error))
                return None
            if answer is False:
                return False
            if answer is None:
                unknown.append(_shown(question))
        problems.extend(_unanswered(resource, what) for what in unknown)
        return True

    def _distinct(self, entities: Iterable[Entity]) -> tuple[Entity, ...]:
        """One entity for each key: as Port would hold it after writing them in this order."""
        found: dict[EntityKey, Entity] = {}
        for entity in entities:
            before = found.get(entity.key)
            merges = before is not None and self._mapping.enable_merge
            found[entity.key] = _merged(before, entity) if before is not None and merges else entity
        return tuple(found.values())

    def payload_gaps(self, obj: JsonObject) -> list[str]:
        product = self._mapping.product
        facts = FACTS.get((product, self._kind))
        obj = normalise(product, self._kind, obj)
        concerned = {
            id(resource)
            for resource, scope in zip(self._resources, self._scopes, strict=True)
            if scope.judge(obj).in_scope is not False
        }
        found: list[str] = []
        for resource, scope in zip(self._resources, self._scopes, strict=True):
            for path in sorted(scope.pull_request_fields()):
                fault = payload_safe.query_gap(path, facts, obj)
                found.extend([] if fault is None else [_at(resource, "selector.pullRequestQuery", fault)])
        for resource, name, reads in self._reads:
            if id(resource) in concerned and resource.items_to_parse is None:
                found.extend(_at(resource, name, gap) for gap in payload_safe.gaps(reads, facts, obj))
            elif id(resource) in concerned and name == "itemsToParse":
                found.append(_at(resource, name, "what it takes apart is not judged"))
        return found


def _at(resource: Resource, name: str, reason: str) -> str:
    return f"resources[{resource.index}] ({resource.kind}): {name}: {reason}"


def _unanswered(resource: Resource, what: str) -> MappingProblem:
    reason = f"whether the object matches {what} was not asked of Bitbucket; it counts as matching."
    return MappingProblem(
        resource.index,
        resource.kind,
        "selector",
        reason,
        "Use only what a webhook carries, or select with jq in query.",
    )


def _shown(question: Question) -> str:
    return " and ".join(f"{name} {value!r}" for name, value in question.params.items())


def _refused(resource: Resource, question: Question, error: PermanentError) -> MappingProblem:
    reason = f"Bitbucket refuses {_shown(question)}: {error} No entity is made and none is deleted."
    return MappingProblem(resource.index, resource.kind, "selector", reason, "Correct the selector or the permission.")


def _merged(before: Entity, after: Entity) -> Entity:
    fields = {**before.fields, **after.fields}
    for group in ("properties", "relations"):
        if group in before.fields and group in after.fields:
            fields[group] = {**before.fields[group], **after.fields[group]}
    failed = tuple(dict.fromkeys((*before.failed, *after.failed)))
    return Entity(after.blueprint, after.identifier, fields, failed)
