"""What the ledger keeps of an object besides its entities."""

from __future__ import annotations

from dataclasses import replace

from bitbucket_port.catalog.items import Facts
from bitbucket_port.objects import Address, JsonObject, Kind, Product

LONGEST_FACT = 1024
"""Characters; a DynamoDB item holds 400 KB, and no name or branch of Bitbucket's is nearly as long."""


def facts_of(product: Product, kind: Kind, address: Address, obj: JsonObject) -> Facts:
    """The facts an object in REST shape tells; what it lacks stays empty."""
    if kind == "pull-request":
        side = _part(obj, "destination" if product == "cloud" else "toRef")
        return Facts(address, full_name=_full_name(product, _part(side, "repository")))
    if kind == "repository":
        return Facts(
            address,
            full_name=_full_name(product, obj),
            project=_text(_part(obj, "project"), "key"),
            main_branch=_text(_part(obj, "mainbranch"), "name") or _text(obj, "__defaultBranch"),
        )
    if kind == "project":
        return Facts(address, full_name=_text(obj, "key"), project=_text(obj, "key"))
    return Facts(address)


def with_main_branch(now: Facts, before: Facts) -> Facts:
    """``now`` with the name of the main branch that ``before`` knows, where a list of the Data Center does not tell it.

    The name stays as long as that branch is seen to have the same head; unknown, every push makes us look.
    """
    if now.main_branch or not before.main_branch or before.commit not in {"", now.commit}:
        return now
    return replace(now, main_branch=before.main_branch)


def _full_name(product: Product, repository: JsonObject) -> str:
    if product == "cloud":
        return _text(repository, "full_name")
    key, slug = _text(_part(repository, "project"), "key"), _text(repository, "slug")
    return f"{key}/{slug}" if key and slug else ""


def _part(obj: JsonObject, name: str) -> JsonObject:
    value = obj.get(name)
    return value if isinstance(value, dict) else {}


def _text(obj: JsonObject, name: str) -> str:
    value = obj.get(name)
    return value if isinstance(value, str) and len(value) <= LONGEST_FACT else ""
