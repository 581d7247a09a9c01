"""What is above an object, by the name that the object's own reading gives it."""

from __future__ import annotations

from dataclasses import dataclass

from bitbucket_port.catalog.items import ObjectItem
from bitbucket_port.catalog.ledger import Ledger
from bitbucket_port.catalog.outside import Reading
from bitbucket_port.objects import Address, SourceKey
from bitbucket_port.webhooks.change import Change


@dataclass(frozen=True, slots=True)
class Above:
    """A pull request's repository or a repository's project; ``name`` is its full name, a project's key."""

    key: SourceKey
    address: Address
    name: str

    def is_renamed(self, item: ObjectItem) -> bool:
        """Whether the ledger knows it, and by another name.

        An entity that relates to it by this one would make Port create an entity of that name. Then the one there is
        could not be given it, and lost what people added to it.
        """
        return item.applied and item.facts.full_name != self.name


def above(key: SourceKey, reading: Reading) -> Above | None:
    """What the reading of an object says is above it; None where it says nothing."""
    repository, facts = key.repository, reading.facts
    if repository is not None and facts.address is not None and facts.full_name:
        return Above(repository, Address(facts.address.project, facts.address.repository), facts.full_name)
    if key.kind == "repository" and reading.parent is not None:
        project, address = reading.parent
        return Above(project, address, address.project or "")
    return None


def container_of(change: Change, ledger: Ledger) -> tuple[SourceKey, Address] | None:
    """What the change says contains its object, else a pull request's repository where the ledger has its address."""
    repository = change.key.repository
    if change.container is not None or repository is None:
        return change.container
    address = ledger.read([repository])[repository].facts.address
    return (repository, address) if address else None
