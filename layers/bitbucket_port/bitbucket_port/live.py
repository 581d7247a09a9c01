"""The live path: what one webhook delivery does to the catalog."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from bitbucket_port.catalog.apply import Applier
from bitbucket_port.catalog.items import ObjectItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outcome import Outcome
from bitbucket_port.errors import PermanentError, TransientError
from bitbucket_port.mapping.model import Wants
from bitbucket_port.objects import Kind, Product
from bitbucket_port.webhooks import cloud, server
from bitbucket_port.webhooks.change import Change
from bitbucket_port.webhooks.delivery import Delivery


class SourceName:
    """The prefix of all source keys of a stack, decided once and kept in the ledger.

    Data Center: the base URL. Cloud: the workspace's uuid, which survives a renamed workspace: from the first payload
    of our workspace that tells it, else from Bitbucket; where neither does, the slug.
    """

    def __init__(
        self,
        *,
        product: Product,
        workspace: str,
        base_url: str,
        ledger: Ledger,
        ask: Callable[[], str] | None,
    ) -> None:
        self._product = product
        self._workspace = workspace.casefold()
        self._base_url = base_url
        self._ledger = ledger
        self._ask = ask
        self._known = ""

    def of(self, delivery: Delivery | None = None) -> str:
        """The prefix; ``delivery`` may save asking Bitbucket. Raises what the ledger or Bitbucket raise."""
        if not self._known:
            self._known = server_source(self._base_url) if self._product == "server" else self._of_workspace(delivery)
        return self._known

    def _of_workspace(self, delivery: Delivery | None) -> str:
        name = f"source#{self._workspace}"
        noted = self._ledger.noted(name).get("uuid")
        if noted:
            return noted
        slug, uuid = cloud.workspace_of(delivery) if delivery else (None, None)
        if not (uuid and slug and slug.casefold() == self._workspace):
            uuid = self._ask() if self._ask else self._workspace
        return self._ledger.note(name, {"uuid": uuid}, only_if_absent=True)["uuid"]


def server_source(base_url: str) -> str:
    """A Data Center's base URL in one spelling."""
    parts = urlsplit(base_url.rstrip("/"))
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"


class LiveEvents:
    """Applies deliveries, one at a time."""

    def __init__(
        self,
        *,
        product: Product,
        base_url: str,
        source: SourceName,
        ledger: Ledger,
        applier: Applier,
        kinds: set[Kind],
        wants: Callable[[Kind], Wants],
        reads: bool,
    ) -> None:
        self._product = product
        self._base_url = base_url
        self._source = source
        self._ledger = ledger
        self._applier = applier
        self._kinds = kinds
        self._wants = wants
        self._reads = reads

    def handle(self, delivery: Delivery) -> list[Outcome]:
        """Apply every change of a delivery; one that fails does not keep the others from being applied.

        Raises TransientError when some change must be tried again (all are: applying twice is harmless), and
        PermanentError for a delivery that means nothing.
        """
        outcomes: list[Outcome] = []
        failed: TransientError | None = None
        for change in self._changes(delivery):
            try:
                outcomes += self._apply(change)
            except TransientError as error:
                failed = failed or error
            except PermanentError as error:
                outcomes.append(Outcome(change.key, "unreadable", problems=(str(error),)))
        if failed:
            raise failed
        return outcomes

    def _changes(self, delivery: Delivery) -> list[Change]:
        source = self._source.of(delivery)
        if self._product == "cloud":
            return cloud.changes(delivery, source=source, base_url=None)
        return server.changes(delivery, source=source, base_url=self._base_url)

    def _apply(self, change: Change) -> list[Outcome]:
        if not self._concerns(change.kind) or not self._needed(change):
            return [Outcome(change.key, "not needed")]
        outcome = self._applier.apply(change)
        return [outcome.parent, outcome] if outcome.parent else [outcome]

    def _concerns(self, kind: Kind) -> bool:
        """A repository matters even where only its pull requests are mapped: they follow its name."""
        return kind in self._kinds or (kind == "repository" and "pull-request" in self._kinds)

    def _needed(self, change: Change) -> bool:
        """Whether a push can have changed anything the mapping makes of the repository."""
        if not change.only_if_needed or not self._reads:
            return True
        item = self._ledger.read([change.key])[change.key]
        if not item.applied or item.facts.gone:
            return True
        return bool(change.only_if_needed & _names(self._wants(change.kind))) and _may_move_main_branch(change, item)


def _may_move_main_branch(change: Change, item: ObjectItem) -> bool:
    branches = change.main_branch_candidates
    return branches is None or not item.facts.main_branch or item.facts.main_branch in branches


def _names(wants: Wants) -> set[str]:
    pairs = (("__readme", wants.readme), ("__latestCommit", wants.latest_commit))
    return {name for name, wanted in pairs if wanted}
