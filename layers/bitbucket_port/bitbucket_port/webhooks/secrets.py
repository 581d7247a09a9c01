"""The webhook secret as it is: Secrets Manager, in the middle of a rotation or not.

After a rotation Bitbucket signs with the old secret until its webhooks are updated, so the previous stage verifies,
too. It does not exist before the first rotation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from bitbucket_port.webhooks.receive import SecretsUnavailableError

KEEP_SECONDS = 300.0
REREAD_SECONDS = 10.0
"""A wrong signature costs a read of the secret at most this often, however many of them somebody sends."""


class RotatingSecrets:
    """Keeps the secret in memory and looks again when a signature does not match.

    ``client`` is boto3's Secrets Manager client; ``clock`` gives seconds that never run backwards.
    """

    def __init__(self, client: Any, arn: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._arn = arn
        self._clock = clock
        self._secrets: tuple[str, ...] = ()
        self._read_at = 0.0
        self._reread_at: float | None = None
        self._failure: SecretsUnavailableError | None = None

    def known(self) -> Sequence[str]:
        """The secrets in memory; read when there are none, or none young enough.

        A secret that was rotated away twice must stop working some time even if nothing ever mismatches, hence the
        age. When it cannot be read anew, the old one serves on. Raises SecretsUnavailableError if there is none.
        """
        if self._secrets and self._clock() - self._read_at < KEEP_SECONDS:
            return self._secrets
        if not self._secrets:
            self._keep((self._current(),))
            return self._secrets
        try:
            self._keep(self._both_stages())
        except SecretsUnavailableError:
            # Not at every request: each try can take seconds, and Bitbucket waits.
            self._read_at = self._clock() - KEEP_SECONDS + REREAD_SECONDS
        return self._secrets

    def reread(self) -> Sequence[str]:
        """Both stages read anew; nothing if that was done within the last ``REREAD_SECONDS``.

        Raises SecretsUnavailableError when they cannot be read, and until the next try.
        """
        now = self._clock()
        if self._reread_at is not None and now - self._reread_at < REREAD_SECONDS:
            if self._failure:
                raise self._failure
            return ()
        self._reread_at = now
        try:
            self._keep(self._both_stages())
        except SecretsUnavailableError as error:
            self._failure = error
            raise
        self._failure = None
        return self._secrets

    def _keep(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets
        self._read_at = self._clock()

    def _current(self) -> str:
        try:
            secret = str(self._client.get_secret_value(SecretId=self._arn)["SecretString"])
        except (ClientError, BotoCoreError, KeyError) as error:
            raise _unavailable(error) from error
        if not secret:
            raise SecretsUnavailableError("the webhook secret is empty: put a value into it")
        return secret

    def _both_stages(self) -> tuple[str, ...]:
        return (self._current(), *self._previous())

    def _previous(self) -> tuple[str, ...]:
        try:
            answer = self._client.get_secret_value(SecretId=self._arn, VersionStage="AWSPREVIOUS")
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException":
                return ()
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        previous = answer.get("SecretString")
        return (str(previous),) if previous else ()


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _unavailable(error: Exception) -> SecretsUnavailableError:
    reason = _code(error) if isinstance(error, ClientError) else type(error).__name__
    return SecretsUnavailableError(f"the webhook secret cannot be read: {reason}")
