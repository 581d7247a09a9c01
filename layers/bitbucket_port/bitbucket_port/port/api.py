"""Port's API as those see it who need no more than that: any request, and its answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from bitbucket_port.objects import JsonObject


class PortApi(Protocol):
    """Port, as far as any request to its API goes (``PortClient``)."""

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        ok: Collection[int] = (200, 201),
        headers: Mapping[str, str] | None = None,
        retry: bool = True,
    ) -> tuple[int, JsonObject]:
        """Status and body of the answer; see ``PortClient.call``."""
