"""A stack, its Bitbucket and its Port, as the tests of resyncs use them."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bitbucket_port.objects import JsonObject
from bitbucket_port.resync.dynamodb import DynamoDBRunStore
from local.functions import Function
from local.machine import Machine
from local.standins.http import Recorded
from local.standins.port import PortStandIn
from tests.resync_end_to_end.oracle import ROOT, Expected, differences, expected, shown


@dataclass(frozen=True)
class Run:
    """One run: its report, and the requests that were answered meanwhile."""

    report: JsonObject
    bitbucket: tuple[Recorded, ...]
    port: tuple[Recorded, ...]

    @property
    def status(self) -> str:
        """How it ended."""
        return str(self.report["status"])

    def count(self, kind: str, name: str) -> int:
        """A number of the report."""
        return int(self.report["kinds"].get(kind, {}).get(name, 0))

    def kinds_of_requests(self) -> Counter[str]:
        """How many requests of each kind Bitbucket got."""
        return Counter(_kind_of(one) for one in self.bitbucket)

    def searches(self) -> Counter[str]:
        """How often Port was asked for what is ours in each blueprint."""
        found = (_SEARCH.fullmatch(one.path) for one in self.port)
        return Counter(match[1] for match in found if match)


_SEARCH = re.compile(r"/v1/blueprints/([^/]+)/entities/search")
_KINDS = (
    (r"/2\.0/workspaces/[^/]+/projects|.*/rest/api/latest/projects", "projects"),
    (r"/2\.0/repositories/[^/]+|.*/rest/api/latest/repos", "repositories"),
    (r"/2\.0/workspaces/[^/]+/members|.*/rest/api/latest/users", "users"),
    (r".*/pullrequests|.*/repos/[^/]+/pull-requests", "pull requests"),
)


def _kind_of(request: Recorded) -> str:
    if request.path.endswith("/members") and "q" in request.query:
        return "e-mail addresses"
    return next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, request.path)), request.path)


class Place:
    """One stack on which a test resyncs by asking for it, and what must be in Port then."""

    def __init__(self, machine: Machine, preset: str = "default") -> None:
        self.machine, self.preset = machine, preset
        self.port: PortStandIn = machine.port
        self.world: Any = machine.bitbucket.world
        path = ROOT / "mappings" / machine.product / f"{preset}.yaml"
        self.mapping = path.read_text(encoding="utf-8")

    # --- runs

    def ask(self, wanted: str = "full") -> JsonObject:
        """What the output ResyncCommand does: invoke the function that begins runs."""
        answer: JsonObject = self._function("ResyncStart").invoke({"resync": wanted})
        return answer

    def tick(self) -> JsonObject:
        """What the schedule does once a minute."""
        answer: JsonObject = self._function("ResyncStart").invoke({})
        return answer

    def resync(self, wanted: str = "full", *, timeout: float = 300.0) -> Run:
        """Ask for a run and wait until it and everything it set off is over."""
        self.machine.bitbucket.forget_requests()
        self.port.forget_requests()
        began = self.ask(wanted)
        assert began["did"] == "began", began
        self.machine.stack.settle(timeout)
        reports = [report for report in self.reports() if report["run"] == began["run"]]
        assert len(reports) == 1, self.machine.stack.logs()[-4000:]
        return Run(
            reports[-1],
            tuple(self.machine.bitbucket.requests),
            tuple(self.port.calls()),
        )

    def reports(self) -> list[JsonObject]:
        """Reports of the runs so far, the first one first."""
        stack = self.machine.stack
        return DynamoDBRunStore(stack.dynamodb, stack.table, clock=stack.clock.now).last_reports(50)[::-1]

    def _function(self, logical_id: str) -> Function:
        (found,) = (one for name, one in self.machine.stack.functions.items() if name.startswith(logical_id))
        return found

    # --- another mapping

    def use_mapping(self, text: str, folder: Path) -> None:
        """Deploy another mapping: it travels inside the package's layer."""
        self.mapping = text
        preset = Path("python", "bitbucket_port", "mappings", self.machine.product, f"{self.preset}.json")
        changed: dict[Path, Path] = {}
        for function in self.machine.stack.functions.values():
            for layer in function.layers:
                if layer not in changed and (layer / preset).is_file():
                    changed[layer] = folder / f"layer-{len(list(folder.iterdir()))}"
                    shutil.copytree(layer, changed[layer])
                    (changed[layer] / preset).write_text(json.dumps(yaml.safe_load(text)), encoding="utf-8")
            function.layers = [changed.get(layer, layer) for layer in function.layers]
            function.cool()

    # --- what must be in Port

    def right(self) -> Expected:
        """What must be in Port now."""
        now = self.machine.stack.clock.now()
        return expected(self.world, self.mapping, now=now, emails=self.port.user_emails)

    def wrong(self, *, besides: Collection[str] = (), unmapped: Collection[str] = ()) -> list[str]:
        """How the catalog is not what it must be.

        ``besides`` are blueprints and ``unmapped`` properties that are other people's.
        """
        catalog = shown({key: one for key, one in self.port.catalog().items() if key[0] not in besides})
        for entity in catalog.values():
            for name in unmapped:
                entity["properties"].pop(name, None)
        return differences(catalog, self.right())

    def assert_right(self, run: Run, **others: Collection[str]) -> None:
        """The catalog is what it must be, and nothing is left over on the queues. See ``wrong``."""
        wrong = self.wrong(**others)
        assert not wrong, "\n".join([*wrong, json.dumps(run.report)])
        assert not any(self.machine.stack.dead_letters().values())


def writes(run: Run) -> list[str]:
    """What was written to Port in a run, but for telling the integration how it goes."""
    return [
        f"{one.method} {one.path} {one.status}"
        for one in run.port
        if one.method != "GET" and not one.path.endswith(("/entities/search", "/resync-state"))
    ]
