"""The stack of ``template.yaml`` on this machine: its resources in moto, its functions as processes."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from bitbucket_port.objects import Product
from local import supported
from local.aws import DeadLetter, Moto
from local.concurrency import Concurrency
from local.deployment import ROOT, Deployment
from local.functions import ExecutionEnvironment, Function
from local.gateway import Gateway, Received
from local.poller import Poller
from local.resources import Resources
from local.routes import routes
from local.schedules import Schedules
from local.settling import Settling
from local.template import read, translate
from local.watcher import Watcher

__all__ = ["ROOT", "Stack"]
_DEPTHS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class Stack:
    """One deployed stack.

    ``parameters`` are the template's; ``moto`` is running; ``change`` may alter the translated template before it is
    deployed (tests of other settings). ``name`` is the stack's name, by default one that nobody else has;
    ``logs_folder`` takes one file for each function and outlives the stack, by default it goes with it;
    ``concurrency`` is the account's, by default one for this stack alone. Attributes: ``url`` of the API, ``name``,
    ``product``, ``template``, ``functions`` by logical id, ``clock``, ``logs_folder``, ``webhook_secret``, and the
    operator's clients ``sqs``, ``secrets`` and ``dynamodb``.

    Raises ValueError for what CloudFormation would refuse and NotImplementedError for what does not run here.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        *,
        moto: Moto,
        gateway_port: int = 0,
        change: Callable[[dict[str, Any]], None] | None = None,
        name: str = "",
        logs_folder: Path | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self.name = name or "local-" + secrets.token_hex(4)
        self._moto, self.clock = moto, moto.clock
        document = translate(read(ROOT / "template.yaml"))
        if change:
            change(document)
        self._chosen_secrets: dict[str, str] = {}
        self._resources = Resources(
            document, parameters, stack_name=self.name, moto=moto, secret_values=self._chosen_secrets
        )
        self.template = self._resources.template
        supported.check(self.template)
        self.product: Product = "server" if self.template.parameters["BitbucketProduct"] == "server" else "cloud"
        self.sqs = moto.client("sqs")
        self.secrets = moto.client("secretsmanager")
        self.dynamodb = moto.client("dynamodb")
        self._gateway_port = gateway_port
        self._concurrency = concurrency or Concurrency()
        self._own_folder = None if logs_folder else Path(tempfile.mkdtemp(prefix="bitbucket-port-"))
        self.logs_folder = logs_folder or self._own_folder or Path()
        self.functions: dict[str, Function] = {}
        self._pollers: list[Poller] = []
        self._watcher: Watcher | None = None
        self._schedules: Schedules | None = None
        self._gateway: Gateway | None = None
        self._created = False
        self.url = ""

    # --- life --------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make everything, but let nothing run yet."""
        self._created = True
        self._resources.create()
        deployment = Deployment(
            self.template,
            moto=self._moto,
            logs=self.logs_folder,
            concurrency=self._concurrency,
            after=self.nudge,
        )
        self.functions = deployment.functions()
        self._pollers = deployment.pollers()
        self._watcher = Watcher(self._pollers, moto=self._moto)
        self._schedules = Schedules(deployment.schedules(), clock=self.clock, after=self.nudge)
        self._gateway = Gateway(
            routes(self.template, deployment.invocations()),
            clock=self.clock,
            after=self.nudge,
            product=self.product,
            api_id="".join(map(self._resource_name, self.template.resources("AWS::ApiGatewayV2::Api"))),
            port=self._gateway_port,
        )

    def start(self) -> str:
        """Begin to answer and to work, making everything first if need be; returns the API's URL."""
        if not self._created:
            self.create()
        for poller in self._pollers:
            poller.start()
        self._running.watcher.start()
        self._running.schedules.start()
        self.url = self._running.gateway.start()
        return self.url

    def warm(self) -> None:
        """Start a process of every function, so that the first webhook finds one."""
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda function: function.warm(), self.functions.values()))

    def stop(self) -> None:
        """End everything that was started; harmless when nothing was."""
        if self._gateway:
            self._gateway.stop()
        if self._watcher:
            self._watcher.stop()
        for poller in self._pollers:
            poller.end()
        if self._schedules:
            self._schedules.end()
        # A function that is in the middle of something is killed, so that nobody waits for it.
        for function in self.functions.values():
            function.stop()
        if self._schedules:
            self._schedules.stop()
        for poller in self._pollers:
            poller.stop()
        if self._own_folder:
            shutil.rmtree(self._own_folder, ignore_errors=True)

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

    # --- what happens ------------------------------------------------------------------------------------------------

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        """A request to the API."""
        return requests.post(self.url + path, data=body, headers=dict(headers), timeout=30)

    def settle(self, timeout: float = 120.0, *, jump: bool = True, within: float | None = None) -> None:
        """Wait until every queue that a function reads is empty and nothing is being handled.

        With ``jump`` the clock is put forward whenever time is all that is waited for. ``timeout`` is in real seconds,
        ``within`` in simulated ones. Raises TimeoutError naming what is left.
        """
        self._running.settle(timeout, jump=jump, within=within)

    def pass_time(self, seconds: float, timeout: float = 120.0) -> None:
        """Put the clock forward by so many simulated seconds, with everything done that falls due on the way."""
        self._running.pass_time(seconds, timeout)

    def nudge(self) -> None:
        """Have every queue looked at soon: something was probably sent."""
        if self._watcher:
            self._watcher.tell()

    # --- what there is to see ----------------------------------------------------------------------------------------

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

    @property
    def received(self) -> deque[Received]:
        """The last requests to the API, oldest first."""
        return self._running.gateway.received

    def environments(self) -> list[ExecutionEnvironment]:
        """The execution environments that live at this moment."""
        return [environment for function in self.functions.values() for environment in function.environments()]

    @property
    def busy(self) -> bool:
        """Whether a request, a batch or a scheduled invocation is being handled at this moment."""
        return bool(self.url) and not self._running.idle

    def logs(self) -> str:
        """What the functions wrote so far."""
        return "".join(path.read_text(encoding="utf-8") for path in sorted(self.logs_folder.glob("*.log")))

    # --- inside ------------------------------------------------------------------------------------------------------

    @property
    def _running(self) -> Settling:
        if self._gateway is None or self._schedules is None or self._watcher is None:
            raise RuntimeError("the stack is not created")
        return Settling(
            clock=self.clock,
            gateway=self._gateway,
            pollers=self._pollers,
            watcher=self._watcher,
            schedules=self._schedules,
            functions=list(self.functions.values()),
            waiting=lambda: self._moto.due([poller.queue_url for poller in self._pollers]),
            left=self._left,
        )

    def _left(self) -> str:
        waiting = {name: depth for name, depth in self.depths().items() if depth}
        busy = [poller.name for poller in self._pollers if poller.in_flight]
        return f"messages {waiting}, at work {busy}\n{self.logs()[-4000:]}"
