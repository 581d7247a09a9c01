"""Reads template.yaml: as written, as CloudFormation gets it, and what it says of its functions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from local.account import REGION
from local.template import read as read_file
from local.template import translate

__all__ = ["REGION", "TEMPLATE", "Template", "environment_of", "functions", "nowhere", "read", "translate"]

TEMPLATE = Path(__file__).parent.parent / "template.yaml"

Template = dict[str, Any]

# Where importing would read the ledger, it finds that there is nothing to read.
_CHOSEN = {"BitbucketWorkspace": "example", "MappingSource": "package"}
_ANY = "https://example.invalid/1"


def read(path: Path = TEMPLATE) -> Template:
    """The template as plain data, with intrinsic functions in their long form."""
    return read_file(path)


def functions(template: Template) -> dict[str, dict[str, Any]]:
    """Properties of every function by logical id, with what Globals say merged in."""
    shared = template["Globals"]["Function"]
    found = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            own = resource["Properties"]
            variables = {**shared["Environment"]["Variables"], **own["Environment"]["Variables"]}
            found[name] = {**shared, **own, "Environment": {"Variables": variables}}
    return found


def environment_of(function: Template, template: Template) -> dict[str, str]:
    """Variables with which a function (one of ``functions``) finds nothing missing at import; none leads anywhere.

    They are those of a stack with the parameters' defaults; what names a resource is any text.
    """
    parameters = template["Parameters"]

    def text(value: Any) -> str:
        if isinstance(value, str):
            return value
        name = str(value.get("Ref", ""))
        return _CHOSEN.get(name) or str(parameters[name].get("Default", _ANY)) if name in parameters else _ANY

    variables = {name: text(value) for name, value in function["Environment"]["Variables"].items()}
    return {**variables, **nowhere()}


def nowhere() -> dict[str, str]:
    """Variables that every process of a function has, with credentials that open nothing."""
    credentials = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    return {**credentials, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "PATH": os.defpath}
