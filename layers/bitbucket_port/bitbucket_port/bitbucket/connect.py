"""Puts a Bitbucket together from settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from bitbucket_port.bitbucket.budget import Budget
from bitbucket_port.bitbucket.client import Bitbucket
from bitbucket_port.bitbucket.cloud import CloudBitbucket
from bitbucket_port.bitbucket.credentials import Credentials
from bitbucket_port.bitbucket.server import API, ServerBitbucket
from bitbucket_port.errors import SettingsError
from bitbucket_port.http import Deadline, HttpClient, Verify
from bitbucket_port.objects import Product


def connect(
    product: Product,
    url: str,
    token: Callable[[], str],
    *,
    deadline: Deadline,
    workspace: str = "",
    username: str = "",
    verify: Verify = True,
    budgets: Callable[[str], Budget] | None = None,
    reserve: Callable[[], bool] | None = None,
    turn: AbstractContextManager[object] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Bitbucket:
    """The adapter for this product; sends nothing yet.

    ``url`` is Cloud's REST root with its version, or the Data Center's base URL; ``token`` reads the secret, asked
    before each request. ``budgets`` and ``reserve``: see Credentials, ``verify``, ``turn`` and ``sleep``: HttpClient.
    Raises SettingsError.
    """
    if product == "cloud" and not workspace:
        raise SettingsError("BitbucketWorkspace is empty: Bitbucket Cloud is read one workspace at a time")
    credentials = Credentials(token, product=product, username=username, budgets=budgets, reserve=reserve)
    http = HttpClient(
        url if product == "cloud" else url.rstrip("/").removesuffix(API) + API,
        headers=credentials.headers,
        throttled=credentials.throttled,
        answered=credentials.answered,
        deadline=deadline,
        verify=verify,
        turn=turn,
        sleep=sleep,
        name="Bitbucket Cloud" if product == "cloud" else "Bitbucket Data Center",
    )
    return CloudBitbucket(http, workspace) if product == "cloud" else ServerBitbucket(http)
