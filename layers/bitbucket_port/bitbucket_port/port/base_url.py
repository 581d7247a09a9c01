"""The address of Port's API, as people write it and as it is meant."""

from __future__ import annotations

from urllib.parse import urlsplit

from bitbucket_port.errors import SettingsError

EXAMPLES = "https://api.getport.io (EU) or https://api.us.getport.io (US)"


def api_root(base_url: str) -> str:
    """The address below which ``/v1/…`` lies, without a trailing slash; a trailing ``/v1`` is accepted.

    Any host will do (tests, proxies), except that of Port's web pages: people copy it from their browser, and it
    answers every path with a page. Raises SettingsError naming the right address.
    """
    root = base_url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(root)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingsError(f"PORT_BASE_URL is not an address: use {EXAMPLES}")
    if host.startswith("app."):
        right = f"https://api.{host.removeprefix('app.')}"
        raise SettingsError(f"PORT_BASE_URL is the address of Port's web pages: use its API, {right}")
    return root
