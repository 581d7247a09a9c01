"""Permissions of a deployed stack: what its roles allow, what was used, and AWS with one permission taken away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.aws import Call, Moto
from local.roles import as_list, roles
from local.stack import Stack
from local.template import Template

_WITH_ARN = ("AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup")
_NAMED_BY_ARN = ("AWS::SecretsManager::Secret",)
_OF_THE_USER = ("CredentialsSecretArn", "CaBundleSecretArn", "KmsKeyArn")


@dataclass(frozen=True, order=True)
class Permission:
    """``function`` may do ``action`` to ``resource``: a logical id, a parameter that takes an ARN, or ``*``."""

    function: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.function}: {self.action} on {self.resource}"


def names_of_resources(template: Template) -> dict[str, str]:
    """ARN → logical id, or parameter."""
    found = {}
    for logical_id, kind in template.kinds().items():
        if kind in _WITH_ARN:
            found[str(template.resolve({"Fn::GetAtt": [logical_id, "Arn"]}))] = logical_id
        elif kind in _NAMED_BY_ARN:
            found[str(template.resolve({"Ref": logical_id}))] = logical_id
    return found | {template.parameters[name]: name for name in _OF_THE_USER if template.parameters[name]}


def allowed(template: Template) -> set[Permission]:
    """All that the functions' roles allow."""
    names, known = names_of_resources(template), roles(template)
    return {
        Permission(function, action, names.get(resource, resource))
        for function, properties in template.resources("AWS::Lambda::Function").items()
        for statement in known[template.resolve(properties["Role"])].statements
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def used(stack: Stack, calls: Iterable[Call]) -> set[Permission]:
    """What these calls needed to be allowed, as far as this stack's functions, or Lambda for them, made them."""
    names = names_of_resources(stack.template)
    functions = {function.name: logical_id for logical_id, function in stack.functions.items()}
    return {
        Permission(functions[call.function], action, names.get(resource, resource))
        for call in calls
        if call.function in functions
        for action, resource in call.needs
    }


class WithholdingMoto(Moto):
    """AWS that can take one permission away from a function at any moment, as changing its role does.

    What Lambda itself does in the function's name (polling) is left alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._admitted: dict[str, dict[str, Any]] = {}
        self._withheld: tuple[str, str, str] | None = None

    def admit(self, key: str, **caller: Any) -> None:
        """See Moto."""
        self._admitted[key] = caller
        super().admit(key, **{**caller, "statements": self._left(caller)})

    def dismiss(self, key: str) -> None:
        """See Moto."""
        self._admitted.pop(key, None)
        super().dismiss(key)

    def withhold(self, function: str, action: str, resource: str) -> None:
        """Take from the function of this name one action on one resource (an ARN), until ``give_back``."""
        self._withheld = (function, action, resource)
        self._admit_again(function)

    def give_back(self) -> None:
        """Let every function do again what its role says."""
        if self._withheld is not None:
            function, self._withheld = self._withheld[0], None
            self._admit_again(function)

    def _admit_again(self, function: str) -> None:
        for key, caller in list(self._admitted.items()):
            if caller["function"] == function and not caller.get("by_service"):
                super().admit(key, **{**caller, "statements": self._left(caller)})

    def _left(self, caller: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        statements: list[Mapping[str, Any]] = list(caller["statements"])
        if self._withheld is None or caller.get("by_service") or caller["function"] != self._withheld[0]:
            return statements
        _, action, resource = self._withheld
        return [part for statement in statements for part in without(statement, action, resource)]


def without(statement: Mapping[str, Any], action: str, resource: str) -> list[Mapping[str, Any]]:
    """The statement less one action on one resource, which may take two statements."""
    actions, resources = as_list(statement["Action"]), as_list(statement["Resource"])
    if action not in actions or resource not in resources:
        return [statement]
    parts = [
        {**statement, "Action": [one for one in actions if one != action]},
        {**statement, "Action": [action], "Resource": [one for one in resources if one != resource]},
    ]
    return [part for part in parts if part["Action"] and part["Resource"]]
