"""The stack's queues, tables and secrets in moto, and what ``Ref`` and ``Fn::GetAtt`` say of every resource.

A resource is made when something first needs it, so that the order follows from the template's references.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from local.account import ACCOUNT, REGION
from local.aws import Moto
from local.template import Template

Attributes = dict[str, str]
_PARTITION_AND_REGION = "arn:aws:{service}:" + f"{REGION}:{ACCOUNT}:"
STORES = ("AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::SecretsManager::Secret")
"""Types that moto has."""


class Resources:
    """Everything of one stack that has a name.

    ``secret_values`` are taken instead of generating these secrets (logical id → value). ``template`` resolves against
    these resources; ``before`` are those of the same stack's template until now, which are gone on with. Raises what
    ``Template`` raises.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        parameters: Mapping[str, Any],
        *,
        stack_name: str,
        moto: Moto,
        secret_values: Mapping[str, str],
        before: Resources | None = None,
    ) -> None:
        self.template = Template(document, parameters, self.attribute, stack_name=stack_name)
        self._stack_name = stack_name
        self._secret_values = secret_values
        self._sqs = moto.client("sqs")
        self._dynamodb = moto.client("dynamodb")
        self._secrets = moto.client("secretsmanager")
        self._kinds = self.template.kinds()
        self._made: dict[str, Attributes] = before._made if before else {}
        self._making: list[str] = []
        self._makers: dict[str, Callable[[str, dict[str, Any]], Attributes]] = {
            "AWS::SQS::Queue": self._queue,
            "AWS::DynamoDB::Table": self._table,
            "AWS::SecretsManager::Secret": self._secret,
        }

    def create(self) -> None:
        """Make every queue, table and secret that is not there yet."""
        for logical_id, kind in self._kinds.items():
            if kind in STORES:
                self.attribute(logical_id, "")

    def delete(self) -> None:
        """Delete every queue, table and secret, at once and for good."""
        for logical_id, kind in self._kinds.items():
            if kind not in STORES or logical_id not in self._made:
                continue
            name = self._made.pop(logical_id)[""]
            if kind == "AWS::SQS::Queue":
                self._sqs.delete_queue(QueueUrl=name)
            elif kind == "AWS::DynamoDB::Table":
                self._dynamodb.delete_table(TableName=name)
            else:
                self._secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def tell(self, logical_id: str, attributes: Mapping[str, str]) -> None:
        """Know attributes that only somebody else can tell: where an API listens, what a provider answered."""
        made = self._made.get(logical_id) or _names(self._kinds[logical_id], f"{self._stack_name}-{logical_id}")
        self._made[logical_id] = {**made, **attributes}

    def attribute(self, logical_id: str, attribute: str) -> str:
        """``Ref`` (attribute ``""``) or ``Fn::GetAtt``; makes the resource if need be.

        Raises ValueError for a resource that is not in the stack or needs itself, NotImplementedError for an attribute
        unknown here.
        """
        if logical_id not in self._kinds:
            raise ValueError(f"the stack has no resource {logical_id}")
        if logical_id not in self._made:
            if logical_id in self._making:
                raise ValueError(f"{' → '.join([*self._making, logical_id])}: this circle has no beginning")
            self._making.append(logical_id)
            self._made[logical_id] = self._make(logical_id)
            self._making.remove(logical_id)
        if attribute not in self._made[logical_id]:
            raise NotImplementedError(f"{logical_id}: the local stack does not know the attribute {attribute}")
        return self._made[logical_id][attribute]

    def _make(self, logical_id: str) -> Attributes:
        kind = self._kinds[logical_id]
        if kind in self._makers:
            return self._makers[kind](logical_id, self.template.resolve(self.template.properties(logical_id)))
        properties = self.template.properties(logical_id)
        name_property = _NAME_PROPERTY.get(kind, "")
        name = self.template.resolve(properties[name_property]) if name_property in properties else None
        return _names(kind, name or f"{self._stack_name}-{logical_id}")

    # --- what moto has -----------------------------------------------------------------------------------------------

    def _queue(self, logical_id: str, properties: dict[str, Any]) -> Attributes:
        name = properties.pop("QueueName", f"{self._stack_name}-{logical_id}")
        properties.pop("Tags", None)
        attributes = {key: as_text(value) for key, value in properties.items()}
        url = self._sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return {"": url, "QueueUrl": url, "QueueName": name, "Arn": _arn("sqs", name)}

    def _table(self, logical_id: str, properties: dict[str, Any]) -> Attributes:
        name = properties.pop("TableName", f"{self._stack_name}-{logical_id}")
        life = properties.pop("TimeToLiveSpecification", None)
        recovery = properties.pop("PointInTimeRecoverySpecification", None)
        encryption = properties.pop("SSESpecification", None)
        properties.pop("Tags", None)
        if encryption:
            # CloudFormation's name for what the API calls Enabled.
            properties["SSESpecification"] = {**encryption, "Enabled": encryption["SSEEnabled"]}
            del properties["SSESpecification"]["SSEEnabled"]
        self._dynamodb.create_table(TableName=name, **properties)
        if life:
            self._dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=life)
        if recovery:
            self._dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
        return {"": name, "Arn": _arn("dynamodb", f"table/{name}")}

    def _secret(self, logical_id: str, properties: dict[str, Any]) -> Attributes:
        name = properties.pop("Name", f"{self._stack_name}-{logical_id}")
        properties.pop("Tags", None)
        generate = properties.pop("GenerateSecretString", None)
        if generate is not None:
            properties["SecretString"] = self._secret_values.get(logical_id) or self._generated(generate)
        arn = self._secrets.create_secret(Name=name, **properties)["ARN"]
        return {"": arn, "Id": arn}

    def _generated(self, rules: dict[str, Any]) -> str:
        template, key = rules.pop("SecretStringTemplate", None), rules.pop("GenerateStringKey", None)
        password = str(self._secrets.get_random_password(**rules)["RandomPassword"])
        return password if template is None else json.dumps({**json.loads(template), str(key): password})


_NAME_PROPERTY = {
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::ApiGatewayV2::Stage": "StageName",
}


def _names(kind: str, name: str) -> Attributes:
    """What the stack may say of a resource that has a name and an ARN only."""
    if kind in ("AWS::Lambda::LayerVersion", "AWS::SNS::Topic"):  # Their Ref is their ARN.
        arn = _arn("lambda", f"layer:{name}:1") if kind == "AWS::Lambda::LayerVersion" else _arn("sns", name)
        return {"": arn, "LayerVersionArn": arn, "TopicArn": arn, "TopicName": name}
    arns = {
        "AWS::Lambda::Function": _arn("lambda", f"function:{name}"),
        "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        "AWS::Logs::LogGroup": _arn("logs", f"log-group:{name}:*"),
        "AWS::Scheduler::Schedule": _arn("scheduler", f"schedule/default/{name}"),
        "AWS::CloudWatch::Alarm": _arn("cloudwatch", f"alarm:{name}"),
    }
    return {"": name, "Arn": arns[kind]} if kind in arns else {"": name}


def _arn(service: str, resource: str) -> str:
    return _PARTITION_AND_REGION.format(service=service) + resource


def as_text(value: Any) -> str:
    """A property as AWS takes texts: booleans in lower case, objects as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value)
