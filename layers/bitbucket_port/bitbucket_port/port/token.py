"""The access token for Port's API, kept in memory and fetched anew in time.

Port hands out one active token per pair of credentials: asking again returns the same one until it ends, so its
lifetime may be anything from three hours down to seconds.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from bitbucket_port.errors import CredentialsRefusedError, NotFoundError, TransientError
from bitbucket_port.http import HttpClient

PATH = "/v1/auth/access_token"
MARGIN_SECONDS = 60.0
MARGIN_SHARE = 0.1
REFUSED_SECONDS = 600.0
"""How long a refused secret is not tried again; another secret is tried at once."""


class NoPortError(TransientError):
    """There is no Port at the address. Transient, because with another address it is mended."""

    means_limit = False


class AccessToken:
    """``header()`` is always a token that should still be good. Not for use by several threads at once.

    ``client_secret`` is asked before every fetch, so that a rotated secret takes effect by itself.
    """

    def __init__(
        self,
        http: HttpClient,
        client_id: str,
        client_secret: Callable[[], str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._value = ""
        self._good_until = 0.0
        self._refused: tuple[bytes, float] | None = None

    def __repr__(self) -> str:
        return f"AccessToken(client_id={self._client_id!r})"

    def header(self) -> str:
        """The value of ``Authorization``. Raises CredentialsRefusedError after exactly one try, TransientError."""
        if self._clock() >= self._good_until:
            self._fetch()
        return self._value

    def forget(self) -> None:
        """The token was refused: fetch another before the next request."""
        self._good_until = 0.0

    def _fetch(self) -> None:
        secret = self._client_secret().strip()
        fingerprint = hashlib.sha256(secret.encode()).digest()
        if self._refused is not None and self._refused[0] == fingerprint:
            left = self._refused[1] - self._clock()
            if left > 0:
                raise CredentialsRefusedError("Port refused this client secret before", retry_after=left)
        try:
            body = {"clientId": self._client_id, "clientSecret": secret}
            answer = self._http.request("POST", PATH, json=body, ok=(200,)).json()
        except CredentialsRefusedError:
            self._refused = (fingerprint, self._clock() + REFUSED_SECONDS)
            raise CredentialsRefusedError(
                "Port refused the client id and secret: check PortClientId, the secret in Secrets Manager and whether "
                "PortBaseUrl is of the right region",
                retry_after=REFUSED_SECONDS,
            ) from None
        except NotFoundError:
            # Never NotFoundError from here: to a caller it would mean that an entity is gone.
            raise NoPortError(
                f"there is no Port API at {self._http.base_url}: check PortBaseUrl", retry_after=REFUSED_SECONDS
            ) from None
        self._refused = None
        self._keep(answer)

    def _keep(self, answer: object) -> None:
        if not isinstance(answer, dict) or not isinstance(answer.get("accessToken"), str):
            raise TransientError("Port answered the request for an access token with something else")
        lifetime = float(answer.get("expiresIn") or 0)
        self._value = f"{answer.get('tokenType') or 'Bearer'} {answer['accessToken']}"
        self._good_until = self._clock() + lifetime - min(MARGIN_SECONDS, lifetime * MARGIN_SHARE)
