"""TLS towards Bitbucket and Port: who is trusted, and what is demanded of a certificate."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context


class TlsAdapter(HTTPAdapter):
    """Reads the authorities once for all connections of this process: requests has them read for each one anew, which
    takes longer than the connection.
    """

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Which connections may serve a request: those that were verified against the same file.

        Raises OSError when it cannot be read.
        """
        host: Any
        pool: Any
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify:
            pool["ssl_context"] = _context(verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH)
        return host, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave out what the context has already; a proxy that is itself spoken to over TLS has another context."""
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        if verify and (conn.proxy is None or conn.proxy.scheme != "https"):
            conn.ca_certs = conn.ca_cert_dir = None


@cache
def _context(authorities: str) -> ssl.SSLContext:
    """Of a file or folder.

    Where it is the user's, who is trusted, for which name and until when is verified, but not every form: from Python
    3.13 on ``VERIFY_X509_STRICT`` is set by default, and refuses what many a company's authority issues, such as
    certificates without an Authority Key Identifier (Python documentation, ``ssl.create_default_context``).
    """
    context = create_urllib3_context()
    if authorities != DEFAULT_CA_BUNDLE_PATH:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    folder = Path(authorities).is_dir()
    context.load_verify_locations(None if folder else authorities, authorities if folder else None)
    return context
