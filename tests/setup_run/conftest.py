"""Both Bitbucket stand-ins and Port, served in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn


@pytest.fixture
def port() -> Iterator[PortStandIn]:
    stand_in = PortStandIn("client", "secret")
    stand_in.start()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def cloud() -> Iterator[BitbucketCloudStandIn]:
    stand_in = BitbucketCloudStandIn("acme", seed=1)
    stand_in.start()
    stand_in.world.create_project("PAY", "Payments")
    stand_in.world.create_repository("PAY", "ledger")
    yield stand_in
    stand_in.stop()


@pytest.fixture
def server() -> Iterator[BitbucketServerStandIn]:
    stand_in = BitbucketServerStandIn(seed=1)
    stand_in.start()
    stand_in.world.create_project("PAY", "Payments")
    stand_in.world.create_repository("PAY", "ledger")
    yield stand_in
    stand_in.stop()
