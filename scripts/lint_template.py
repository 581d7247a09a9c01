"""Lints the template twice with cfn-lint and its serverless rules: as it is written, and as CloudFormation gets it.

The second time finds what SAM's shorthand hides, circles between generated resources above all.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from cfnlint.api import ManualArgs, lint_file
from cfnlint.decode import cfn_yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template

REGION = "eu-west-1"
RULES = ["cfn_lint_serverless.rules"]


def read(path: Path) -> dict[str, Any]:
    """The template as plain data, with intrinsic functions in their long form."""
    return json.loads(json.dumps(cfn_yaml.load(str(path))))  # type: ignore[no-any-return]


def translate(template: dict[str, Any]) -> dict[str, Any]:
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


def findings(path: Path) -> Iterator[str]:
    """What cfn-lint has against the file, one line each."""
    for match in lint_file(path, config=ManualArgs(append_rules=RULES, regions=[REGION])):
        yield f"{path.name}:{match.linenumber}: {match.rule.id} {match.message}"


def main() -> int:
    """Command line: the template; 0 when nothing was found in it nor in its translation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("template", type=Path)
    template: Path = parser.parse_args().template
    with tempfile.TemporaryDirectory() as folder:
        translated = Path(folder, f"{template.stem}.translated.json")
        translated.write_text(json.dumps(translate(read(template)), indent=1), encoding="utf-8")
        found = [*findings(template), *findings(translated)]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
