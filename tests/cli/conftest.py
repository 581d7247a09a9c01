"""The command, against stand-ins of Bitbucket and Port over real HTTP; time between two looks is skipped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from bitbucket_port.cli.main import main
from local.machine import port_stand_in
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn

Product = Literal["cloud", "server"]
IDENTIFIER = "orchard"


class Skipped:
    """A clock that is put forward instead of waited for."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self.skipped: list[float] = []

    def now(self) -> float:
        return time.time() + self._ahead

    def skip(self, seconds: float) -> None:
        self.skipped.append(seconds)
        self._ahead += seconds


class Site:
    """One Bitbucket, one Port, and the command between them."""

    def __init__(self, product: Product, folder: Path) -> None:
        self.product = product
        self.port: PortStandIn = port_stand_in(f"{product}/default")
        self.bitbucket: Any = BitbucketCloudStandIn(seed=5) if product == "cloud" else BitbucketServerStandIn(seed=5)
        self.world: Any = self.bitbucket.world
        self.clock = Skipped()
        self.report: dict[str, Any] = {}
        self._report_file = folder / "report.json"
        self.port.start()
        self.bitbucket.start()

    def stop(self) -> None:
        self.port.stop()
        self.bitbucket.stop()

    @property
    def settings(self) -> dict[str, str]:
        """As design says: our own names."""
        where = {"BITBUCKET_WORKSPACE": "northwind", "BITBUCKET_URL": self.bitbucket.url}
        if self.product == "cloud":
            where["BITBUCKET_URL"] = self.bitbucket.api_url
        else:
            del where["BITBUCKET_WORKSPACE"]
        return {
            "BITBUCKET_PRODUCT": self.product,
            "BITBUCKET_TOKEN": self.bitbucket.token,
            "PORT_CLIENT_ID": self.port.client_id,
            "PORT_CLIENT_SECRET": self.port.client_secret,
            "PORT_BASE_URL": self.port.url,
            "INTEGRATION_IDENTIFIER": IDENTIFIER,
            "SEND_RAW_DATA_EXAMPLES": "false",
            **where,
        }

    def run(self, *arguments: str, environment: dict[str, str] | None = None, **changed: str) -> int:
        """The exit status; what was reported is in ``report``."""
        self._report_file.unlink(missing_ok=True)
        values = {**self.settings, **changed} if environment is None else environment
        status = main(
            ["resync", "--report", str(self._report_file), *arguments],
            environment=values,
            clock=self.clock.now,
            skip=self.clock.skip,
        )
        self.report = json.loads(self._report_file.read_text()) if self._report_file.exists() else {}
        return status

    def total(self, name: str) -> int:
        """A count of the last report, over all kinds."""
        return sum(counts.get(name, 0) for counts in self.report["kinds"].values())

    def writes(self, action: Callable[[], Any]) -> list[str]:
        """The requests that ``action`` had changing anything in Port."""
        before = len(self.port.calls())
        action()
        return [
            f"{one.method} {one.path}"
            for one in self.port.calls()[before:]
            if one.method != "GET" and not one.path.endswith(("/search", "/resync-state"))
        ]

    def searches(self, action: Callable[[], Any]) -> int:
        before = len(self.port.calls())
        action()
        return sum(one.path.endswith("/search") for one in self.port.calls()[before:])

    def blueprint(self, kind: str) -> str:
        names = {"project": "Project", "repository": "Repository", "pull-request": "PullRequest", "user": "User"}
        return f"bitbucket{self.product.title()}{names[kind]}"

    def entities(self, kind: str) -> dict[str, Any]:
        return self.port.entities(self.blueprint(kind))


def plant(site: Site) -> None:
    """Two projects, five repositories (one of them empty), eight pull requests, two of them merged."""
    world = site.world
    people = [world.create_user("jo", "Jo Doe") if site.product == "server" else world.create_user("Jo Doe")]
    for project in ("FRUIT", "STONE"):
        world.create_project(project, f"{project.title()} <b>& co</b>")
    for number in range(4):
        made = world.create_repository(("FRUIT", "STONE")[number % 2], f"Press {number}", readme="# Hello\n").subject
        for topic in ("apple", "pear"):
            pull = world.open_pull_request(made, topic, title=f"{topic} {number} ☃", reviewers=people).subject
            if topic == "pear" and number < 2:
                world.merge(pull)
    world.create_repository("STONE", "Empty")


@pytest.fixture(params=["cloud", "server"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    found = Site(request.param, tmp_path)
    try:
        plant(found)
        yield found
    finally:
        found.stop()
