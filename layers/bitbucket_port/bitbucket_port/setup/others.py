"""Who else feeds the same blueprints: Port's own Bitbucket integration, or another installation of this one.

Two that write the same entities undo each other's work at every resync, and each deletes what it does not know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from bitbucket_port import __version__
from bitbucket_port.mapping.model import Mapping
from bitbucket_port.objects import JsonObject
from bitbucket_port.port.client import PortClient
from bitbucket_port.port.listing import MARK
from bitbucket_port.resync.constants import constants
from bitbucket_port.resync.unclaimed import Production
from bitbucket_port.setup.findings import Finding

ABOUT = "Other installations"
_GUIDE = "docs/migrate-from-ocean.md"


def other_installations(port: PortClient, mapping: Mapping, *, identifier: str, known_version: str) -> list[Finding]:
    """One finding for each integration that makes entities of the mapping's blueprints, beside us.

    ``known_version`` is the version under which this stack registered itself last, empty before it did. Raises what
    Port raises; 403 (only moderators and administrators may list integrations) is a finding.
    """
    status, body = port.call("GET", "/v1/integration", ok=(200, 403, 404))
    listed = body.get("integrations")
    if status != 200 or not isinstance(listed, list):
        text = f"Port does not list the organization's integrations ({status})."
        return [Finding(ABOUT, "skipped", text, "Look at Port's Data sources page for another Bitbucket integration.")]
    blueprints = frozenset(Production.of(mapping).kinds)
    integrations = [one for one in listed if isinstance(one, dict)]
    clashes = [
        finding
        for one in integrations
        if (finding := _same(one, identifier, known_version) or _other(port, one, blueprints, identifier))
    ]
    return clashes or [Finding(ABOUT, "ok", "no other integration feeds the same blueprints.")]


def _same(integration: JsonObject, identifier: str, known_version: str) -> Finding | None:
    """Somebody else under our own identifier."""
    version = str(integration.get("version") or "")
    if not _is_named(integration, identifier) or version in ("", known_version, __version__):
        return None
    text = f"the integration {identifier!r} is registered in version {version}, which this was never seen to be."
    fix = f"If Port's own integration still runs under this identifier, stop it ({_GUIDE}); its entities stay."
    return Finding(ABOUT, "warning", text, fix)


def _other(port: PortClient, integration: JsonObject, blueprints: frozenset[str], identifier: str) -> Finding | None:
    """Another identifier that makes entities of the same blueprints, unless it is another stack of this project."""
    name = _name(integration)
    shared = sorted(blueprints & _blueprints_of(integration))
    if not shared or _is_named(integration, identifier) or any(_is_stack(port, one, name) for one in shared):
        return None
    kind, noun = integration.get("installationAppType") or "unknown type", _noun(shared)
    text = f"the integration {name!r} ({kind}) feeds the same {noun}: {', '.join(shared)}."
    fix = f"If it reads the same Bitbucket, stop it, or give one of the two blueprints of its own ({_GUIDE})."
    return Finding(ABOUT, "warning", text, fix)


def _is_stack(port: PortClient, blueprint: str, name: str) -> bool:
    """Whether entities of the integration carry the mark of a stack: its identifiers name its own workspace."""
    written = {"property": "$datasource", "operator": "contains", "value": f"/{name.lower()}/exporter"}
    marked = {"property": "$datasource", "operator": "contains", "value": MARK}
    page = port.search_blueprint(blueprint, [written, marked], include=["$identifier"], limit=1, cursor=None)
    return bool(page.entities)


def _name(integration: JsonObject) -> str:
    return str(integration.get("installationId") or integration.get("identifier") or "")


def _is_named(integration: JsonObject, identifier: str) -> bool:
    return _name(integration).lower() == identifier.lower()


def _noun(blueprints: list[str]) -> str:
    return "blueprint" if len(blueprints) == 1 else "blueprints"


def _blueprints_of(integration: JsonObject) -> frozenset[str]:
    """The blueprints an integration's mapping names."""
    config = integration.get("config")
    resources = config.get("resources") if isinstance(config, dict) else None
    return frozenset(_named(resources if isinstance(resources, list) else []))


def _named(resources: Collection[Any]) -> Iterable[str]:
    for resource in resources:
        try:
            mappings = resource["port"]["entity"]["mappings"]
        except (KeyError, TypeError):
            continue  # An entry that says nothing about entities.
        for one in mappings if isinstance(mappings, list) else [mappings]:
            expression = one.get("blueprint") if isinstance(one, dict) else None
            if isinstance(expression, str):
                yield from constants(expression) or ()
