"""What a stack of ``template.yaml`` consists of: its template, and the queues, table and secrets in moto."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from bitbucket_port.objects import Product
from local import supported
from local.aws import DeadLetter, Moto
from local.deployment import ROOT
from local.resources import Resources
from local.template import Template, read, translate

Change = Callable[[dict[str, Any]], None]
_DEPTHS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class StackResources:
    """The resources of one stack, which are made when they are first asked for. The arguments are ``Stack``'s."""

    def __init__(self, parameters: Mapping[str, Any], *, moto: Moto, change: Change | None, name: str) -> None:
        self.name = name or "local-" + secrets.token_hex(4)
        self._moto, self.clock = moto, moto.clock
        self._changes = [change] if change else []
        self._parameters = dict(parameters)
        self._chosen_secrets: dict[str, str] = {}
        self._created = False
        self._resources = self._described()
        self.product: Product = "server" if self.template.parameters["BitbucketProduct"] == "server" else "cloud"
        self.sqs = moto.client("sqs")
        self.secrets = moto.client("secretsmanager")
        self.dynamodb = moto.client("dynamodb")

    def _described(self, before: Resources | None = None) -> Resources:
        """The template as it is to be, with its parameters; ``before`` is what there is."""
        document = translate(read(ROOT / "template.yaml"))
        for change in self._changes:
            change(document)
        described = Resources(
            document,
            self._parameters,
            stack_name=self.name,
            moto=self._moto,
            secret_values=self._chosen_secrets,
            before=before,
        )
        supported.check(described.template)
        return described

    @property
    def template(self) -> Template:
        """The template, with the parameters of this moment."""
        return self._resources.template

    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        return self.template.outputs()

    # --- names -------------------------------------------------------------------------------------------------------

    @property
    def webhook_secret(self) -> str:
        """What Bitbucket has to sign with; may be chosen before the start, and is rotated afterwards."""
        if not self._created:
            return self._chosen_secrets.get("WebhookSecret", "")
        return self._moto.secret(self.secret_arn("WebhookSecret"))

    @webhook_secret.setter
    def webhook_secret(self, value: str) -> None:
        if self._created:
            self.secrets.put_secret_value(SecretId=self.secret_arn("WebhookSecret"), SecretString=value)
        elif value:
            self._chosen_secrets["WebhookSecret"] = value

    def secret_arn(self, logical_id: str) -> str:
        """The ARN of one of the stack's secrets."""
        return self._resource_name(logical_id)

    def queue_url(self, logical_id: str) -> str:
        """The URL of one of the stack's queues."""
        return self._resource_name(logical_id)

    @property
    def table(self) -> str:
        """The name of the ledger's table."""
        return self._resource_name("Ledger")

    def _resource_name(self, logical_id: str) -> str:
        """What ``Ref`` says of a resource."""
        return self._resources.attribute(logical_id, "")

    def dead_letter_queues(self) -> list[str]:
        """Logical ids of the queues that other queues hand their dead letters to."""
        queues = self.template.resources("AWS::SQS::Queue")
        policies = [self.template.resolve(queue.get("RedrivePolicy", {})) for queue in queues.values()]
        targets = {policy.get("deadLetterTargetArn") for policy in policies}
        return [name for name in queues if self._resources.attribute(name, "Arn") in targets]

    # --- what they hold ----------------------------------------------------------------------------------------------

    def depths(self) -> dict[str, int]:
        """Messages in each queue, the invisible ones included."""
        found = {}
        for logical_id in self.template.resources("AWS::SQS::Queue"):
            answer = self.sqs.get_queue_attributes(QueueUrl=self.queue_url(logical_id), AttributeNames=list(_DEPTHS))
            found[logical_id] = sum(int(answer["Attributes"][name]) for name in _DEPTHS)
        return found

    def dead_letters(self) -> dict[str, list[DeadLetter]]:
        """Logical id of each dead-letter queue → its messages, oldest first, left where they are."""
        return {name: self._moto.dead_letters(self.queue_url(name)) for name in self.dead_letter_queues()}
