"""What Port must hold, worked out from Bitbucket's own objects and the mapping's text in the plainest way there is.

Nothing of the package under test is used: each expression is given to jq by itself, and what a selector means, what
Port takes as an identifier and what a failed expression does is written down here once more, from docs/mapping.md.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jq
import yaml

from local.standins.cloud.pull_requests import CloudWorld
from local.standins.server.pull_requests import ServerWorld

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]
Key = tuple[str, str]
Expected = dict[Key, Json]
SECONDS_A_DAY = 86400.0
KINDS = ("project", "user", "repository", "pull-request")
_ROLES = ("member", "contributor", "admin", "owner")


class FailedError(Exception):
    """An expression that gives an error, or something that cannot be used."""


def expected(world: CloudWorld | ServerWorld, mapping: str, *, now: float, emails: Iterable[str] = ()) -> Expected:
    """Every entity that must be in Port: (blueprint, identifier) → title, properties and relations without nulls.

    ``mapping`` is the document's text, ``now`` epoch seconds, ``emails`` those of Port's users. What a relation names
    and nothing makes is there, too, and empty. Raises ValueError when two objects make the same entity.
    """
    found: Expected = {}
    related: set[Key] = set()
    blueprints = _Blueprints("cloud" if isinstance(world, CloudWorld) else "server")
    with world.lock:
        for resource in yaml.safe_load(mapping)["resources"]:
            if resource["kind"] not in KINDS:
                continue
            for obj in objects(world, resource["kind"], resource["selector"], now, emails):
                for key, entity in _entities(resource, obj):
                    if key in found:
                        raise ValueError(f"two objects make {key}")
                    found[key] = {**entity, "properties": blueprints.taken(key[0], entity["properties"])}
                    related |= set(blueprints.named(key[0], entity["relations"]))
    for key in related - found.keys():
        found[key] = {"title": None, "properties": {}, "relations": {}}
    return found


def objects(
    world: CloudWorld | ServerWorld, kind: str, selector: Json, now: float, emails: Iterable[str] = ()
) -> Iterator[Json]:
    """Bitbucket's objects of a kind that are in the selector's scope, its jq aside. See ``expected``."""
    source = _Cloud(world, frozenset(emails)) if isinstance(world, CloudWorld) else _Server(world)
    return source.objects(kind, selector, now)


def shown(catalog: Mapping[Key, Mapping[str, Any]]) -> Expected:
    """A catalog of the stand-in in the form of ``expected``: for Port null and absent are the same."""
    return {
        key: {
            "title": entity["title"],
            **{part: _told(entity[part]) for part in ("properties", "relations")},
        }
        for key, entity in catalog.items()
    }


def differences(catalog: Expected, right: Expected, most: int = 12) -> list[str]:
    """In words, what is missing, too much or otherwise; empty when nothing is."""
    found = [f"{key} is missing" for key in sorted(right.keys() - catalog.keys())]
    found += [f"{key} is too much" for key in sorted(catalog.keys() - right.keys())]
    for key in sorted(catalog.keys() & right.keys()):
        one, other = _flat(catalog[key]), _flat(right[key])
        found += [
            f"{key}: {name} is {one.get(name)!r}, must be {other.get(name)!r}"
            for name in sorted(one.keys() | other.keys())
            if one.get(name) != other.get(name)
        ]
    return found if len(found) <= most else [*found[:most], f"… {len(found)} in all"]


def _flat(entity: Mapping[str, Any]) -> Json:
    return {"title": entity["title"], **entity["properties"], **{f"→{k}": v for k, v in entity["relations"].items()}}


def _told(values: Mapping[str, Any]) -> Json:
    return {name: value for name, value in values.items() if value is not None}


# --- Bitbucket's objects, as a resync should read them ----------------------------------------------------------------


class _Cloud:
    def __init__(self, world: CloudWorld, emails: frozenset[str]) -> None:
        self._world, self._write, self._emails = world, world.write, emails

    def objects(self, kind: str, selector: Json, now: float) -> Iterator[Json]:
        """The objects in the selector's scope, its jq aside."""
        if kind == "project":
            for project in self._world.projects:
                if project.readable:
                    yield self._write.project(project, self._world.workspace)
        elif kind == "user":
            for user in self._world.users:
                yield {**self._write.user(user), "email": user.email if user.email in self._emails else None}
        elif kind == "repository":
            for repository in self._repositories(selector):
                yield {**self._write.repository(repository), **self._files(repository, selector)}
        else:
            for repository in self._repositories(selector):
                for pull in repository.pull_requests.values():
                    if self._wanted(pull, selector, now):
                        yield self._pull_request(pull)

    def _repositories(self, selector: Json) -> Iterator[Any]:
        least = selector.get("userRole")
        for repository in self._world.repositories:
            if repository.role is None or (least and _ROLES.index(repository.role) < _ROLES.index(least)):
                continue
            if "repoQuery" not in selector or self._in_project(repository, selector["repoQuery"]):
                yield repository

    @staticmethod
    def _in_project(repository: Any, query: str) -> bool:
        match = re.fullmatch(r'project\.key ?= ?"(\w+)"', query)
        if not match:
            raise NotImplementedError(query)
        return bool(repository.project.key == match[1])

    @staticmethod
    def _files(repository: Any, selector: Json) -> Json:
        if "includedFiles" not in selector:
            return {}
        head = repository.git.branches.get(repository.main_branch or "")
        files = repository.git.commits[head].files if head else {}
        return {"__includedFiles": {name: files.get(name) for name in selector["includedFiles"]}}

    @staticmethod
    def _wanted(pull: Any, selector: Json, now: float) -> bool:
        match = re.fullmatch(r'state ?= ?"(\w+)"', selector.get("pullRequestQuery", 'state="OPEN"'))
        if not match:
            raise NotImplementedError(selector["pullRequestQuery"])
        days = selector.get("closedWithinDays")
        if pull.state == match[1]:
            return True
        if days is None or match[1] != "OPEN":
            return False
        return bool(pull.updated_on.timestamp() >= now - days * SECONDS_A_DAY)

    def _pull_request(self, pull: Any) -> Json:
        written = {**self._write.pull_request_in_list(pull), **self._write.people(pull)}
        if written["merge_commit"]:
            written["merge_commit"] = {**written["merge_commit"], "hash": written["merge_commit"]["hash"][:12]}
        return written


