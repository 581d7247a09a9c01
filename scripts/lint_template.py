"""Lints the template twice with cfn-lint and its serverless rules: as it is written, and as CloudFormation gets it.

The second time finds what SAM's shorthand hides, circles between generated resources above all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cfnlint.api import ManualArgs, lint_file

from scripts.sam_template import REGION, TEMPLATE, Template, read, translate


def findings(path: Path) -> Iterator[str]:
    """What cfn-lint has against the file, one line each."""
    for match in lint_file(path, config=ManualArgs(append_rules=["cfn_lint_serverless.rules"], regions=[REGION])):
        yield f"{path.name}:{match.linenumber}: {match.rule.id} {match.message}"


def findings_in_translation(template: Template) -> Iterator[str]:
    """What cfn-lint has against what the SAM transform makes of the template, one line each."""
    with tempfile.TemporaryDirectory() as folder:
        translated = Path(folder, "translated.json")
        translated.write_text(json.dumps(translate(template), indent=1), encoding="utf-8")
        yield from findings(translated)


def main() -> int:
    """Command line: the template; 0 when nothing was found in it nor in its translation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("template", type=Path, nargs="?", default=TEMPLATE)
    template: Path = parser.parse_args().template
    found = [*findings(template), *findings_in_translation(read(template))]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
