"""An empty Port of our own, and clients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from bitbucket_port.http import Deadline
from bitbucket_port.port.client import PortClient
from local.standins.port import PortStandIn

SECRET = "elder-and-rowan"
Connect = Callable[..., PortClient]


@pytest.fixture
def port() -> Iterator[PortStandIn]:
    stand_in = PortStandIn("client", SECRET)
    stand_in.start()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def connect(port: PortStandIn) -> Connect:
    """Makes clients with a minute of time and no pauses between attempts."""

    def make(identifier: str = "orchard", *, secret: str = SECRET, installation: str = "") -> PortClient:
        return PortClient(
            port.url,
            client_id="client",
            client_secret=lambda: secret,
            integration_type="bitbucket-cloud",
            integration_identifier=identifier,
            version="1.2.3",
            installation=installation,
            deadline=Deadline.after(60),
            sleep=lambda _: None,
        )

    return make


@pytest.fixture
def client(connect: Connect) -> PortClient:
    return connect()
