"""A stand-in for Bitbucket Cloud: a stateful workspace, its webhooks, and a strict copy of the API it answers."""

from __future__ import annotations

from collections.abc import Callable

from local.standins.cloud.hooks import HookApi
from local.standins.cloud.pull_requests import CloudWorld
from local.standins.webhook import Webhook, deliver

__all__ = ["BitbucketCloudStandIn"]


class BitbucketCloudStandIn(HookApi):
    """``world`` is changed by calling it; every change returns the webhooks Bitbucket would send."""

    def __init__(self, workspace: str = "northwind", *, seed: int | None = None) -> None:
        super().__init__(CloudWorld(workspace, seed=seed))

    def subscribe(self, callback: Callable[[Webhook], None]) -> None:
        """Have every webhook from now on."""
        self.world.subscribe(callback)

    def deliver(
        self, base_url: str, secret: str | None, webhook: Webhook, *, path: str = "/webhooks"
    ) -> list[int | None]:
        """Send one webhook as Bitbucket does; the status of each attempt (None: no answer)."""
        return deliver(base_url, secret, webhook, path=path)
