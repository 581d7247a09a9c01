"""A Bitbucket and a Port that somebody else started, as a machine with credentials finds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from local.machine import PORT_CLIENT_ID, PORT_CLIENT_SECRET, Product, port_stand_in
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn

Bitbucket = BitbucketCloudStandIn | BitbucketServerStandIn


@contextmanager
def real_servers(product: Product) -> Iterator[tuple[Bitbucket, PortStandIn]]:
    """A Bitbucket and a Port that somebody else started."""
    port = port_stand_in(f"{product}/default")
    bitbucket = BitbucketCloudStandIn("acme") if product == "cloud" else BitbucketServerStandIn()
    port.start()
    bitbucket.start()
    try:
        yield bitbucket, port
    finally:
        bitbucket.stop()
        port.stop()


def credentials(product: Product, bitbucket: Bitbucket, port: PortStandIn) -> dict[str, str]:
    """The environment variables that lead to them."""
    return {
        "BITBUCKET_PRODUCT": product,
        "BITBUCKET_URL": bitbucket.api_url,
        "BITBUCKET_TOKEN": bitbucket.token,
        "PORT_CLIENT_ID": PORT_CLIENT_ID,
        "PORT_CLIENT_SECRET": PORT_CLIENT_SECRET,
        "PORT_BASE_URL": port.url,
        **({"BITBUCKET_WORKSPACE": "acme"} if product == "cloud" else {}),
    }
