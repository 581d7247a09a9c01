"""What answers and applies webhooks starts without the code of set-up: every import there is waited for."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = "import sys, bitbucket_port.{}; print(*(name for name in sys.modules if name.startswith('bitbucket_port.')))"
NOUNS = {"bitbucket_port.hooks", "bitbucket_port.hooks.subject"}
"""What a job's message may name; it imports nothing itself."""


@pytest.mark.parametrize("function", ["lambda_receive", "lambda_process"])
def test_hot_functions_import_nothing_of_set_up(function: str) -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM.format(function)], capture_output=True, text=True, check=True)
    imported = set(run.stdout.split())
    assert f"bitbucket_port.{function}" in imported
    assert {name for name in imported if name.startswith(("bitbucket_port.setup", "bitbucket_port.hooks"))} <= NOUNS
