"""The Chromium that tests and screenshots look at the page with."""

from __future__ import annotations

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",  # Its sandbox refuses root, which is who runs containers; it opens nothing but our own page.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """The path of an installed Chromium; None where there is none. Playwright's own download is not used."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)
