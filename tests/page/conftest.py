"""A headless Chromium, and a machine to look at with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Page as Tab

from local.page import Page
from local.page.chromium import ARGUMENTS, find_chromium
from local.standins.port import PortStandIn
from tests.page.fakes import FakeStack, StoppedClock

BLUEPRINTS = [
    {
        "identifier": "project",
        "title": "Project",
        "schema": {"properties": {"url": {"type": "string", "format": "url", "title": "Link"}}},
    },
    {
        "identifier": "repository",
        "title": "Repository",
        "schema": {
            "properties": {
                "visibility": {"type": "string", "enum": ["private", "public"], "title": "Visibility"},
                "readme": {"type": "string", "format": "markdown", "title": "README"},
                "language": {"type": "string", "title": "Language"},
            }
        },
        "relations": {"project": {"target": "project", "many": False, "required": False, "title": "Project"}},
    },
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        if os.environ.get("REQUIRE_CHROMIUM"):
            pytest.fail("there is no Chromium, and REQUIRE_CHROMIUM says that the page must be looked at")
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium), so the page goes unseen")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Demo:
    """A page over a machine that a test plays with. ``cloud`` and ``server`` share one Port."""

    page: Page
    cloud: FakeStack
    server: FakeStack
    port: PortStandIn
    url: str = ""

    def project(self, identifier: str = "PAY", **given: str) -> None:
        self.port.put_entity("project", identifier, title=given.pop("title", None), properties=dict(given))

    def repository(
        self, identifier: str, *, title: str | None = None, project: str | None = None, **given: str
    ) -> None:
        relations = {"project": project} if project else {}
        self.port.put_entity("repository", identifier, title=title, properties=dict(given), relations=relations)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    stacks = []
    products: tuple[Literal["cloud", "server"], ...] = ("cloud", "server")
    for place, product in enumerate(products):
        folder = tmp_path / product
        folder.mkdir()
        stacks.append(FakeStack(folder, product, f"local-{product}", f"http://127.0.0.1:{3000 + place}"))
    port = PortStandIn("id", "secret", BLUEPRINTS)
    page = Page(stacks, port, StoppedClock())
    demo = Demo(page, stacks[0], stacks[1], port)
    demo.url = page.start(0)
    yield demo
    page.stop()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """A new, empty profile; what goes wrong in the page fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC")
    tab = context.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    yield tab
    context.close()
    assert not wrong, wrong
