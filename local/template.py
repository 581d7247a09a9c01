"""The stack's template as CloudFormation would see it: translated, conditions decided, references resolved."""

from __future__ import annotations

import functools
import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template
from samtranslator.yaml_helper import yaml_parse

from local import rules
from local.account import ACCOUNT, REGION

_STACKS = uuid.UUID("6f0c1d6e-33c5-4b0c-9a37-0d1a0b7f5c52")
"""Under which the ids of stacks are made of their names: a stack that is gone on with keeps its id."""
_NO_VALUE = object()
_ATTRIBUTES_OF_A_RESOURCE = frozenset(
    # What becomes of a resource when the stack goes or changes, and in which order AWS makes them: here all of it is
    # made anew each time, in the order in which one thing needs another.
    {"Type", "Properties", "Condition", "Metadata", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy"}
)

# The translator counts what it does, and warns at exit that nobody collected the counts.
logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)


def read(path: Path) -> dict[str, Any]:
    """The template as plain data, with intrinsic functions in their long form."""
    return dict(json.loads(_as_json(path.read_text(encoding="utf-8"))))


@functools.lru_cache(4)
def _as_json(text: str) -> str:
    """YAML as JSON, in which nothing of the parser's own types is left. Parsing takes a good part of a second."""
    return json.dumps(yaml_parse(text))


def translate(template: dict[str, Any]) -> dict[str, Any]:
    """The template as the SAM transform hands it to CloudFormation.

    Code and layers, which only ``sam package`` uploads, are given an address of the right shape whose key is their
    folder in the repository. Raises samtranslator's
    InvalidDocumentException when the template cannot be translated.
    """
    return dict(json.loads(_translated(json.dumps(template))))


