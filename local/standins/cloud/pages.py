"""Bitbucket Cloud's pages: ``pagelen`` with a maximum that is refused when passed, ``next`` as a whole URL."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from local.standins.http import Refused, Request

DEFAULT_PAGELEN = 10
PAGELEN = 100
PULL_REQUEST_PAGELEN = 50


def page_of(values: list[dict[str, Any]], request: Request, base_url: str, *, largest: int = PAGELEN) -> dict[str, Any]:
    """The page the request asks for; ``Refused(400)`` for a page size or number Bitbucket does not take."""
    pagelen = _number(request, "pagelen", DEFAULT_PAGELEN, "Invalid pagelen")
    if pagelen > largest:
        raise Refused(400, "Invalid pagelen")
    page = _number(request, "page", 1, "Invalid page")
    start = (page - 1) * pagelen
    answer: dict[str, Any] = {"pagelen": pagelen, "size": len(values), "page": page}
    if start + pagelen < len(values):
        answer["next"] = _link(request, base_url, page + 1)
    if page > 1:
        answer["previous"] = _link(request, base_url, page - 1)
    answer["values"] = values[start : start + pagelen]
    return answer


def _number(request: Request, name: str, default: int, complaint: str) -> int:
    text = request.value(name)
    if text is None:
        return default
    if not text.isdigit() or int(text) < 1:
        raise Refused(400, complaint)
    return int(text)


def _link(request: Request, base_url: str, page: int) -> str:
    query = {**request.query, "page": [str(page)]}
    return f"{base_url}{request.path}?{urlencode(query, doseq=True)}"
