"""What became of a delivery, in words for people."""

from __future__ import annotations

import re
from collections.abc import Sequence

PRODUCTS = {"cloud": "Bitbucket Cloud", "server": "Bitbucket Data Center"}

ANSWERS = {
    400: "the request is no webhook of Bitbucket",
    401: "the signature is missing or wrong",
    404: "the API has no such path",
    413: "the body is too large",
    431: "the headers are too large",
    500: "the function failed; Bitbucket may try again",
    503: "the delivery could not be stored; Bitbucket tries again",
}

_RESULTS = {
    "unchanged": "the catalog says so already",
    "stale": "something newer is in the catalog already",
    "not needed": "nothing the mapping uses can have changed",
    "absent": "it is neither in Bitbucket nor in the catalog",
    "deleting": "what hangs below it is deleted first",
    "left": "a newer reading was there already",
    "unreadable": "nothing could be made of it",
}
_READINGS = {"payload": "from the event itself", "refresh": "after asking Bitbucket", "page": "from a listing"}


def object_name(source_key: str) -> str:
    """A source key's kind, and what tells it from its neighbours where that means something to a reader.

    ``pull-request#…#7`` is "Pull request 7"; ids of other kinds mean nothing to anybody.
    """
    kind, _, rest = source_key.partition("#")
    name = kind.replace("-", " ").capitalize()
    number = rest.rpartition("#")[2]
    return f"{name} {number}" if kind == "pull-request" and number.isdecimal() else name


def object_result(result: str, reading: str, *, written: int, renamed: int, deleted: int) -> str:
    """What became of one object: "2 entities written, after asking Bitbucket"."""
    counts = [
        f"{entities(count)} {verb}"
        for count, verb in ((written, "written"), (renamed, "renamed"), (deleted, "deleted"))
        if count
    ]
    if counts:
        return ", ".join([*counts, *([_READINGS[reading]] if reading in _READINGS else [])])
    if result == "unchanged" and reading == "none":
        return "a later reading had it already"
    return _RESULTS.get(result, result)


def label(results: Sequence[str], *, written: int, renamed: int, deleted: int) -> str:
    """One word or two for everything a delivery did."""
    if renamed:
        return "Renamed"
    if written:
        return "Written"
    if deleted:
        return "Deleted"
    if "unreadable" in results:
        return "Not mapped"
    if "deleting" in results:
        return "Deleting"
    return {"unchanged": "No change", "stale": "Outdated", "absent": "Already gone"}.get(
        results[0] if results else "", "Not needed"
    )


def entities(count: int) -> str:
    """ "1 entity", "2 entities"."""
    return f"{count} entit{'y' if count == 1 else 'ies'}"


def counted(count: int, one: str, many: str) -> str:
    """ "1 message", "2 messages"."""
    return f"{count} {one if count == 1 else many}"


def queue_name(logical_id: str) -> str:
    """``PullRequestQueue`` and ``PullRequestDeadLetters`` are both "Pull request"."""
    words = re.findall(r"[A-Z][a-z0-9]*", re.sub(r"(Queue|DeadLetters(Queue)?)$", "", logical_id))
    return " ".join(words).capitalize() or logical_id
