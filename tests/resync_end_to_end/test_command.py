"""The one command, as a process of its own without AWS: the catalog equals what objects and mapping say.

One product with its default mapping is as large as it gets here (not the one that is where a resync goes through the
queues), the others are smaller. With the variable WHOLE_SIZE set all of them are that large.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.machine import Product, port_stand_in
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from tests.resync_end_to_end.oracle import ROOT, differences, expected, shown
from tests.resync_end_to_end.promises import listings
from tests.resync_end_to_end.worlds import MEDIUM, WHOLE, Size, fill

SIZES: dict[tuple[Product, str], Size] = {
    ("cloud", "default"): WHOLE,
    ("server", "default"): MEDIUM,
    ("cloud", "ocean"): MEDIUM,
    ("server", "ocean"): MEDIUM,
}
EVERYTHING = bool(os.environ.get("WHOLE_SIZE"))


class Site:
    """One Bitbucket, one Port, and the command between them."""

    def __init__(self, product: Product, preset: str, size: Size, folder: Path) -> None:
        self.product, self.preset, self.folder = product, preset, folder
        self.bitbucket: Any = BitbucketCloudStandIn("acme", seed=1)
        if product == "server":
            self.bitbucket = BitbucketServerStandIn(seed=1)
        self.port = port_stand_in(f"{product}/{preset}")
        fill(self.bitbucket.world, size)
        self.bitbucket.start()
        self.port.start()

    def stop(self) -> None:
        self.bitbucket.stop()
        self.port.stop()

    def run(self) -> dict[str, Any]:
        """One resync; its report, with the exit status."""
        report = self.folder / "report.json"
        done = subprocess.run(
            [sys.executable, "-m", "bitbucket_port", "resync", "--report", str(report)],
            env={
                "PYTHONPATH": str(ROOT / "layers" / "bitbucket_port"),
                "BITBUCKET_PRODUCT": self.product,
                "BITBUCKET_URL": self.bitbucket.api_url,
                "BITBUCKET_TOKEN": self.bitbucket.token,
                **({"BITBUCKET_WORKSPACE": "acme"} if self.product == "cloud" else {}),
                "PORT_CLIENT_ID": self.port.client_id,
                "PORT_CLIENT_SECRET": self.port.client_secret,
                "PORT_BASE_URL": self.port.url,
                "MAPPING_PRESET": self.preset,
            },
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        assert report.is_file(), done.stdout + done.stderr
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return {**found, "exit": done.returncode, "said": done.stdout + done.stderr}

    @property
    def mapping(self) -> str:
        """The mapping's text."""
        return (ROOT / "mappings" / self.product / f"{self.preset}.yaml").read_text(encoding="utf-8")

    def wrong(self) -> list[str]:
        """How the catalog is not what it must be."""
        right = expected(self.bitbucket.world, self.mapping, now=time.time(), emails=self.port.user_emails)
        return differences(shown(self.port.catalog()), right)


@pytest.fixture(params=SIZES, ids="-".join)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    product, preset = request.param
    made = Site(product, preset, WHOLE if EVERYTHING else SIZES[request.param], tmp_path)
    yield made
    made.stop()


def test_the_catalog_is_what_objects_and_mapping_say_and_a_second_run_writes_nothing(site: Site) -> None:
    first = site.run()
    assert site.wrong() == [], first["said"]
    assert first["exit"] == (1 if first["failures"] else 0), first["said"]
    catalog = site.port.catalog()
    site.port.forget_requests()
    second = site.run()
    written = [one for one in site.port.calls() if one.method != "GET" and "/entities" in one.path]
    # Without a ledger nobody remembers what Port did not take, as happens to Ocean's mapping: it is tried again.
    if site.preset == "default":
        assert [one.path for one in written if not one.path.endswith("/search")] == [], second["said"]
    assert site.port.catalog() == catalog
    if site.preset == "default":
        lists = listings(site.bitbucket.world, site.mapping, time.time(), emails=site.port.user_emails)
        assert first["requests"]["bitbucket"] == second["requests"]["bitbucket"] == lists.total()
