"""An AWS account as far as ``sam deploy`` asks it before anything is made: a bucket, and CloudFormation's change sets.

Shapes: API References of AWS CloudFormation and STS (query protocol, XML answers) and of Amazon S3. A change set whose
parameters break a constraint or one of the template's rules is refused with ValidationError, as CloudFormation does;
nothing is ever carried out.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from samtranslator.yaml_helper import yaml_parse

from local.account import ACCOUNT
from local.rules import broken
from local.template import values_of

BUCKET = "deployments-of-this-account"
# The stack in which the SAM CLI keeps its bucket; here it was made by an earlier deployment.
MANAGED_STACK = "aws-sam-cli-managed-default"
CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class ChangeSet:
    """What CloudFormation was asked to do: parameters as they would be, those taken over from before included."""

    stack: str
    kind: str
    parameters: Mapping[str, str]
    capabilities: tuple[str, ...]


class RefusedError(Exception):
    """CloudFormation's ValidationError; the text is what people read."""


class AwsAccount:
    """The account; ``url`` is the endpoint of all its services."""

    def __init__(self) -> None:
        self.change_sets: list[ChangeSet] = []
        self._objects: dict[str, bytes] = {}
        self._stacks: dict[str, Mapping[str, str]] = {}
        account = self

        class Handler(_Handler):
            """Requests for this account."""

        Handler.account = account
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def carry_out(self, change_set: ChangeSet) -> None:
        """From now on there is the stack that the change set describes."""
        self._stacks[change_set.stack] = change_set.parameters

    # --- S3 ----------------------------------------------------------------------------------------------------------

    def has_object(self, path: str) -> bool:
        """Whether something was stored under ``/bucket/key``."""
        return path in self._objects

    def store(self, path: str, content: bytes) -> None:
        """Keeps an object."""
        self._objects[path] = content

    # --- CloudFormation and STS: each answers the XML inside <…Result> ------------------------------------------------

    def answer(self, request: Mapping[str, str]) -> str:
        """The result of an action; raises RefusedError, and NotImplementedError for an action not known here."""
        actions: dict[str, Callable[[Mapping[str, str]], str]] = {
            "DescribeStacks": self._describe_stacks,
            "GetTemplateSummary": self._get_template_summary,
            "CreateChangeSet": self._create_change_set,
            "DescribeChangeSet": self._describe_change_set,
            "GetCallerIdentity": lambda _: f"<Account>{ACCOUNT}</Account>",
        }
        if request["Action"] not in actions:
            raise NotImplementedError(request["Action"])
        return actions[request["Action"]](request)

    def _describe_stacks(self, request: Mapping[str, str]) -> str:
        name = request["StackName"]
        details = ""
        if name == MANAGED_STACK:
            details = (
                "<Tags><member><Key>ManagedStackSource</Key><Value>AwsSamCli</Value></member></Tags><Outputs><member>"
                f"<OutputKey>SourceBucket</OutputKey><OutputValue>{BUCKET}</OutputValue></member></Outputs>"
            )
        elif name not in self._stacks:
            raise RefusedError(f"Stack with id {name} does not exist")
        return (
            f"<Stacks><member><StackName>{name}</StackName><StackStatus>CREATE_COMPLETE</StackStatus>"
            f"<CreationTime>{CREATED}</CreationTime>{details}</member></Stacks>"
        )

    def _get_template_summary(self, request: Mapping[str, str]) -> str:
        names = self._stacks[request["StackName"]]
        members = "".join(f"<member><ParameterKey>{name}</ParameterKey></member>" for name in names)
        return f"<Parameters>{members}</Parameters>"

    def _create_change_set(self, request: Mapping[str, str]) -> str:
        template = yaml_parse(self._objects[urlsplit(request["TemplateURL"]).path].decode())
        before = self._stacks.get(request["StackName"], {})
        given = {
            key: before[key] if parameter.get("UsePreviousValue") == "true" else parameter["ParameterValue"]
            for parameter in _members(request, "Parameters")
            for key in [parameter["ParameterKey"]]
        }
        _validate(template, given)
        capabilities = [request[key] for key in request if key.startswith("Capabilities.member.")]
        self.change_sets.append(
            ChangeSet(request["StackName"], request["ChangeSetType"], given, tuple(sorted(capabilities)))
        )
        return f"<Id>{request['ChangeSetName']}</Id><StackId>{request['StackName']}</StackId>"

    def _describe_change_set(self, request: Mapping[str, str]) -> str:
        return f"<ChangeSetName>{request['ChangeSetName']}</ChangeSetName><Status>CREATE_COMPLETE</Status><Changes/>"


def _validate(template: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Raises RefusedError for parameters with which CloudFormation would not begin."""
    try:
        values = values_of(template["Parameters"], given)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    if refused := broken(template["Rules"], values):
        raise RefusedError(" ".join(refused))


def _members(request: Mapping[str, str], name: str) -> list[dict[str, str]]:
    """A list of structures out of ``<name>.member.<number>.<field>``."""
    found: dict[int, dict[str, str]] = {}
    for key, value in request.items():
        if match := re.fullmatch(rf"{name}\.member\.(\d+)\.(\w+)", key):
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [found[number] for number in sorted(found)]


class _Handler(BaseHTTPRequestHandler):
    account: AwsAccount
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._send(200 if self.account.has_object(self.path) else 404)

    def do_PUT(self) -> None:
        self.account.store(urlsplit(self.path).path, self._body())
        self._send(200)

    def do_POST(self) -> None:
        request = dict(parse_qsl(self._body().decode(), keep_blank_values=True))
        action = request["Action"]
        try:
            result = self.account.answer(request)
        except RefusedError as error:
            message = f"<Code>ValidationError</Code><Message>{escape(str(error))}</Message>"
            self._send(400, f"<ErrorResponse><Error><Type>Sender</Type>{message}</Error></ErrorResponse>")
            return
        except NotImplementedError as error:
            message = f"<Code>InvalidAction</Code><Message>{escape(str(error))}</Message>"
            self._send(400, f"<ErrorResponse><Error><Type>Sender</Type>{message}</Error></ErrorResponse>")
            return
        self._send(200, f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status: int, text: str = "") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"0"')
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name the base class gives it
        """Says nothing; the test shows what matters."""
