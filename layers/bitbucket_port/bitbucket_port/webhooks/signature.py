"""Whether a request was signed with one of our secrets."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

SCHEME = "sha256="
_WELL_FORMED = re.compile(r"sha256=[0-9a-f]{64}")


def sign(body: bytes, secret: str) -> str:
    """The ``X-Hub-Signature`` both products send: ``sha256=`` and the lower-case hex HMAC-SHA256 of the raw body."""
    return SCHEME + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(body: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """Whether ``header`` is the signature of exactly these bytes under one of ``secrets``.

    Takes the same time wherever the first difference is and whichever secret matches. An empty secret never matches:
    anybody can sign with it.
    """
    if header is None or not _WELL_FORMED.fullmatch(header):
        return False
    matches = [hmac.compare_digest(sign(body, secret), header) for secret in secrets if secret]
    return any(matches)
