"""What a request without an answer is told as: what stood in the way, and what to do about it.

Never the library's own text, which may hold a proxy's password.
"""

from __future__ import annotations

import re
import socket
import ssl

import requests

_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's X509_V_ERR_…: the issuer is not found, or the chain ends in a certificate that nobody trusts."""
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


def connection_fault(error: requests.RequestException) -> tuple[str, bool]:
    """What goes after the name of who was asked, and whether trying again at once may help."""
    if isinstance(error, requests.exceptions.SSLError):
        text, again = _tls_fault(error)
    elif isinstance(error, requests.exceptions.ProxyError):
        text, again = _proxy_fault(error)
    elif isinstance(error, requests.ReadTimeout):
        return "did not answer in time", True
    elif isinstance(error, requests.ConnectTimeout):
        text, again = "no connection came about in time; is there a way out of this network?", True
    elif isinstance(_cause(error), socket.gaierror):
        text, again = "its name cannot be resolved here", True
    else:
        text = type(_cause(error)).__name__
        again = isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError)
    return f"cannot be reached: {text}", again


def _tls_fault(error: requests.exceptions.SSLError) -> tuple[str, bool]:
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


def _proxy_fault(error: requests.exceptions.ProxyError) -> tuple[str, bool]:
    """Of the library's text only the status is taken."""
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
    """The innermost error: requests wraps urllib3's, which wrap the system's or OpenSSL's."""
    for _ in range(10):
        inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        found = next((one for one in inner if isinstance(one, BaseException)), None)
        if found is None or isinstance(error, ssl.SSLError):
            break
        error = found
    return error
