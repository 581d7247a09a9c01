"""Reads template.yaml: as written, as CloudFormation gets it, and what it says of its functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from local.account import REGION
from local.template import read as read_file
from local.template import translate

__all__ = ["REGION", "TEMPLATE", "Template", "functions", "read", "translate"]

TEMPLATE = Path(__file__).parent.parent / "template.yaml"

Template = dict[str, Any]


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
