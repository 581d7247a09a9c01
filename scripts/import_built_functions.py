"""Imports every function of a build output as Lambda would: from its own folder and its layers' folders alone.

The virtual environment of this checkout is out of sight, so what the layers lack is missed here and not on AWS.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from pathlib import Path

from scripts.sam_template import Template, environment_of, functions, read

# Modules compiled for a platform may be imported late: a wrong build has to fail here.
COMPILED = "jq, charset_normalizer.md"
PROGRAM = """
import importlib, sys
sys.path[:0] = sys.argv[3:]
import {compiled}
module = importlib.import_module(sys.argv[1])
assert callable(getattr(module, sys.argv[2])), "the handler is not a function"
foreign = [path for path in sys.path if "site-packages" in path]
assert not foreign, foreign
print(len(sys.modules), "modules")
"""


def import_alone(build: Path, function: Template, template: Template, python: str) -> subprocess.CompletedProcess[str]:
    """Imports the function's handler in a fresh interpreter (``-I -S``: no site-packages, no environment paths)."""
    module, handler = function["Handler"].rsplit(".", 1)
    folders = [build / function["CodeUri"], *(build / layer["Ref"] / "python" for layer in function["Layers"])]
    command = [python, "-I", "-S", "-B", "-c", PROGRAM.format(compiled=COMPILED), module, handler]
    command += [str(folder.resolve()) for folder in folders]
    environment = environment_of(function, template)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def main() -> int:
    """Command line: the build output and the runtime's Python; 0 when every function could be imported."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--python", default="python3.13")
    arguments = parser.parse_args()
    failed = 0
    template = read(arguments.build / "template.yaml")
    for name, function in functions(template).items():
        result = import_alone(arguments.build, function, template, arguments.python)
        failed += result.returncode != 0
        print(f"{name:20} {platform.machine()} {result.stdout.strip() if result.returncode == 0 else 'FAILED'}")
        if result.returncode != 0:
            print(result.stderr, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
