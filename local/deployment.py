"""What runs in a stack, made from the template: functions, event source mappings, schedules."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from local import layers
from local.aws import Moto
from local.aws.permissions import Permissions
from local.concurrency import Concurrency
from local.functions import ExecutionEnvironment, Function, FunctionError
from local.poller import Mapping as SourceMapping
from local.poller import Poller
from local.resources import as_text
from local.roles import Role, roles, taken_on
from local.schedule_expressions import schedule as moments
from local.schedules import Schedule
from local.template import Template

ROOT = Path(__file__).resolve().parent.parent
POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
"""What Lambda asks of a role before it polls a queue with it."""
CONCURRENCY_WITHOUT_MAXIMUM = 5
"""Batches at once with which Lambda begins; this machine does not go beyond."""


class Deployment:
    """Makes the running parts of one stack. ``logs`` is a folder; ``after`` is called when an invocation is over.

    ``template`` may be replaced by what the same stack has from now on.
    Raises ValueError for what AWS would refuse, NotImplementedError for what does not run here.
    """

    def __init__(
        self, template: Template, *, moto: Moto, logs: Path, concurrency: Concurrency, after: Callable[[], None]
    ) -> None:
        self.template, self._moto, self._logs = template, moto, logs
        self._concurrency, self._after = concurrency, after
        self._roles = roles(template)
        self._by_arn: dict[str, Function] = {}
        self._role_of: dict[str, Role] = {}

    # --- functions ---------------------------------------------------------------------------------------------------

    def functions(self) -> dict[str, Function]:
        """Logical id → function."""
        built = self._layers()
        made = {}
        for logical_id in self.template.resources("AWS::Lambda::Function"):
            properties = self.template.resolve(self.template.properties(logical_id))
            made[logical_id] = self._function(logical_id, properties, built)
            self._by_arn[self._arn(logical_id)] = made[logical_id]
        return made

    def variables(self, logical_id: str) -> dict[str, str]:
        """The environment of a function."""
        properties = self.template.resolve(self.template.properties(logical_id))
        variables = {key: as_text(value) for key, value in properties["Environment"]["Variables"].items()}
        return {**variables, "AWS_ENDPOINT_URL": self._moto.url}

    def invocations(self) -> dict[str, Callable[[Any], Any]]:
        """ARN → what invokes the function."""
        return {arn: function.invoke for arn, function in self._by_arn.items()}

    def _function(self, logical_id: str, properties: Mapping[str, Any], built: Mapping[str, Path]) -> Function:
        name = self.template.resolve({"Ref": logical_id})
        role = taken_on(self._roles, properties["Role"], "lambda.amazonaws.com", logical_id)
        self._role_of[name] = role

        def admit(environment: ExecutionEnvironment) -> None:
            self._moto.admit(
                environment.key,
                function=name,
                role=role.name,
                statements=list(role.statements),
                pid=environment.pid,
            )

        return Function(
            name,
            folder=ROOT / properties["Code"]["S3Key"],
            layers=[built[arn] for arn in properties.get("Layers", [])],
            handler=properties["Handler"],
            environment=self.variables(logical_id),
            timeout=float(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            log=self._logs / f"{logical_id}.log",
            clock=self._moto.clock,
            concurrency=self._concurrency,
            reserved=properties.get("ReservedConcurrentExecutions"),
            log_group=properties.get("LoggingConfig", {}).get("LogGroup", ""),
            on_start=admit,
            on_end=lambda environment: self._moto.dismiss(environment.key),
        )

    def _layers(self) -> dict[str, Path]:
        """ARN → folder of every layer. The transform adds a hash to a layer's logical id; the builder does not."""
        return {
            self.template.resolve({"Ref": logical_id}): layers.layer(
                re.sub(r"[0-9a-f]{10}$", "", logical_id), ROOT / properties["Content"]["S3Key"]
            )
            for logical_id, properties in self.template.resources("AWS::Lambda::LayerVersion").items()
        }

    def _arn(self, logical_id: str) -> str:
        return str(self.template.resolve({"Fn::GetAtt": [logical_id, "Arn"]}))

    def _named(self, function: str, owner: str) -> Function:
        """A function by its name or ARN."""
        for arn, found in self._by_arn.items():
            if function in (arn, found.name):
                return found
        raise NotImplementedError(f"{owner}: the function {function} is not in the template")

    # --- event source mappings ---------------------------------------------------------------------------------------

    def pollers(self) -> list[Poller]:
        """One for each mapping that is enabled."""
        urls = {self._arn(queue): self.template.resolve({"Ref": queue}) for queue in self._queues()}
        made = []
        for logical_id in self.template.resources("AWS::Lambda::EventSourceMapping"):
            properties = self.template.resolve(self.template.properties(logical_id))
            function = self._named(properties["FunctionName"], logical_id)
            source = properties["EventSourceArn"]
            if source not in urls:
                raise NotImplementedError(f"{logical_id}: {source} is no queue of the template")
            if as_text(properties.get("Enabled", True)) == "true":
                made.append(self._poller(logical_id, function, properties, urls[source]))
        return made

    def _queues(self) -> list[str]:
        return list(self.template.resources("AWS::SQS::Queue"))

    def _poller(self, logical_id: str, function: Function, properties: Mapping[str, Any], url: str) -> Poller:
        role = self._role_of[function.name]
        queue = properties["EventSourceArn"]
        missing = [action for action in POLLING if Permissions(role.statements).judge(action, queue) != "allowed"]
        if missing:
            raise ValueError(f"{logical_id}: the role {role.name} does not allow {', '.join(missing)} on {queue}")
        reports = properties.get("FunctionResponseTypes", [])
        if set(reports) - {"ReportBatchItemFailures"}:
            raise NotImplementedError(f"{logical_id}: the local stack does not know {reports}")
        key = "ASIA" + secrets.token_hex(8).upper()
        self._moto.admit(
            key, function=function.name, role=role.name, statements=list(role.statements), pid=0, by_service=True
        )
        maximum = properties.get("ScalingConfig", {}).get("MaximumConcurrency", CONCURRENCY_WITHOUT_MAXIMUM)
        return Poller(
            function.name,
            self._moto.client("sqs", key=key),
            SourceMapping(
                queue_url=url,
                queue_arn=queue,
                batch_size=int(properties.get("BatchSize", 10)),
                concurrency=int(maximum),
                partial=bool(reports),
            ),
            function.invoke,
            clock=self._moto.clock,
            after=self._after,
        )

    # --- schedules ---------------------------------------------------------------------------------------------------

    def schedules(self) -> list[Schedule]:
        """Those that are on."""
        made = []
        for logical_id in self.template.resources("AWS::Scheduler::Schedule"):
            properties = self.template.resolve(self.template.properties(logical_id))
            schedule = self._schedule(logical_id, properties)
            if properties.get("State", "ENABLED") == "ENABLED":
                made.append(schedule)
        return made

    def _schedule(self, logical_id: str, properties: Mapping[str, Any]) -> Schedule:
        target = properties["Target"]
        # How often the scheduler hands an event over is without meaning where handing over cannot fail.
        if strange := set(target) - {"Arn", "RoleArn", "Input", "RetryPolicy"}:
            raise NotImplementedError(f"{logical_id}: the local stack does not know {', '.join(sorted(strange))}")
        role = taken_on(self._roles, target["RoleArn"], "scheduler.amazonaws.com", logical_id)
        function = self._named(target["Arn"], logical_id)
        allowed = Permissions(role.statements).judge("lambda:InvokeFunction", target["Arn"]) == "allowed"

        def invoke(event: Any) -> Any:
            if not allowed:
                raise FunctionError(f"the role {role.name} does not allow lambda:InvokeFunction on {target['Arn']}")
            return function.invoke(event)

        now = self._moto.clock.now()
        start, end = _moment(properties.get("StartDate")), _moment(properties.get("EndDate"))
        return Schedule(
            name=self.template.resolve({"Ref": logical_id}),
            arn=self._arn(logical_id),
            since=now if start is None else max(now, start),
            next=moments(
                properties["ScheduleExpression"],
                timezone=properties.get("ScheduleExpressionTimezone", "UTC"),
                start=now if start is None else start,
            ),
            end=end,
            input=target.get("Input"),
            invoke=invoke,
        )


def _moment(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
