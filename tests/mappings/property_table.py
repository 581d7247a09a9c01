"""The table of default properties in ``docs/mapping.md``, made from the mappings and blueprints themselves."""

from __future__ import annotations

import re

from bitbucket_port.objects import JsonObject, Product
from tests.mappings.shipped import PRODUCTS, ROOT, blueprints, entity_mapping, resource

DOCUMENT = ROOT / "docs" / "mapping.md"
PART = re.compile(r"(<!-- properties: begin [^\n]*-->\n)(.*?)(<!-- properties: end -->)", re.DOTALL)
KINDS = ("project", "user", "repository", "pull-request")


def table() -> str:
    """The part between the markers: one table per kind, both products side by side."""
    return "\n".join(_kind(kind) for kind in KINDS)


def refreshed(text: str) -> str:
    """The document with its table as it should be."""
    return PART.sub(lambda match: f"{match[1]}\n{table()}\n{match[3]}", text)


def _kind(kind: str) -> str:
    entries = {product: resource(product, "default", kind) or {} for product in PRODUCTS}
    names = " / ".join(f"`{_blueprint(product, kind)['identifier']}`" for product in PRODUCTS)
    rows = [
        f"### {kind}",
        "",
        names,
        "",
        "| | Type | Cloud | Data Center |",
        "|---|---|---|---|",
        _row("selector", "", *(_code(entries[product]["selector"]["query"]) for product in PRODUCTS)),
    ]
    rows += [
        _row(place, "", *(_code(entity_mapping(entries[product])[place]) for product in PRODUCTS))
        for place in ("identifier", "title")
    ]
    rows += [_field(kind, "properties", name) for name in _names(kind, "properties")]
    rows += [_field(kind, "relations", name) for name in _names(kind, "relations")]
    return "\n".join(rows) + "\n"


def _names(kind: str, group: str) -> list[str]:
    """Both products' names, each in its mapping's order."""
    ordered: dict[str, None] = {}
    for product in PRODUCTS:
        ordered |= dict.fromkeys(entity_mapping(resource(product, "default", kind) or {}).get(group, {}))
    return list(ordered)


def _field(kind: str, group: str, name: str) -> str:
    cells = []
    described = ""
    for product in PRODUCTS:
        expression = entity_mapping(resource(product, "default", kind) or {}).get(group, {}).get(name)
        cells.append("–" if expression is None else _code(expression))
        if expression is not None:
            described = described or _type(_blueprint(product, kind), group, name)
    return _row(f"`{name}`", described, *cells)


def _type(blueprint: JsonObject, group: str, name: str) -> str:
    if group == "relations":
        relation = blueprint["relations"][name]
        return "relations" if relation["many"] else "relation"
    definition = blueprint["schema"]["properties"][name]
    if "enum" in definition:
        return ", ".join(definition["enum"])
    return str(definition.get("format", definition["type"]))


def _blueprint(product: Product, kind: str) -> JsonObject:
    entry = resource(product, "default", kind) or {}
    return blueprints(product, "default")[entity_mapping(entry)["blueprint"].strip('"')]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _code(expression: str) -> str:
    """The expression in a table cell, where a bar would end it."""
    return f"`{' '.join(expression.split())}`".replace("|", r"\|")


if __name__ == "__main__":
    DOCUMENT.write_text(refreshed(DOCUMENT.read_text("utf-8")), "utf-8")
