"""The nouns: how a webhook is, and how one should be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bitbucket_port.hooks.subject import Subject

Part = Literal["all", "project", "repository", "push", "pull-request"]
"""Which events a webhook is for: one family's, or all of them."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook as Bitbucket shows it.

    ``secured`` is None where Bitbucket does not tell whether there is a secret. ``secret`` is there only where a server
    shows it. ``changed`` moves with every change of the webhook; empty where Bitbucket tells of none.
    """

    id: str
    name: str
    url: str
    active: bool
    events: frozenset[str]
    secured: bool | None = None
    secret: str | None = field(default=None, repr=False)
    changed: str = ""


@dataclass(frozen=True, slots=True)
class WantedHook:
    """A webhook as it should be; active and signed, as all are."""

    part: Part
    name: str
    url: str
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """What became of a webhook's deliveries: whether the last one failed, with which HTTP status if any, in words."""

    failing: bool
    status: int | None = None
    text: str = ""


class HookApi(Protocol):
    """Webhooks of one product. Every method raises as ``HttpClient.request`` does; NotFoundError: no such subject."""

    def hooks(self, subject: Subject) -> list[Hook]:
        """All webhooks of the subject, from every page of the list."""
        ...

    def create(self, subject: Subject, wanted: WantedHook, events: Collection[str], secret: str) -> Hook:
        """Make a webhook for these events."""
        ...

    def change(self, subject: Subject, hook_id: str, wanted: WantedHook, events: Collection[str], secret: str) -> Hook:
        """Make a webhook what is wanted, secret included."""
        ...

    def delete(self, subject: Subject, hook_id: str) -> None:
        """Remove a webhook; nothing where it, or the subject, is gone."""
        ...

    def offered(self, subject: Subject) -> frozenset[str] | None:
        """The events that webhooks of this subject can be for; None where Bitbucket does not tell."""
        ...

    def health(self, subject: Subject, hook_id: str) -> Health | None:
        """How its deliveries fare; None where Bitbucket does not tell or nothing was delivered yet."""
        ...
