"""The mappings this package brings along."""

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
    source = _PACKAGE.parents[2] / "mappings" / product / f"{preset}.yaml"
    if source.is_file():
        import yaml

        return cast(JsonObject, yaml.safe_load(source.read_text(encoding="utf-8")))
    raise SettingsError(f"There is no mapping preset {preset!r} for {product}; use 'default' or 'ocean'.")
