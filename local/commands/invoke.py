"""``invoke``: events from files, each posted to a stack of its own, and what became of it."""

from __future__ import annotations

import argparse
import base64
import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from rich.console import Console

from bitbucket_port.webhooks.event_keys import PING
from local.commands.changes import changes
from local.commands.settings import NO_RESYNC, SettingsError, product_of, real_servers, with_stand_ins
from local.landscape import Landscape
from local.machine import Product
from local.page.logs import LogFiles, LogLine
from local.stack import Stack
from local.standins.cloud import learning as cloud_learning
from local.standins.server import learning as server_learning
from scripts.sign_events import DEMO_SECRET

USUAL_FIELDS = frozenset(
    {"level", "location", "message", "timestamp", "service", "cold_start", "function_arn", "function_memory_size"}
    | {"function_name", "function_request_id", "xray_trace_id", "delivery_id", "event_key"}
)
"""Fields of a log line that are the same in all lines of an event, or say nothing about it."""


@dataclass(frozen=True)
class Event:
    """A file with an event as API Gateway hands it to a function (payload format 2.0)."""

    path: Path
    document: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Bitbucket's key of the event."""
        return str(self.document["headers"].get("x-event-key", ""))

    @property
    def product(self) -> Product:
        """Who sends such headers."""
        return "cloud" if "x-hook-uuid" in self.document["headers"] else "server"

    @property
    def body(self) -> bytes:
        """What was posted."""
        text = str(self.document["body"])
        return base64.b64decode(text) if self.document.get("isBase64Encoded") else text.encode()

    @property
    def when(self) -> datetime:
        """When it arrived."""
        return datetime.fromtimestamp(self.document["requestContext"]["timeEpoch"] / 1000, UTC)


def invoke(options: argparse.Namespace, console: Console, stopping: threading.Event) -> int:
    """Run the events in their order on one stack.

    Returns 0 when each was taken and everything it set off went well, 1 otherwise. Raises SettingsError for a file that
    is no such event, and StoppedError.
    """
    events = [_read(path) for path in options.events]
    real = real_servers(os.environ)
    product = options.product or (product_of(real) if real is not None else events[0].product)
    landscape = Landscape(
        [product],
        real=None if real is None else {**real, **NO_RESYNC},
        parameters={**with_stand_ins(os.environ), **NO_RESYNC},
        # The examples are signed with this one.
        webhook_secret=os.environ.get("WEBHOOK_SECRET", DEMO_SECRET),
    )
    try:
        landscape.start(stopping)
        logs = LogFiles(landscape.stacks[0].logs_folder)
        results = []
        for event in events:
            if stopping.is_set():
                return 0
            results.append(_run(event, landscape, logs, options.timeout, console))
        return 0 if all(results) else 1
    finally:
        landscape.stop()


def _read(path: Path) -> Event:
    try:
        event = Event(path, json.loads(path.read_text(encoding="utf-8")))
        if not (event.document["rawPath"] and event.body and event.when):
            raise ValueError("it is empty")  # noqa: TRY301 - one sentence for all that may be wrong with it
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} is no event as API Gateway hands it to a function, like those in events/: {error!r}"
        ) from error
    return event


def _run(event: Event, landscape: Landscape, logs: LogFiles, timeout: float, console: Console) -> bool:
    """Post one event and say what became of it; whether all went well."""
    stack, port = landscape.stacks[0], landscape.port
    before = port.catalog() if port else {}
    _teach(landscape, event)
    console.rule(f"[bold]{event.path.name}[/bold] {event.key}", align="left")
    answer = _post(stack, event)
    console.print(f"answer {answer.status_code} {answer.text}", markup=False)
    left = _settle(stack, timeout, jump=port is not None)
    lines = logs.new_lines()
    _show_lines(lines, console)
    if port:
        console.print("in Port")
        for line in changes(before, port.catalog()) or ["nothing changed"]:
            console.print(f"  {line}", markup=False, soft_wrap=True)
    if left:
        console.print(left, style="red", markup=False)
    failed = any(line.fields.get("level") in {"ERROR", "CRITICAL"} for line in lines)
    return answer.status_code < 300 and not left and not failed


def _teach(landscape: Landscape, event: Event) -> None:
    """Let Bitbucket's stand-in know the event's objects: it would have them if it had sent the event."""
    try:
        payload = json.loads(event.body)
    except ValueError:
        return  # The stack has to cope with it, and so the stand-in has nothing to learn.
    if event.key == PING or not isinstance(payload, dict):
        return
    for machine in landscape.machines:
        try:
            if machine.product == "cloud":
                cloud_learning.learn(machine.cloud.world, event.key, payload, event.when)
            else:
                server_learning.learn(machine.server.world, event.key, payload, event.when)
        except (KeyError, TypeError, AttributeError, ValueError, StopIteration) as error:
            raise SettingsError(
                f"{event.path} has not the shape of a {event.key or 'webhook'} of Bitbucket "
                f"{'Cloud' if machine.product == 'cloud' else 'Data Center'}: {error!r}"
            ) from error


def _post(stack: Stack, event: Event) -> requests.Response:
    # What belongs to the one connection over which it once came.
    left_out = {"content-length", "host", "connection"}
    headers = {name: value for name, value in event.document["headers"].items() if name not in left_out}
    return stack.post(event.document["rawPath"], event.body, headers)


def _settle(stack: Stack, timeout: float, *, jump: bool) -> str:
    """What is left when all should be done: nothing, if all is well."""
    try:
        stack.settle(timeout, jump=jump)
    except TimeoutError as error:
        return str(error)
    dead = {name: messages for name, messages in stack.dead_letters().items() if messages}
    return f"dead letters: {dead}" if dead else ""


def _show_lines(lines: Iterable[LogLine], console: Console) -> None:
    console.print("logged")
    for line in lines:
        fields = {name: value for name, value in line.fields.items() if name not in USUAL_FIELDS}
        more = " ".join(f"{name}={_short(value)}" for name, value in fields.items() if value not in (None, [], "", 0))
        text = f"  {line.function} {line.fields.get('level', '')} {line.fields['message']} {more}"
        console.print(text.rstrip(), markup=False, soft_wrap=True)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