class _Server:
    def __init__(self, world: ServerWorld) -> None:
        self._world, self._write = world, world.write

    def objects(self, kind: str, selector: Json, now: float) -> Iterator[Json]:
        """The objects in the selector's scope, its jq aside."""
        if kind == "project":
            for project in self._world.projects:
                if self._in_scope(project, selector):
                    yield self._write.project(project)
        elif kind == "user":
            for user in self._world.users:
                yield self._write.user(user)
        elif kind == "repository":
            for repository in self._repositories(selector):
                yield {**self._write.repository(repository), **self._more(repository)}
        else:
            for repository in self._repositories(selector):
                for pull in repository.pull_requests.values():
                    if self._wanted(pull, selector, now):
                        yield self._write.pull_request_in_list(pull)

    def _repositories(self, selector: Json) -> Iterator[Any]:
        for repository in self._world.repositories:
            if repository.permission is not None and self._in_scope(repository.project, selector):
                yield repository

    @staticmethod
    def _in_scope(project: Any, selector: Json) -> bool:
        return (
            project.readable
            and (selector.get("includePersonal", False) or project.owner is None)
            and (not selector.get("projects") or project.key in selector["projects"])
            and re.match(selector.get("projectFilterRegex") or "", project.key) is not None
        )

    def _more(self, repository: Any) -> Json:
        head = repository.git.commits.get(repository.git.branches.get(repository.default_branch, ""))
        return {
            "__readme": head.files.get("README.md") if head else None,
            "__latestCommit": self._write.commit(head) if head else None,
        }

    @staticmethod
    def _wanted(pull: Any, selector: Json, now: float) -> bool:
        state, days = selector.get("state", "OPEN"), selector.get("closedWithinDays")
        if state in ("ALL", pull.state):
            return True
        if days is None or state != "OPEN":
            return False
        return bool(pull.closed.timestamp() >= now - days * SECONDS_A_DAY)


# --- the mapping ------------------------------------------------------------------------------------------------------


def _entities(resource: Json, obj: Json) -> Iterator[tuple[Key, Json]]:
    """What one entry of the mapping makes of one object."""
    port = resource["port"]
    mappings = port["entity"]["mappings"]
    for item in _items(port, obj):
        text = json.dumps(item)
        if _first(str(resource["selector"]["query"]), text) is not True:
            continue
        for one in mappings if isinstance(mappings, list) else [mappings]:
            made = _entity(one, text)
            if made:
                yield made


