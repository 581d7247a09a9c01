"""What CloudFormation makes of a template's conditions, as far as ours uses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.rules import broken
from scripts.sam_template import Template

ABSENT = object()
NEEDED = {"BitbucketToken": "token", "PortClientId": "client", "PortClientSecret": "secret"}


def parameters(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """The parameters' values: those given, else those every deployment types in, else the defaults."""
    defaults = {name: str(p["Default"]) for name, p in template["Parameters"].items() if "Default" in p}
    return {**defaults, **NEEDED, **given}


def evaluate(template: Template, value: Any, values: Mapping[str, str]) -> Any:
    """The value with parameters filled in and `Fn::If` decided; references to resources stay as they are."""
    if isinstance(value, list):
        made = [evaluate(template, item, values) for item in value]
        return [item for item in made if item is not ABSENT]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (name, argument), *_ = value.items()
        if name == "Ref":
            return ABSENT if argument == "AWS::NoValue" else values.get(argument, value)
        if name == "Fn::If":
            chosen = argument[1] if holds(template, template["Conditions"][argument[0]], values) else argument[2]
            return evaluate(template, chosen, values)
    made_items = ((key, evaluate(template, item, values)) for key, item in value.items())
    return {key: item for key, item in made_items if item is not ABSENT}


def holds(template: Template, condition: Any, values: Mapping[str, str]) -> bool:
    """Whether a condition is true."""
    (name, argument), *_ = condition.items()
    if name == "Fn::Equals":
        left, right = (evaluate(template, side, values) for side in argument)
        return str(left) == str(right)
    if name == "Fn::Not":
        return not holds(template, argument[0], values)
    if name == "Fn::And":
        return all(holds(template, part, values) for part in argument)
    if name == "Fn::Or":
        return any(holds(template, part, values) for part in argument)
    raise NotImplementedError(name)


def refusals(template: Template, given: Mapping[str, str]) -> list[str]:
    """The names of the rules that refuse a deployment with these parameters."""
    values = parameters(template, given)
    return [name for name, rule in template["Rules"].items() if broken({name: rule}, values)]


def resources(template: Template, given: Mapping[str, str]) -> dict[str, Any]:
    """The resources that a deployment with these parameters has, by logical id."""
    values = parameters(template, given)
    return {
        name: evaluate(template, resource, values)
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or holds(template, template["Conditions"][resource["Condition"]], values)
    }
