"""The ``setup`` function: a custom resource of CloudFormation, and the same by hand.

Facts: AWS CloudFormation User Guide, "Custom resource request and response reference"; AWS Lambda Developer Guide on
asynchronous invocation: CloudFormation's call is repeated when the function fails, so everything here may come twice.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from typing import Any

import requests
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from bitbucket_port.errors import BitbucketPortError, PermanentError, SettingsError, TransientError
from bitbucket_port.objects import JsonObject
from bitbucket_port.runtime import Runtime
from bitbucket_port.setup.assembly import identity_of, set_up_of
from bitbucket_port.setup.either_way import send_either_way
from bitbucket_port.setup.findings import Finding
from bitbucket_port.setup.first_run import ABOUT as FIRST_RUN
from bitbucket_port.setup.first_run import begin_first_run
from bitbucket_port.setup.identity import Identity
from bitbucket_port.setup.life import Life
from bitbucket_port.setup.store import Occasion, Report

PHYSICAL_ID = "bitbucket-port-setup"
SPARE_MILLISECONDS = 60_000
"""Left of the function's time for telling CloudFormation."""
LARGEST_ANSWER = 4000
"""Bytes; CloudFormation takes 4,096."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
_NO_SECRET = ("ResourceNotFoundException", "AccessDeniedException", "DecryptionFailure", "InvalidRequestException")

logger = Logger()


@dataclass(frozen=True, slots=True)
class Result:
    """What to tell CloudFormation; ``failure`` is the sentence with which it gives up, empty for success."""

    failure: str = ""
    findings: tuple[Finding, ...] = field(default=())


def handle(event: JsonObject, context: Any) -> JsonObject:
    """A request of CloudFormation, or ``{"setup": "now"}`` or ``{"setup": "check"}`` by hand; returns the report.

    CloudFormation is answered whatever happens. Raises TransientError when no answer could be delivered (Lambda then
    calls again), and PermanentError for any other event.
    """
    if not isinstance(event, dict) or "RequestType" not in event:
        return _by_hand(event, context)
    kind = str(event["RequestType"])
    try:
        result = _requested(kind, event, context)
    except SettingsError as error:
        result = _unable(kind, Finding("Settings", "failed", f"{error}."))
    except ClientError as error:
        result = _unable(kind, _unreadable(error))
    except Exception as error:
        # Without an answer CloudFormation waits for as long as it may, and what it does then undoes nothing of ours.
        logger.exception("set-up failed")
        text = str(error) if isinstance(error, BitbucketPortError) else type(error).__name__
        result = Result(findings=(Finding("Set-up", "warning", f"it failed: {text}.", "The log says more."),))
    report = Report(_occasion(kind), time.time(), result.findings)
    logger.info("set-up: %s", report.summary(), extra={"request_type": kind, "failure": result.failure})
    _tell(event, result.failure, report.summary(), context)
    return report.to_json()


def _requested(kind: str, event: JsonObject, context: Any) -> Result:
    runtime = _begun(context)
    if kind == "Delete":
        return Result(findings=tuple(set_up_of(runtime).remove()))
    if not Life(runtime.ledger).goes_on(str(event["RequestId"])):
        return Result(findings=(Finding("Set-up", "skipped", "the stack was told to go meanwhile."),))
    identities, identity = identity_of(runtime), Identity.of(runtime.settings)
    if kind == "Update":
        old = event.get("OldResourceProperties")
        refusal = identities.refusal(identity, Identity.of_properties(old) if isinstance(old, dict) else None)
        if refusal is not None:
            return Result(str(refusal), (refusal,))
    renaming = identities.renaming(runtime.settings)
    findings = (*([renaming] if renaming else []), *set_up_of(runtime).carry_out(_occasion(kind)))
    report = Report(_occasion(kind), time.time(), findings)
    if kind == "Create" and report.refused:
        return Result(report.refused, findings)
    identities.remember(identity)
    return Result(findings=(*findings, *(_first_run(runtime) if kind == "Create" else [])))


def _first_run(runtime: Runtime) -> list[Finding]:
    """A stack that is set up is not given up because its first resync has to be asked for by hand."""
    try:
        return begin_first_run(runtime)
    except BitbucketPortError as error:
        return [Finding(FIRST_RUN, "warning", f"it did not begin: {error}.", "The output ResyncCommand begins it.")]


def _unable(kind: str, finding: Finding) -> Result:
    """Settings with which nothing can work fail a creation; a stack that worked is not rolled back for them."""
    fatal = kind == "Create" and finding.outcome == "failed"
    return Result(str(finding) if fatal else "", (finding,))


def _unreadable(error: ClientError) -> Finding:
    """A call of AWS that was refused: a secret that is not there or not ours to read, or a fault of ours."""
    code = str(error.response.get("Error", {}).get("Code"))
    text = f"{error.operation_name} was refused by AWS: {code}."
    if error.operation_name != "GetSecretValue" or code not in _NO_SECRET:
        return Finding("Set-up", "warning", text, "The log says more.")
    fix = "Name secrets in CredentialsSecretArn and CaBundleSecretArn that exist in this region and account."
    return Finding("Secrets", "failed", text, fix)


def _by_hand(event: object, context: Any) -> JsonObject:
    wanted = event.get("setup") if isinstance(event, dict) else event
    if wanted == "now":
        findings = set_up_of(_begun(context)).carry_out("by hand")
    elif wanted == "check":
        findings = set_up_of(_begun(context)).check()
    else:
        asked = str(wanted)[:50]
        raise PermanentError(f'there is no set-up {asked!r}: ask with {{"setup": "now"}} or {{"setup": "check"}}')
    return Report("by hand", time.time(), tuple(findings)).to_json()


def _begun(context: Any) -> Runtime:
    """Made anew each time: set-up comes seldom, and then often because a secret or a setting has just changed."""
    runtime = Runtime()
    runtime.begin(context.get_remaining_time_in_millis() - SPARE_MILLISECONDS)
    return runtime


def _occasion(kind: str) -> Occasion:
    return "create" if kind == "Create" else "update"


# --- the answer ------------------------------------------------------------------------------------------------------


def _tell(event: JsonObject, failure: str, summary: str, context: Any) -> None:
    """PUT the answer, again and again while there is time.

    The address is signed for a request without a content type, and is a secret for as long as it is good.
    """
    body, verify = answer_body(event, failure, summary), _trusted()
    pause = FIRST_PAUSE
    while True:
        trouble = _put(str(event["ResponseURL"]), body, verify)
        if not trouble:
            return
        if context.get_remaining_time_in_millis() / 1000 < pause + LONGEST_PAUSE:
            raise TransientError(f"CloudFormation could not be told how set-up went: {trouble}")
        logger.warning("CloudFormation could not be told, tried again in %.0f s: %s", pause, trouble)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _trusted() -> bool | str:
    """The way to S3 may lead through a proxy that opens TLS. A bundle that cannot be read has been told before."""
    if not os.environ.get("CA_BUNDLE_SECRET_ARN"):
        return True
    try:
        return Runtime().trusted
    except (BitbucketPortError, BotoCoreError, ClientError) as error:
        logger.warning("CloudFormation is told without the certificates of CaBundleSecretArn: %s", type(error).__name__)
        return True


def _put(url: str, body: bytes, verify: bool | str) -> str:
    """Why the answer did not arrive; empty when it did."""
    try:
        answer = send_either_way("PUT", url, body=body, headers={"Content-Type": ""}, verify=verify)
    except requests.RequestException as error:
        return type(error).__name__
    return "" if answer.status_code == 200 else f"status {answer.status_code}"


def answer_body(event: JsonObject, failure: str, summary: str) -> bytes:
    """What CloudFormation reads. The physical id never changes: another one would mean another resource."""
    answer: JsonObject = {
        "Status": "FAILED" if failure else "SUCCESS",
        "PhysicalResourceId": str(event.get("PhysicalResourceId") or PHYSICAL_ID),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    longest = LARGEST_ANSWER
    while True:
        answer["Reason"] = _cut(failure or "See the output and the log.", longest)
        answer["Data"] = {"Report": _cut(summary, longest // 2)}
        body = json.dumps(answer).encode()
        if len(body) <= LARGEST_ANSWER:
            return body
        longest = longest * 3 // 4


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
