"""TLS towards Bitbucket and Port: what is demanded of a certificate, and what a refused one is told as."""

from __future__ import annotations

import re
import ssl
from functools import cache
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's X509_V_ERR_…: the issuer is not found, or the chain ends in a certificate that nobody trusts."""
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


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


def tls_trouble(error: requests.exceptions.SSLError) -> tuple[str, bool]:
    """What went wrong, with what to do, and whether trying again at once may help. Holds no address and no secret."""
    cause = _cause(error)
    if not isinstance(cause, ssl.SSLCertVerificationError):
        why = cause.reason if isinstance(cause, ssl.SSLError) and cause.reason else type(cause).__name__
        return f"no TLS connection came about ({why})", True
    if cause.verify_code in _UNKNOWN_AUTHORITY:
        return (
            f"the TLS certificate comes from an authority that is not trusted here ({cause.verify_message}): put the "
            "authority's certificates (PEM) into a secret and name it in CaBundleSecretArn; the command takes them "
            "from the file in SSL_CERT_FILE"
        ), False
    return f"the TLS certificate was not accepted ({cause.verify_message})", False


def proxy_trouble(error: requests.exceptions.ProxyError) -> tuple[str, bool]:
    """The same for a proxy; of the library's text, which may hold the proxy's password, only the status is taken."""
    if told := _TUNNEL.search(str(error)):
        status = int(told[1])
        if status == 407:
            return "the proxy asks for credentials (407), which a stack never has: let its addresses through", False
        return f"the proxy did not lead there ({status})", status >= 500
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the proxy's own TLS certificate was not accepted ({cause.verify_message})", False
    return "the proxy cannot be reached, or broke off", True


def _cause(error: BaseException) -> BaseException:
    """The innermost error: requests wraps urllib3's, which wrap OpenSSL's."""
    for _ in range(10):
        if isinstance(error, ssl.SSLError):
            return error
        inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        found = next((one for one in inner if isinstance(one, BaseException)), None)
        if found is None:
            return error
        error = found
    return error
