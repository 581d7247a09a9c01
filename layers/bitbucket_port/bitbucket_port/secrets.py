"""Secrets, read from Secrets Manager at run time and kept in memory for a short while."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bitbucket_port.errors import SettingsError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import GetSecretValueResponseTypeDef

KEEP_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's value and the version of Secrets Manager it belongs to; its ``repr`` shows no value."""

    value: str = field(repr=False)
    version: str


class SecretReader:
    """Reads secrets by ARN, at most once in ``KEEP_SECONDS`` each."""

    def __init__(self, client: SecretsManagerClient, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[str, tuple[float, Secret]] = {}

    def current(self, arn: str, *, fresh: bool = False) -> Secret:
        """The current value of the secret; ``fresh`` reads it anew.

        Raises botocore's ClientError when it cannot, and SettingsError when what it reads is no text.
        """
        kept = self._kept.get(arn)
        if kept and not fresh and self._clock() - kept[0] < KEEP_SECONDS:
            return kept[1]
        answer = self._client.get_secret_value(SecretId=arn)
        secret = Secret(_text(arn, answer), answer["VersionId"])
        self._kept[arn] = (self._clock(), secret)
        return secret

    def current_field(self, arn: str, name: str, *, fresh: bool = False) -> Secret:
        """One text field of a secret that is a JSON object.

        Raises SettingsError naming the field, never a value, when the secret is not such an object.
        """
        secret = self.current(arn, fresh=fresh)
        try:
            value = json.loads(secret.value)[name]
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"the secret named by CredentialsSecretArn has no field {name!r}: make it a JSON object with "
                '"bitbucketToken" and "portClientSecret"'
            ) from error
        if not isinstance(value, str):
            raise SettingsError(f"the field {name!r} of the secret named by CredentialsSecretArn is not a text")
        return Secret(value, secret.version)


def _text(arn: str, answer: GetSecretValueResponseTypeDef) -> str:
    """A file given as ``--secret-binary`` may be as good as one given as ``--secret-string``."""
    if "SecretString" in answer:
        return answer["SecretString"]
    try:
        return answer["SecretBinary"].decode("utf-8")
    except UnicodeDecodeError:
        raise SettingsError(f"the secret {arn} holds no text: put its value into it as text") from None
