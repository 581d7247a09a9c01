"""The stack of ``template.yaml`` on this machine: its resources in moto, its functions as processes."""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from local import changes
from local.aws import Moto
from local.concurrency import Concurrency
from local.custom_resources import CustomResources, Made
from local.deployment import ROOT, Deployment
from local.functions import ExecutionEnvironment, Function
from local.gateway import Gateway, Received
from local.poller import Poller
from local.provided import DeploymentFailedError, Provided
from local.resources import Resources
from local.routes import routes
from local.schedules import Schedules
from local.settling import Settling
from local.stack_resources import Change, StackResources
from local.watcher import Watcher

__all__ = ["ROOT", "DeploymentFailedError", "Stack"]
PATIENCE = 300.0
"""Real seconds that one call of a custom resource may take."""


class Stack(StackResources):
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
        change: Change | None = None,
        name: str = "",
        logs_folder: Path | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        super().__init__(parameters, moto=moto, change=change, name=name)
        self._gateway_port = gateway_port
        self._concurrency = concurrency or Concurrency()
        self._own_folder = None if logs_folder else Path(tempfile.mkdtemp(prefix="bitbucket-port-"))
        self.logs_folder = logs_folder or self._own_folder or Path()
        self.functions: dict[str, Function] = {}
        self._pollers: list[Poller] = []
        self._watcher: Watcher | None = None
        self._schedules: Schedules | None = None
        self._gateway: Gateway | None = None
        self._deployment: Deployment | None = None
        self._jump = True
        self._scheduling = False
        self.custom = CustomResources(
            stack_id=self.template.stack_id,
            clock=self.clock,
            invoke=lambda arn: self._deployed.invocations()[arn],
            wait=lambda done: self._running.until(done, PATIENCE, jump=self._jump),
            after=self.nudge,
        )
        self._provided = Provided(self.custom, self._tell)
        self.url = ""

    def _tell(self, logical_id: str, attributes: Mapping[str, str]) -> None:
        self._resources.tell(logical_id, attributes)

    # --- life --------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make everything but custom resources, and let nothing run yet."""
        self._created = True
        apis = list(self.template.resources("AWS::ApiGatewayV2::Api"))
        self._gateway = Gateway(
            {},
            clock=self.clock,
            after=self.nudge,
            product=self.product,
            api_id="".join(map(self._resource_name, apis)),
            port=self._gateway_port,
        )
        for api in apis:
            self._resources.tell(api, {"ApiEndpoint": self._gateway.url})
        self._resources.create()
        deployment = self._deployment = Deployment(
            self.template,
            moto=self._moto,
            logs=self.logs_folder,
            concurrency=self._concurrency,
            after=self.nudge,
        )
        self.functions = deployment.functions()
        self._pollers = deployment.pollers()
        self._watcher = Watcher(self._pollers, moto=self._moto)
        deployment.schedules()  # What is wrong with them is better said now than when they begin.
        self._schedules = Schedules([], clock=self.clock, after=self.nudge)
        self._gateway.routes.update(routes(self.template, deployment.invocations()))

    def start(self, *, jump: bool = True, rollback: bool = True) -> str:
        """Deploy: make everything if need be, begin to work, and have custom resources provided; returns the API's URL.

        Schedules come last, as they depend on set-up. With ``jump`` the clock is put forward where set-up only waits.
        Raises DeploymentFailedError when a custom resource was not created: then it was told to delete, and with
        ``rollback`` all of the stack is gone; without it everything but the schedules stays and works, and ``update``
        tries again.
        """
        if not self._created:
            self.create()
        self.url = self._running.gateway.start()
        for poller in self._pollers:
            poller.start()
        self._running.watcher.start()
        self._jump = jump
        try:
            self._provided.bring(self.template)
        except DeploymentFailedError as error:
            if rollback and error.status == "CREATE_FAILED":
                self.delete(jump=jump)
                raise DeploymentFailedError("ROLLBACK_COMPLETE", error.reasons) from error
            raise
        self._begin_schedules()
        return self.url

    def update(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        change: Change | None = None,
        jump: bool = True,
    ) -> None:
        """Deploy again, with these parameters instead of those there were and the translated template changed by
        ``change`` (besides earlier changes), as an upgrade changes ``Resources.SetUp.Properties.Version``.

        Functions get their new environment, secrets their new value; custom resources are called with ``Update`` if
        any of their properties changed. Raises DeploymentFailedError when that failed, with everything as it was
        before and the custom resource told so by another ``Update``; ValueError for parameters that CloudFormation
        would refuse; NotImplementedError for what cannot be changed here. The other arguments are those of ``start``.
        """
        before, made, given, changing = self._resources, self._created, self._parameters, list(self._changes)
        if not made:
            raise RuntimeError("the stack is not created")
        self._jump = jump
        self._parameters = {**given, **(parameters or {})}
        self._changes += [change] if change else []
        try:
            self._switch(self._described(before))
            self._provided.bring(self.template)
        except DeploymentFailedError as error:
            if set(error.reasons) - set(self._provided.made):
                raise  # Not even created: there is nothing to go back to.
            self._parameters, self._changes = given, changing
            self._switch(before)
            self._roll_back(error)
        except (ValueError, NotImplementedError):
            self._parameters, self._changes = given, changing
            raise
        if not self._scheduling:
            self._begin_schedules()

    def _roll_back(self, error: DeploymentFailedError) -> None:
        try:
            self._provided.bring(self.template)
        except DeploymentFailedError as again:
            raise DeploymentFailedError("UPDATE_ROLLBACK_FAILED", again.reasons) from error
        raise DeploymentFailedError("UPDATE_ROLLBACK_COMPLETE", error.reasons) from error

    def _begin_schedules(self) -> None:
        """Those of the template as it is, from now on."""
        self._scheduling = True
        self._running.schedules.stop()
        self._schedules = Schedules(self._deployed.schedules(), clock=self.clock, after=self.nudge)
        self._schedules.start()

    def _switch(self, after: Resources) -> None:
        """Work by another description from now on, custom resources left as they are."""
        found = changes.changed(self.template, after.template)
        self._resources, self._deployed.template = after, after.template
        for logical_id, kind in found.items():
            if kind == "AWS::Lambda::Function":
                self.functions[logical_id].configure(self._deployed.variables(logical_id))
            elif kind == "AWS::SecretsManager::Secret":
                value = self.template.resolve(self.template.properties(logical_id))["SecretString"]
                self.secrets.put_secret_value(SecretId=self.secret_arn(logical_id), SecretString=value)
        if self._scheduling and "AWS::Scheduler::Schedule" in found.values():
            self._begin_schedules()

    def delete(self, *, jump: bool = True) -> None:
        """Delete the stack: schedules, then custom resources while everything else still works, then the rest.

        Raises DeploymentFailedError when a custom resource was not deleted; then the rest stays.
        """
        self._jump = jump
        self._running.schedules.stop()
        self._provided.remove()
        self._halt()
        self._resources.delete()

    def warm(self) -> None:
        """Start a process of every function, so that the first webhook finds one."""
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda function: function.warm(), self.functions.values()))

    def stop(self) -> None:
        """End everything that was started; harmless when nothing was. What it has stays in moto."""
        self._halt()
        if self._own_folder:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def _halt(self) -> None:
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
        self.custom.stop()
        if self._schedules:
            self._schedules.stop()
        for poller in self._pollers:
            poller.stop()

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

    @property
    def received(self) -> deque[Received]:
        """The last requests to the API, oldest first."""
        return self._running.gateway.received

    @property
    def custom_resources(self) -> dict[str, Made]:
        """The custom resources that were provided; may be set before the start to those there are already."""
        return dict(self._provided.made)

    @custom_resources.setter
    def custom_resources(self, made: Mapping[str, Made]) -> None:
        self._provided.made = dict(made)

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
    def _deployed(self) -> Deployment:
        if self._deployment is None:
            raise RuntimeError("the stack is not created")
        return self._deployment

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
            custom=self.custom,
            functions=list(self.functions.values()),
            waiting=lambda: self._moto.due([poller.queue_url for poller in self._pollers]),
            left=self._left,
        )

    def _left(self) -> str:
        waiting = {name: depth for name, depth in self.depths().items() if depth}
        busy = [poller.name for poller in self._pollers if poller.in_flight]
        return f"messages {waiting}, at work {busy}\n{self.logs()[-4000:]}"
