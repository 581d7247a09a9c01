"""A Port of our own on loopback, and a client that talks to it over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from bitbucket_port.http import Deadline
from bitbucket_port.port.client import PortClient
from local.standins.port import PortStandIn
from tests.port.blueprints import BLUEPRINTS

SECRET = "plum-and-quince"


@pytest.fixture
def port() -> Iterator[PortStandIn]:
    stand_in = PortStandIn("client", SECRET, BLUEPRINTS)
    stand_in.start()
    yield stand_in
    stand_in.stop()


Connect = Callable[..., PortClient]


@pytest.fixture
def connect(port: PortStandIn) -> Connect:
    """Makes clients; by default with the right secret, a minute of time, and no pauses between attempts."""

    def make(
        secret: Callable[[], str] = lambda: SECRET,
        *,
        identifier: str = "orchard",
        seconds: float = 60,
        installation: str = "",
    ) -> PortClient:
        return PortClient(
            port.url,
            client_id="client",
            client_secret=secret,
            integration_type="bitbucket-cloud",
            integration_identifier=identifier,
            version="1.2.3",
            installation=installation,
            deadline=Deadline.after(seconds),
            sleep=lambda _: None,
        )

    return make


@pytest.fixture
def client(connect: Connect) -> PortClient:
    return connect()
