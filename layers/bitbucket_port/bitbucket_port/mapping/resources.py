"""Reads one entry of ``resources`` into drafts: everything but whether the expressions are jq."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, cast

from bitbucket_port.mapping.model import Resource, Search, Template
from bitbucket_port.mapping.selectors import Fault, read_selector
from bitbucket_port.objects import KINDS, JsonObject, Kind, Product

UNSUPPORTED_KINDS = frozenset({"file", "folder"})
_ENTITY_KEYS = ("identifier", "blueprint", "title", "icon", "team", "properties", "relations")


@dataclass(frozen=True, slots=True)
class Draft:
    """A resource with its expressions as written; ``unusable`` names fields that hold no expression at all."""

    resource: Resource
    unusable: tuple[str, ...] = ()

    def finished(self, runs_as: dict[str, str], *, without: tuple[str, ...]) -> Resource:
        """The resource with each expression replaced by the form that compiles, and without some fields."""
        given = self.resource

        def one(name: str, template: Any) -> Any:
            if template is None or name in without:
                return None
            if isinstance(template, Search):
                leaves = tuple((path, runs_as[expression]) for path, expression in template.leaves)
                return Search(template.query, leaves)
            return runs_as[template]

        def kept(group: str, templates: Any) -> dict[str, Any]:
            finished = {name: one(f"{group}.{name}", template) for name, template in templates.items()}
            return {name: template for name, template in finished.items() if template is not None}

        return replace(
            given,
            selector=replace(given.selector, query=runs_as[given.selector.query]),
            identifier=one("identifier", given.identifier),
            blueprint=one("blueprint", given.blueprint),
            title=one("title", given.title),
            icon=one("icon", given.icon),
            team=one("team", given.team),
            properties=kept("properties", given.properties),
            relations=kept("relations", given.relations),
            items_to_parse=one("itemsToParse", given.items_to_parse),
            disabled=(*self.unusable, *without),
        )


def read_drafts(entry: Any, *, index: int, product: Product) -> tuple[list[Draft], list[Fault]]:
    """The drafts of one entry (one for each of its ``mappings``) and its faults.

    No draft comes of an entry, or of one of its mappings, that has a fatal fault.
    """
    if not isinstance(entry, dict):
        return [], [Fault("(entry)", "it is no object.", "Write kind, selector and port.entity.mappings.")]
    kind = entry.get("kind")
    if kind not in KINDS:
        return [], [_kind_fault(kind)]
    selector, faults = read_selector(entry.get("selector"), product=product, kind=cast(Kind, kind))
    port = entry.get("port")
    entity = port.get("entity") if isinstance(port, dict) else None
    mappings = entity.get("mappings") if isinstance(entity, dict) else None
    listed = mappings if isinstance(mappings, list) else [mappings]
    if not isinstance(port, dict) or not listed or not all(isinstance(one, dict) for one in listed):
        reason = "it is missing, or neither an object nor a list of objects."
        faults.append(Fault("port.entity.mappings", reason, "Give identifier and blueprint at least."))
        return [], faults
    faults.extend(_unknown_keys(entry, {"kind", "selector", "port"}, ""))
    faults.extend(_unknown_keys(port, {"entity", "itemsToParse", *_ITEMS}, "port."))
    items, item_faults = _items_to_parse(port)
    faults.extend(item_faults)
    if any(fault.fatal for fault in faults):
        return [], faults
    drafts = []
    for position, one in enumerate(listed):
        base = {"index": index, "kind": kind, "selector": selector, "position": position, **items}
        draft, found = _read_entity(one, base)
        faults.extend(found)
        drafts.extend([draft] if draft is not None else [])
    return drafts, faults


def _kind_fault(kind: Any) -> Fault:
    known = ", ".join(KINDS)
    if isinstance(kind, str) and kind in UNSUPPORTED_KINDS:
        return Fault("kind", f"{kind!r} is not supported yet; the entry is ignored.", f"Supported are: {known}.")
    reason = "it is missing." if kind is None else f"{kind!r} is no kind of object."
    return Fault("kind", reason, f"Use one of: {known}.")


_ITEMS = {
    "itemsToParseName": ("items_to_parse_name", str, "text"),
    "itemsToParseTopLevelTransform": ("items_to_parse_top_level_transform", bool, "true or false"),
}


def _items_to_parse(port: JsonObject) -> tuple[dict[str, Any], list[Fault]]:
    found: dict[str, Any] = {}
    faults = []
    expression = port.get("itemsToParse")
    if expression is not None and not isinstance(expression, str):
        faults.append(Fault("itemsToParse", f"{expression!r} is no text.", "Give a jq expression that gives a list."))
    elif expression is not None:
        found["items_to_parse"] = expression
    for name, (ours, expected, shown) in _ITEMS.items():
        value = port.get(name)
        if isinstance(value, expected) and value != "":
            found[ours] = value
        elif value is not None:
            faults.append(Fault(name, f"{value!r} is not {shown}.", f"Give {shown}, or remove it."))
    return found, faults


def _read_entity(mapping: JsonObject, base: JsonObject) -> tuple[Draft | None, list[Fault]]:
    faults = _unknown_keys(mapping, set(_ENTITY_KEYS), "")
    values: dict[str, Any] = {}
    for name in ("identifier", "blueprint", "title", "icon", "team"):
        may_search = name in {"identifier", "team"}
        required = name in {"identifier", "blueprint"}
        given = mapping.get(name)
        if given is None:
            if required:
                faults.append(Fault(name, "it is missing.", "Give a jq expression."))
            continue
        template = _template(given, may_search=may_search)
        if template is None:
            faults.append(_template_fault(name, given, fatal=required, may_search=may_search))
        else:
            values[name] = template
    for group in ("properties", "relations"):
        values[group], found = _read_group(group, mapping.get(group))
        faults.extend(found)
    if any(fault.fatal for fault in faults):
        return None, faults
    names = tuple(fault.field for fault in faults if fault.field.split(".")[0] in _ENTITY_KEYS)
    return Draft(Resource(**base, **values), names), faults


def _read_group(group: str, given: Any) -> tuple[dict[str, Template], list[Fault]]:
    if given is None:
        return {}, []
    if not isinstance(given, dict):
        return {}, [Fault(group, "it is no object.", "Write a name and a jq expression in each line.", fatal=False)]
    templates: dict[str, Template] = {}
    faults = []
    for name, value in given.items():
        template = _template(value, may_search=group == "relations")
        if template is None:
            faults.append(_template_fault(f"{group}.{name}", value, fatal=False, may_search=group == "relations"))
        else:
            templates[str(name)] = template
    return templates, faults


def _template(value: Any, *, may_search: bool) -> Template | None:
    """An expression; YAML's numbers and booleans stand for themselves."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if may_search and _is_search(value):
        leaves: list[tuple[tuple[str | int, ...], str]] = []
        query = _search(value, (), leaves)
        return Search(query, tuple(leaves))
    return None


