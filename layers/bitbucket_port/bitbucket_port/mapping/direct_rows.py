"""Answers a whole resource without jq, in the shape of the jq program's answer."""

from __future__ import annotations

from typing import Any

from bitbucket_port.mapping.direct import Outputs, direct
from bitbucket_port.mapping.model import Resource, Search
from bitbucket_port.mapping.program import entity_fields
from bitbucket_port.objects import JsonObject


class DirectRows:
    """What ``program.fused`` answers for one resource, without jq."""

    def __init__(self, selector: Outputs, fields: list[Outputs]) -> None:
        self._selector = selector
        self._fields = fields

    def of(self, obj: JsonObject) -> list[list[Any]]:
        """The rows of an object; raises LeftToJqError for one that takes jq."""
        selected = self._selector(obj)[:1]
        if not selected or selected[0] is not True:  # To Python 1 equals True, to jq it does not.
            return [[selected]]
        return [[selected, *(field(obj)[:1] for field in self._fields)]]


def direct_rows(resource: Resource) -> DirectRows | None:
    """The resource without jq; None where any of it takes jq."""
    templates = resource.templates()
    if resource.items_to_parse is not None or any(isinstance(one, Search) for one in templates.values()):
        return None
    selector = direct(resource.selector.query)
    fields = [direct(str(templates[name])) for name in entity_fields(resource)]
    if selector is None or None in fields:
        return None
    return DirectRows(selector, [field for field in fields if field is not None])
