"""The API's routes, from the document and the permissions of the template."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from local.account import ACCOUNT, REGION
from local.aws.permissions import Permissions
from local.gateway import Invoke, NotPermittedError
from local.template import Template

_INTEGRATION = re.compile(r"arn:aws:apigateway:[^:]+:lambda:path/2015-03-31/functions/(?P<function>.+)/invocations")
_GATEWAY = "apigateway.amazonaws.com"


def routes(template: Template, invoke: Mapping[str, Invoke]) -> dict[str, Invoke]:
    """Route (``POST /webhooks``) → what answers it; ``invoke`` knows the functions by their ARNs.

    A route whose function does not permit the API to invoke it raises NotPermittedError when it is asked. Raises
    NotImplementedError for an integration that is no function with payload format 2.0, or a stage with a path.
    """
    for logical_id in template.resources("AWS::ApiGatewayV2::Stage"):
        if template.resolve({"Ref": logical_id}) != "$default":
            raise NotImplementedError(f"{logical_id}: only the stage $default runs here")
    found: dict[str, Invoke] = {}
    for logical_id, properties in template.resources("AWS::ApiGatewayV2::Api").items():
        api = template.resolve({"Ref": logical_id})
        for path, operations in properties["Body"]["paths"].items():
            for method, operation in operations.items():
                function = _function(f"{method} {path}", template.resolve(operation))
                source = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/$default/{method.upper()}{path}"
                permitted = _permitted(template, function, source)
                found[f"{method.upper()} {path}"] = invoke[function] if permitted else _refusing(function)
    return found


def _function(route: str, operation: Mapping[str, Any]) -> str:
    integration = operation["x-amazon-apigateway-integration"]
    match = _INTEGRATION.fullmatch(integration["uri"])
    if match is None or integration["type"] != "aws_proxy" or integration["payloadFormatVersion"] != "2.0":
        raise NotImplementedError(f"{route}: only functions with payload format 2.0 answer here: {integration}")
    return match.group("function")


def _permitted(template: Template, function: str, source: str) -> bool:
    """Whether one of the template's permissions lets the API invoke the function for this route."""
    for unresolved in template.resources("AWS::Lambda::Permission").values():
        permission = template.resolve(unresolved)
        named = permission["FunctionName"] in (function, function.rpartition(":")[2])
        if named and permission["Action"] == "lambda:InvokeFunction" and permission["Principal"] == _GATEWAY:
            pattern = permission.get("SourceArn", "*")
            statement = {"Effect": "Allow", "Action": permission["Action"], "Resource": pattern}
            if Permissions([statement]).judge(permission["Action"], source) == "allowed":
                return True
    return False


def _refusing(function: str) -> Callable[[Any], Any]:
    def refuse(event: Any) -> Any:  # noqa: ARG001 - it would be the function's
        raise NotPermittedError(f"{function} does not permit the API to invoke it")

    return refuse
