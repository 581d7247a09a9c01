"""The files under test: the mappings and blueprints that the project ships, read as a person would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import yaml

from bitbucket_port.objects import JsonObject, Product

ROOT = Path(__file__).parents[2]
PRODUCTS: tuple[Product, ...] = ("cloud", "server")
PRESETS = ("default", "ocean")
PAIRS = [(product, preset) for product in PRODUCTS for preset in PRESETS]


@cache
def mapping(product: Product, preset: str) -> JsonObject:
    """The shipped mapping as its YAML says it."""
    return cast("JsonObject", yaml.safe_load((ROOT / "mappings" / product / f"{preset}.yaml").read_text("utf-8")))


@cache
def blueprints(product: Product, preset: str) -> dict[str, JsonObject]:
    """The blueprints installed with that mapping, by identifier, in the order of the file."""
    text = (ROOT / "mappings" / product / f"{preset}.blueprints.json").read_text("utf-8")
    return {blueprint["identifier"]: blueprint for blueprint in json.loads(text)}


def resource(product: Product, preset: str, kind: str) -> JsonObject | None:
    """The only resource of this kind, or None when the preset does not map it."""
    found = [entry for entry in mapping(product, preset)["resources"] if entry["kind"] == kind]
    assert len(found) <= 1, f"{product}/{preset} maps {kind} twice: the tests look at one resource per kind"
    return found[0] if found else None


def entity_mapping(entry: JsonObject) -> JsonObject:
    """The part of a resource that makes the entity."""
    return cast("JsonObject", entry["port"]["entity"]["mappings"])


@dataclass(frozen=True)
class Expression:
    """One jq expression of a resource and the place it stands in, as ``properties.url``."""

    place: str
    text: str


def expressions(entry: JsonObject) -> Iterator[Expression]:
    """Every expression of a resource, the selector's included."""
    yield Expression("selector.query", entry["selector"]["query"])
    for name, value in entity_mapping(entry).items():
        if isinstance(value, dict):
            for inner, text in value.items():
                yield Expression(f"{name}.{inner}", text)
        else:
            yield Expression(name, value)
