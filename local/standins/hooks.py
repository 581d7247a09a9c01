"""What the webhook subscriptions of both Bitbucket products have in common: test-side edits, and sending through them.

A delivery goes to every active subscription that covers the event's subject and names its key, signed with that
subscription's own secret, to that subscription's own URL, with a delivery id of its own.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NamedTuple, TypeVar

from local.standins.http import StandIn
from local.standins.webhook import Webhook

FOREIGN_URL = "https://ci.example.com/hooks"
"""Where subscriptions lead that somebody else made."""


@dataclass(eq=False)
class Subscription:
    """A webhook subscription as a product keeps it.

    ``settings`` are the product's own names and values without the secret; ``secret`` is what deliveries are signed
    with, None or empty: they are not.
    """

    settings: dict[str, Any]
    secret: str | None = field(repr=False)

    @property
    def url(self) -> str:
        """Where it leads."""
        return str(self.settings["url"])

    @property
    def active(self) -> bool:
        """Whether it delivers at all."""
        return bool(self.settings["active"])

    @property
    def events(self) -> tuple[str, ...]:
        """The event keys it names, in order."""
        return tuple(self.settings["events"])


HookT = TypeVar("HookT", bound=Subscription)


class Sent(NamedTuple, Generic[HookT]):
    """One delivery: its subscription, and the last status it was answered with.

    ``status`` is None where no answer came: nobody there, a timeout, or the product did not even try.
    """

    hook: HookT
    status: int | None


class Hooks(StandIn, ABC, Generic[HookT]):
    """The subscriptions of one stand-in.

    ``outgoing_blocked``: a firewall lets nothing out of Bitbucket. ``refused_events`` are event keys that this server
    does not know, beside those its product or version does not know anyway; ``forbidden_hooks`` are the keys of
    projects whose subscriptions the credential may neither see nor change.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outgoing_blocked = False
        self.refused_events: set[str] = set()
        self.forbidden_hooks: set[str] = set()

    @property
    @abstractmethod
    def subscriptions(self) -> list[HookT]:
        """The world's own list of subscriptions."""

    @abstractmethod
    def known_events(self) -> Sequence[str]:
        """The event keys this product and version knows."""

    @abstractmethod
    def covers(self, hook: HookT, webhook: Webhook) -> bool:
        """Whether the webhook is about something the subscription was made for."""

    @abstractmethod
    def send(self, hook: HookT, webhook: Webhook) -> int | None:
        """Deliver as the product does; the last status, None without an answer."""

    def edited(self, hook: HookT) -> None:
        """Somebody changed a subscription on its page: where the product notes when, it does."""
        del hook

    # The side of the tests.

    @property
    def hooks(self) -> list[HookT]:
        """All subscriptions, oldest first, with their secrets (the list is a copy, the subscriptions are not)."""
        with self.lock:
            return list(self.subscriptions)

    def refuse_event(self, key: str) -> None:
        """From now on this server does not know an event key, and refuses any call that names it."""
        self.refused_events.add(key)

    def forbid_hooks(self, project_key: str) -> None:
        """The credential may not administer webhooks of a project and of its repositories."""
        self.forbidden_hooks.add(project_key)

    def allow_hooks(self, project_key: str) -> None:
        """Take ``forbid_hooks`` back."""
        self.forbidden_hooks.discard(project_key)

    def disable_hook(self, hook: HookT) -> None:
        """Somebody unticks Active."""
        with self.lock:
            hook.settings["active"] = False
            self.edited(hook)

    def change_hook_events(self, hook: HookT, events: Iterable[str]) -> None:
        """Somebody ticks other events."""
        with self.lock:
            hook.settings["events"] = list(events)
            self.edited(hook)

    def change_hook_secret(self, hook: HookT, secret: str | None) -> None:
        """Somebody types another secret, or removes it."""
        with self.lock:
            hook.secret = secret
            self.edited(hook)

    def change_hook_url(self, hook: HookT, url: str) -> None:
        """Somebody types another URL."""
        with self.lock:
            hook.settings["url"] = url
            self.edited(hook)

    def remove_hook(self, hook: HookT) -> None:
        """Somebody deletes a subscription."""
        with self.lock:
            self.subscriptions.remove(hook)

    def send_through_hooks(self, webhooks: Iterable[Webhook]) -> list[Sent[HookT]]:
        """Deliver what a change of the world made, through the subscriptions there are; one entry per delivery."""
        return [
            Sent(hook, self.send(hook, webhook))
            for webhook in webhooks
            for hook in self.hooks
            if hook.active and webhook.event_key in hook.events and self.covers(hook, webhook)
        ]

    # Helps for the operations.

    def unknown_event(self, events: Iterable[str]) -> str | None:
        """The first event key that the server does not know."""
        known = set(self.known_events()) - self.refused_events
        return next((key for key in events if key not in known), None)


def delivered_for(webhook: Webhook, hook: str) -> Webhook:
    """The webhook as one of several subscriptions delivers it: the same event under a delivery id of its own, which is
    the same again when the same webhook is delivered again.
    """
    delivery_id = str(uuid.uuid5(uuid.UUID(webhook.delivery_id), hook))
    return replace(webhook, hook=hook, delivery_id=delivery_id)
