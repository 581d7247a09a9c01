"""The stack's template as CloudFormation would see it: translated, conditions decided, references resolved."""

from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template
from samtranslator.yaml_helper import yaml_parse

REGION = "eu-west-1"
ACCOUNT = "123456789012"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/local/00000000-0000-4000-8000-000000000000"
_NO_VALUE = object()

# The translator counts what it does, and warns at exit that nobody collected the counts.
logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)


def read(path: Path) -> dict[str, Any]:
    """The template as plain data, with intrinsic functions in their long form."""
    # Through JSON, so that nothing of the YAML parser's own types is left.
    return dict(json.loads(json.dumps(yaml_parse(path.read_text(encoding="utf-8")))))


def translate(template: dict[str, Any]) -> dict[str, Any]:
    """The template as the SAM transform hands it to CloudFormation.

    Code and layers, which only ``sam package`` uploads, are given an address of the right shape. Raises samtranslator's
    InvalidDocumentException when the template cannot be translated.
    """
    uploaded = copy.deepcopy(template)
    for resource in uploaded["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = "s3://bucket/key"
    # Explicit roles need no managed policy, so there is none to look up; the region only fills pseudo parameters.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    to_py27_compatible_template(uploaded, {})
    translated = translator.translate(uploaded, parameter_values={}, passthrough_metadata=True)
    return dict(undo_mark_unicode_str_in_template(translated))


class Template:
    """A translated template with values for its parameters.

    ``attribute`` answers ``Ref`` (attribute ``""``) and ``Fn::GetAtt`` for resources; it is asked only for what is
    needed, so that resources can be created one after the other.
    """

    def __init__(
        self, translated: Mapping[str, Any], parameters: Mapping[str, str], attribute: Callable[[str, str], str]
    ) -> None:
        self._document = translated
        self._attribute = attribute
        self._parameters = _with_defaults(translated["Parameters"], parameters)

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id → properties (unresolved) of the resources of a type whose condition holds."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self._document["Resources"].items()
            if resource["Type"] == kind and self._holds(resource.get("Condition"))
        }

    def metadata(self, logical_id: str) -> dict[str, Any]:
        """The resource's own metadata."""
        return dict(self._document["Resources"][logical_id].get("Metadata", {}))

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
            "AWS::StackName": "local",
            "AWS::StackId": STACK_ID,
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
        combined = {"Fn::And": all, "Fn::Or": any}[name]
        return combined(self._holds(item) for item in argument)


def _with_defaults(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Values of all parameters, as CloudFormation types them; raises ValueError for what is missing or unknown."""
    unknown = set(given) - set(declared)
    if unknown:
        raise ValueError(f"the template has no parameter {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        if name not in given and "Default" not in parameter:
            raise ValueError(f"the parameter {name} needs a value")
        value = str(given.get(name, parameter.get("Default")))
        allowed = [str(choice) for choice in parameter.get("AllowedValues", [])]
        if allowed and value not in allowed:
            raise ValueError(f"the parameter {name} is {value!r}: it must be one of {', '.join(allowed)}")
        pattern = parameter.get("AllowedPattern")
        if pattern and not re.fullmatch(pattern, value):
            raise ValueError(f"the parameter {name} {parameter.get('ConstraintDescription', 'does not match')}")
        is_list = str(parameter["Type"]).startswith(("List<", "CommaDelimitedList"))
        values[name] = [item for item in value.split(",") if item] if is_list else value
    return values
