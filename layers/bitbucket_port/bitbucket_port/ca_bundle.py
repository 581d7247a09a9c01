"""The certificates of a private authority, out of a secret into the file that ``requests`` verifies against."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import ssl
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import certifi

from bitbucket_port.errors import SettingsError
from bitbucket_port.secrets import Secret

_BEGIN = "-----BEGIN CERTIFICATE-----"
_CERTIFICATE = re.compile(rf"{_BEGIN}(.*?)-----END CERTIFICATE-----", re.DOTALL)
_HOW = "store them as text (PEM), for example with: aws secretsmanager put-secret-value --secret-string file://ca.pem"


class CaBundle:
    """The public authorities and those of a secret, in one file.

    ``read`` gives the secret, kept for as long as other secrets are. The file is written once for each version of it,
    and another bundle is another file: connections that were verified against the old one are not used for it.
    """

    def __init__(self, read: Callable[[], Secret]) -> None:
        self._read = read
        self._version, self._path = "", ""

    def path(self) -> str:
        """The file; raises SettingsError when the secret holds no certificates, and what ``read`` raises."""
        secret = self._read()
        if secret.version != self._version:
            self._path, self._version = _written(certificates(secret.value)), secret.version
        return self._path


def _written(own: list[str]) -> str:
    """The file with the public authorities and these; the same for the same certificates."""
    text = "\n".join([Path(certifi.where()).read_text(encoding="utf-8"), *own])
    file = Path(_folder().name) / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.pem"
    if not file.exists():
        unfinished = file.with_suffix(".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(file)
    return str(file)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """This process's alone, until it ends: a known name in /tmp could be somebody else's bundle on a shared machine."""
    return tempfile.TemporaryDirectory(prefix="bitbucket-port-")


def certificates(text: str) -> list[str]:
    """The certificates in a text, each in PEM; what is between them, such as names, is left out.

    Lines may have been joined, as they are by the one-line field of a console. Raises SettingsError, without anything
    of the text, when there is none or one of them cannot be read: a bundle that lacks one is no bundle to begin with.
    """
    found = [_normal(number, match[1]) for number, match in enumerate(_CERTIFICATE.finditer(text), 1)]
    if not found:
        raise SettingsError(f"the secret named by CaBundleSecretArn holds no certificate: {_HOW}")
    if text.count(_BEGIN) != len(found):
        raise SettingsError(f"a certificate in the secret named by CaBundleSecretArn has no end: {_HOW}")
    return found


def _normal(number: int, body: str) -> str:
    try:
        content = base64.b64decode("".join(body.replace("\\n", " ").split()), validate=True)
        pem = ssl.DER_cert_to_PEM_cert(content)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (binascii.Error, ValueError, ssl.SSLError):
        raise SettingsError(
            f"certificate {number} in the secret named by CaBundleSecretArn cannot be read: {_HOW}"
        ) from None
    return pem
