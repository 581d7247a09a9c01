"""Which webhooks there should be: their URLs, their events, and what they hang at."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bitbucket_port.hooks.model import WantedHook
from bitbucket_port.hooks.subject import Level
from bitbucket_port.objects import Product, digest
from bitbucket_port.webhooks.event_keys import CLOUD_KEYS, FAMILIES, SERVER_KEYS, family_of

PATH = "/webhooks"
FIRST_WITH_PROJECT_WEBHOOKS = (8, 8)
"""The documentation of Data Center 8.7 knows webhooks of repositories only, later ones know those of projects, too."""
_NEVER_TAKEN = frozenset({"pr:to_ref_updated", "pr:reviewer:changes_requested"})
"""On Atlassian's page of event payloads, but refused by running servers of 8.x to 10.x as unknown."""
_NOT_OF_A_REPOSITORY = frozenset({"project:updated", "project:modified", "repo:created"})
"""Events that no webhook of a single repository can meet."""
_VERSION = re.compile(r"([0-9]+)\.([0-9]+)")


@dataclass(frozen=True, slots=True)
class HookSettings:
    """What webhooks are to be like.

    ``base_url`` is ours as Bitbucket reaches it, without a path; empty where nobody can. ``owner`` tells our webhooks
    from those of other stacks. ``repositories``: one webhook per repository on the Data Center; None asks for its
    version. ``why_none`` says why none are to be made (empty: they are). ``secret_command`` prints the secret.
    """

    product: Product
    base_url: str
    owner: str
    repositories: bool | None = None
    why_none: str = ""
    secret_command: str = ""

    @property
    def name(self) -> str:
        """The name of every webhook of ours."""
        return f"bitbucket-port/{self.owner}"

    @property
    def urls(self) -> frozenset[str]:
        """Every URL that leads to us; none where nobody can reach us."""
        if not self.base_url:
            return frozenset()
        return frozenset({self.base_url + PATH, *(f"{self.base_url}{PATH}/{family}" for family in FAMILIES)})

    def wanted(self, level: Level) -> tuple[WantedHook, ...]:
        """The webhooks of a subject: a Cloud workspace has one per family, everything else one for all events."""
        if level == "workspace":
            return tuple(
                WantedHook(
                    family,
                    self.name,
                    f"{self.base_url}{PATH}/{family}",
                    tuple(key for key in CLOUD_KEYS if family_of("cloud", key) == family),
                )
                for family in FAMILIES
            )
        return (WantedHook("all", self.name, self.base_url + PATH, event_keys(self.product, level)),)

    def digest(self, level: Level) -> str:
        """Changes when what is wanted does."""
        return digest([[hook.part, hook.name, hook.url, list(hook.events)] for hook in self.wanted(level)])


def event_keys(product: Product, level: Level) -> tuple[str, ...]:
    """The events to subscribe to at one subject, as far as the server is known to take them."""
    keys = CLOUD_KEYS if product == "cloud" else tuple(key for key in SERVER_KEYS if key not in _NEVER_TAKEN)
    return tuple(key for key in keys if key not in _NOT_OF_A_REPOSITORY) if level == "repository" else keys


def version_numbers(version: str) -> tuple[int, int] | None:
    """Major and minor of a version such as ``8.19.1`` or ``10.2.0-m1``; None for what is no version."""
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2])) if found else None


def has_project_webhooks(version: tuple[int, int]) -> bool:
    """Whether a Data Center of that version has webhooks of projects; compared as numbers, for 8.19 is after 8.8."""
    return version >= FIRST_WITH_PROJECT_WEBHOOKS
