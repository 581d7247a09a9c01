"""A headless Chromium, and a machine to look at with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from playwright.sync_api import Page as Tab

from local.page import Page
from local.page.chromium import ARGUMENTS, find_chromium
from local.standins.port import PortStandIn
from tests.page.fakes import BLUEPRINTS, Demo, FakeStack, StoppedClock

PATIENCE_MILLISECONDS = 30_000
"""How long to wait for the page to show something: a busy machine lets it look late."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        if os.environ.get("REQUIRE_CHROMIUM"):
            pytest.fail("there is no Chromium, and REQUIRE_CHROMIUM says that the page must be looked at")
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium), so the page goes unseen")
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


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
