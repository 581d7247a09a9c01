"""Roles of the template: who may take them on, and the statements that say what they allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.account import ACCOUNT
from local.template import Template

_OWN_ACCOUNT = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


@dataclass(frozen=True)
class Role:
    """One role; ``services`` may take it on, ``statements`` are those of its inline policies, resolved."""

    name: str
    arn: str
    services: frozenset[str]
    statements: list[dict[str, Any]]


def roles(template: Template) -> dict[str, Role]:
    """ARN → role, for all roles of the template.

    Raises NotImplementedError for a trust that is more than services, for any account or for the stack's own.
    """
    found = {}
    for logical_id in template.resources("AWS::IAM::Role"):
        properties = template.resolve(template.properties(logical_id))
        role = Role(
            name=template.resolve({"Ref": logical_id}),
            arn=template.resolve({"Fn::GetAtt": [logical_id, "Arn"]}),
            services=_trusted(logical_id, properties["AssumeRolePolicyDocument"]),
            statements=[
                statement
                for policy in properties.get("Policies", [])
                for statement in as_list(policy["PolicyDocument"]["Statement"])
            ],
        )
        found[role.arn] = role
    return found


def taken_on(known: Mapping[str, Role], arn: str, service: str, owner: str) -> Role:
    """The role that a service takes on for one of its resources.

    Raises ValueError as AWS does when its trust does not name the service, and NotImplementedError for a role that is
    not the template's.
    """
    if arn not in known:
        raise NotImplementedError(f"{owner}: the role {arn} is not in the template")
    role = known[arn]
    if service not in role.services:
        raise ValueError(f"{owner}: the role {role.name} cannot be assumed by {service}")
    return role


def _trusted(logical_id: str, document: Mapping[str, Any]) -> frozenset[str]:
    services: set[str] = set()
    for statement in as_list(document["Statement"]):
        plain = (
            set(statement) <= {"Sid", "Effect", "Principal", "Action", "Condition"}
            and set(statement["Principal"]) == {"Service"}
            and statement.get("Condition", _OWN_ACCOUNT) == _OWN_ACCOUNT
        )
        if not plain or statement["Effect"] != "Allow" or as_list(statement["Action"]) != ["sts:AssumeRole"]:
            raise NotImplementedError(f"{logical_id}: only plain trust in services is understood here")
        services.update(as_list(statement["Principal"]["Service"]))
    return frozenset(services)


def as_list(value: Any) -> list[Any]:
    """Policies write a list of one as its only element."""
    return value if isinstance(value, list) else [value]