def _items(port: Json, obj: Json) -> Iterator[Json]:
    expression = port.get("itemsToParse")
    if not expression:
        yield obj
        return
    text = json.dumps(obj)
    without_the_list = port.get("itemsToParseTopLevelTransform", True)
    rest = _first(f"del({expression})", text) if without_the_list else obj
    for item in _first(expression, text):
        yield {**rest, port.get("itemsToParseName", "item"): item}


def _entity(mapping: Json, text: str) -> tuple[Key, Json] | None:
    try:
        blueprint = _first(mapping["blueprint"], text)
        identifier = _identifier(_first(mapping["identifier"], text))
    except FailedError:
        return None
    entity: Json = {"title": None, "properties": {}, "relations": {}}
    try:
        title = _first(mapping["title"], text) if "title" in mapping else None
        entity["title"] = str(title) if title is not None else None
    except FailedError:
        pass
    for name, expression in (mapping.get("properties") or {}).items():
        try:
            entity["properties"][name] = _first(expression, text)
        except FailedError:
            continue  # Nothing is written, so nothing is there.
    for name, expression in (mapping.get("relations") or {}).items():
        try:
            entity["relations"][name] = _relation(_first(expression, text))
        except FailedError:
            continue
    return (blueprint, identifier), {
        "title": entity["title"],
        "properties": _told(entity["properties"]),
        "relations": _told(entity["relations"]),
    }


@cache
def _compiled(expression: str) -> Any:
    return jq.compile(expression)


def _first(expression: str, text: str) -> Any:
    """The expression's first output; null when it has none. Raises FailedError for an error."""
    try:
        return next(iter(_compiled(expression).input_text(text)), None)
    except ValueError as error:
        raise FailedError(str(error)) from None


def _identifier(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) and value else value
    if not isinstance(text, str) or not text or not _taken_by_port(text):
        raise FailedError(f"{value!r} is no identifier")
    return text


def _taken_by_port(text: str) -> bool:
    r"""Port's ``^(?!\.{1,2}$)[\p{L}0-9@_.+:\\/=-]+$`` with at most 1,000 characters."""
    if text in (".", "..") or len(text) > 1000:
        return False
    return all(one in "0123456789@_.+:\\/=-" or unicodedata.category(one)[0] == "L" for one in text)


def _relation(value: Any) -> Any:
    if isinstance(value, list):
        return [_identifier(one) for one in value if one is not None]
    return None if value is None else _identifier(value)


# --- blueprints -------------------------------------------------------------------------------------------------------


class _Blueprints:
    """What the blueprints that come with the mappings say of properties and relations."""

    def __init__(self, product: str) -> None:
        self._all: dict[str, Json] = {
            blueprint["identifier"]: blueprint
            for path in sorted((ROOT / "mappings" / product).glob("*.blueprints.json"))
            for blueprint in json.loads(path.read_text(encoding="utf-8"))
        }

    def taken(self, blueprint: str, properties: Json) -> Json:
        """The properties whose values Port takes; it is written without the others, and lists without such elements."""
        declared = self._all[blueprint]["schema"]["properties"]
        kept = {name: _elements(value, declared[name]) for name, value in properties.items() if name in declared}
        return {name: value for name, value in kept.items() if _fits(value, declared[name])}

    def named(self, blueprint: str, relations: Json) -> Iterator[Key]:
        """The entities that relations lead to."""
        for name, value in relations.items():
            for one in value if isinstance(value, list) else [value]:
                yield self._all[blueprint]["relations"][name]["target"], one


_FORMATS = {
    "user": re.compile(r"[^@\s]+@[^@\s]+"),
    "url": re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+"),
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
}
_TYPES: dict[str, Any] = {"string": str, "number": (int, float), "boolean": bool, "array": list, "object": dict}


def _elements(value: Any, declared: Json) -> Any:
    if not isinstance(value, list) or "items" not in declared:
        return value
    return [one for one in value if _fits(one, {"type": "string", **declared["items"]})]


def _fits(value: Any, declared: Json) -> bool:
    if not isinstance(value, _TYPES[declared["type"]]) or (declared["type"] == "number" and isinstance(value, bool)):
        return False
    if value not in declared.get("enum", [value]):
        return False
    pattern = _FORMATS.get(declared.get("format", ""))
    return pattern is None or pattern.fullmatch(value) is not None
