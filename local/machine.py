"""A stack with stand-ins around it: Bitbucket sends it webhooks, Port fills with what it makes of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bitbucket_port.webhooks.event_keys import family_of
from local.aws import Moto
from local.clock import Clock
from local.concurrency import Concurrency
from local.stack import ROOT, Stack
from local.standins.bitbucket_cloud import BitbucketCloudStandIn
from local.standins.bitbucket_server import BitbucketServerStandIn
from local.standins.port import PortStandIn
from local.standins.webhook import Webhook

Product = Literal["cloud", "server"]
WITHOUT_SET_UP = {
    "LiveEvents": "false",
    "InitializePortResources": "false",
    "SendRawDataExamples": "false",
    "MappingSource": "package",
    "PortPollInterval": "0",
}
"""Parameters with which the stack writes to Port nothing but entities, and to Bitbucket nothing at all."""
PORT_CLIENT_ID, PORT_CLIENT_SECRET = "demo-client", "demo-client-secret"


def port_stand_in(*blueprints: str) -> PortStandIn:
    """A Port with the blueprints of these mappings (``cloud/default``)."""
    found: list[dict[str, Any]] = []
    for name in blueprints:
        found += json.loads((ROOT / "mappings" / f"{name}.blueprints.json").read_text(encoding="utf-8"))
    return PortStandIn(PORT_CLIENT_ID, PORT_CLIENT_SECRET, found)


class Machine:
    """One product's stack, Bitbucket and Port, all on moto's clock.

    ``parameters`` are added to the template parameters that point the stack at its stand-ins; ``change``, ``name``,
    ``logs_folder`` and ``concurrency`` are the stack's; ``bitbucket_port`` is where Bitbucket serves (0: any free
    port). ``port`` may be shared between machines; whoever made it stops it. ``set_up``: with the template's own
    defaults, that is with its custom resource, which ``start`` has create blueprints, mapping and webhooks; otherwise
    (``WITHOUT_SET_UP``) the custom resource is left out and nothing of the kind happens. Raises what ``Stack`` raises,
    and OSError for a port that is taken.

    With ``set_up`` these of ``machine.stack`` deploy as CloudFormation does, raising ``DeploymentFailedError`` with the
    provider's sentence: ``start(rollback=…)``, ``update(parameters, change=…)`` and ``delete()``; ``stack.outputs()``
    are the outputs, ``stack.custom.asked`` all calls of the custom resource. ``another_stack`` is a second stack
    beside the first, or the same deployed again after its deletion.
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
        name: str = "",
        logs_folder: Path | None = None,
        concurrency: Concurrency | None = None,
        bitbucket_port: int = 0,
        set_up: bool = False,
    ) -> None:
        self.product = product
        self.set_up = set_up
        self._moto, self._change = moto, change
        self._more_stacks: list[Stack] = []
        self.port = port
        self.cloud = BitbucketCloudStandIn(workspace, seed=1)
        self.server = BitbucketServerStandIn(seed=1)
        self.bitbucket: BitbucketCloudStandIn | BitbucketServerStandIn = (
            self.cloud if product == "cloud" else self.server
        )
        port.now = moto.clock.now
        self.bitbucket.world.now = TimeOfDay(moto.clock)
        self.bitbucket.start(bitbucket_port)
        self._parameters = {
            "BitbucketProduct": product,
            "BitbucketWorkspace": workspace if product == "cloud" else "",
            "BitbucketUrl": self.cloud.api_url if product == "cloud" else self.bitbucket.url,
            "BitbucketToken": self.bitbucket.token,
            "PortClientId": PORT_CLIENT_ID,
            "PortClientSecret": PORT_CLIENT_SECRET,
            "PortBaseUrl": port.url,
            **({} if set_up else WITHOUT_SET_UP),
            **(parameters or {}),
        }
        try:
            self.stack = self._stack(
                {}, gateway_port=gateway_port, name=name, logs_folder=logs_folder, concurrency=concurrency
            )
        except BaseException:
            self.bitbucket.stop()
            raise

    def _stack(self, parameters: Mapping[str, str], **more: Any) -> Stack:
        return Stack({**self._parameters, **parameters}, moto=self._moto, change=self._changed, **more)

    def _changed(self, document: dict[str, Any]) -> None:
        if not self.set_up:
            leave_out_set_up(document)
        if self._change:
            self._change(document)

    def another_stack(self, **parameters: str) -> Stack:
        """Another stack for the same Bitbucket and Port, with the same parameters but for these; not started.

        It is stopped with the machine.
        """
        self._more_stacks.append(self._stack(parameters))
        return self._more_stacks[-1]

    def start(self, *, jump: bool = True, rollback: bool = True) -> str:
        """Deploy the stack; returns its URL. The arguments and errors are those of ``Stack.start``."""
        return self.stack.start(jump=jump, rollback=rollback)

    def stop(self) -> None:
        """End the stacks and Bitbucket."""
        for stack in (self.stack, *self._more_stacks):
            stack.stop()
        self.bitbucket.stop()

    @property
    def has_webhooks(self) -> bool:
        """Whether set-up makes webhooks in Bitbucket."""
        values = self.stack.template.parameters
        return self.set_up and values["LiveEvents"] == "true" and values["BitbucketApi"] == "full"

    def send(self, webhooks: Iterable[Webhook]) -> list[int | None]:
        """Have Bitbucket deliver webhooks; returns the last status of each.

        They go through the webhooks that set-up made, None for one that nobody subscribed to; where set-up makes none,
        each goes to its family's URL.
        """
        if self.has_webhooks:
            return [
                ([None] + [sent.status for sent in self.bitbucket.send_through_hooks([webhook])])[-1]
                for webhook in webhooks
            ]
        secret = self.stack.webhook_secret
        return [
            self.bitbucket.deliver(self.stack.url, secret, webhook, path=webhook_path(webhook))[-1]
            for webhook in webhooks
        ]

    def tell(
        self, webhooks: Iterable[Webhook], *, timeout: float = 120.0, jump: bool = True, within: float | None = None
    ) -> None:
        """Send webhooks and wait until everything they set off is done; raises when one was not taken.

        The other arguments are those of ``Stack.settle``.
        """
        statuses = self.send(webhooks)
        if any(status is None or status >= 300 for status in statuses):
            raise RuntimeError(f"webhooks were answered with {statuses}")
        self.stack.settle(timeout, jump=jump, within=within)


class TimeOfDay:
    """The clock as a stand-in's world reads it: no two things in it happen at once, else their order would be lost."""

    def __init__(self, clock: Clock, step: float = 0.001) -> None:
        self._clock, self._step = clock, step
        self._last = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """The time now, at least a step later than when last asked."""
        with self._lock:
            self._last = max(self._clock.now(), self._last + self._step)
            return datetime.fromtimestamp(self._last, UTC)


def leave_out_set_up(document: dict[str, Any]) -> None:
    """Take the custom resource out of the translated template, and the outputs that ask for it."""
    del document["Resources"]["SetUp"]
    document["Outputs"] = {
        name: output
        for name, output in document["Outputs"].items()
        if "SetUp" not in output["Value"].get("Fn::GetAtt", [])
    }


def webhook_path(webhook: Webhook) -> str:
    """The URL path of a webhook's family; the one for everything where it has none."""
    family = family_of(webhook.product, webhook.event_key)
    return f"/webhooks/{family}" if family else "/webhooks"
