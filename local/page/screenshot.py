"""``python -m local.page.screenshot docs/page.png``: plays the story and takes a picture of the page at its end.

``--phone`` takes it as a phone shows it. Needs Chromium.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page as Tab
from playwright.sync_api import sync_playwright

from local.page.chromium import ARGUMENTS, find_chromium

ROOT = Path(__file__).resolve().parent.parent.parent
DESKTOP, PHONE = (1280, 1720), (375, 812)
PATIENCE = 180.0
"""Real seconds for the whole story."""
CREDENTIALS = ("BITBUCKET_TOKEN", "PORT_CLIENT_ID", "PORT_CLIENT_SECRET")


def main() -> int:
    """Command line; 1 where there is no Chromium."""
    parser = argparse.ArgumentParser(prog="python -m local.page.screenshot", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--phone", action="store_true", help="375 pixels wide")
    options = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("There is no Chromium (Debian: apt-get install chromium).", file=sys.stderr)
        return 1
    width, height = PHONE if options.phone else DESKTOP
    with story_page() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        tab = browser.new_page(
            viewport={"width": width, "height": height}, locale="en-GB", timezone_id="UTC", reduced_motion="reduce"
        )
        tab.goto(url)
        pose(tab)
        tab.screenshot(path=options.file)
        browser.close()
    return 0


@contextmanager
def story_page() -> Iterator[str]:
    """The address of the page of a machine that has told its story; the machine is stopped afterwards.

    Raises RuntimeError when the machine ends before that.
    """
    environment = {name: value for name, value in os.environ.items() if name not in CREDENTIALS}
    command = [sys.executable, "-m", "local", "--gateway-port", "0", "--page-port", "0", "--keep-running"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as machine:
        try:
            yield _told(machine)
        finally:
            machine.send_signal(signal.SIGINT)
            machine.communicate(timeout=PATIENCE)


def _told(machine: subprocess.Popen[str]) -> str:
    url = ""
    assert machine.stdout is not None
    for line in machine.stdout:
        if line.startswith("page "):
            url = line.split()[1]
        if line.startswith("Everything arrived"):
            return url
    raise RuntimeError(f"the story ended early, with exit code {machine.wait()}")


def pose(tab: Tab) -> None:
    """Wait until everything is there, and open the pull request that most of the story is about."""
    tab.wait_for_selector('.overview[data-level="ok"]', timeout=PATIENCE * 1000)
    tab.locator(".entity", has_text="Refund in full").locator("summary").click()
    tab.wait_for_selector(".entity[open] .properties")
    tab.wait_for_timeout(4_500)  # Until nothing is marked as just changed.


if __name__ == "__main__":
    sys.exit(main())
