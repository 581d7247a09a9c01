"""Reads template.yaml: as written, as CloudFormation gets it, and what it says of its functions."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import boto3
from cfnlint.decode import cfn_yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template

TEMPLATE = Path(__file__).parent.parent / "template.yaml"
REGION = "eu-west-1"

Template = dict[str, Any]


def read(path: Path = TEMPLATE) -> Template:
    """The template as plain data, with intrinsic functions in their long form."""
    return json.loads(json.dumps(cfn_yaml.load(str(path))))  # type: ignore[no-any-return]


def translate(template: Template) -> Template:
    """The template as the SAM transform hands it to CloudFormation.

    Code and layers, which only `sam package` uploads, are given an address of the right shape. Raises samtranslator's
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
    return undo_mark_unicode_str_in_template(translated)  # type: ignore[no-any-return]


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
