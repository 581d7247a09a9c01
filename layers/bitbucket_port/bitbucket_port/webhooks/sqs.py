"""The live queues as they are: SQS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from bitbucket_port.webhooks.event_keys import Family
from bitbucket_port.webhooks.receive import QueueUnavailableError


class SqsQueues:
    """Sends to the queue of a family. ``client`` is boto3's SQS client, ``urls`` has one queue URL per family."""

    def __init__(self, client: Any, urls: Mapping[Family, str]) -> None:
        self._client = client
        self._urls = dict(urls)

    def send(self, family: Family, message: str) -> None:
        """Returns once SQS has the message; raises QueueUnavailableError for every reason it has not."""
        try:
            self._client.send_message(QueueUrl=self._urls[family], MessageBody=message)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise QueueUnavailableError(f"the {family} queue refused the message: {code}") from error
        except BotoCoreError as error:
            raise QueueUnavailableError(f"the {family} queue cannot be reached: {type(error).__name__}") from error
