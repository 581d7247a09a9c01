"""Requests to addresses of AWS's own that set-up makes itself: past the proxy, and through it where that is no way out.

``NO_PROXY`` keeps them off the proxy, so that a private network needs no more than an endpoint for them. There is none
for what answers webhooks, and a network may have none for S3, where CloudFormation waits for its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import requests
from requests.utils import get_environ_proxies

from bitbucket_port.http import Session

TIMEOUT = (3.0, 10.0)
"""Seconds for a connection and for the answer. A network without a way out answers nothing at all."""


def send_either_way(
    method: str,
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    verify: bool | str = True,
) -> requests.Response:
    """The answer, read completely, with whatever status; redirects are not followed.

    The proxy is tried when no connection came about without it, or none that can be trusted. Raises
    requests.RequestException of the way that was tried last; the text may hold the address.
    """
    request: dict[str, Any] = {"data": body, "headers": dict(headers), "verify": verify}
    proxies = _proxies_left_out(url)
    try:
        return _send(method, url, request, {})
    except requests.ConnectionError:
        if not proxies:
            raise
    return _send(method, url, request, proxies)


def _proxies_left_out(url: str) -> dict[str, str]:
    """The proxy that there is for such an address, but not for this host; as ``requests`` takes it."""
    scheme = urlsplit(url).scheme
    proxy = getproxies().get(scheme)
    return {scheme: proxy} if proxy and scheme not in get_environ_proxies(url) else {}


def _send(method: str, url: str, request: Mapping[str, Any], proxies: dict[str, str]) -> requests.Response:
    with Session() as session:
        session.trust_env = not proxies  # It would take the proxy away again.
        # No credentials of a .netrc file may go with it, hence an authentication of our own that adds nothing.
        return session.request(method, url, timeout=TIMEOUT, proxies=proxies, auth=lambda one: one, **request)
