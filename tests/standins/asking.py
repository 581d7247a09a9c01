"""Asking a stand-in over real HTTP."""

from __future__ import annotations

from typing import Any

import requests


def ask(
    stand_in: Any, path: str, *, method: str = "GET", token: str | None = None, **options: Any
) -> requests.Response:
    """One request with the stand-in's own credentials, redirects not followed."""
    headers = {"Authorization": f"Bearer {token or stand_in.token}"}
    return requests.request(
        method, stand_in.api_url + path, headers=headers, timeout=5, allow_redirects=False, **options
    )


def read(stand_in: Any, path: str, **parameters: Any) -> Any:
    """The JSON of an answer that must be 200."""
    answer = ask(stand_in, path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()
