"""Reads a mapping document; what is wrong is named, what is right works."""

from __future__ import annotations

import json
from typing import Any

from bitbucket_port.mapping.expressions import Checked, check
from bitbucket_port.mapping.model import BrokenResource, Mapping, Problem, Resource
from bitbucket_port.mapping.resources import UNSUPPORTED_KINDS, Draft, read_drafts
from bitbucket_port.mapping.selectors import Fault
from bitbucket_port.objects import KINDS, JsonObject, Kind, Product, digest

_FLAGS = {
    # name in the document: (our name, default, what a value that is no boolean counts as)
    "enableMergeEntity": ("enable_merge", True, True),
    "deleteDependentEntities": ("delete_dependents", True, False),
    "createMissingRelatedEntities": ("create_missing", True, False),
}
_TOP_LEVEL = {*_FLAGS, "entityDeletionThreshold", "resources"}


def parse(document: JsonObject, *, product: Product, file: str) -> Mapping:
    """The mapping that ``document`` (Port's "port app config") describes for ``product``.

    Never raises for what a document says: each fault becomes a ``Problem`` naming ``file``, entry, field, reason and
    fix. A field whose expression does not compile is left out; an entry with an unusable selector, identifier,
    blueprint or itemsToParse is left out whole, and its kind is protected: no object of it loses an entity.
    """
    if not isinstance(document, dict):
        fault = Fault("(document)", "it is no object.", "Write a mapping with a list of resources.")
        return Mapping(product, (), problems=(_problem(file, None, None, fault),), protected=frozenset(KINDS))
    problems, options = _options(document, file)
    drafts, broken = _drafts(document, product, file, problems)
    checked = check(expression for draft in drafts for _, expression in draft.resource.expressions())
    resources: list[Resource] = []
    for draft in drafts:
        resource = _usable(draft, checked, file, problems)
        if resource is not None:
            resources.append(resource)
        else:
            broken.append(BrokenResource(draft.resource.index, draft.resource.kind, draft.resource.blueprint))
    return Mapping(
        product,
        tuple(resources),
        problems=tuple(problems),
        hash=digest({"product": product, "document": json.loads(json.dumps(document, default=str))}),
        broken=tuple(broken),
        protected=_protected(document, broken),
        **options,
    )


def _options(document: JsonObject, file: str) -> tuple[list[Problem], dict[str, Any]]:
    problems: list[Problem] = []
    options: dict[str, Any] = {}
    for name, (ours, default, otherwise) in _FLAGS.items():
        value = document.get(name)
        options[ours] = default if value is None else value if isinstance(value, bool) else otherwise
        if value is not None and not isinstance(value, bool):
            reason = f"{value!r} is not true or false; {str(otherwise).lower()} is used."
            problems.append(_problem(file, None, None, Fault(name, reason, "Write true or false.")))
    threshold = document.get("entityDeletionThreshold")
    right = isinstance(threshold, int | float) and not isinstance(threshold, bool) and 0 <= threshold <= 1
    options["deletion_threshold"] = float(threshold) if right and threshold is not None else 0.9
    if threshold is not None and not right:
        fault = Fault("entityDeletionThreshold", f"{threshold!r} is no share; 0.9 is used.", "Write 0 to 1.")
        problems.append(_problem(file, None, None, fault))
    for name in document:
        if name not in _TOP_LEVEL:
            fault = Fault(str(name), "it is not known and is ignored.", f"Known are: {', '.join(sorted(_TOP_LEVEL))}.")
            problems.append(_problem(file, None, None, fault))
    return problems, options


def _drafts(
    document: JsonObject, product: Product, file: str, problems: list[Problem]
) -> tuple[list[Draft], list[BrokenResource]]:
    entries = document.get("resources")
    if not isinstance(entries, list):
        fault = Fault("resources", "it is missing or no list.", "Write a list of resources.")
        problems.append(_problem(file, None, None, fault))
        return [], []
    drafts: list[Draft] = []
    broken: list[BrokenResource] = []
    for index, entry in enumerate(entries):
        found, faults = read_drafts(entry, index=index, product=product)
        written = entry.get("kind") if isinstance(entry, dict) else None
        kind = written if isinstance(written, str) else None
        problems.extend(_problem(file, index, kind, fault) for fault in faults)
        drafts.extend(found)
        if any(fault.fatal for fault in faults):
            broken.append(BrokenResource(index, kind, _written_blueprint(entry)))
    return drafts, broken


def _written_blueprint(entry: Any) -> str | None:
    value = entry
    for name in ("port", "entity", "mappings", "blueprint"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _usable(draft: Draft, checked: dict[str, Checked], file: str, problems: list[Problem]) -> Resource | None:
    """The draft with its expressions as they run and without those that cannot; None when it cannot work at all."""
    resource = draft.resource
    failed: dict[str, Fault] = {}
    for name, expression in resource.expressions():
        fault = checked[expression].fault
        if fault is not None and name not in failed:
            reason = f"{expression!r} is not valid jq: {fault}."
            failed[name] = Fault(name, reason, _expression_fix(name, expression))
    problems.extend(_problem(file, resource.index, resource.kind, fault) for fault in failed.values())
    if failed.keys() & {"selector.query", "itemsToParse", "identifier", "blueprint"}:
        return None
    return draft.finished({text: result.expression for text, result in checked.items()}, without=tuple(failed))


def _expression_fix(name: str, expression: str) -> str:
    bare_word = expression.strip().replace("_", "").replace("-", "").isalnum()
    if bare_word:
        return f"Text needs quotes inside the quotes: {name}: '\"{expression.strip()}\"'."
    return "Try the expression with jq on an example object and correct it."


def _protected(document: JsonObject, broken: list[BrokenResource]) -> frozenset[Kind]:
    """Kinds whose objects must lose nothing: what a broken entry would have made of them is not known."""
    if not isinstance(document.get("resources"), list):
        return frozenset(KINDS)
    unreadable = any(one.kind not in KINDS and one.kind not in UNSUPPORTED_KINDS for one in broken)
    named = frozenset(one.kind for one in broken if one.kind in KINDS)
    return frozenset(KINDS) if unreadable else named


def _problem(file: str, index: int | None, kind: str | None, fault: Fault) -> Problem:
    return Problem(file, index, fault.field, fault.reason, fault.fix, kind)