@functools.lru_cache(8)
def _translated(template: str) -> str:
    """The same, from JSON to JSON: one process may deploy many stacks of one template."""
    uploaded = json.loads(template)
    for resource in uploaded["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = f"s3://bucket/{resource['Properties'][name]}"
    # Explicit roles need no managed policy, so there is none to look up; the region only fills pseudo parameters.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    to_py27_compatible_template(uploaded, {})
    translated = translator.translate(uploaded, parameter_values={}, passthrough_metadata=True)
    return json.dumps(undo_mark_unicode_str_in_template(translated))


class Template:
    """A translated template with values for its parameters.

    ``attribute`` answers ``Ref`` (attribute ``""``) and ``Fn::GetAtt`` for resources; it is asked only for what is
    needed, so that resources can be created one after the other. Raises ValueError for parameters that CloudFormation
    would not take (missing, unknown, of another shape, refused by ``Rules``) and NotImplementedError for a resource
    with an attribute unknown here.
    """

    def __init__(
        self,
        translated: Mapping[str, Any],
        parameters: Mapping[str, Any],
        attribute: Callable[[str, str], str],
        *,
        stack_name: str = "local",
    ) -> None:
        self._document = translated
        self._attribute = attribute
        self._stack_name = stack_name
        self._parameters = values_of(translated["Parameters"], parameters)
        for logical_id, resource in translated["Resources"].items():
            if strange := set(resource) - _ATTRIBUTES_OF_A_RESOURCE:
                raise NotImplementedError(f"{logical_id}: the local stack does not know {', '.join(sorted(strange))}")
        if broken := rules.broken(translated.get("Rules", {}), self._parameters):
            raise ValueError("; ".join(broken))

    @property
    def parameters(self) -> dict[str, Any]:
        """The value of every parameter, defaults included."""
        return dict(self._parameters)

    @property
    def stack_id(self) -> str:
        """The stack's ARN."""
        own = uuid.uuid5(_STACKS, self._stack_name)
        return f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{self._stack_name}/{own}"

    def outputs(self) -> dict[str, str]:
        """Name → value of the outputs whose condition holds."""
        return {
            name: str(self._resolve(output["Value"]))
            for name, output in self._document.get("Outputs", {}).items()
            if self._holds(output.get("Condition"))
        }

    def asked_of(self, logical_id: str) -> set[str]:
        """The attributes of a resource that any other resource or output asks for."""
        return set(_attributes_asked(self._document, logical_id))

    def kinds(self) -> dict[str, str]:
        """Logical id → type of the resources whose condition holds."""
        return {
            name: resource["Type"]
            for name, resource in self._document["Resources"].items()
            if self._holds(resource.get("Condition"))
        }

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id → properties (unresolved) of the resources of a type whose condition holds."""
        return {name: self.properties(name) for name, found in self.kinds().items() if found == kind}

    def properties(self, logical_id: str) -> dict[str, Any]:
        """One resource's properties, unresolved."""
        return dict(self._document["Resources"][logical_id].get("Properties", {}))

    def resolve(self, value: Any) -> Any:
        """The value with every intrinsic function replaced by its result."""
        resolved = self._resolve(value)
        return None if resolved is _NO_VALUE else resolved

    # --- intrinsic functions -----------------------------------------------------------------------------------------

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._resolve, value) if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            function = getattr(self, "_" + name.removeprefix("Fn::").lower(), None)
            if (name == "Ref" or name.startswith("Fn::")) and function is None:
                raise NotImplementedError(f"the local stack does not know the function {name}")
            if name == "Ref" or name.startswith("Fn::"):
                return function(argument)  # type: ignore[misc]
        pairs = ((name, self._resolve(item)) for name, item in value.items())
        return {name: item for name, item in pairs if item is not _NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name in self._parameters:
            return self._parameters[name]
        if name == "AWS::NoValue":
            return _NO_VALUE
        pseudo = {
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::StackName": self._stack_name,
            "AWS::StackId": self.stack_id,
            "AWS::URLSuffix": "amazonaws.com",
        }
        return pseudo[name] if name in pseudo else self._attribute(name, "")

    def _getatt(self, argument: Any) -> str:
        name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
        return self._attribute(name, attribute)

    def _sub(self, argument: Any) -> str:
        text, local = argument if isinstance(argument, list) else (argument, {})
        values = {name: self._resolve(value) for name, value in local.items()}

        def replaced(match: re.Match[str]) -> str:
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in values:
                return str(values[name])
            return str(self._getatt(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", replaced, text)

    def _if(self, argument: list[Any]) -> Any:
        condition, then, otherwise = argument
        return self._resolve(then if self._holds(condition) else otherwise)

    def _join(self, argument: list[Any]) -> str:
        separator, values = argument
        return str(separator).join(str(value) for value in self._resolve(values))

    def _select(self, argument: list[Any]) -> Any:
        index, values = argument
        return self._resolve(values)[int(index)]

    def _split(self, argument: list[Any]) -> list[str]:
        separator, text = argument
        return str(self._resolve(text)).split(separator)

    # --- conditions --------------------------------------------------------------------------------------------------

    def _holds(self, condition: Any) -> bool:
        if condition is None:
            return True
        if isinstance(condition, str):
            return self._holds(self._document["Conditions"][condition])
        ((name, argument),) = condition.items()
        if name == "Condition":
            return self._holds(argument)
        if name == "Fn::Equals":
            first, second = (self._resolve(item) for item in argument)
            return bool(first == second)
        if name == "Fn::Not":
            return not self._holds(argument[0])
        if name not in ("Fn::And", "Fn::Or"):
            raise NotImplementedError(f"the local stack does not know the condition {name}")
        return (all if name == "Fn::And" else any)(self._holds(item) for item in argument)


def _attributes_asked(value: Any, logical_id: str) -> Iterator[str]:
    if isinstance(value, dict):
        target = value.get("Fn::GetAtt")
        name, _, attribute = (target if isinstance(target, str) else ".".join(target or [])).partition(".")
        if name == logical_id:
            yield attribute
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _attributes_asked(item, logical_id)


def values_of(declared: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of all parameters, as CloudFormation types them.

    Raises ValueError for one that is missing, unknown or not what its declaration allows.
    """
    unknown = set(given) - set(declared)
    if unknown:
        raise ValueError(f"the template has no parameter {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        if name not in given and "Default" not in parameter:
            raise ValueError(f"the parameter {name} needs a value")
        value = str(given.get(name, parameter.get("Default")))
        if complaint := _complaint(parameter, value):
            # A secret's value is not repeated in an error.
            shown = "" if parameter.get("NoEcho") else f" is {value!r}: it"
            raise ValueError(f"the parameter {name}{shown} {parameter.get('ConstraintDescription', complaint)}")
        is_list = str(parameter["Type"]).startswith(("List<", "CommaDelimitedList"))
        values[name] = [item for item in value.split(",") if item] if is_list else value
    return values


def _complaint(parameter: Mapping[str, Any], value: str) -> str:
    """What is wrong with a parameter's value; empty when nothing is."""
    allowed = [str(choice) for choice in parameter.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return f"must be one of {', '.join(allowed)}"
    if "AllowedPattern" in parameter and not re.fullmatch(parameter["AllowedPattern"], value):
        return f"must match {parameter['AllowedPattern']}"
    if not int(parameter.get("MinLength", 0)) <= len(value) <= int(parameter.get("MaxLength", len(value))):
        return "is too short or too long"
    if parameter["Type"] == "Number":
        if not re.fullmatch(r"-?\d+(\.\d+)?", value):
            return "must be a number"
        number = float(value)
        if not float(parameter.get("MinValue", number)) <= number <= float(parameter.get("MaxValue", number)):
            return f"must be between {parameter.get('MinValue')} and {parameter.get('MaxValue')}"
    return ""
