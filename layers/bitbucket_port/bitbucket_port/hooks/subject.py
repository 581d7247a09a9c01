"""What webhooks hang at. Import-light: it is part of a message that live functions know, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

from bitbucket_port.objects import Address, JsonObject

Level = Literal["workspace", "project", "repository"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What webhooks hang at (Bitbucket's own word): the Cloud workspace, a Data Center project, or a repository.

    ``id`` survives a rename, ``address`` is how it is asked for now, ``name`` how people know it. ``parent`` is the key
    of the subject whose webhooks would cover this one, empty where there is none.
    """

    level: Level
    id: str
    address: Address
    name: str
    parent: str = ""

    @property
    def key(self) -> str:
        """Its name among all subjects of a stack."""
        return f"{self.level}#{self.id}"

    def __str__(self) -> str:
        return f"{self.level} {self.name}"

    def to_json(self) -> JsonObject:
        """The subject as it is kept and sent."""
        return {
            "level": self.level,
            "id": self.id,
            "address": self.address.to_json(),
            "name": self.name,
            "parent": self.parent,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> Subject:
        """The inverse of ``to_json``; raises ValueError for a level that does not exist."""
        if value["level"] not in get_args(Level):
            raise ValueError(f"{value['level']!r} has no webhooks")
        address = Address.from_json(value["address"])
        level = cast("Level", value["level"])
        return cls(level, str(value["id"]), address, str(value["name"]), str(value.get("parent", "")))
