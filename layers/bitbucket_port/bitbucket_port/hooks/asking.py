"""What both products' webhooks are asked for in the same way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol, TypeVar

from bitbucket_port.errors import NotFoundError, TransientError
from bitbucket_port.http import HttpClient, Response
from bitbucket_port.objects import JsonObject

Answer = TypeVar("Answer")


class Asks(Protocol):
    """Bitbucket, asked with care for a refused token: ``reading.BitbucketReader``."""

    def asked(self, ask: Callable[[HttpClient], Answer]) -> Answer:
        """What ``ask`` gets with the client itself."""
        ...


def request(
    bitbucket: Asks,
    method: str,
    path: str,
    *,
    params: JsonObject | None = None,
    json: Any = None,
    ok: Collection[int] = (200,),
) -> Response:
    """One request; one that makes something is sent only once, since nobody knows whether it arrived."""
    retry = method != "POST"
    return bitbucket.asked(lambda http: http.request(method, path, params=params, json=json, retry=retry, ok=ok))


def objects(page: JsonObject) -> list[JsonObject]:
    """The objects of a page; TransientError when it is no page, since that is not an empty one."""
    values = page.get("values")
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise TransientError("Bitbucket answered with something that is not a page of a list")
    return values


def an_object(response: Response) -> JsonObject:
    """The JSON object of an answer; raises TransientError when it is anything else."""
    answer = response.json()
    if not isinstance(answer, dict):
        raise TransientError(f"{response.sender} answered with something that is not a JSON object")
    return answer


def text_of(obj: JsonObject, name: str) -> str:
    """A text or number of an object as text; raises TransientError where there is none."""
    value = obj.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise TransientError(f"Bitbucket answered with an object that has no {name}")
    return str(value)


def events_of(obj: JsonObject) -> frozenset[str]:
    """The events of a webhook."""
    events = obj.get("events")
    return frozenset(map(str, events)) if isinstance(events, list) else frozenset()


def cloud_pages(bitbucket: Asks, path: str, params: JsonObject) -> Iterator[JsonObject]:
    """Every object of a list of Bitbucket Cloud, following ``next``."""
    url: str | None = path
    seen: set[str] = set()
    while url is not None:
        page = an_object(request(bitbucket, "GET", url, params=params if not seen else None))
        yield from objects(page)
        seen.add(url)
        url = page.get("next")
        if url is not None and (not isinstance(url, str) or url in seen):
            raise TransientError("Bitbucket Cloud leads in circles from page to page of a list")


def server_pages(bitbucket: Asks, path: str, params: JsonObject | None = None) -> Iterator[JsonObject]:
    """Every object of a list of the Data Center, by its own ``nextPageStart``."""
    start = 0
    while True:
        page = an_object(request(bitbucket, "GET", path, params={**(params or {}), "limit": 1000, "start": start}))
        yield from objects(page)
        # The list of webhooks came without pages in old versions: what does not say that it goes on is all.
        if page.get("isLastPage", "nextPageStart" not in page) is True:
            return
        following = page.get("nextPageStart")
        if isinstance(following, bool) or not isinstance(following, int) or following <= start:
            raise TransientError("the Data Center does not say where the next page of a list begins")
        start = following


def removed(bitbucket: Asks, path: str) -> None:
    """DELETE; nothing where it is gone already."""
    try:
        request(bitbucket, "DELETE", path, ok=(200, 204))
    except NotFoundError:
        return
