"""The mappings this package brings along, and the blueprints that go with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from bitbucket_port.errors import SettingsError
from bitbucket_port.objects import JsonObject, Product

_PACKAGE = Path(__file__).resolve().parent.parent


def load(product: Product, preset: str) -> JsonObject:
    """The mapping document ``preset`` (``default``, ``ocean``) of ``product``.

    The built package carries them as JSON, so that no function has to read YAML; a source tree has the YAML they are
    built from. Raises SettingsError for a preset that does not exist.
    """
    built = _PACKAGE / "mappings" / product / f"{preset}.json"
    if built.is_file():
        return cast(JsonObject, json.loads(built.read_text(encoding="utf-8")))
    source = _sources() / product / f"{preset}.yaml"
    if source.is_file():
        import yaml

        return cast(JsonObject, yaml.safe_load(source.read_text(encoding="utf-8")))
    raise _no_preset(product, preset)


def load_blueprints(product: Product, preset: str) -> list[JsonObject]:
    """The blueprints that this preset's mapping writes to, whole, as Port's API takes them, relation targets first.

    Raises SettingsError for a preset that does not exist.
    """
    name = f"{preset}.blueprints.json"
    for path in (_PACKAGE / "mappings" / product / name, _sources() / product / name):
        if path.is_file():
            return cast("list[JsonObject]", json.loads(path.read_text(encoding="utf-8")))
    raise _no_preset(product, preset)


def _sources() -> Path:
    return _PACKAGE.parents[2] / "mappings"


def _no_preset(product: Product, preset: str) -> SettingsError:
    return SettingsError(f"There is no mapping preset {preset!r} for {product}; use 'default' or 'ocean'.")
