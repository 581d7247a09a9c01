"""Makes the shapes in which Bitbucket gives one object equal before jq reads them."""

from __future__ import annotations

from bitbucket_port.objects import JsonObject, Kind, Product

SHORT_HASH = 12


def normalise(product: Product, kind: Kind, obj: JsonObject) -> JsonObject:
    """``obj`` as every mapping sees it, from a webhook or from the REST API; the argument is not changed.

    Cloud shortens a pull request's merge commit to 12 digits in webhooks and in some REST answers, not in all: every
    one is cut to 12.
    """
    if product != "cloud" or kind != "pull-request":
        return obj
    merge_commit = obj.get("merge_commit")
    if not isinstance(merge_commit, dict) or not isinstance(merge_commit.get("hash"), str):
        return obj
    return {**obj, "merge_commit": {**merge_commit, "hash": merge_commit["hash"][:SHORT_HASH]}}
