"""TLS towards Bitbucket and Port: what is demanded of a certificate, and what a refused one is told as."""

from __future__ import annotations

import re
import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's X509_V_ERR_…: the issuer is not found, or the chain ends in a certificate that nobody trusts."""
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


class TlsAdapter(HTTPAdapter):
    """Where certificates are verified against a file of the user's, form is not: no ``VERIFY_X509_STRICT``.

    From Python 3.13 on that flag is set by default and refuses what many a company's authority issues, such as
    certificates without an Authority Key Identifier (Python documentation, ``ssl.create_default_context``). Who is
    trusted, for which name and until when is verified all the same.
    """

    def __init__(self) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}
        super().__init__()

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Which connections may serve a request: those that were verified against the same file."""
        host: Any
        pool: Any
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if isinstance(verify, str):
            if verify not in self._contexts:
                self._contexts[verify] = _lenient_context()
            pool["ssl_context"] = self._contexts[verify]
        return host, pool


def _lenient_context() -> ssl.SSLContext:
    """Without any authority yet: urllib3 reads the file into it."""
    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
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
