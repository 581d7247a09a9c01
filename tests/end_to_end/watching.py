"""Looking at a running stack: its log lines, its ledger, and waiting for something to happen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from local.machine import Machine


def lines(machine: Machine, about: str = "") -> list[dict[str, Any]]:
    """The functions' log lines that contain a text; metrics and traces are left out."""
    found = [json.loads(line) for line in machine.stack.logs().splitlines() if line.startswith("{") and about in line]
    return [line for line in found if "level" in line]


def ledger(machine: Machine) -> list[dict[str, Any]]:
    """Every item of the ledger, as DynamoDB has it."""
    pages = machine.stack.dynamodb.get_paginator("scan").paginate(TableName=machine.stack.table)
    return [item for page in pages for item in page["Items"]]


def objects(machine: Machine, kind: str) -> list[dict[str, Any]]:
    """The ledger's items of one kind of object."""
    return [item for item in ledger(machine) if item["PK"]["S"].startswith(f"object#{kind}#")]


def until(happened: Callable[[], object], otherwise: Callable[[], str] = str, timeout: float = 60.0) -> None:
    """Wait until something is true; fails with what ``otherwise`` tells."""
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, f"it never happened\n{otherwise()}"
        time.sleep(0.1)


def no_dead_letters(machine: Machine) -> bool:
    """Whether nothing was given up by a queue."""
    return not any(depth for name, depth in machine.stack.depths().items() if "DeadLetters" in name)
