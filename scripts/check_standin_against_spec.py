"""Compares what the stand-ins accept with the vendors' own OpenAPI documents, which are not part of this project.

    .venv/bin/python scripts/check_standin_against_spec.py --spec port.json --spec cloud.json --spec datacenter.json

Which stand-in a document belongs to is seen from its paths. A difference is printed and makes the exit code 1: a route,
query parameter or body property the document does not have, a required one that is not insisted on, a limit that is
wider. A body the document says nothing about is taken as it is. Where several documents of one product are given
(versions), being in one of them is enough.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if TYPE_CHECKING:
    from local.standins.http import Route

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Product:
    """A stand-in and its document: where its table is, a path that tells the document, and how paths differ.

    ``general`` are query parameters the vendor documents once for the whole API and not with each operation: in
    ``paging`` those that count for GET only.
    """

    module: str
    telling: str
    prefix: str
    documented_prefix: str
    general: frozenset[str] = frozenset()
    paging: frozenset[str] = frozenset()


PRODUCTS = (
    Product("local.standins.port_routes", "/v1/auth/access_token", "", ""),
    Product(
        "local.standins.cloud.routes",
        "/repositories/{workspace}",
        "/2.0",
        "",
        frozenset({"fields"}),
        frozenset({"page", "pagelen", "q", "sort"}),
    ),
    Product(
        "local.standins.server.routes",
        "/api/latest/projects",
        r"/rest/api/(?:latest|1\.0)",
        "/api/latest",
        paging=frozenset({"start", "limit"}),
    ),
)


class Document:
    """An OpenAPI document, its operations by method and shape of the path."""

    def __init__(self, content: Json) -> None:
        self.content = content
        self.operations: dict[tuple[str, str], tuple[Json, list[Json]]] = {}
        for path, item in content["paths"].items():
            shared = item.get("parameters") or []
            for method, operation in item.items():
                if isinstance(operation, dict):
                    parameters = [self.resolved(one) for one in [*shared, *(operation.get("parameters") or [])]]
                    self.operations[method.upper(), shape(path)] = (operation, parameters)

    def resolved(self, value: Json) -> Json:
        """What a ``$ref`` inside the document points to."""
        while "$ref" in value:
            found: Any = self.content
            for step in value["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            value = found
        return value

    def body(self, operation: Json) -> Json | None:
        """The schema of an operation's JSON body."""
        request = self.resolved(operation.get("requestBody") or {})
        media = (request.get("content") or {}).get("application/json")
        return self.resolved(media["schema"]) if media and "schema" in media else None

    def alternatives(self, schema: Json) -> list[Json]:
        """The schema's branches, flattened: itself, and what oneOf, anyOf and allOf hold."""
        schema = self.resolved(schema)
        inner = [one for name in ("oneOf", "anyOf", "allOf") for one in schema.get(name, [])]
        return [schema, *(branch for one in inner for branch in self.alternatives(one))]


def shape(path: str) -> str:
    """The path with every variable written the same."""
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/")


def differences(route: Route, product: Product, document: Document) -> Iterator[str]:
    """What a route accepts, or fails to insist on, beyond the document."""
    path = re.sub(f"^{product.prefix}", product.documented_prefix, route.path)
    found = document.operations.get((route.method, shape(path)))
    if found is None:
        yield "no such operation"
        return
    operation, parameters = found
    queries = {one["name"]: one for one in parameters if one["in"] == "query"}
    general = product.general | (product.paging if route.method == "GET" else frozenset())
    for name in sorted(route.query - set(queries) - general):
        yield f"query parameter {name!r} is not documented"
    for name, parameter in queries.items():
        if parameter.get("required") and name not in route.required_query:
            yield f"query parameter {name!r} is required"
    documented = document.body(operation)
    if route.body is not None and documented is not None:
        yield from body_differences(route.body, documented, document, "body")


def body_differences(ours: Json, theirs: Json, document: Document, place: str) -> Iterator[str]:
    """Where our schema of a body is wider than theirs."""
    branches = document.alternatives(theirs)
    known = {name: inner for branch in branches for name, inner in (branch.get("properties") or {}).items()}
    free = any(branch.get("additionalProperties") for branch in branches)
    for name, inner in (ours.get("properties") or {}).items():
        if name in known:
            yield from body_differences(inner, known[name], document, f"{place}.{name}")
        elif known and not free:
            yield f"{place}.{name} is not documented"
    for name in set(theirs.get("required", ())) - set(ours.get("required", ())):
        if name in known:
            yield f"{place}.{name} is required"
    if theirs.get("additionalProperties") is False and ours.get("additionalProperties") is not False and known:
        yield f"{place} may not hold more than is documented"
    yield from limit_differences(document.alternatives(ours), branches, place)
    items = [branch["items"] for branch in branches if "items" in branch]
    if "items" in ours and items:
        yield from body_differences(ours["items"], items[0], document, f"{place}[]")


def limit_differences(mine: Sequence[Json], branches: Sequence[Json], place: str) -> Iterator[str]:
    """Limits and lists of values that are wider than the document's."""
    for name, wider in (("maxItems", 1), ("maxLength", 1), ("maximum", 1), ("minItems", -1), ("minimum", -1)):
        documented = [branch[name] for branch in branches if name in branch]
        kept = [branch[name] for branch in mine if name in branch]
        if documented and (not kept or (kept[0] - documented[0]) * wider > 0):
            yield f"{place}: {name} is {documented[0]}, not {kept[0] if kept else 'kept'}"
    values = {value for branch in branches for value in branch.get("enum", ()) if isinstance(value, str)}
    for value in (value for branch in mine for value in branch.get("enum", ())):
        if values and value not in values:
            yield f"{place}: {value!r} is not one of the documented values"


def check(product: Product, documents: Sequence[Document]) -> int:
    """Print what differs for every route; returns how many routes do."""
    routes: Sequence[Route] = importlib.import_module(product.module).ROUTES
    wrong = 0
    for route in routes:
        if not route.documented:
            print(f"undocumented on purpose: {route.method} {route.path}")
            continue
        found = [list(differences(route, product, document)) for document in documents]
        best = min(found, key=len)
        wrong += bool(best)
        for difference in best:
            print(f"{route.method} {route.path}: {difference}")
    print(f"{product.module}: {len(routes)} routes against {len(documents)} document(s), {wrong} differ")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 when every stand-in with a document accepts no more than it, 1 otherwise, 2 for a wrong call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=Path, action="append", required=True, help="an OpenAPI 3 document in JSON")
    documents = [Document(json.loads(path.read_text(encoding="utf-8"))) for path in parser.parse_args(arguments).spec]
    wrong = unknown = 0
    for document in documents:
        if not any(product.telling in document.content["paths"] for product in PRODUCTS):
            print("a document belongs to no stand-in")
            unknown += 1
    for product in PRODUCTS:
        own = [document for document in documents if product.telling in document.content["paths"]]
        if own:
            wrong += check(product, own)
    return 2 if unknown else min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
