"""A stack with stand-ins around it: Bitbucket sends it webhooks, Port fills with what it makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from bitbucket_port.webhooks.event_keys import family_of
from local.aws import Moto
from local.stack import ROOT, Stack
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn
from local.standins.webhook import Webhook

Product = Literal["cloud", "server"]
PORT_CLIENT_ID, PORT_CLIENT_SECRET = "demo-client", "demo-client-secret"


def port_stand_in(*blueprints: str) -> PortStandIn:
    """A Port with the blueprints of these mappings (``cloud/default``)."""
    found: list[dict[str, Any]] = []
    for name in blueprints:
        found += json.loads((ROOT / "mappings" / f"{name}.blueprints.json").read_text(encoding="utf-8"))
    return PortStandIn(PORT_CLIENT_ID, PORT_CLIENT_SECRET, found)


class Machine:
    """One product's stack, Bitbucket and Port.

    ``parameters`` are added to the template parameters that point the stack at its stand-ins. ``port`` may be shared
    between machines; whoever made it stops it.
    """

    def __init__(
        self,
        product: Product,
        *,
        moto: Moto,
        port: PortStandIn,
        workspace: str = "acme",
        gateway_port: int = 0,
        parameters: Mapping[str, str] | None = None,
        change: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.product = product
        self.port = port
        self.cloud = BitbucketCloudStandIn(workspace, seed=1)
        self.server = BitbucketServerStandIn(seed=1)
        self.bitbucket: BitbucketCloudStandIn | BitbucketServerStandIn = (
            self.cloud if product == "cloud" else self.server
        )
        self.bitbucket.start()
        self.stack = Stack(
            {
                "BitbucketProduct": product,
                "BitbucketWorkspace": workspace if product == "cloud" else "",
                "BitbucketUrl": self.cloud.api_url if product == "cloud" else self.bitbucket.url,
                "BitbucketToken": self.bitbucket.token,
                "PortClientId": PORT_CLIENT_ID,
                "PortClientSecret": PORT_CLIENT_SECRET,
                "PortBaseUrl": port.url,
                **(parameters or {}),
            },
            moto=moto,
            gateway_port=gateway_port,
            change=change,
        )

    def start(self) -> str:
        """Deploy the stack; returns its URL."""
        return self.stack.start()

    def stop(self) -> None:
        """End the stack and Bitbucket."""
        self.stack.stop()
        self.bitbucket.stop()

    def send(self, webhooks: Iterable[Webhook]) -> list[int | None]:
        """Have Bitbucket deliver webhooks, each to its family's URL; returns the last status of each."""
        secret = self.stack.webhook_secret
        return [
            self.bitbucket.deliver(self.stack.url, secret, webhook, path=webhook_path(webhook))[-1]
            for webhook in webhooks
        ]

    def tell(self, webhooks: Iterable[Webhook], *, timeout: float = 120.0) -> None:
        """Send webhooks and wait until everything they set off is done; raises when one was not taken."""
        statuses = self.send(webhooks)
        if any(status is None or status >= 300 for status in statuses):
            raise RuntimeError(f"webhooks were answered with {statuses}")
        self.stack.settle(timeout)


def webhook_path(webhook: Webhook) -> str:
    """The URL path of a webhook's family; the one for everything where it has none."""
    family = family_of(webhook.product, webhook.event_key)
    return f"/webhooks/{family}" if family else "/webhooks"
