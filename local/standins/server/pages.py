"""Data Center's pages: ``start`` and ``limit``, capped in silence by the administrator's maximum, and holes.

The server takes a page first and then leaves out what the caller may not see, so a page can be shorter than its limit
without being the last; only ``nextPageStart`` says where to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from local.standins.http import Refused, Request

Item = TypeVar("Item")
DEFAULT_LIMIT = 25


def page_of(
    items: Sequence[Item],
    request: Request,
    write: Callable[[Item], Any],
    *,
    largest: int,
    visible: Callable[[Item], bool] = lambda _: True,
) -> dict[str, Any]:
    """The page the request asks for; ``Refused(400)`` for a start or limit that is no number or below its least."""
    start = _number(request, "start", 0, least=0)
    limit = min(_number(request, "limit", DEFAULT_LIMIT, least=1), largest)
    values = [write(item) for item in items[start : start + limit] if visible(item)]
    is_last = start + limit >= len(items)
    return {
        "size": len(values),
        "limit": limit,
        "start": start,
        "isLastPage": is_last,
        "nextPageStart": None if is_last else start + limit,
        "values": values,
    }


def _number(request: Request, name: str, default: int, *, least: int) -> int:
    text = request.value(name)
    if text is None:
        return default
    if not text.isdigit() or int(text) < least:
        raise Refused(400, f"{name}: {text!r} is not a number from {least}")
    return int(text)
