"""The stack of ``template.yaml`` on this machine: its resources in moto, its functions as processes."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from local.aws import CREDENTIALS, Moto
from local.functions import Function
from local.gateway import Gateway
from local.poller import Poller
from local.template import Template, read, translate

ROOT = Path(__file__).resolve().parent.parent
CONCURRENCY = 8
"""Processes one function may have at once."""


class Stack:
    """One deployed stack.

    ``parameters`` are the template's; ``moto`` is running; ``change`` may alter the translated template before it is
    deployed (tests of other settings). Attributes: ``url`` of the API, ``webhook_secret``.
    """

    def __init__(
        self,
        parameters: Mapping[str, str],
        *,
        moto: Moto,
        gateway_port: int = 0,
        change: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._moto = moto
        self._raw = read(ROOT / "template.yaml")
        document = translate(self._raw)
        if change:
            change(document)
        self._attributes: dict[tuple[str, str], str] = {}
        self.template = Template(document, parameters, self._attribute)
        self._gateway_port = gateway_port
        self._name = "local-" + secrets.token_hex(4)
        self.sqs = moto.client("sqs")
        self.secrets = moto.client("secretsmanager")
        self.dynamodb = moto.client("dynamodb")
        self._folder = Path(tempfile.mkdtemp(prefix="bitbucket-port-"))
        self.functions: dict[str, Function] = {}
        self._pollers: list[Poller] = []
        self._gateway: Gateway | None = None
        self._chosen_secret = ""
        self.url = ""

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> str:
        """Create everything and begin to answer; returns the API's URL."""
        self._create_queues()
        self._create_table()
        self._create_secrets()
        self._create_functions()
        self._create_pollers()
        self._gateway = Gateway(self._routes(), port=self._gateway_port, after=self.nudge)
        self.url = self._gateway.start()
        return self.url

    def warm(self) -> None:
        """Start a process of every function, so that the first webhook finds one."""
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda function: function.warm(), self.functions.values()))

    def stop(self) -> None:
        """End everything that was started; the logs go too."""
        if self._gateway:
            self._gateway.stop()
        for poller in self._pollers:
            poller.stop()
        for function in self.functions.values():
            function.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- what tests and the story need -------------------------------------------------------------------------------

    @property
    def webhook_secret(self) -> str:
        """What Bitbucket has to sign with; may be chosen before the start, and is rotated afterwards."""
        if self._chosen_secret:
            return self._chosen_secret
        return str(self.secrets.get_secret_value(SecretId=self.secret_arn("WebhookSecret"))["SecretString"])

    @webhook_secret.setter
    def webhook_secret(self, value: str) -> None:
        if self.url:
            self.secrets.put_secret_value(SecretId=self.secret_arn("WebhookSecret"), SecretString=value)
        self._chosen_secret = value

    def secret_arn(self, logical_id: str) -> str:
        """The ARN of one of the stack's secrets."""
        return self._attributes[logical_id, ""]

    def queue_url(self, logical_id: str) -> str:
        """The URL of one of the stack's queues."""
        return self._attributes[logical_id, ""]

    @property
    def table(self) -> str:
        """The name of the ledger's table."""
        return self._attributes["Ledger", ""]

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        """A request to the API."""
        return requests.post(self.url + path, data=body, headers=dict(headers), timeout=30)

    def depths(self) -> dict[str, int]:
        """Messages in each queue, the invisible ones included."""
        names = (
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        )
        found = {}
        for logical_id in self.template.resources("AWS::SQS::Queue"):
            attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue_url(logical_id), AttributeNames=list(names))[
                "Attributes"
            ]
            found[logical_id] = sum(int(attributes[name]) for name in names)
        return found

    def settle(self, timeout: float = 120.0) -> None:
        """Wait until every queue but the dead letters' is empty and nothing is being handled.

        Raises TimeoutError naming the queues that are not.
        """
        deadline = time.monotonic() + timeout
        pause = 0.02
        while True:
            self.nudge()
            # What is being handled is known without asking; asking a busy moto would only slow it down.
            busy = any(poller.in_flight for poller in self._pollers)
            waiting = {} if busy else self._waiting()
            if not waiting and not busy and not any(poller.in_flight for poller in self._pollers):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"still waiting: {waiting or self._waiting()}\n{self.logs()[-4000:]}")
            time.sleep(pause)
            pause = min(0.3, pause * 1.5)

    def _waiting(self) -> dict[str, int]:
        return {name: depth for name, depth in self.depths().items() if depth and "DeadLetters" not in name}

    def nudge(self) -> None:
        """Have every queue looked at now."""
        for poller in self._pollers:
            poller.nudge()

    def logs(self) -> str:
        """What the functions wrote so far."""
        return "".join(path.read_text(encoding="utf-8") for path in sorted(self._folder.glob("*.log")))

    # --- resources ---------------------------------------------------------------------------------------------------

    def _attribute(self, logical_id: str, attribute: str) -> str:
        if (logical_id, attribute) in self._attributes:
            return self._attributes[logical_id, attribute]
        # A resource this machine has no need of; its name is enough where it is only mentioned.
        return f"{self._name}-{logical_id}{'-' + attribute if attribute else ''}"

    def _physical_name(self, logical_id: str) -> str:
        return f"{self._name}-{logical_id}"

    def _create_queues(self) -> None:
        queues = self.template.resources("AWS::SQS::Queue")
        # A dead-letter queue has to be there before the queue that names it.
        for logical_id in sorted(queues, key=lambda name: "RedrivePolicy" in queues[name]):
            properties = self.template.resolve(queues[logical_id])
            attributes = {
                name: _text(properties[name])
                for name in ("VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy", "DelaySeconds")
                if name in properties
            }
            url = self.sqs.create_queue(QueueName=self._physical_name(logical_id), Attributes=attributes)["QueueUrl"]
            arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            self._attributes |= {
                (logical_id, ""): url,
                (logical_id, "Arn"): arn,
                (logical_id, "QueueName"): self._physical_name(logical_id),
            }

    def _create_table(self) -> None:
        for logical_id, unresolved in self.template.resources("AWS::DynamoDB::Table").items():
            properties = self.template.resolve(unresolved)
            name = self._physical_name(logical_id)
            answer = self.dynamodb.create_table(
                TableName=name,
                **{key: properties[key] for key in ("AttributeDefinitions", "KeySchema", "BillingMode")},
            )
            self.dynamodb.update_time_to_live(
                TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"]
            )
            self._attributes |= {
                (logical_id, ""): name,
                (logical_id, "Arn"): answer["TableDescription"]["TableArn"],
            }

    def _create_secrets(self) -> None:
        for logical_id, unresolved in self.template.resources("AWS::SecretsManager::Secret").items():
            properties = self.template.resolve(unresolved)
            value = properties.get("SecretString")
            if value is None:
                generated = self.secrets.get_random_password(**properties["GenerateSecretString"])
                value = self._chosen_secret or generated["RandomPassword"]
            answer = self.secrets.create_secret(Name=self._physical_name(logical_id), SecretString=value)
            self._attributes[logical_id, ""] = answer["ARN"]

    def _create_functions(self) -> None:
        layers = ROOT / "layers" / "bitbucket_port"
        for logical_id, unresolved in self.template.resources("AWS::Lambda::Function").items():
            properties = self.template.resolve(unresolved)
            self.functions[logical_id] = Function(
                logical_id,
                folder=ROOT / self._raw["Resources"][logical_id]["Properties"]["CodeUri"],
                layers=layers,
                handler=properties["Handler"],
                environment=self._environment(logical_id, properties),
                timeout=float(properties["Timeout"]),
                log=self._folder / f"{logical_id}.log",
                concurrency=CONCURRENCY,
            )

    def _environment(self, logical_id: str, properties: Mapping[str, Any]) -> dict[str, str]:
        """The function's own variables and those that Lambda adds; nothing of this process's."""
        variables = {name: _text(value) for name, value in properties["Environment"]["Variables"].items()}
        return {
            **variables,
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": CREDENTIALS["AWS_REGION"],
            "AWS_ENDPOINT_URL": self._moto.url,
            "AWS_LAMBDA_FUNCTION_NAME": logical_id,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(properties.get("MemorySize", 128)),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "LANG": "C.UTF-8",
            "NO_PROXY": variables.get("NO_PROXY") or "localhost,127.0.0.1",
        }

    def _create_pollers(self) -> None:
        for logical_id, unresolved in self.template.resources("AWS::Lambda::EventSourceMapping").items():
            if unresolved["BatchSize"] != 1 or unresolved["FunctionResponseTypes"] != ["ReportBatchItemFailures"]:
                raise NotImplementedError(f"{logical_id}: only batches of one with partial failures run here")
            queue = unresolved["EventSourceArn"]["Fn::GetAtt"][0]
            poller = Poller(
                self._moto.client("sqs"),
                queue_url=self.queue_url(queue),
                queue_arn=self._attributes[queue, "Arn"],
                function=self.functions[unresolved["FunctionName"]["Ref"]],
                concurrency=int(self.template.resolve(unresolved["ScalingConfig"]["MaximumConcurrency"])),
            )
            poller.start()
            self._pollers.append(poller)

    def _routes(self) -> dict[str, Callable[[Any], Any]]:
        """Route → function, from the API's own document."""
        routes: dict[str, Callable[[Any], Any]] = {}
        for api in self.template.resources("AWS::ApiGatewayV2::Api").values():
            for path, methods in api["Body"]["paths"].items():
                for method, operation in methods.items():
                    uri = str(operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"])
                    target = re.search(r"\$\{(\w+)\.Arn\}", uri)
                    if target is None:
                        raise NotImplementedError(f"{path}: the integration {uri} names no function")
                    routes[f"{method.upper()} {path}"] = self.functions[target.group(1)].invoke
        return routes


def _text(value: Any) -> str:
    """A property as the AWS APIs take it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value)
