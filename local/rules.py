"""What CloudFormation makes of a template's ``Rules``: which values of the parameters do not go together.

Source: AWS CloudFormation User Guide, "Rules syntax", and Template Reference, "Rule functions". CloudFormation judges
the rules before it makes or changes anything, and allows in them ``Ref`` to a parameter and the rule functions only
(neither ``Condition`` nor ``Fn::If``: "Following functions are not supported in the Rules block of the template").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_ACCOUNT = ("Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll")


def broken(rules: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """The description of every assertion that does not hold, in the template's order; none means all is well.

    ``rules`` is the template's section of that name with functions in their long form, ``parameters`` the value of
    every parameter, defaults included: a string, or a list of strings for the types that are lists. Raises
    NotImplementedError for a function that cannot be judged here, wherever in the rules it stands, and ValueError
    for a reference to what is no parameter and for a function with the wrong arguments.
    """
    for name, rule in rules.items():
        for function in _functions(rule.get("RuleCondition"), *(each["Assert"] for each in rule["Assertions"])):
            _refuse_unknown(name, function)
    return [
        assertion.get("AssertDescription", f"an assertion of the rule {name} does not hold")
        for name, rule in rules.items()
        if "RuleCondition" not in rule or _holds(rule["RuleCondition"], parameters)
        for assertion in rule["Assertions"]
        if not _holds(assertion["Assert"], parameters)
    ]


def _functions(*values: Any) -> Iterator[str]:
    for value in values:
        if isinstance(value, list):
            yield from _functions(*value)
        if isinstance(value, dict):
            yield from value
            yield from _functions(*value.values())


def _refuse_unknown(rule: str, function: str) -> None:
    if function in _ACCOUNT:
        raise NotImplementedError(f"the rule {rule} uses {function}, which asks an AWS account; there is none here")
    if function != "Ref" and function not in _JUDGED:
        raise NotImplementedError(f"the rule {rule} uses {function}, which is no function for rules")


def _holds(condition: Any, parameters: Mapping[str, Any]) -> bool:
    if not isinstance(condition, dict) or len(condition) != 1 or "Ref" in condition:
        raise ValueError(f"a rule needs a function that is true or false, not {condition!r}")
    ((function, arguments),) = condition.items()
    if function in ("Fn::And", "Fn::Or", "Fn::Not"):
        return _JUDGED[function](*[_holds(argument, parameters) for argument in arguments])
    return _JUDGED[function](*_pair(function, [_value(argument, parameters) for argument in arguments]))


def _pair(function: str, arguments: list[Any]) -> list[Any]:
    if len(arguments) != 2:
        raise ValueError(f"{function} takes two arguments, not {len(arguments)}")
    return arguments


def _value(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Strings, as CloudFormation compares them, or a list of strings."""
    if isinstance(value, list):
        return [_value(item, parameters) for item in value]
    if isinstance(value, dict):
        if value.get("Ref") not in parameters:
            raise ValueError(f"a rule needs a parameter's value, not that of {value!r}")
        return _value(parameters[value["Ref"]], parameters)
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- the functions, given truths or values ------------------------------------------------------------------------


def _and(*conditions: bool) -> bool:
    return all(_several("Fn::And", conditions))


def _or(*conditions: bool) -> bool:
    return any(_several("Fn::Or", conditions))


def _several(function: str, conditions: tuple[bool, ...]) -> tuple[bool, ...]:
    if not 2 <= len(conditions) <= 10:
        raise ValueError(f"{function} takes two to ten conditions, not {len(conditions)}")
    return conditions


def _not(*conditions: bool) -> bool:
    if len(conditions) != 1:
        raise ValueError(f"Fn::Not takes one condition, not {len(conditions)}")
    return not conditions[0]


def _equals(first: Any, second: Any) -> bool:
    return bool(first == second)


def _contains(strings: list[str], string: str) -> bool:
    return string in _list("Fn::Contains", strings)


def _each_member_equals(strings: list[str], string: str) -> bool:
    return all(member == string for member in _list("Fn::EachMemberEquals", strings))


def _each_member_in(strings: list[str], allowed: list[str]) -> bool:
    return set(_list("Fn::EachMemberIn", strings)) <= set(_list("Fn::EachMemberIn", allowed))


def _list(function: str, value: Any) -> list[str]:
    # A string has members too, as far as Python goes: its characters.
    if not isinstance(value, list):
        raise ValueError(f"{function} takes a list of strings, not {value!r}")  # noqa: TRY004 - the template is wrong
    return value


_JUDGED: dict[str, Callable[..., bool]] = {
    "Fn::And": _and,
    "Fn::Or": _or,
    "Fn::Not": _not,
    "Fn::Equals": _equals,
    "Fn::Contains": _contains,
    "Fn::EachMemberEquals": _each_member_equals,
    "Fn::EachMemberIn": _each_member_in,
}