def _is_search(value: Any) -> bool:
    if not isinstance(value, dict) or "combinator" not in value or not isinstance(value.get("rules"), list):
        return False
    if not value["rules"] or not isinstance(value["combinator"], str):
        return False
    return all(_is_search(rule) or _is_rule(rule) for rule in value["rules"])


def _is_rule(rule: Any) -> bool:
    scalars = str | bool | int | float
    return isinstance(rule, dict) and all(
        isinstance(rule.get(name), scalars) for name in ("property", "operator", "value")
    )


def _search(
    value: JsonObject, path: tuple[str | int, ...], leaves: list[tuple[tuple[str | int, ...], str]]
) -> JsonObject:
    """The shape of a search query; its expressions go to ``leaves``. Other keys of a rule are dropped, as in Ocean."""

    def leaf(name: str, expression: Any, where: tuple[str | int, ...]) -> str:
        text = expression if isinstance(expression, str) else json.dumps(expression)
        leaves.append(((*where, name), text))
        return text

    rules: list[JsonObject] = []
    shape: JsonObject = {"combinator": leaf("combinator", value["combinator"], path), "rules": rules}
    for index, rule in enumerate(value["rules"]):
        here = (*path, "rules", index)
        if "rules" in rule:
            rules.append(_search(rule, here, leaves))
        else:
            rules.append({name: leaf(name, rule[name], here) for name in ("property", "operator", "value")})
    return shape


def _template_fault(name: str, value: Any, *, fatal: bool, may_search: bool) -> Fault:
    search = " or a search query with combinator and rules" if may_search else ""
    reason = "it is empty." if value is None else f"a {type(value).__name__} is no expression."
    return Fault(name, reason, f"Give a jq expression as text{search}; to clear the field write 'null'.", fatal=fatal)


def _unknown_keys(given: JsonObject, known: set[str], prefix: str) -> list[Fault]:
    return [
        Fault(
            f"{prefix}{name}", "it is not known and is ignored.", f"Known are: {', '.join(sorted(known))}.", fatal=False
        )
        for name in given
        if name not in known
    ]
