"""Writes the command ``bitbucket-port`` into a virtual environment, as the installation of a package would."""

from __future__ import annotations

import sys
from pathlib import Path

_COMMAND = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

from bitbucket_port.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
"""
"""Both a shell script and Python, as pip writes them: the path of an interpreter after ``#!`` may hold no space."""


def write_command(path: Path, python: Path) -> None:
    """Write the command to ``path``, to be run by ``python``."""
    path.write_text(_COMMAND.format(python=python), encoding="utf-8")
    path.chmod(0o755)


if __name__ == "__main__":
    write_command(Path(sys.argv[1]), Path(sys.executable).absolute())
