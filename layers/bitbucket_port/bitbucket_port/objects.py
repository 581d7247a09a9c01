"""The nouns every part of the package shares: source objects of Bitbucket and entities of Port."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from bitbucket_port.port.stored import finer, is_found_by_port, normal_form

Product = Literal["cloud", "server"]
Kind = Literal["project", "repository", "pull-request", "user"]
JsonObject = dict[str, Any]

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode
KINDS: tuple[Kind, ...] = ("project", "repository", "pull-request", "user")


@dataclass(frozen=True, slots=True, order=True)
class SourceKey:
    """The stable name of a Bitbucket object, built from ids that survive a rename.

    ``container`` is the source (Cloud workspace uuid, Data Center base URL), for a pull request followed by ``/`` and
    the repository's id. ``id`` is a Cloud ``{uuid}``, a Data Center numeric id as text, or a pull request's number.
    """

    kind: Kind
    container: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}#{self.container}#{self.id}"

    @classmethod
    def parse(cls, text: str) -> SourceKey:
        """The key whose ``str()`` is ``text``; raises ValueError for anything else."""
        kind, rest = text.split("#", 1)
        container, object_id = rest.rsplit("#", 1)
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is not a kind")
        return cls(kind, container, object_id)

    @property
    def children_container(self) -> str:
        """The container of what hangs below this object (a repository's pull requests)."""
        return f"{self.container}/{self.id}"

    @property
    def repository(self) -> SourceKey | None:
        """The repository a pull request belongs to; None for every other kind."""
        if self.kind != "pull-request":
            return None
        source, _, repository = self.container.rpartition("/")
        return SourceKey("repository", source, repository)


@dataclass(frozen=True, slots=True)
class Address:
    """How to ask Bitbucket for an object now; unlike a source key it changes with a rename.

    Cloud: ``repository`` is the ``{uuid}`` (or the slug where an old payload lacks it), ``project`` the project key.
    Data Center: ``project`` is the project key (``~user`` for a personal project), ``repository`` the slug.
    ``number`` is the pull request's id, ``user`` a Cloud account's ``{uuid}`` or a Data Center user's slug.
    """

    project: str | None = None
    repository: str | None = None
    number: int | None = None
    user: str | None = None

    def to_json(self) -> JsonObject:
        """Only the fields that are set."""
        pairs = {"project": self.project, "repository": self.repository, "number": self.number, "user": self.user}
        return {name: value for name, value in pairs.items() if value is not None}

    @classmethod
    def from_json(cls, value: JsonObject) -> Address:
        """The inverse of ``to_json``."""
        number = value.get("number")
        return cls(
            value.get("project"),
            value.get("repository"),
            int(number) if number is not None else None,
            value.get("user"),
        )


@dataclass(frozen=True, slots=True, order=True)
class EntityKey:
    """Blueprint and identifier: what names an entity in Port."""

    blueprint: str
    identifier: str

    def __str__(self) -> str:
        return f"{self.blueprint}#{self.identifier}"

    @classmethod
    def parse(cls, text: str) -> EntityKey:
        """The key whose ``str()`` is ``text`` (neither part can contain ``#``)."""
        blueprint, identifier = text.split("#", 1)
        return cls(blueprint, identifier)


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity as the mapping makes it.

    ``identifier`` is a string, or a search query object (an enrichment of an entity found by Port, never owned).
    ``fields`` holds only what the mapping sets: ``title``, ``icon``, ``team``, ``properties``, ``relations``; an
    expression that failed is not in it. ``failed`` names those, as ``properties.url``.
    """

    blueprint: str
    identifier: str | JsonObject
    fields: JsonObject = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    _hash: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    _key: list[EntityKey] = field(default_factory=list, init=False, repr=False, compare=False)
    _normal: list[dict[str, Any]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def key(self) -> EntityKey:
        """The entity's key; a search query is named by its own digest, which no real identifier can equal."""
        if not self._key:
            name = self.identifier if isinstance(self.identifier, str) else "?" + digest(self.identifier)
            self._key.append(EntityKey(self.blueprint, name))
        return self._key[0]

    @property
    def normal_form(self) -> dict[str, Any]:
        """The fields as they are compared with what Port shows (``port.stored.normal_form``); not to be changed."""
        if not self._normal:
            self._normal.append(normal_form(self.fields))
        return self._normal[0]

    @property
    def is_search(self) -> bool:
        """Whether Port, not the mapping, decides which entity this is."""
        return not isinstance(self.identifier, str)

    @property
    def content_hash(self) -> str:
        """Equal for entities that are the same in Port: a digest of the fields as Port can be expected to show them.

        What it may show otherwise (what it finds itself by a search query, a moment's microseconds) has a digest of its
        own behind the first. Found out once: ``fields`` is never changed.
        """
        if not self._hash:
            self._hash.append(self._digested())
        return self._hash[0]

    def _digested(self) -> str:
        coarse = self.normal_form
        found = {one: its for one, its in coarse.items() if isinstance(its, dict) and is_found_by_port(one, its)}
        rest = found | finer(self.fields, coarse)
        told = digest({one: its for one, its in coarse.items() if one not in found} if found else coarse)
        return f"{told}.{digest(rest)}" if rest else told

    def to_port(self) -> JsonObject:
        """The body of an entity in Port's API."""
        return {"identifier": self.identifier, **self.fields}


def comparable(content: str) -> str | None:
    """The part of a content hash that must be the digest of what Port shows; None while the content is unknown."""
    told = content.partition(".")[0]
    return None if told == "?" else told


def digest(value: Any) -> str:
    """A short stable digest of any JSON value, independent of the order of its keys."""
    return hashlib.sha256(_canonical(value).encode()).hexdigest()[:24]
