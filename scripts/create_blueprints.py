"""Creates the blueprints of a mapping in Port: entities can be written only where their blueprint exists.

    PORT_CLIENT_ID=… PORT_CLIENT_SECRET=… .venv/bin/python -m scripts.create_blueprints cloud

PORT_BASE_URL names Port's API (default https://api.getport.io). Blueprints that exist are left as they are; --complete
adds what they lack and changes nothing else. Exit code 0: all are there; 1: Port refused something; 2: settings.

Relations name blueprints, calculated properties and inherited teams name relations: hence three rounds. A PATCH sends
each part whole, which is right whether Port replaces a part or merges it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from bitbucket_port.errors import BitbucketPortError, SettingsError
from bitbucket_port.http import Deadline, HttpClient, path_of
from bitbucket_port.port.base_url import api_root
from bitbucket_port.port.token import AccessToken
from bitbucket_port.settings import PORT_API

Json = dict[str, Any]

MAPPINGS = Path(__file__).resolve().parent.parent / "mappings"
RELATIONS = ("relations",)
CALCULATED = ("mirrorProperties", "calculationProperties", "aggregationProperties", "ownership")
SECONDS = 300.0
"""For all requests together."""


class Port:
    """Port's blueprints; every method raises the package's errors."""

    def __init__(self, base_url: str, client_id: str, client_secret: str) -> None:
        root, deadline = api_root(base_url), Deadline.after(SECONDS)
        door = HttpClient(root, headers=None, deadline=deadline, name="Port")
        token = AccessToken(door, client_id, lambda: client_secret)
        self._http = HttpClient(root, headers=lambda: {"Authorization": token.header()}, deadline=deadline, name="Port")

    def blueprints(self) -> dict[str, Json]:
        """All there are, by identifier."""
        found = self._http.request("GET", "/v1/blueprints").json()["blueprints"]
        return {blueprint["identifier"]: blueprint for blueprint in found}

    def create(self, blueprint: Json) -> None:
        """A new blueprint. Not sent twice: the second time it would exist."""
        self._http.request("POST", "/v1/blueprints", json=blueprint, retry=False)

    def change(self, identifier: str, parts: Json) -> None:
        """Replace these parts of a blueprint."""
        self._http.request("PATCH", path_of("v1", "blueprints", identifier), json=parts)


def create(port: Port, wanted: Iterable[Json], *, complete: bool, say: Callable[[str], None]) -> None:
    """Bring the wanted blueprints to Port, ``say`` what was done; raises at the first thing Port refuses."""
    wanted, there = list(wanted), port.blueprints()
    new = [blueprint for blueprint in wanted if blueprint["identifier"] not in there]
    for blueprint in new:
        port.create(_first_part(blueprint))
        say(f"{blueprint['identifier']}: created")
    for names in (RELATIONS, CALCULATED):
        for blueprint in new:
            parts = {name: blueprint[name] for name in names if blueprint.get(name)}
            if parts:
                port.change(blueprint["identifier"], parts)
                say(f"{blueprint['identifier']}: {', '.join(parts)} added")
    for blueprint in wanted:
        existing = there.get(blueprint["identifier"])
        if existing is not None:
            _look_after(port, blueprint, existing, complete=complete, say=say)


def _first_part(blueprint: Json) -> Json:
    later = {*RELATIONS, *CALCULATED}
    return {name: value for name, value in blueprint.items() if name not in later}


def _look_after(port: Port, wanted: Json, existing: Json, *, complete: bool, say: Callable[[str], None]) -> None:
    identifier, parts = wanted["identifier"], _missing(wanted, existing)
    if not parts:
        say(f"{identifier}: exists")
    elif complete:
        for names in (("schema",), RELATIONS, CALCULATED):
            found = {name: parts[name] for name in names if name in parts}
            if found:
                port.change(identifier, found)
        say(f"{identifier}: exists, added {_names(parts, existing)}")
    else:
        say(f"{identifier}: exists, without {_names(parts, existing)}; --complete adds that")


def _missing(wanted: Json, existing: Json) -> Json:
    """The parts of ``existing`` that lack something, completed; what is there stays as it is."""
    parts: Json = {}
    here = existing.get("schema") or {}
    properties = _completed(wanted["schema"]["properties"], here.get("properties") or {})
    if properties is not None:
        parts["schema"] = {**here, "properties": properties}
    for name in (*RELATIONS, *CALCULATED):
        completed = _completed(wanted.get(name) or {}, existing.get(name) or {})
        if name == "ownership":
            completed = wanted[name] if wanted.get(name) and not existing.get(name) else None
        if completed is not None:
            parts[name] = completed
    return parts


def _completed(wanted: Json, existing: Json) -> Json | None:
    """None when nothing is missing."""
    return {**wanted, **existing} if wanted.keys() - existing.keys() else None


def _names(parts: Json, existing: Json) -> str:
    """What is new in the parts, for people."""
    found: list[str] = []
    for part, value in parts.items():
        before = existing.get(part) or {}
        inner, known = (value["properties"], before.get("properties") or {}) if part == "schema" else (value, before)
        found += [part] if part == "ownership" else [name for name in inner if name not in known]
    return ", ".join(found)


def main(arguments: list[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Command line; see the exit codes above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("product", choices=["cloud", "server"], help="Bitbucket Cloud or Data Center")
    parser.add_argument("--preset", choices=["default", "ocean"], default="default", help="as MappingPreset")
    parser.add_argument("--complete", action="store_true", help="add what existing blueprints lack")
    options = parser.parse_args(arguments)
    missing = [name for name in ("PORT_CLIENT_ID", "PORT_CLIENT_SECRET") if not environment.get(name)]
    if missing:
        print(f"Set {' and '.join(missing)}, from Credentials in Port.", file=sys.stderr)
        return 2
    file = MAPPINGS / options.product / f"{options.preset}.blueprints.json"
    wanted = json.loads(file.read_text(encoding="utf-8"))
    address = environment.get("PORT_BASE_URL") or PORT_API
    try:
        port = Port(address, environment["PORT_CLIENT_ID"], environment["PORT_CLIENT_SECRET"])
        create(port, wanted, complete=options.complete, say=print)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except BitbucketPortError as error:
        print(f"{error}\nWhat was done before stays. When this is mended, run again with --complete.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
