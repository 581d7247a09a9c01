"""Which Bitbucket a stack is of, and that it stays the same one for the stack's whole life.

Its ledger, its entities and its webhooks are of one workspace or one Data Center. Pointed at another one, a stack would
take what it knows of the first for deleted. A workspace that was merely renamed keeps its uuid, and so is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitbucket_port.errors import BitbucketPortError
from bitbucket_port.live import server_source
from bitbucket_port.objects import JsonObject, Product
from bitbucket_port.settings import CLOUD_API, Settings, default_identifier
from bitbucket_port.setup.findings import Finding

if TYPE_CHECKING:
    from bitbucket_port.reading import Notes

ABOUT = "Bitbucket source"
_NOTE = "set-up source"
_FIX = "Put the old value back, and deploy a second stack for the other one: both can feed the same Port organization."


@dataclass(frozen=True, slots=True)
class Identity:
    """A product and where it is: ``workspace`` of Cloud (its slug or uuid), ``url`` of either."""

    product: Product
    workspace: str
    url: str

    @classmethod
    def of(cls, settings: Settings) -> Identity:
        """What the settings name."""
        return cls(settings.product, settings.workspace, settings.bitbucket_url)

    @classmethod
    def of_properties(cls, properties: JsonObject) -> Identity:
        """What properties of the custom resource name: ``Product``, ``Workspace``, ``BitbucketUrl``."""
        product: Product = "server" if properties.get("Product") == "server" else "cloud"
        url = str(properties.get("BitbucketUrl") or CLOUD_API).rstrip("/")
        return cls(product, str(properties.get("Workspace") or ""), url)

    def is_written_as(self, other: Identity) -> bool:
        """Whether both name the same place in the same words."""
        if self.product != other.product or server_source(self.url) != server_source(other.url):
            return False
        return self.product == "server" or self.workspace.casefold() == other.workspace.casefold()

    def __str__(self) -> str:
        return f"the workspace {self.workspace!r} at {self.url}" if self.product == "cloud" else self.url


class IdentityStore:
    """Remembers the identity of a stack; ``uuid`` asks Bitbucket for that of the workspace set now (Cloud only).

    Every method raises TransientError when the ledger cannot be reached.
    """

    def __init__(self, notes: Notes, uuid: Callable[[], str]) -> None:
        self._notes = notes
        self._uuid = uuid

    def remember(self, identity: Identity) -> None:
        """Keep it, with the workspace's uuid as soon as Bitbucket tells it."""
        known, uuid = self._known() or (None, "")
        if known != identity or (identity.product == "cloud" and not uuid):
            self._keep(identity, self._asked(identity)[0])

    def refusal(self, new: Identity, old: Identity | None) -> Finding | None:
        """Why the stack cannot be of ``new``; None when it is, perhaps under a new name.

        What is remembered counts. Without it ``old`` does: what CloudFormation says that the stack was before. A
        refused change is undone by another call, in which the two have changed places: so ``old`` is remembered then.
        """
        known, uuid = self._known() or (old, self._used_as_source(old) if old else "")
        if known is None or known.is_written_as(new):
            return None
        if known.product != new.product:
            text = f"this stack is of {known}, and BitbucketProduct is {new.product!r} now."
        elif new.product == "server":
            text = f"this stack is of {known}, and BitbucketUrl is {new} now."
        else:
            found, reason = self._asked(new)
            if found and found == uuid:
                return None
            text = f"this stack is of {known}, and {new} is another one."
            if not (found and uuid):
                reason = reason or "the uuid of the first was never seen"
                text = f"this stack is of {known}, and whether {new} is the same one cannot be told: {reason}."
        self._keep(known, uuid)
        return Finding(ABOUT, "failed", text, _FIX)

    def renaming(self, settings: Settings) -> Finding | None:
        """What else gets a new name with a renamed workspace: without a name of its own, the integration in Port."""
        new, (known, _) = Identity.of(settings), self._known() or (None, "")
        if known is None or new.product == "server" or known.workspace.casefold() == new.workspace.casefold():
            return None
        before = default_identifier(known.product, known.workspace, known.url)
        if settings.integration_identifier != default_identifier(new.product, new.workspace, new.url):
            return None
        text = f"{known.workspace!r} is the workspace {new.workspace!r} now, and {before!r} stays behind in Port."
        return Finding(
            ABOUT, "warning", text, f"To keep the integration's name, set IntegrationIdentifier to {before}."
        )

    def _asked(self, identity: Identity) -> tuple[str, str]:
        """The workspace's uuid, or why it is not known."""
        if identity.product == "server":
            return "", ""
        try:
            return self._uuid(), ""
        except BitbucketPortError as error:
            return "", str(error)

    def _known(self) -> tuple[Identity, str] | None:
        noted = self._notes.noted(_NOTE)
        if not noted:
            return None
        product: Product = "server" if noted["product"] == "server" else "cloud"
        known = Identity(product, noted["workspace"], noted["url"])
        return known, noted["uuid"] or self._used_as_source(known)

    def _used_as_source(self, identity: Identity) -> str:
        """The uuid that stands in the source keys of this workspace (``live.SourceName``); empty when it is none."""
        uuid = self._notes.noted(f"source#{identity.workspace.casefold()}").get("uuid", "")
        return uuid if uuid.startswith("{") else ""

    def _keep(self, identity: Identity, uuid: str) -> None:
        values = {"product": identity.product, "workspace": identity.workspace, "url": identity.url, "uuid": uuid}
        self._notes.note(_NOTE, values)
