"""A stand-in for Bitbucket Data Center: a stateful instance, its webhooks, and a strict copy of the API it answers."""

from __future__ import annotations

from collections.abc import Callable

from local.standins.server.hooks import HookApi
from local.standins.server.pull_requests import ServerWorld
from local.standins.webhook import Webhook, deliver

__all__ = ["BitbucketServerStandIn"]


class BitbucketServerStandIn(HookApi):
    """``world`` is changed by calling it; every change returns the webhooks Bitbucket would send.

    ``world.style`` says what depends on the instance's version, above all how webhooks write links and times.
    """

    def __init__(self, *, seed: int | None = None) -> None:
        super().__init__(ServerWorld(seed=seed))

    def subscribe(self, callback: Callable[[Webhook], None]) -> None:
        """Have every webhook from now on."""
        self.world.subscribe(callback)

    def deliver(
        self, base_url: str, secret: str | None, webhook: Webhook, *, path: str = "/webhooks"
    ) -> list[int | None]:
        """Send one webhook as Bitbucket does, once; its status (None: no answer)."""
        return deliver(base_url, secret, webhook, path=path)
